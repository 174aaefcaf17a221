// SPDX-License-Identifier: Apache-2.0
// NetRole: handshake packets.  Whoever can send us datagrams can send these, so what reaches the control thread has shown a
// cookie, or belongs to an attempt of ours, or is one of few knocks; nothing is kept of the rest, and it is answered by no
// more bytes than came.
#include <algorithm>
#include <cstring>

#include "dataplane/lcore/net_role.h"

namespace dwcp {
namespace {

constexpr std::uint64_t kKnockSpacingNs = 100 * kNsPerMs;

}  // namespace

void NetRole::take_handshake(std::uint64_t now_ns, const inet::Datagram& datagram) noexcept {
  const auto drop = [this](wire::DropReason reason) { ++drops_[static_cast<std::size_t>(reason)]; };
  const std::span<const std::uint8_t> bytes(datagram.payload, datagram.payload_length);
  if (bytes.size() < sizeof(wire::HandshakeHeader)) return drop(wire::DropReason::kTruncated);
  if (bytes.size() > wire::kHandshakePacketBytesMax) return drop(wire::DropReason::kOversized);
  const auto& header = *reinterpret_cast<const wire::HandshakeHeader*>(bytes.data());
  if (header.length != bytes.size() - sizeof(header)) return drop(wire::DropReason::kBadHandshake);
  const auto peer = std::find(config_.peers.begin(), config_.peers.end(), datagram.source);
  if (peer == config_.peers.end()) return drop(wire::DropReason::kUnknownPeer);
  const auto index = static_cast<std::uint16_t>(peer - config_.peers.begin());
  Link& link = *links_[index];

  switch (static_cast<wire::HandshakeKind>(header.kind)) {
    case wire::HandshakeKind::kAsk:
      if (header.length != 0) return drop(wire::DropReason::kBadHandshake);
      return answer_with_cookie(now_ns, index, header);
    case wire::HandshakeKind::kInitiator:
      if (header.attempt == 0) return drop(wire::DropReason::kBadHandshake);
      if (!cookies_.check(cookie_subject(index), header.cookie)) {
        drop(wire::DropReason::kBadCookie);  // perhaps one of an old key
        return answer_with_cookie(now_ns, index, header);
      }
      return give_handshake(now_ns, index, bytes);
    case wire::HandshakeKind::kCookie:
    case wire::HandshakeKind::kResponder:
      if (header.attempt == 0 || header.attempt != link.attempt) return drop(wire::DropReason::kBadHandshake);
      return give_handshake(now_ns, index, bytes);
    case wire::HandshakeKind::kKnock:
      if (header.length != 0) return drop(wire::DropReason::kBadHandshake);
      if (now_ns < link.knock_due_ns) return drop(wire::DropReason::kTooMany);
      link.knock_due_ns = now_ns + kKnockSpacingNs;
      return give_handshake(now_ns, index, bytes);
  }
  drop(wire::DropReason::kBadHandshake);
}

// Those of one peer must neither keep control from the others nor fill the ring.
void NetRole::give_handshake(std::uint64_t now_ns, std::uint16_t index, std::span<const std::uint8_t> packet) noexcept {
  if (!links_[index]->handshakes.admit(now_ns)) {
    ++drops_[static_cast<std::size_t>(wire::DropReason::kTooMany)];
    return;
  }
  if (control_.to_control.size() >= ControlNetRings::kHandshakesMax) {
    ++control_full_;  // its sender repeats it
    ++drops_[static_cast<std::size_t>(wire::DropReason::kTooMany)];
    return;
  }
  NetToControl message{.kind = NetToControlKind::kHandshake, .lane = index};
  message.packet.assign(packet);
  tell_control(message);
}

// What a cookie is bound to: the peer's address and port.
std::array<std::uint8_t, CookieJar::kSubjectBytes> NetRole::cookie_subject(std::uint16_t index) const noexcept {
  const inet::SocketAddress& peer = config_.peers[index];
  std::array<std::uint8_t, CookieJar::kSubjectBytes> subject{};
  std::memcpy(subject.data(), peer.ip.bytes.data(), peer.ip.bytes.size());
  std::memcpy(subject.data() + peer.ip.bytes.size(), &peer.port, sizeof(peer.port));
  return subject;
}

void NetRole::answer_with_cookie(std::uint64_t now_ns, std::uint16_t index, const wire::HandshakeHeader& asked) noexcept {
  if (!cookies_.ready()) return;  // control has not given a key yet
  if (!links_[index]->cookies.admit(now_ns)) {
    ++drops_[static_cast<std::size_t>(wire::DropReason::kTooMany)];
    return;
  }
  wire::HandshakeHeader answer{};
  answer.type = wire::type_byte(wire::PacketType::kHandshake);
  answer.kind = static_cast<std::uint8_t>(wire::HandshakeKind::kCookie);
  answer.attempt = asked.attempt;
  answer.cookie = cookies_.make(cookie_subject(index));
  send_handshake(index, {reinterpret_cast<const std::uint8_t*>(&answer), sizeof(answer)});
}

void NetRole::send_handshake(std::uint16_t index, std::span<const std::uint8_t> packet) noexcept {
  const auto& out = *reinterpret_cast<const wire::HandshakeHeader*>(packet.data());
  const auto kind = static_cast<wire::HandshakeKind>(out.kind);
  if (kind == wire::HandshakeKind::kAsk || kind == wire::HandshakeKind::kInitiator) links_[index]->attempt = out.attempt;
  const inet::SocketAddress& peer = config_.peers[index];
  const inet::NextHop hop = host_.lookup(peer.ip);
  const auto buffers = tx_buffers();
  if (hop.state != inet::NextHop::State::kResolved || buffers.empty()) return;  // it will be said again
  inet::UdpTemplate header(config_.host.mac, config_.host.vlan, {host_.source_for(peer.ip), config_.udp_port}, peer);
  header.set_destination_mac(hop.mac);
  TxPacket& buffer = buffers.front();
  std::memcpy(buffer.data + header.size(), packet.data(), packet.size());
  buffer.length = static_cast<std::uint32_t>(header.size() + packet.size());
  buffer.offload = false;
  header.write(buffer.data, static_cast<std::uint16_t>(packet.size()), 0, checksum_mode_);
  if (checksum_mode_ == inet::ChecksumMode::kOffload) header.describe(buffer);
  tx_send(1);
}

}  // namespace dwcp
