// SPDX-License-Identifier: Apache-2.0
// Attempt: one handshake with a peer, in either role: TLS and the stream it goes over, with their limits in time.  What a
// finished one means for the link is peer_link.h's to say.  Sans-IO; the control thread's.
//
//   initiator   kAsking ── cookie ─▶ kRunning ── TLS done ─▶ kDone
//   responder                        kRunning ── TLS done ─▶ kDone
//                                       └── TLS failed ─▶ kFailed
//
// kDone and kFailed stay for a while: the last flight, or the alert, may be lost and is to go again.
#pragma once

#include <cstdint>
#include <memory>

#include "control/handshake/handshake_stream.h"
#include "control/handshake/link_params.h"
#include "control/handshake/tls.h"

namespace dwcp {

enum class AttemptPhase : std::uint8_t {
  kAsking,   // for a cookie; there is no TLS yet
  kRunning,  // TLS
  kDone,     // keys were handed on
  kFailed,
};

class Attempt {
 public:
  using Send = HandshakeStream::Send;

  static constexpr std::uint64_t kLifeNs = 10 * kNsPerSec;
  // A cookie may go bad once or twice in the life of an attempt; more are somebody's who wants us to repeat ourselves.
  static constexpr std::uint32_t kCookiesMax = 8;

  // One that asks.
  Attempt(std::uint64_t now_ns, std::uint64_t number) noexcept : number_(number), deadline_ns_(now_ns + kLifeNs) {}
  // One that answers; set_tls() follows.
  [[nodiscard]] static std::unique_ptr<Attempt> answering(std::uint64_t now_ns, std::uint64_t number);

  // Initiator: TLS begins, offering `offer`.
  void talk(std::unique_ptr<Tls> tls, const wire::HandshakeParams& offer, const wire::Cookie& cookie, std::uint64_t rtt_ns);
  void set_tls(std::unique_ptr<Tls> tls) noexcept { tls_ = std::move(tls); }
  // Initiator: another cookie, since ours is not good any more.  False: there were too many.
  [[nodiscard]] bool renew_cookie(const wire::Cookie& cookie) noexcept;

  // Gives TLS what has come in order.  False: the packet contradicts its limits.
  [[nodiscard]] bool receive(std::uint64_t now_ns, const HandshakeView& packet);
  // Sends what TLS has to say, what was lost, and what is to be acknowledged.
  void transmit(std::uint64_t now_ns, const Send& send);

  // Keys were handed on: what is left must happen within another kLifeNs.
  void done(std::uint64_t now_ns) noexcept { phase_ = AttemptPhase::kDone, deadline_ns_ = now_ns + kLifeNs; }
  // `speak`: TLS has an alert to send.  Otherwise what TLS would send is dropped.
  void fail(bool speak) noexcept;

  [[nodiscard]] bool initiator() const noexcept { return initiator_; }
  [[nodiscard]] AttemptPhase phase() const noexcept { return phase_; }
  [[nodiscard]] std::uint64_t number() const noexcept { return number_; }
  // In the making: neither done nor failed.
  [[nodiscard]] bool open() const noexcept { return phase_ == AttemptPhase::kAsking || phase_ == AttemptPhase::kRunning; }
  [[nodiscard]] bool done() const noexcept { return phase_ == AttemptPhase::kDone; }
  [[nodiscard]] std::uint64_t deadline_ns() const noexcept { return deadline_ns_; }
  [[nodiscard]] std::uint64_t done_ns() const noexcept { return deadline_ns_ - kLifeNs; }  // valid when done()
  [[nodiscard]] Tls* tls() noexcept { return tls_.get(); }
  [[nodiscard]] const wire::HandshakeParams& offer() const noexcept { return offer_; }
  [[nodiscard]] std::size_t bytes_held() const noexcept { return stream_ ? stream_->bytes_held() : 0; }

  // The responder's; what TLS was answered with.
  Agreed agreed;

 private:
  bool initiator_ = true;
  AttemptPhase phase_ = AttemptPhase::kAsking;
  bool mute_ = false;
  std::uint32_t cookies_ = 0;
  std::uint64_t number_;
  std::uint64_t deadline_ns_;
  wire::Cookie cookie_{};
  wire::HandshakeParams offer_{};
  std::unique_ptr<Tls> tls_;
  std::unique_ptr<HandshakeStream> stream_;
};

}  // namespace dwcp
