// SPDX-License-Identifier: Apache-2.0
// PeerLink: the peer's attempts.
#include <algorithm>

#include "control/handshake/peer_link.h"

namespace dwcp {

void PeerLink::on_initiator(std::uint64_t now_ns, const HandshakeView& packet) {
  if (responder_ == nullptr || responder_->number() != packet.header->attempt) {
    if (!answer(now_ns, packet)) return;
  } else if (responder_->open() && starting_ != 0) {
    return refuse(HandshakeRefusal::kBusy);
  }
  if (!responder_->receive(now_ns, packet)) return refuse(HandshakeRefusal::kMalformed);
  advance(now_ns, *responder_);
}

// A new attempt takes the place of the last one, in whatever state that is: the peer has one at a time.
bool PeerLink::answer(std::uint64_t now_ns, const HandshakeView& packet) {
  const std::uint64_t number = packet.header->attempt;
  const auto no = [this](HandshakeRefusal reason) { return refuse(reason), false; };
  if (number == 0) return no(HandshakeRefusal::kMalformed);
  if (std::find(over_.begin(), over_.end(), number) != over_.end()) return no(HandshakeRefusal::kOldAttempt);
  if (packet.header->offset != 0 || packet.data.empty()) return no(HandshakeRefusal::kUnknownAttempt);
  if (starting_ != 0 || (leader_ && unproven())) return no(HandshakeRefusal::kBusy);
  if (answered_ns_ != 0 && now_ns < answered_ns_ + kAnswerSpacingNs) return no(HandshakeRefusal::kTooMany);
  if (responder_ != nullptr && responder_->open()) ++counters_.failed;
  end_responder();
  answered_ns_ = now_ns;
  ++counters_.attempts;
  responder_ = Attempt::answering(now_ns, number);
  Attempt* const attempt = responder_.get();  // outlives its TLS
  responder_->set_tls(tls_.respond(
      lane_, [this, attempt](std::span<const std::uint8_t> theirs) -> expected<std::vector<std::uint8_t>, std::string> {
        const auto answered = answer_params(config_.offer, running_, draw_session(), theirs);
        if (!answered) return unexpected<std::string>(answered.error());
        attempt->agreed = answered->agreed;
        const auto* bytes = reinterpret_cast<const std::uint8_t*>(&answered->params);
        return std::vector<std::uint8_t>(bytes, bytes + sizeof(answered->params));
      }));
  if (responder_->tls() != nullptr) return true;
  fail(now_ns, *responder_, "TLS could not answer a handshake");
  end_responder();
  return false;
}

void PeerLink::end_responder() {
  if (responder_ == nullptr) return;
  over_[over_next_] = responder_->number();
  over_next_ = (over_next_ + 1) % over_.size();
  responder_.reset();
}

}  // namespace dwcp
