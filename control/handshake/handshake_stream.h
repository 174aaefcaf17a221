// SPDX-License-Identifier: Apache-2.0
// HandshakeStream: the two byte streams of one handshake attempt, ours out and the peer's in, made reliable over handshake
// packets (dataplane/wire/handshake.h).  Sans-IO; the control thread's.
//
// Use:
//   stream.write(bytes of TLS)                    false: more than a stream may hold
//   stream.receive(now, packet)                   then tls.receive(stream.read())
//   stream.transmit(now, send)                    after each of these, and at deadline_ns()
//
// Invariants
//  1. A stream is at most kHandshakeStreamBytesMax long, so what a peer can make us hold is bounded; holes are at most
//     kHolesMax, and what would make one more is dropped, to be repaired.
//  2. Bytes that came are never replaced by others for the same place.  Nothing here is authenticated: TLS says what is true.
//  3. A packet is answered by at most one packet that only acknowledges.  Data goes out when written, when acknowledged data
//     makes room in the window, and by the timer; so echoes of echoes cannot arise.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "base/interval_set.h"
#include "base/time.h"
#include "dataplane/wire/handshake.h"

namespace dwcp {

// Of a packet that is whole: header.length is what follows it.
struct HandshakeView {
  const wire::HandshakeHeader* header = nullptr;
  std::span<const std::uint8_t> data;
};

class HandshakeStream {
 public:
  using Send = std::function<void(std::span<const std::uint8_t> packet)>;

  // RFC 6928's initial window; a handshake is hardly longer.
  static constexpr std::uint32_t kWindowBytes = 10 * static_cast<std::uint32_t>(wire::kHandshakeDataMax);
  static constexpr std::uint64_t kRtoUnknownNs = 250 * kNsPerMs;
  static constexpr std::uint64_t kRtoMinNs = 50 * kNsPerMs;
  static constexpr std::uint64_t kRtoMaxNs = 2 * kNsPerSec;
  static constexpr std::size_t kHolesMax = 16;

  // `kind`: of the packets we send, kInitiator or kResponder.  `rtt_ns`: of the path, 0 = not known.
  HandshakeStream(wire::HandshakeKind kind, std::uint64_t attempt, std::uint64_t rtt_ns) noexcept;

  // Shown in every packet from now on; what was sent and is not acknowledged goes again.
  void set_cookie(const wire::Cookie& cookie) noexcept;

  [[nodiscard]] bool write(std::span<const std::uint8_t> bytes);
  // False: it contradicts the limits or acknowledges what was not sent; nothing changed.
  [[nodiscard]] bool receive(std::uint64_t now_ns, const HandshakeView& packet);
  // What has come in order since the last call.  Valid until the next receive().
  [[nodiscard]] std::span<const std::uint8_t> read() noexcept;

  void transmit(std::uint64_t now_ns, const Send& send);
  [[nodiscard]] std::uint64_t deadline_ns() const noexcept { return deadline_ns_; }

  [[nodiscard]] bool all_acked() const noexcept { return acked_ == out_.size(); }
  [[nodiscard]] std::size_t bytes_held() const noexcept { return out_.capacity() + in_.capacity(); }

 private:
  void send_packet(std::uint32_t offset, std::uint32_t bytes, const Send& send);

  wire::HandshakeKind kind_;
  std::uint64_t attempt_;
  wire::Cookie cookie_{};

  std::vector<std::uint8_t> out_;
  std::uint32_t acked_ = 0;      // of out_, by the peer
  std::uint32_t next_ = 0;       // of out_, to send; goes back to acked_ when the timer runs out
  std::uint32_t sent_most_ = 0;  // next_ at its furthest: what may be acknowledged

  std::vector<std::uint8_t> in_;
  IntervalSet<std::uint32_t, kHolesMax> came_;  // of in_
  std::uint32_t in_order_ = 0;                  // of in_, without a hole
  std::uint32_t read_ = 0;
  bool ack_due_ = false;

  std::uint64_t rto_first_ns_;
  std::uint64_t rto_ns_;
  std::uint64_t deadline_ns_ = kNever;
};

}  // namespace dwcp
