// SPDX-License-Identifier: Apache-2.0
#include "dataplane/transport/bbr.h"

#include <algorithm>
#include <array>

namespace dwcp {
namespace {

// 2/ln 2, rounded down: the least gain that doubles the rate each round (draft §2.4).
constexpr double kStartupGain = 2.77;
// Of the window per round trip: in a flight that doubles, the last packets go at 2 ln 2 of the mean.
constexpr double kStartupWindowGain = 1.4;
constexpr double kDrainGain = 0.5;
constexpr double kWindowGain = 2.0;
constexpr std::array<double, 8> kProbeGains = {1.25, 0.75, 1, 1, 1, 1, 1, 1};
constexpr std::size_t kLostRatePhases = 4;
constexpr std::size_t kProbeSeenPhase = 2;  // by its end all that the probe sent is acknowledged

constexpr std::uint32_t kStartupQueueSamples = 8;
constexpr std::uint64_t kStartupQueueMinNs = 4 * kNsPerMs;  // below, a busy host's own delays look like a queue
constexpr std::uint64_t kStartupQueueMaxNs = 16 * kNsPerMs;

// Of the quarter more that a probe sends, what must have arrived for the next to follow at once.
constexpr double kSearchGrowth = 1.1;
constexpr std::uint64_t kUnbounded = LossBound::kUnbounded;
constexpr double kMarkedBeta = 0.85;
constexpr std::uint64_t kDrainRttsMax = 4;  // the estimate may be too low for what is in flight ever to fit

constexpr double kFullPipeGrowth = 1.25;
constexpr std::uint32_t kFullPipeRounds = 3;

constexpr std::uint64_t kMinRttWindowNs = 10 * kNsPerSec;
constexpr std::uint64_t kSpellMinNs = 20 * kNsPerMs;  // shorter, a busy host's own pauses would look like a slow path

constexpr std::uint64_t kProbeRttNs = 200 * kNsPerMs;

// Loss beyond the ambient rate that counts as congestion: with a queue, and without one.
constexpr double kLossWithQueue = 0.02;
constexpr double kLossWithoutQueue = 0.15;
// Fewer lost packets than this in a round say nothing (draft §5.3.1.3, BBRStartupFullLossCnt).
constexpr std::uint64_t kLossPacketsMin = 6;

// Loss that a jump to a remembered rate may meet: above any ambient rate these links are used at, far below what a jump that
// is twice too far meets.
constexpr double kResumeLoss = 0.1;
// Of the remembered rate, when measured: the path is full, and start-up over.
constexpr double kResumedShare = 0.8;
// Of it, when measured by the probe that follows: the path has far more to give, and start-up goes on.
constexpr double kResumedGrowth = 1.15;

std::uint64_t scaled(double gain, std::uint64_t value) noexcept {
  return static_cast<std::uint64_t>(gain * static_cast<double>(value));
}

}  // namespace

Bbr::Bbr(const BbrConfig& config) noexcept
    : config_(config), loss_bound_(config.datagram_bytes), resume_(config.datagram_bytes, kResumeLoss) {
  phase_ = 2 + config.seed % 6;
  window_ = std::uint64_t{config.datagram_bytes} * config.initial_window_packets;
  pacing_ = config.rate_initial_bytes_per_sec;
  if (config.rate_max_bytes_per_sec != 0) pacing_ = std::min(pacing_, config.rate_max_bytes_per_sec);
  resume_.offer(config.resume, window_);
}

const char* Bbr::state_name() const noexcept {
  if (const char* phase = resume_.phase_name()) return phase;
  switch (state_) {
    case State::kStartup: return "startup";
    case State::kDrain: return "drain";
    case State::kProbeBw: return "probe_bw";
    case State::kProbeRtt: return "probe_rtt";
  }
  return "?";
}

std::uint64_t Bbr::bdp_bytes() const noexcept {
  if (min_rtt_ns_ == 0 || bandwidth() == 0) return std::uint64_t{config_.datagram_bytes} * config_.initial_window_packets;
  return static_cast<std::uint64_t>(static_cast<double>(bandwidth()) * static_cast<double>(min_rtt_ns_) * 1e-9);
}

// Room for what the loops and the peer's ACKs batch up: two milliseconds at the rate.
std::uint64_t Bbr::batch_bytes() const noexcept { return 3 * std::uint64_t{config_.datagram_bytes} + pacing_ / 500; }

std::uint64_t Bbr::initial_bdp_bytes() const noexcept {
  return static_cast<std::uint64_t>(static_cast<double>(config_.rate_initial_bytes_per_sec) * static_cast<double>(min_rtt_ns_) * 1e-9);
}

// Slow start: a delivery rate is known a round trip after it was sent, and in the first flight two; ACKs tell of room at once.
std::uint64_t Bbr::grown_in_startup(const AckSample& sample) const noexcept {
  const bool used = 2 * (sample.in_flight_bytes + sample.acked_bytes + sample.lost_bytes) >= window_;
  return used ? window_ + sample.acked_bytes : window_;
}

// What a probe of ours met is over when it is drained; marks at other times say that the model's product is too much.
std::uint64_t Bbr::ecn_bound_least() const noexcept {
  const bool probed = state_ == State::kProbeBw && phase_ <= 2;  // its marks come a round trip later
  return std::max(probed ? bdp_bytes() + batch_bytes() : scaled(kMarkedBeta, bdp_bytes()), window_min());
}

bool Bbr::round_has_queue() const noexcept {
  return round_min_rtt_ns_ != kNever && round_min_rtt_ns_ > min_rtt_ns_ + std::max(min_rtt_ns_ / 8, kNsPerMs);
}

void Bbr::on_ack(const AckSample& sample) noexcept {
  ecn_.on_ack(sample.ecn_ce_packets, sample.ecn_acked_packets);
  update_round(sample);
  update_bandwidth(sample);
  update_extra_acked(sample);
  check_longer_path(sample);
  update_min_rtt(sample);
  resume_after_idle(sample);
  follow_resume(sample);
  if (round_start_) end_round(sample);
  check_startup_queue(sample);
  check_fallen_rate(sample);
  if (full_pipe_) tell_loss_bound(sample);
  if (sample.rtt_ns != 0) last_ = sample;
  advance_state(sample);
  set_window_and_pacing(sample);
}

void Bbr::on_lost(const AckSample& sample) noexcept {
  round_lost_ += sample.lost_bytes;
  resume_.on_lost(sample.lost_bytes);
  // Behind what queue they were lost, the last ACK told.
  AckSample judged = last_;
  judged.now_ns = sample.now_ns;
  judged.acked_bytes = 0;
  judged.lost_bytes = sample.lost_bytes;
  judged.in_flight_bytes = sample.in_flight_bytes;
  if (full_pipe_ && judged.rtt_ns != 0) tell_loss_bound(judged);
}

void Bbr::on_spurious_loss(std::uint64_t bytes, std::uint64_t) noexcept {
  round_lost_ -= std::min(round_lost_, bytes);
  loss_bound_.on_spurious_loss(bytes);
}

void Bbr::on_persistent_congestion(std::uint64_t now_ns) noexcept {
  // The path may be another one: keep the bandwidth as a hope, forget the rest, and let a fresh round trip decide.
  resume_.refute(now_ns);
  min_rtt_seen_ns_ = now_ns > kMinRttWindowNs ? now_ns - kMinRttWindowNs : 0;
  loss_bound_.forget();
  marked_max_ = kUnbounded;
  ecn_ = {};
  // What an outage took says nothing about the pipe: start-up, if still under way, goes on as from its beginning.
  round_lost_ = 0;
  full_bandwidth_ = 0;
  full_rounds_ = 0;
}

void Bbr::on_streams_added(std::uint64_t now_ns) noexcept {
  if (state_ != State::kProbeBw) return;  // start-up looks anyway
  searching_ = true;
  search_bandwidth_ = bandwidth();
  // Others are others still where the paths meet in one queue; where they do not, the bound is of no more use soon.
  if (!loss_bound_.contested()) loss_bound_.forget_others();
  phase_ = 0;
  phase_start_ns_ = now_ns;
}

void Bbr::update_round(const AckSample& sample) noexcept {
  round_start_ = false;
  if (sample.acked_bytes != 0 && sample.packet_delivered_bytes >= round_end_delivered_) {
    round_end_delivered_ = sample.delivered_bytes;
    round_start_ = true;
  }
  round_acked_ += sample.acked_bytes;
  round_lost_ += sample.lost_bytes;
  round_in_flight_max_ = std::max(round_in_flight_max_, sample.sent_in_flight_bytes);
  if (sample.rtt_ns != 0) round_min_rtt_ns_ = std::min(round_min_rtt_ns_, sample.rtt_ns);
}

void Bbr::update_bandwidth(const AckSample& sample) noexcept {
  if (round_start_) {
    ++round_;
    bandwidth_.begin_round(sample.app_limited);
  }
  if (sample.delivery_bytes_per_sec != 0) bandwidth_.add(sample.delivery_bytes_per_sec, sample.app_limited);
}

void Bbr::update_extra_acked(const AckSample& sample) noexcept {
  if (round_start_ && round_ >= extra_window_round_ + 5) {
    extra_window_round_ = round_;
    extra_acked_[1] = extra_acked_[0];
    extra_acked_[0] = 0;
  }
  const std::uint64_t elapsed = sample.now_ns - extra_epoch_ns_;
  const auto expected = static_cast<std::uint64_t>(static_cast<double>(bandwidth()) * static_cast<double>(elapsed) * 1e-9);
  if (extra_epoch_ns_ == 0 || extra_epoch_bytes_ <= expected) {
    extra_epoch_ns_ = sample.now_ns;
    extra_epoch_bytes_ = 0;
    extra_epoch_bytes_ += sample.acked_bytes;
    extra_acked_[0] = std::max(extra_acked_[0], std::min(sample.acked_bytes, window_));
    return;
  }
  extra_epoch_bytes_ += sample.acked_bytes;
  extra_acked_[0] = std::max(extra_acked_[0], std::min(extra_epoch_bytes_ - std::min(extra_epoch_bytes_, expected), window_));
}

// A new route: what the old one's least round trip made of the window would hold the rate down until the next ProbeRtt, and
// every round would seem to have a queue.
void Bbr::check_longer_path(const AckSample& sample) noexcept {
  if (sample.rtt_ns == 0 || min_rtt_ns_ == 0) return;
  const std::uint64_t step_ns = path_step_.on_ack(sample.now_ns, sample.rtt_ns, min_rtt_ns_, round_start_);
  if (step_ns == 0) return;
  min_rtt_ns_ += step_ns;
  min_rtt_seen_ns_ = sample.now_ns;
  loss_bound_.forget_others();
  if (full_pipe_) start_up_again();
}

void Bbr::update_min_rtt(const AckSample& sample) noexcept {
  if (sample.rtt_ns == 0) return;
  const bool expired = min_rtt_ns_ != 0 && sample.now_ns > min_rtt_seen_ns_ + kMinRttWindowNs;
  if (state_ == State::kProbeRtt) probe_rtt_least_ns_ = std::min(probe_rtt_least_ns_, sample.rtt_ns);
  if (min_rtt_ns_ == 0 || sample.rtt_ns <= min_rtt_ns_) {
    min_rtt_ns_ = sample.rtt_ns;
    min_rtt_seen_ns_ = sample.now_ns;
  } else if (sample.rtt_ns <= min_rtt_ns_ + min_rtt_ns_ / 64 + 200 * kNsPerUs) {
    // As good as the minimum: the path shows itself without our queue, so there is no need to cut the rate to look.
    min_rtt_seen_ns_ = sample.now_ns;
  }
  if (expired && state_ != State::kProbeRtt && full_pipe_ && sample.now_ns > min_rtt_seen_ns_ + kMinRttWindowNs) {
    enter_probe_rtt(sample.now_ns);
  }
}

void Bbr::end_round(const AckSample& sample) noexcept {
  const std::uint64_t total = round_acked_ + round_lost_;
  const double loss = total == 0 ? 0 : static_cast<double>(round_lost_) / static_cast<double>(total);
  const bool queue = round_has_queue() || sample.smoothed_rtt_ns > min_rtt_ns_ * 3 / 2 + 2 * kNsPerMs;
  const bool probing_up = state_ == State::kProbeBw && phase_ == 0;
  const bool enough = round_lost_ >= kLossPacketsMin * config_.datagram_bytes;
  const bool marked = ecn_.end_round(std::max(round_in_flight_max_, sample.in_flight_bytes), ecn_bound_least());
  const double ambient = loss_bound_.ambient_loss();
  const bool lossy =
      enough && ((queue && loss > kLossWithQueue + 1.5 * ambient) || loss > kLossWithoutQueue + 2 * ambient);
  const bool congested =
      loss_bound_.on_round({.now_ns = sample.now_ns,
                            .rtt_ns = sample.smoothed_rtt_ns,
                            .min_rtt_ns = min_rtt_ns_,
                            .acked_bytes = round_acked_,
                            .lost_bytes = round_lost_,
                            .in_flight_bytes = std::max(round_in_flight_max_, sample.in_flight_bytes),
                            .bdp_bytes = bdp_bytes(),
                            .queue = queue && !path_step_.pending(),
                            .starting_up = state_ == State::kStartup || state_ == State::kDrain,
                            .probing = probing_up || sample.app_limited || state_ == State::kProbeRtt});
  check_full_pipe(lossy, queue, sample.app_limited);
  bound_by_marks(sample, marked);
  if ((congested || marked) && probing_up) {
    phase_ = 1;
    phase_start_ns_ = sample.now_ns;
  }
  round_acked_ = 0;
  round_lost_ = 0;
  round_min_rtt_ns_ = kNever;
  round_in_flight_max_ = 0;
}

// Behind a queue as long as the path, two spells of a least round trip each that bring less than half of the estimate: the
// path has become another.  Rounds are long behind such a queue, and what the filter remembers would fill the buffer over and
// over until ten of them have passed.
void Bbr::check_fallen_rate(const AckSample& sample) noexcept {
  spell_bytes_ += sample.acked_bytes;
  const std::uint64_t spell_ns = std::max(min_rtt_ns_, kSpellMinNs);
  const std::uint64_t elapsed_ns = sample.now_ns - spell_start_ns_;
  if (elapsed_ns < spell_ns) return;
  const auto rate = static_cast<std::uint64_t>(static_cast<double>(spell_bytes_) * 1e9 / static_cast<double>(elapsed_ns));
  const bool silent = elapsed_ns > 2 * spell_ns;  // an outage says nothing of the rate
  // The first estimate of a fallen rate has some of the old one in it: while it drains it is corrected.
  const double much = state_ == State::kDrain ? 0.75 : 0.5;
  const bool behind_queue = !path_step_.pending() && sample.smoothed_rtt_ns > 2 * min_rtt_ns_;
  const bool slow = !silent && !sample.app_limited && behind_queue && rate < scaled(much, bandwidth());
  spell_start_ns_ = sample.now_ns;
  spell_bytes_ = 0;
  slow_spells_ = slow ? slow_spells_ + 1 : 0;
  if (slow_spells_ < 2 || (state_ != State::kProbeBw && state_ != State::kDrain)) return;
  slow_spells_ = 0;
  lost_rate_ = std::max(lost_rate_, bandwidth());
  bandwidth_.assume(rate);
  state_ = State::kDrain;
}

// A path that fell may rise again: as long as it has not, it is probed twice as often, and a probe that brings all that it
// asked for starts up anew.
void Bbr::check_regained_rate() noexcept {
  if (lost_rate_ == 0 || bandwidth() < scaled(kResumedGrowth, probed_from_)) return;
  if (bandwidth() >= scaled(kResumedShare, lost_rate_)) {
    lost_rate_ = 0;
    return;
  }
  start_up_again();
}

void Bbr::check_full_pipe(bool lossy, bool queue, bool app_limited) noexcept {
  if (full_pipe_ || resume_.jumping()) return;
  if (lossy) {
    full_pipe_ = true;
    return;
  }
  if (app_limited) return;
  if (bandwidth() >= scaled(kFullPipeGrowth, full_bandwidth_)) {
    full_bandwidth_ = bandwidth();
    full_rounds_ = 0;
  } else if (++full_rounds_ >= kFullPipeRounds || queue) {
    // A whole round behind a queue that brought no more bandwidth is proof enough: waiting longer only fills the buffer.
    full_pipe_ = true;
  }
}

// Start-up ends within a round once round trips, or marks, sample after sample show the queue it builds (after HyStart++,
// RFC 9406): waiting for the bandwidth of three rounds to stand still would fill the buffer and lose what overflows.
void Bbr::check_startup_queue(const AckSample& sample) noexcept {
  if (round_start_) queue_samples_ = 0;
  if (full_pipe_ || resume_.jumping() || sample.rtt_ns == 0) return;
  const bool queue = sample.rtt_ns > min_rtt_ns_ + std::clamp(min_rtt_ns_ / 8, kStartupQueueMinNs, kStartupQueueMaxNs);
  const bool marked = 2 * sample.ecn_ce_packets > sample.ecn_acked_packets;
  queue_samples_ = queue || marked ? queue_samples_ + 1 : 0;
  if (queue_samples_ >= kStartupQueueSamples && !sample.app_limited) full_pipe_ = true;
}

// A round that met little but marks: less is in flight until probes go through without.
void Bbr::bound_by_marks(const AckSample& sample, bool marked) noexcept {
  if (marked) {
    const std::uint64_t reached = std::min(std::max(round_in_flight_max_, sample.in_flight_bytes), marked_max_);
    marked_max_ = std::max({scaled(kMarkedBeta, reached), bdp_bytes() + batch_bytes(), window_min()});
    return;
  }
  if (marked_max_ == kUnbounded || state_ != State::kProbeBw || phase_ != 0) return;
  marked_max_ += std::max<std::uint64_t>(marked_max_ / 16, window_min());
  if (marked_max_ > 4 * bdp_bytes()) marked_max_ = kUnbounded;
}

void Bbr::tell_loss_bound(const AckSample& sample) noexcept {
  loss_bound_.on_ack({.now_ns = sample.now_ns,
                      .rtt_ns = sample.smoothed_rtt_ns,
                      .acked_bytes = sample.acked_bytes,
                      .lost_bytes = sample.lost_bytes,
                      .in_flight_bytes = sample.in_flight_bytes,
                      .bdp_bytes = bdp_bytes(),
                      .queue = shows_queue(sample)});
}

bool Bbr::shows_queue(const AckSample& sample) const noexcept {
  return !path_step_.pending() && sample.rtt_ns > min_rtt_ns_ + min_rtt_ns_ / 8;
}

void Bbr::advance_state(const AckSample& sample) noexcept {
  switch (state_) {
    case State::kStartup:
      if (full_pipe_) state_ = State::kDrain;
      break;
    case State::kDrain:
      if (sample.in_flight_bytes <= bdp_bytes()) enter_probe_bw(sample.now_ns);
      break;
    case State::kProbeBw:
      advance_phase(sample);
      break;
    case State::kProbeRtt:
      if (probe_rtt_done_ns_ == 0 && sample.in_flight_bytes <= bdp_bytes() / 2 + window_min()) {
        probe_rtt_done_ns_ = sample.now_ns + kProbeRttNs;
        probe_rtt_round_ = round_ + 1;
      }
      if (probe_rtt_done_ns_ != 0 && sample.now_ns >= probe_rtt_done_ns_ && round_ >= probe_rtt_round_) {
        leave_probe_rtt(sample.now_ns);
      }
      break;
  }
}

void Bbr::enter_probe_bw(std::uint64_t now_ns) noexcept {
  state_ = State::kProbeBw;
  // Start anywhere but in the two probing phases, by seed, so that streams do not probe in step.
  phase_ = resumed_ ? 0 : 2 + (config_.seed + round_) % (kProbeGains.size() - 2);
  phase_start_ns_ = now_ns;
}

void Bbr::advance_phase(const AckSample& sample) noexcept {
  if (sample.app_limited && sample.in_flight_bytes == 0) {
    // Idle: what comes next goes at the estimate, neither above nor below.
    phase_ = std::max<std::size_t>(phase_, 2);
    phase_start_ns_ = sample.now_ns;
    return;
  }
  if (phase_ != 0) searching_ = false;
  const double gain = kProbeGains[phase_];
  const bool elapsed = sample.now_ns - phase_start_ns_ > min_rtt_ns_;
  bool next = elapsed;
  // The probe goes on until it has had its effect; the drain ends as soon as it has.
  if (gain > 1) next = elapsed && (sample.in_flight_bytes >= scaled(gain, bdp_bytes()) || round_lost_ != 0 || ecn_.marked() ||
                                   sample.app_limited || sample.now_ns - phase_start_ns_ > 3 * min_rtt_ns_);
  if (gain < 1) {
    // A queue that others keep is not ours to drain.
    const bool enough = sample.now_ns - phase_start_ns_ > (loss_bound_.contested() ? 1 : kDrainRttsMax) * min_rtt_ns_;
    next = enough || sample.in_flight_bytes <= bdp_bytes();
  }
  if (!next) return;
  if (searching_ && phase_ == 0) {
    // What the probe brought is known a round trip after it began to be sent.
    if (sample.now_ns - phase_start_ns_ <= 2 * min_rtt_ns_) return;
    searching_ = bandwidth() > scaled(kSearchGrowth, search_bandwidth_);
    search_bandwidth_ = bandwidth();
    phase_start_ns_ = sample.now_ns;
    if (searching_) return;
  }
  if (phase_ == kProbeSeenPhase) {
    check_resumed_growth();
    check_regained_rate();
  }
  phase_ = (phase_ + 1) % (lost_rate_ != 0 ? kLostRatePhases : kProbeGains.size());
  if (phase_ == 0) probed_from_ = bandwidth();
  phase_start_ns_ = sample.now_ns;
  if (phase_ == 0) ecn_.lift();
}

void Bbr::enter_probe_rtt(std::uint64_t) noexcept {
  window_before_ = window_;
  probe_rtt_done_ns_ = 0;
  probe_rtt_least_ns_ = kNever;
  // The old minimum has not been seen for the whole window: the next ones count.  But a queue that others keep up hides it,
  // and must not pass for the path: there it gives way in small steps.
  min_rtt_ns_ = std::min(round_min_rtt_ns_, loss_bound_.contested() ? min_rtt_ns_ + min_rtt_ns_ / 32 : 2 * min_rtt_ns_);
  state_ = State::kProbeRtt;
}

void Bbr::leave_probe_rtt(std::uint64_t now_ns) noexcept {
  min_rtt_seen_ns_ = now_ns;
  // With our own queue drained, what is left is the path, if nobody else keeps one.
  if (!loss_bound_.contested() && probe_rtt_least_ns_ != kNever) min_rtt_ns_ = probe_rtt_least_ns_;
  window_ = std::max(window_, window_before_);
  enter_probe_bw(now_ns);
}

void Bbr::set_window_and_pacing(const AckSample& sample) noexcept {
  double pacing_gain = 1;
  switch (state_) {
    case State::kStartup: pacing_gain = kStartupGain; break;
    case State::kDrain: pacing_gain = kDrainGain; break;
    case State::kProbeBw: pacing_gain = kProbeGains[phase_]; break;
    case State::kProbeRtt: pacing_gain = 1; break;
  }
  if (bandwidth() != 0) {
    const std::uint64_t rate = scaled(pacing_gain, bandwidth());
    if (full_pipe_ || rate > pacing_) pacing_ = rate;
  }
  if (!full_pipe_ && sample.smoothed_rtt_ns != 0) {
    pacing_ = std::max(pacing_, scaled(kStartupWindowGain, window_) * kNsPerSec / sample.smoothed_rtt_ns);
  }
  // Never slower than the least window per round trip, or an estimate that fell to nothing would never learn better.
  if (sample.smoothed_rtt_ns != 0) pacing_ = std::max(pacing_, window_min() * kNsPerSec / sample.smoothed_rtt_ns);
  if (config_.rate_max_bytes_per_sec != 0) pacing_ = std::min(pacing_, config_.rate_max_bytes_per_sec);

  const std::uint64_t extra = std::max(extra_acked_[0], extra_acked_[1]) + batch_bytes();
  if (full_pipe_) {
    window_ = std::min(window_ + sample.acked_bytes, scaled(kWindowGain, bdp_bytes()) + extra);
  } else {
    window_ = std::max(grown_in_startup(sample), initial_bdp_bytes());
  }
  if (state_ != State::kStartup) {
    window_ = std::min({window_, loss_bound_.in_flight_max(sample.now_ns), marked_max_, ecn_.bytes()});
  }
  if (state_ == State::kProbeRtt) {
    // Among BBR flows that keep a queue the path shows only when all of them let it drain, and they do together.
    const bool crowded = loss_bound_.contested() && !loss_bound_.yielding();
    window_ = crowded ? window_min() : std::min(window_, bdp_bytes() / 2);
  }
  window_ = std::max(window_, window_min());
  bound_by_resume();
}

// What was measured minutes ago is a memory: the path is asked again, at the rate it gave, and the model starts anew.
void Bbr::resume_after_idle(const AckSample& sample) noexcept {
  if (!sample.app_limited || last_full_ns_ == 0) last_full_ns_ = sample.now_ns;
  if (!full_pipe_ || sample.in_flight_bytes != 0 || sample.now_ns < last_full_ns_ + CarefulResume::kIdleTrustNs) return;
  last_full_ns_ = sample.now_ns;
  const ResumePoint known{.bandwidth_bytes_per_sec = bandwidth(), .min_rtt_ns = min_rtt_ns_};
  full_pipe_ = false;
  full_bandwidth_ = 0;
  full_rounds_ = 0;
  state_ = State::kStartup;
  bandwidth_.assume(0);
  extra_acked_.fill(0);
  loss_bound_.forget();
  marked_max_ = kUnbounded;
  window_ = std::min(window_, std::uint64_t{config_.datagram_bytes} * config_.initial_window_packets);
  pacing_ = std::min(pacing_, known.bandwidth_bytes_per_sec);
  resume_.offer(known, window_);
}

void Bbr::follow_resume(const AckSample& sample) noexcept {
  const ResumeEvent event = resume_.on_ack(sample, min_rtt_ns_);
  if (event == ResumeEvent::kTrouble) {
    full_pipe_ = true;
    state_ = State::kDrain;
  }
  if (resume_.retreating() && state_ == State::kDrain) {
    bandwidth_.assume(std::max<std::uint64_t>(resume_.pipe_bytes_per_sec(sample.now_ns), window_min()));
  }
  if (event == ResumeEvent::kLastAcked) {
    full_pipe_ = resumed_ = bandwidth() >= scaled(kResumedShare, resume_.rate_bytes_per_sec());
    window_ = std::min(window_, resume_.jump_bytes());
  }
}

// After the first probe of a resumed path: what was remembered may have been a bad hour's.
void Bbr::check_resumed_growth() noexcept {
  if (!resumed_) return;
  resumed_ = false;
  if (bandwidth() >= scaled(kResumedGrowth, resume_.rate_bytes_per_sec())) start_up_again();
}

void Bbr::start_up_again() noexcept {
  full_pipe_ = false;
  full_bandwidth_ = 0;
  full_rounds_ = 0;
  state_ = State::kStartup;
  window_ = std::min(window_, bdp_bytes());
}

void Bbr::bound_by_resume() noexcept {
  if (resume_.jumping()) {
    pacing_ = resume_.rate_bytes_per_sec();
    if (config_.rate_max_bytes_per_sec != 0) pacing_ = std::min(pacing_, config_.rate_max_bytes_per_sec);
    // The pacer bounds what is in flight; the window leaves room for ACKs that come late, and for what is being repaired.
    const bool unvalidated = resume_.phase() == ResumePhase::kUnvalidated;
    window_ = std::max(window_, resume_.jump_bytes() + (unvalidated ? resume_.jump_bytes() / 8 : resume_.jump_bytes()));
  } else if (resume_.retreating()) {
    window_ = std::max(std::min(window_, bdp_bytes()), window_min());
  }
}

}  // namespace dwcp
