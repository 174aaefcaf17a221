// SPDX-License-Identifier: Apache-2.0
// PeerLink: what a handshake that is over means for the link.
#include "control/handshake/peer_link.h"
#include "control/handshake/session_secrets.h"

namespace dwcp {

// TLS was given something.  Keys are handed on before anything is sent: the peer answers our last flight with packets under
// them.
void PeerLink::advance(std::uint64_t now_ns, Attempt& attempt) {
  const TlsState state = attempt.tls()->state();
  if (attempt.phase() == AttemptPhase::kRunning && state == TlsState::kDone) {
    complete(now_ns, attempt);
  } else if (attempt.phase() == AttemptPhase::kRunning && state == TlsState::kFailed) {
    fail(now_ns, attempt, attempt.tls()->failure());
    attempt.fail(true);
  } else if (attempt.done() && state == TlsState::kFailed) {
    refused_after_all(now_ns, attempt);
  }
  attempt.transmit(now_ns, send_);
}

void PeerLink::complete(std::uint64_t now_ns, Attempt& attempt) {
  Tls& tls = *attempt.tls();
  expected<Agreed, std::string> agreed = attempt.agreed;
  if (attempt.initiator()) agreed = accept_params(config_.offer, attempt.offer(), running_, tls.peer_params());
  std::string why;
  if (tls.peer().name != config_.peers[lane_]) {
    why = "the peer proved to be another than the one configured";
  } else if (!agreed) {
    why = agreed.error();
  } else if (!install(now_ns, attempt, *agreed)) {
    why = "the session ended before it had its new keys";
  }
  if (!why.empty()) {
    // The peer must not take for finished what is not: our last flight is kept back.
    fail(now_ns, attempt, std::move(why));
    return attempt.fail(false);
  }
  attempt.done(now_ns);
  peer_ = tls.peer();
  handshake_ns_ = now_ns;
  ++counters_.completed;
  counters_.resumed += peer_.resumed;
  yield_others(attempt);
}

bool PeerLink::install(std::uint64_t now_ns, Attempt& attempt, const Agreed& agreed) {
  if (agreed.rekey && (running_.local != agreed.session.local_session || agreed.epoch <= running_.sure_epoch)) return false;
  EpochSecrets secrets;
  if (!export_secrets(*attempt.tls(), attempt.initiator(), 0, agreed.epoch, agreed.cipher, secrets)) return false;
  secrets.send_at_once = !attempt.initiator();
  cipher_ = agreed.cipher;
  renew_ = false;
  if (attempt.initiator()) {
    initiator_proven_ = false;
    initiator_session_ = agreed.session.local_session;
    initiator_epoch_ = agreed.epoch;
  } else {
    failures_ = 0;
  }
  if (agreed.rekey) {
    ++counters_.rekeys;
    if (!attempt.initiator()) {
      running_.sure_epoch = agreed.epoch;
      epoch_since_ns_ = now_ns;
      worn_ = false;
    }
    out_.rekey(lane_, running_.local, secrets);
    return true;
  }
  LaneSession session = agreed.session;
  session.opens_odd_flows = attempt.initiator();
  session.seed = out_.random();
  if (out_.recall) session.resume = out_.recall(now_ns, lane_);
  running_ = {.local = session.local_session, .remote = session.remote_session, .sure_epoch = 0};
  starting_ = session.local_session;
  state_ = LinkState::kStarting;
  since_ns_ = epoch_since_ns_ = now_ns;
  begun_by_us_ = attempt.initiator();
  confirmed_ = worn_ = false;
  confirm_by_ns_ = kNever;  // until the net lcore has begun it
  out_.start(lane_, session, secrets);
  return true;
}

// Two handshakes crossed; see the top of peer_link.h.
void PeerLink::yield_others(Attempt& finished) {
  knocked_ = false;
  if (finished.initiator()) {
    if (!leader_ || responder_ == nullptr || !responder_->open()) return;
    ++counters_.failed;
    return end_responder();
  }
  if (initiator_ == nullptr || (!initiator_->open() && !unproven())) return;
  ++counters_.failed;
  initiator_.reset();
}

// The peer refuses us although we have finished: it does not take our certificate.
void PeerLink::refused_after_all(std::uint64_t now_ns, Attempt& attempt) {
  const bool proven = !attempt.initiator() || initiator_proven_;
  if (!proven) fail(now_ns, attempt, attempt.tls()->failure());
  attempt.fail(false);
  if (!proven && !confirmed_ && initiator_session_ == running_.local && running_.local != 0) stop_session(now_ns);
}

}  // namespace dwcp
