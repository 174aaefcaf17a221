// SPDX-License-Identifier: Apache-2.0
#include "control/handshake/handshake_stream.h"

#include <algorithm>
#include <cstring>

#include "base/assert.h"
#include "dataplane/wire/packet.h"

namespace dwcp {

// What a round trip does not hold: the peer's control thread looks at its ring every 5 ms, and signs.
static constexpr std::uint64_t kPeerWorksNs = 50 * kNsPerMs;

HandshakeStream::HandshakeStream(wire::HandshakeKind kind, std::uint64_t attempt, std::uint64_t rtt_ns) noexcept
    : kind_(kind), attempt_(attempt) {
  const std::uint64_t rtt = std::min(rtt_ns, kRtoMaxNs);
  rto_first_ns_ = rtt == 0 ? kRtoUnknownNs : std::clamp(rtt + rtt / 2 + kPeerWorksNs, kRtoMinNs, kRtoMaxNs);
  rto_ns_ = rto_first_ns_;
}

void HandshakeStream::set_cookie(const wire::Cookie& cookie) noexcept {
  cookie_ = cookie;
  next_ = acked_;
}

bool HandshakeStream::write(std::span<const std::uint8_t> bytes) {
  if (bytes.size() > wire::kHandshakeStreamBytesMax - out_.size()) return false;
  out_.insert(out_.end(), bytes.begin(), bytes.end());
  return true;
}

bool HandshakeStream::receive(std::uint64_t now_ns, const HandshakeView& packet) {
  const std::uint32_t ack = packet.header->ack;
  const std::uint32_t begin = packet.header->offset;
  const auto bytes = static_cast<std::uint32_t>(packet.data.size());
  if (ack > sent_most_) return false;
  if (begin > wire::kHandshakeStreamBytesMax || bytes > wire::kHandshakeStreamBytesMax - begin) return false;
  if (ack > acked_) {
    acked_ = ack;
    next_ = std::max(next_, acked_);
    rto_ns_ = rto_first_ns_;
    deadline_ns_ = next_ > acked_ ? now_ns + rto_ns_ : kNever;
  }
  if (bytes == 0) return true;
  ack_due_ = true;  // also of what came before: that acknowledgement may have been lost
  const std::uint32_t end = begin + bytes;
  // The holes this fills, before it is noted that they are filled.
  auto before = came_;
  std::uint32_t added = 0;
  if (came_.insert(begin, end, added) != decltype(came_)::Inserted::kSome) return true;
  if (in_.size() < end) in_.resize(end);
  for (std::uint32_t at = begin; at < end;) {
    const auto hole = before.first_hole(at, end);
    if (hole.begin == hole.end) break;
    std::memcpy(in_.data() + hole.begin, packet.data.data() + (hole.begin - begin), hole.end - hole.begin);
    at = hole.end;
  }
  const auto first = came_.intervals().front();
  if (first.begin == 0) in_order_ = first.end;
  return true;
}

std::span<const std::uint8_t> HandshakeStream::read() noexcept {
  const std::span<const std::uint8_t> fresh(in_.data() + read_, in_order_ - read_);
  read_ = in_order_;
  return fresh;
}

void HandshakeStream::transmit(std::uint64_t now_ns, const Send& send) {
  if (now_ns >= deadline_ns_) {
    next_ = acked_;
    rto_ns_ = std::min(2 * rto_ns_, kRtoMaxNs);
  }
  const auto window_end = std::min(static_cast<std::uint32_t>(out_.size()), acked_ + kWindowBytes);
  const bool sends = next_ < window_end;
  while (next_ < window_end) {
    const auto bytes = std::min(window_end - next_, static_cast<std::uint32_t>(wire::kHandshakeDataMax));
    send_packet(next_, bytes, send);
    next_ += bytes;
  }
  sent_most_ = std::max(sent_most_, next_);
  if (sends) deadline_ns_ = now_ns + rto_ns_;
  if (ack_due_) send_packet(next_, 0, send);
}

void HandshakeStream::send_packet(std::uint32_t offset, std::uint32_t bytes, const Send& send) {
  std::array<std::uint8_t, wire::kHandshakePacketBytesMax> packet;
  auto& header = *new (packet.data()) wire::HandshakeHeader{};
  header.type = wire::type_byte(wire::PacketType::kHandshake);
  header.kind = static_cast<std::uint8_t>(kind_);
  header.length = static_cast<std::uint16_t>(bytes);
  header.attempt = attempt_;
  header.offset = offset;
  header.ack = in_order_;
  header.cookie = cookie_;
  if (bytes != 0) std::memcpy(packet.data() + sizeof(header), out_.data() + offset, bytes);
  ack_due_ = false;
  send(std::span(packet).first(sizeof(header) + bytes));
}

}  // namespace dwcp
