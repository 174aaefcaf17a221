// SPDX-License-Identifier: Apache-2.0
// NetRole: the way of a packet in.
#include <algorithm>
#include <cstring>

#include "dataplane/lcore/net_role.h"
#include "dataplane/wire/packet.h"

namespace dwcp {
namespace {

// Bursts taken in one step: enough to drain what a sleep let pile up, few enough that timers and pacing do not wait.
constexpr std::size_t kBurstsPerStep = 4;

}  // namespace

std::size_t NetRole::receive(std::uint64_t& now_ns) noexcept {
  std::size_t total = 0;
  for (std::size_t burst = 0; burst < kBurstsPerStep; ++burst) {
    const std::size_t n = queue_.receive(rx_);
    if (n != 0 && config_.clock) now_ns = config_.clock();
    for (std::size_t i = 0; i < n; ++i) {
      const inet::Parsed parsed = parser_.parse(rx_[i]);
      switch (parsed.kind) {
        case inet::Parsed::Kind::kUdp:
          take_datagram(now_ns, parsed.datagram);
          break;
        case inet::Parsed::Kind::kArp:
        case inet::Parsed::Kind::kIcmp:
        case inet::Parsed::Kind::kNeighbour: {
          inet::TxBatch out(tx_buffers());
          if (const auto report = host_.on_frame(now_ns, rx_[i], out)) take_path_mtu(now_ns, *report);
          if (out.size() != 0) tx_send(out.size());
          break;
        }
        case inet::Parsed::Kind::kDrop:
          break;  // counted by the parser
      }
    }
    queue_.release(std::span(rx_).first(n));
    total += n;
    if (n < rx_.size()) break;
  }
  return total;
}

// A router's word counts for the one stream whose addresses and ports it quotes (RFC 8899 §4.6.1): streams may go different
// ways, and who forges must know them all.
void NetRole::take_path_mtu(std::uint64_t now_ns, const inet::PathMtuReport& report) noexcept {
  for (std::size_t i = 0; i < links_.size(); ++i) {
    Link& link = *links_[i];
    if (!link.lane.active() || config_.peers[i] != report.remote) continue;
    for (std::size_t stream = 0; stream < link.headers.size(); ++stream) {
      if (link.lane.streams()[stream]->state() == StreamState::kIdle) continue;
      if (source_port(link.lane.session().local_session, stream, link.paths[stream]) != report.local.port) continue;
      return link.lane.on_mtu_report(now_ns, static_cast<StreamId>(stream), link.headers[stream].payload_max(report.mtu));
    }
  }
  ++reports_untrusted_;
}

void NetRole::take_datagram(std::uint64_t now_ns, const inet::Datagram& datagram) noexcept {
  const auto drop = [this](wire::DropReason reason) { ++drops_[static_cast<std::size_t>(reason)]; };
  const std::span<const std::uint8_t> bytes(datagram.payload, datagram.payload_length);
  if (bytes.empty()) return drop(wire::DropReason::kTruncated);
  if (wire::version_of(bytes.front()) != wire::kVersion) return drop(wire::DropReason::kWrongVersion);

  switch (static_cast<wire::PacketType>(wire::type_of(bytes.front()))) {
    case wire::PacketType::kHello: {
      if (bytes.size() < kHelloBytes) return drop(wire::DropReason::kTruncated);
      if (bytes.size() > kHelloBytes) return drop(wire::DropReason::kOversized);
      const auto peer = std::find(config_.peers.begin(), config_.peers.end(), datagram.source);
      if (peer == config_.peers.end()) return drop(wire::DropReason::kUnknownPeer);
      if (!wire::unseal(bytes)) return drop(wire::DropReason::kBadSeal);
      NetToControl message{.kind = NetToControlKind::kHello,
                           .lane = static_cast<std::uint16_t>(peer - config_.peers.begin()),
                           .source = datagram.source};
      std::memcpy(message.hello.data(), bytes.data(), kHelloBytes);
      return tell_control(message);
    }
    case wire::PacketType::kData: {
      if (bytes.size() < sizeof(wire::PacketHeader) + wire::kSealBytes) return drop(wire::DropReason::kTruncated);
      const auto& header = *reinterpret_cast<const wire::PacketHeader*>(bytes.data());
      const std::uint32_t session = header.session;
      const std::size_t index = session % kLanesMax;
      if (index >= links_.size()) return drop(wire::DropReason::kWrongSession);
      Lane& lane = links_[index]->lane;
      if (!lane.active() || lane.session().local_session != session) return drop(wire::DropReason::kWrongSession);
      (void)lane.receive(now_ns, bytes, static_cast<Ecn>(datagram.ecn));  // counts its own drops
      return;
    }
  }
  drop(wire::DropReason::kUnknownType);
}

}  // namespace dwcp
