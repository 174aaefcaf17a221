// SPDX-License-Identifier: Apache-2.0
// PeerLink: our own attempts, and the knocks that bring them about.
#include <cstring>

#include "control/handshake/peer_link.h"
#include "dataplane/wire/packet.h"

namespace dwcp {

void PeerLink::seek(std::uint64_t now_ns) {
  if (starting_ != 0) return;
  if (running_.local != 0 && !knocked_ && !rekey_due(now_ns)) return;
  if (initiator_ != nullptr && initiator_->open()) return;
  if (leader_ || knocked_) {
    if (now_ns < next_attempt_ns_ || (unproven() && !knocked_)) return;
    return begin(now_ns);
  }
  if (now_ns < next_knock_ns_ || (responder_ != nullptr && responder_->open())) return;
  next_knock_ns_ = now_ns + kKnockNs;
  say(wire::HandshakeKind::kKnock, 0);
}

void PeerLink::begin(std::uint64_t now_ns) {
  std::uint64_t number = 0;
  while (number == 0) number = out_.random();
  initiator_ = std::make_unique<Attempt>(now_ns, number);
  ++counters_.attempts;
  knocked_ = false;
  first_ask_ns_ = 0;
  if (now_ns < cookie_until_ns_) return talk(now_ns, cookie_);
  // Attempts that none answers go on at the pace the last one had come to.
  if (asks_ == 0) next_ask_ns_ = now_ns;
}

void PeerLink::ask(std::uint64_t now_ns) {
  if (now_ns < next_ask_ns_) return;
  if (first_ask_ns_ == 0) first_ask_ns_ = now_ns;
  next_ask_ns_ = now_ns + (++asks_ < kQuickAsks ? kAskNs : kAskSlowNs);
  say(wire::HandshakeKind::kAsk, initiator_->number());
}

// Packets that are a header alone.
void PeerLink::say(wire::HandshakeKind kind, std::uint64_t attempt) {
  wire::HandshakeHeader header{};
  header.type = wire::type_byte(wire::PacketType::kHandshake);
  header.kind = static_cast<std::uint8_t>(kind);
  header.attempt = attempt;
  send_({reinterpret_cast<const std::uint8_t*>(&header), sizeof(header)});
}

void PeerLink::on_cookie(std::uint64_t now_ns, const HandshakeView& packet) {
  if (initiator_ == nullptr || initiator_->number() != packet.header->attempt || initiator_->phase() == AttemptPhase::kFailed) {
    return refuse(HandshakeRefusal::kUnknownAttempt);
  }
  const wire::Cookie cookie = packet.header->cookie;
  if (initiator_->phase() != AttemptPhase::kAsking) {
    // What we showed is of a key that is no more: the peer has restarted, or time went by.
    if (!initiator_->renew_cookie(cookie)) return refuse(HandshakeRefusal::kTooMany);
    cookie_ = cookie;
    cookie_until_ns_ = now_ns + kCookieLifeNs;
    return initiator_->transmit(now_ns, send_);
  }
  // From the first ask: too long where that was lost, never too short.
  rtt_ns_ = first_ask_ns_ != 0 ? now_ns - first_ask_ns_ : 0;
  asks_ = 0;
  cookie_ = cookie;
  cookie_until_ns_ = now_ns + kCookieLifeNs;
  talk(now_ns, cookie);
}

void PeerLink::talk(std::uint64_t now_ns, const wire::Cookie& cookie) {
  const wire::HandshakeParams offer = offer_params(config_.offer, running_, draw_session());
  std::unique_ptr<Tls> tls = tls_.initiate(lane_, {reinterpret_cast<const std::uint8_t*>(&offer), sizeof(offer)});
  if (tls == nullptr) {
    fail(now_ns, *initiator_, "TLS could not begin a handshake");
    initiator_.reset();
    return;
  }
  if (tls->state() == TlsState::kFailed) {
    fail(now_ns, *initiator_, tls->failure());
    initiator_.reset();
    return;
  }
  initiator_->talk(std::move(tls), offer, cookie, rtt_ns_);
  initiator_->transmit(now_ns, send_);
}

void PeerLink::on_answer(std::uint64_t now_ns, const HandshakeView& packet) {
  if (initiator_ == nullptr || initiator_->number() != packet.header->attempt || initiator_->phase() == AttemptPhase::kAsking) {
    return refuse(HandshakeRefusal::kUnknownAttempt);
  }
  if (!initiator_->receive(now_ns, packet)) return refuse(HandshakeRefusal::kMalformed);
  advance(now_ns, *initiator_);
}

// Anyone can knock in the peer's name, so it is believed only as far as a handshake goes: that tells whether the peer has lost
// its session.
void PeerLink::on_knock(std::uint64_t now_ns) {
  if (initiator_ != nullptr && initiator_->open()) return;
  if (unproven()) {
    if (now_ns < initiator_->done_ns() + kUnfinishedNs) return refuse(HandshakeRefusal::kBusy);
  } else if (running_.local != 0 && now_ns < handshake_ns_ + kKnockedAgainNs) {
    return refuse(HandshakeRefusal::kTooMany);
  }
  knocked_ = true;
}

}  // namespace dwcp
