// SPDX-License-Identifier: Apache-2.0
#include "control/handshake/attempt.h"

namespace dwcp {

std::unique_ptr<Attempt> Attempt::answering(std::uint64_t now_ns, std::uint64_t number) {
  auto attempt = std::make_unique<Attempt>(now_ns, number);
  attempt->initiator_ = false;
  attempt->phase_ = AttemptPhase::kRunning;
  attempt->stream_ = std::make_unique<HandshakeStream>(wire::HandshakeKind::kResponder, number, 0);
  return attempt;
}

void Attempt::talk(std::unique_ptr<Tls> tls, const wire::HandshakeParams& offer, const wire::Cookie& cookie, std::uint64_t rtt_ns) {
  tls_ = std::move(tls);
  offer_ = offer;
  cookie_ = cookie;
  stream_ = std::make_unique<HandshakeStream>(wire::HandshakeKind::kInitiator, number_, rtt_ns);
  stream_->set_cookie(cookie);
  phase_ = AttemptPhase::kRunning;
}

bool Attempt::renew_cookie(const wire::Cookie& cookie) noexcept {
  if (cookie == cookie_) return true;
  if (++cookies_ > kCookiesMax) return false;
  cookie_ = cookie;
  stream_->set_cookie(cookie);
  return true;
}

bool Attempt::receive(std::uint64_t now_ns, const HandshakeView& packet) {
  if (!stream_->receive(now_ns, packet)) return false;
  const std::span<const std::uint8_t> fresh = stream_->read();
  if (!fresh.empty() && phase_ != AttemptPhase::kFailed && tls_->state() != TlsState::kFailed) tls_->receive(fresh);
  return true;
}

void Attempt::transmit(std::uint64_t now_ns, const Send& send) {
  if (stream_ == nullptr) return;
  if (!mute_ && tls_ != nullptr) {
    const std::vector<std::uint8_t> output = tls_->take_output();
    // More than a stream holds: the attempt cannot come to an end, and runs out of time.
    if (!output.empty() && !stream_->write(output)) mute_ = true;
  }
  stream_->transmit(now_ns, send);
}

void Attempt::fail(bool speak) noexcept {
  phase_ = AttemptPhase::kFailed;
  mute_ = mute_ || !speak;
}

}  // namespace dwcp
