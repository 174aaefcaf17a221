// SPDX-License-Identifier: Apache-2.0
// PeerLink: time, and the life of the session.
#include "control/handshake/peer_link.h"

#include <algorithm>
#include <cstring>

#include "dataplane/rings/control_message.h"
#include "dataplane/wire/packet.h"

namespace dwcp {

PeerLink::PeerLink(const PeerLinksConfig& config, std::uint16_t lane, TlsFactory& tls, const PeerLinksOut& out)
    : config_(config), out_(out), tls_(tls), lane_(lane), leader_(config.name < config.peers[lane]) {
  send_ = [this](std::span<const std::uint8_t> packet) { out_.send(lane_, packet); };
}

void PeerLink::on_time(std::uint64_t now_ns) {
  check_times(now_ns);
  seek(now_ns);
  if (initiator_ != nullptr && initiator_->phase() == AttemptPhase::kAsking) ask(now_ns);
  if (initiator_ != nullptr) initiator_->transmit(now_ns, send_);
  if (responder_ != nullptr) responder_->transmit(now_ns, send_);
}

void PeerLink::check_times(std::uint64_t now_ns) {
  if (initiator_ != nullptr && now_ns >= initiator_->deadline_ns()) {
    const bool asked_only = initiator_->phase() == AttemptPhase::kAsking;
    if (initiator_->open()) cookie_until_ns_ = 0;
    if (asked_only) {
      // Asking on costs little, and nobody refused us.
      ++counters_.failed;
      failure_ = {"the peer does not answer", now_ns};
    } else if (initiator_->open()) {
      fail(now_ns, *initiator_, "the peer did not finish the handshake within 10 s");
    } else if (unproven() && initiator_epoch_ != 0) {
      fail(now_ns, *initiator_, "the peer did not take new keys into use within 10 s");
    }
    initiator_.reset();
  }
  if (responder_ != nullptr && now_ns >= responder_->deadline_ns()) {
    if (responder_->open()) fail(now_ns, *responder_, "the peer began a handshake and did not finish it within 10 s");
    end_responder();
  }
  if (now_ns >= confirm_by_ns_) {
    failure_ = {"nothing came from the peer under the keys of the session for 10 s", now_ns};
    stop_session(now_ns);
  }
}

void PeerLink::on_packet(std::uint64_t now_ns, std::span<const std::uint8_t> packet) {
  if (packet.size() < sizeof(wire::HandshakeHeader) || packet.size() > wire::kHandshakePacketBytesMax) {
    return refuse(HandshakeRefusal::kMalformed);
  }
  const HandshakeView view{.header = reinterpret_cast<const wire::HandshakeHeader*>(packet.data()),
                           .data = packet.subspan(sizeof(wire::HandshakeHeader))};
  if (view.header->type != wire::type_byte(wire::PacketType::kHandshake) || view.header->length != view.data.size()) {
    return refuse(HandshakeRefusal::kMalformed);
  }
  const auto kind = static_cast<wire::HandshakeKind>(view.header->kind);
  if (kind == wire::HandshakeKind::kInitiator) return on_initiator(now_ns, view);
  if (kind == wire::HandshakeKind::kResponder) return on_answer(now_ns, view);
  if (!view.data.empty()) return refuse(HandshakeRefusal::kMalformed);
  if (kind == wire::HandshakeKind::kCookie) return on_cookie(now_ns, view);
  if (kind == wire::HandshakeKind::kKnock) return on_knock(now_ns);
  refuse(HandshakeRefusal::kMalformed);  // kAsk is the net lcore's to answer
}

void PeerLink::on_started(std::uint64_t now_ns, std::uint32_t session) {
  if (starting_ == 0 || session != starting_) return;
  starting_ = 0;
  if (stop_starting_) {
    stop_starting_ = false;
    return out_.stop(lane_, EndReason::kLinkLost);
  }
  if (running_.local != session) return;
  if (!confirmed_) confirm_by_ns_ = now_ns + Attempt::kLifeNs;
  settle_state(now_ns);
}

void PeerLink::on_confirmed(std::uint64_t now_ns, std::uint32_t session, std::uint32_t epoch) {
  if (session == 0 || session != running_.local) return;
  confirmed_ = true;
  confirm_by_ns_ = kNever;
  if (session == initiator_session_ && epoch <= initiator_epoch_) {
    if (epoch > running_.sure_epoch) {
      running_.sure_epoch = epoch;
      epoch_since_ns_ = now_ns;
      worn_ = renew_;
    }
    if (epoch == initiator_epoch_) {
      initiator_proven_ = true;
      failures_ = 0;
    }
  }
  settle_state(now_ns);
}

void PeerLink::on_lost(std::uint64_t now_ns, std::uint32_t session) {
  // Of a session already replaced, or stopped by us: of no interest.
  if (session != 0 && session == running_.local) go_down(now_ns);
}

void PeerLink::on_usage(std::uint64_t now_ns, std::uint32_t session, std::uint64_t bytes) {
  if (session == 0 || session != running_.local || now_ns < epoch_since_ns_ + kUsageSettlesNs) return;
  if (bytes >= config_.rekey_bytes) worn_ = true;
}

void PeerLink::renew() noexcept { worn_ = renew_ = true; }

std::size_t PeerLink::bytes_held() const noexcept {
  return (initiator_ ? initiator_->bytes_held() : 0) + (responder_ ? responder_->bytes_held() : 0);
}

// The initiator can send nothing before the peer did: for it the link is up when it has been heard.
void PeerLink::settle_state(std::uint64_t now_ns) {
  if (running_.local == 0 || starting_ != 0 || state_ != LinkState::kStarting || (begun_by_us_ && !confirmed_)) return;
  state_ = LinkState::kUp;
  since_ns_ = now_ns;
}

void PeerLink::go_down(std::uint64_t now_ns) {
  running_ = {};
  state_ = LinkState::kDown;
  since_ns_ = now_ns;
  confirmed_ = false;
  confirm_by_ns_ = kNever;
  worn_ = renew_ = false;
  next_knock_ns_ = now_ns;
}

void PeerLink::end(std::uint64_t now_ns) {
  if (state_ != LinkState::kDown) stop_session(now_ns);
}

void PeerLink::stop_session(std::uint64_t now_ns) {
  if (starting_ != 0) {
    stop_starting_ = true;
  } else {
    out_.stop(lane_, EndReason::kLinkLost);
  }
  go_down(now_ns);
}

void PeerLink::fail(std::uint64_t now_ns, const Attempt& attempt, std::string text) {
  ++counters_.failed;
  failure_ = {std::move(text), now_ns};
  if (!attempt.initiator()) return;
  const std::uint64_t wait_ns = std::min(kBackoffNs << std::min(failures_, 16U), kBackoffMaxNs);
  ++failures_;
  // Three to five quarters: many gateways that lost one peer do not come back to it at the same moment.
  next_attempt_ns_ = now_ns + wait_ns * 3 / 4 + out_.random() % (wait_ns / 2);
}

bool PeerLink::rekey_due(std::uint64_t now_ns) const noexcept {
  return running_.local != 0 && (worn_ || now_ns >= epoch_since_ns_ + config_.rekey_ns);
}

// The low bits of a session number name its lane.
std::uint32_t PeerLink::draw_session() {
  std::uint32_t session = 0;
  do {
    session = static_cast<std::uint32_t>((out_.random() & 0xffffffffU) / kLanesMax * kLanesMax) + lane_;
  } while (session < kLanesMax || session == running_.local || session == starting_);
  return session;
}

}  // namespace dwcp
