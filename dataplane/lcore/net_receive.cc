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
          take_datagram(now_ns, rx_[i], parsed.datagram);
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
    open_packets(now_ns);
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

void NetRole::take_datagram(std::uint64_t now_ns, const RxPacket& packet, const inet::Datagram& datagram) noexcept {
  const auto drop = [this](wire::DropReason reason) { ++drops_[static_cast<std::size_t>(reason)]; };
  if (datagram.payload_length == 0) return drop(wire::DropReason::kTruncated);
  const std::uint8_t first = *datagram.payload;
  if (wire::version_of(first) != wire::kVersion) return drop(wire::DropReason::kWrongVersion);
  switch (static_cast<wire::PacketType>(wire::type_of(first))) {
    case wire::PacketType::kData: return take_data(packet, datagram);
    case wire::PacketType::kHandshake: return take_handshake(now_ns, datagram);
  }
  drop(wire::DropReason::kUnknownType);
}

// What passes every test but the seal waits for the rest of its burst.
void NetRole::take_data(const RxPacket& packet, const inet::Datagram& datagram) noexcept {
  const auto drop = [this](wire::DropReason reason) { ++drops_[static_cast<std::size_t>(reason)]; };
  const std::span<const std::uint8_t> bytes(datagram.payload, datagram.payload_length);
  if (bytes.size() < sizeof(wire::PacketHeader) + wire::kSealBytes) return drop(wire::DropReason::kTruncated);
  const auto& header = *reinterpret_cast<const wire::PacketHeader*>(bytes.data());
  const std::uint32_t session = header.session;
  const std::size_t index = session % kLanesMax;
  if (index >= links_.size()) return drop(wire::DropReason::kWrongSession);
  Link& link = *links_[index];
  if (!link.lane.active() || link.lane.session().local_session != session) return drop(wire::DropReason::kWrongSession);
  PacketNumber number = 0;
  if (link.lane.examine(bytes, number) != wire::DropReason::kNone) return;  // counted by the lane
  const std::uint8_t epoch_bits = wire::epoch_bits_of(header.stream);
  if (!link.keys.can_open(epoch_bits)) {
    link.lane.drop(wire::DropReason::kWrongEpoch);
    return;
  }
  openings_[opening_count_] = {
      .link = static_cast<std::uint16_t>(index), .ecn = static_cast<Ecn>(datagram.ecn), .epoch_bits = epoch_bits};
  sealed_[opening_count_] = {.data = packet.data + (datagram.payload - packet.data),  // the same place, to be written to
                             .bytes = static_cast<std::uint32_t>(bytes.size() - wire::kSealBytes),
                             .stream = wire::stream_of(header.stream),
                             .number = number};
  ++opening_count_;
}

// Opens what waits, in runs of one link and epoch, and hands up what is authentic.
void NetRole::open_packets(std::uint64_t now_ns) noexcept {
  for (std::size_t begin = 0; begin < opening_count_;) {
    const Opening& first = openings_[begin];
    std::size_t end = begin + 1;
    while (end < opening_count_ && openings_[end].link == first.link && openings_[end].epoch_bits == first.epoch_bits) ++end;
    Link& link = *links_[first.link];
    const std::uint32_t good = link.keys.open(now_ns, first.epoch_bits, std::span(sealed_).subspan(begin, end - begin));
    for (std::size_t i = begin; i < end; ++i) {
      if ((good >> (i - begin) & 1) == 0) {
        link.lane.drop(wire::DropReason::kBadSeal);
        continue;
      }
      const SealedPacket& packet = sealed_[i];
      (void)link.lane.receive(now_ns, {packet.data, packet.bytes + wire::kSealBytes}, packet.number, openings_[i].ecn);
    }
    begin = end;
  }
  opening_count_ = 0;
}

}  // namespace dwcp
