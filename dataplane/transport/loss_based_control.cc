// SPDX-License-Identifier: Apache-2.0
#include "dataplane/transport/loss_based_control.h"

namespace dwcp {
namespace {

// RFC 9002 §7.7 leaves the factor open but asks for one above 1, or the window would never be used up; twice while it doubles.
constexpr double kPacingGain = 1.25;
constexpr double kPacingGainSlowStart = 2;
// Before a round trip is known: the first window in a tenth of a second.
constexpr std::uint64_t kFirstWindowsPerSec = 10;
// Of its window a sender must have had in flight for the ACK to prove that the path carries it (RFC 9002 §7.8); pacing and
// the loops keep it from being all.
constexpr double kFullUse = 0.85;
constexpr double kFullUseSlowStart = 0.5;
// Of what the jump brought through, on leaving safe retreat; and while what is too much is being settled (draft §3.4).
constexpr double kRetreatBeta = 0.7;
constexpr double kRetreatWindow = 0.5;

}  // namespace

LossBasedControl::LossBasedControl(const LossBasedConfig& config) noexcept
    : config_(config), resume_(config.datagram_bytes, 0), window_(double{1} * config.initial_window_packets * config.datagram_bytes) {
  pacing_ = window_bytes() * kFirstWindowsPerSec;
  if (config.rate_max_bytes_per_sec != 0) pacing_ = std::min(pacing_, config.rate_max_bytes_per_sec);
  resume_.offer(config.resume, window_bytes());
}

const char* LossBasedControl::state_name() const noexcept {
  if (const char* phase = resume_.phase_name()) return phase;
  return slow_start() ? "slow_start" : "avoidance";
}

void LossBasedControl::on_ack(const AckSample& sample) noexcept {
  update_model(sample);
  resume_after_idle(sample);
  follow_resume(sample, resume_.on_ack(sample, min_rtt_ns_));
  if (sample.lost_bytes != 0) congestion_event(sample.now_ns, sample.lost_sent_ns, sample.lost_bytes);
  // RFC 9002 §7.1: a mark is one congestion event, as a loss is; but none that may turn out spurious.
  if (sample.ecn_ce_packets != 0) congestion_event(sample.now_ns, sample.acked_sent_ns, 1);
  grow(sample);
  set_pacing(sample.smoothed_rtt_ns);
}

void LossBasedControl::on_lost(const AckSample& sample) noexcept {
  resume_.on_lost(sample.lost_bytes);
  congestion_event(sample.now_ns, sample.lost_sent_ns, sample.lost_bytes);
}

void LossBasedControl::on_spurious_loss(std::uint64_t bytes, std::uint64_t sent_ns) noexcept {
  if (!epoch_.all_spurious(bytes, sent_ns)) return;
  window_ = std::max(window_, window_before_);
  threshold_ = threshold_before_;
  restore();
}

// RFC 9002 §7.6.2: the least window, and slow start up to where the path last was.
void LossBasedControl::on_persistent_congestion(std::uint64_t now_ns) noexcept {
  resume_.refute(now_ns);
  threshold_ = std::max(reduce(), window_min());
  window_ = window_min();
  hystart_ = HyStart{};
  epoch_.forget();
}

void LossBasedControl::congestion_event(std::uint64_t now_ns, std::uint64_t sent_ns, std::uint64_t lost_bytes) noexcept {
  if (epoch_.covers(sent_ns)) {
    epoch_.add(lost_bytes);
    return;
  }
  window_before_ = window_;
  threshold_before_ = threshold_;
  save();
  epoch_.begin(now_ns, lost_bytes);
  window_ = std::max(reduce(), window_min());
  threshold_ = window_;
}

void LossBasedControl::update_model(const AckSample& sample) noexcept {
  if (sample.acked_bytes != 0 && sample.packet_delivered_bytes >= round_end_delivered_) {
    round_end_delivered_ = sample.delivered_bytes;
    bandwidth_.begin_round(sample.app_limited);
  }
  if (sample.delivery_bytes_per_sec != 0) bandwidth_.add(sample.delivery_bytes_per_sec, sample.app_limited);
  if (sample.rtt_ns != 0 && (min_rtt_ns_ == 0 || sample.rtt_ns < min_rtt_ns_)) min_rtt_ns_ = sample.rtt_ns;
  if (!sample.app_limited || last_full_ns_ == 0) last_full_ns_ = sample.now_ns;
}

// RFC 9002 §7.8 lets a window not in use grow stale: what was right minutes ago is taken as a memory, not as a window.
void LossBasedControl::resume_after_idle(const AckSample& sample) noexcept {
  if (slow_start() || sample.in_flight_bytes != 0 || sample.now_ns < last_full_ns_ + CarefulResume::kIdleTrustNs) return;
  const ResumePoint known{.bandwidth_bytes_per_sec = bandwidth_.max(), .min_rtt_ns = min_rtt_ns_};
  last_full_ns_ = sample.now_ns;
  window_ = std::min(window_, window_initial());
  threshold_ = kUnlimited;
  hystart_ = HyStart{};
  resume_.offer(known, window_bytes());
}

void LossBasedControl::follow_resume(const AckSample& sample, ResumeEvent event) noexcept {
  const auto pipe = static_cast<double>(std::min(resume_.pipe_bytes(), resume_.jump_bytes()));
  if (resume_.jumping()) {
    grow_to(static_cast<double>(resume_.jump_bytes()));
    return;
  }
  if (event == ResumeEvent::kTrouble) {
    // All that is in flight is of one event, and the jump was no window to go back to.
    epoch_.begin(sample.now_ns, 0);
    bandwidth_.assume(resume_.pipe_bytes_per_sec(sample.now_ns));
  }
  if (resume_.retreating()) {
    window_ = threshold_ = std::max(kRetreatWindow * pipe, window_min());
    return;
  }
  // Out of safe retreat below what came through; out of a jump that held, with it.
  if (event == ResumeEvent::kSettled) window_ = std::max(kRetreatBeta * pipe, window_min());
  if (event == ResumeEvent::kSettled || event == ResumeEvent::kLastAcked) leave_slow_start();
}

void LossBasedControl::leave_slow_start() noexcept {
  threshold_ = window_;
  begin_avoidance();
}

bool LossBasedControl::in_full_use(const AckSample& sample) const noexcept {
  const std::uint64_t before = sample.in_flight_bytes + sample.acked_bytes + sample.lost_bytes;
  const auto most = static_cast<double>(std::max(before, sample.sent_in_flight_bytes));
  return most >= (slow_start() ? kFullUseSlowStart : kFullUse) * window_ - 2 * datagram();
}

void LossBasedControl::grow(const AckSample& sample) noexcept {
  if (sample.acked_bytes == 0 || resume_.jumping() || resume_.retreating()) return;
  const bool recovering = epoch_.covers(sample.acked_sent_ns);
  if (recovering || !in_full_use(sample)) {
    if (!slow_start()) rest(sample);
    return;
  }
  if (!slow_start()) return avoid(sample);
  const auto acked = static_cast<double>(sample.acked_bytes);
  switch (hystart_.on_ack(sample)) {
    case HyStart::Growth::kSlowStart: window_ += acked; break;
    case HyStart::Growth::kConservative: window_ += acked / HyStart::kGrowthDivisor; break;
    case HyStart::Growth::kLeave: leave_slow_start(); return;
  }
  if (!slow_start()) begin_avoidance();
}

void LossBasedControl::set_pacing(std::uint64_t smoothed_rtt_ns) noexcept {
  if (resume_.jumping()) {
    pacing_ = resume_.rate_bytes_per_sec();
  } else if (smoothed_rtt_ns != 0) {
    const double gain = slow_start() ? kPacingGainSlowStart : kPacingGain;
    pacing_ = static_cast<std::uint64_t>(gain * window_ * 1e9 / static_cast<double>(smoothed_rtt_ns));
  }
  if (config_.rate_max_bytes_per_sec != 0) pacing_ = std::min(pacing_, config_.rate_max_bytes_per_sec);
}

}  // namespace dwcp
