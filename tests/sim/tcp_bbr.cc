// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/tcp_bbr.h"

#include <algorithm>

#include "base/time.h"

namespace dwcp::sim {
namespace {

constexpr double kHighGain = 2.885;
constexpr std::array<double, 8> kCycle = {1.25, 0.75, 1, 1, 1, 1, 1, 1};
constexpr double kWindowGain = 2;
constexpr double kPaceMargin = 0.99;
constexpr double kWindowMin = 4;
constexpr double kInitialWindow = 10;
constexpr std::uint64_t kMinRttWindowNs = 10 * kNsPerSec;
constexpr std::uint64_t kProbeRttNs = 200 * kNsPerMs;
constexpr double kExtraNsMax = 100e6;

}  // namespace

double TcpBbr::gain() const {
  switch (mode_) {
    case Mode::kStartup: return kHighGain;
    case Mode::kDrain: return 1 / kHighGain;
    case Mode::kProbeBw: return kCycle[phase_];
    case Mode::kProbeRtt: return 1;
  }
  return 1;
}

// bbr_inflight(): the product, and three of the largest segments that one pacing interval (1 ms, 64 KiB) makes.
double TcpBbr::target(double gain) const {
  if (min_rtt_ns_ == 0) return kInitialWindow;
  const double segment = std::clamp(pace_ * 1e6, 2.0, 44.0);
  return gain * rate_ * static_cast<double>(min_rtt_ns_) + 3 * segment;
}

std::uint64_t TcpBbr::window_packets() const { return static_cast<std::uint64_t>(window_); }

void TcpBbr::on_ack(const TcpAck& ack) {
  update_model(ack);
  update_extra_acked(ack);
  update_mode(ack);
  update_min_rtt(ack);
  if (pace_ == 0 && ack.rtt_ns != 0) pace_ = kHighGain * window_ / static_cast<double>(ack.rtt_ns);
  const double pace = gain() * rate_ * kPaceMargin;
  if (full_ || pace > pace_) pace_ = pace;
  update_window(ack);
}

void TcpBbr::update_model(const TcpAck& ack) {
  round_began_ = ack.acked != 0 && ack.prior_delivered >= round_end_;
  if (round_began_) {
    round_end_ = ack.delivered;
    ++round_;
    round_rates_[round_ % kRounds] = 0;
  }
  double& current = round_rates_[round_ % kRounds];
  current = std::max(current, ack.packets_per_ns);
  rate_ = *std::max_element(round_rates_.begin(), round_rates_.end());
}

void TcpBbr::update_extra_acked(const TcpAck& ack) {
  if (ack.acked == 0 || rate_ == 0) return;
  if (round_began_ && round_ >= extra_round_ + 5) {
    extra_round_ = round_;
    extra_[1] = extra_[0];
    extra_[0] = 0;
  }
  double expected = rate_ * static_cast<double>(ack.now_ns - epoch_ns_);
  if (epoch_acked_ <= expected) {
    epoch_ns_ = ack.now_ns;
    epoch_acked_ = expected = 0;
  }
  epoch_acked_ += static_cast<double>(ack.acked);
  extra_[0] = std::max(extra_[0], std::min(epoch_acked_ - expected, window_));
}

void TcpBbr::update_mode(const TcpAck& ack) {
  if (mode_ == Mode::kProbeBw) update_cycle(ack);
  if (!full_ && round_began_) {
    if (rate_ >= full_rate_ * 1.25) {
      full_rate_ = rate_;
      full_rounds_ = 0;
    } else {
      full_ = ++full_rounds_ >= 3;
    }
  }
  if (mode_ == Mode::kStartup && full_) mode_ = Mode::kDrain;
  if (mode_ == Mode::kDrain && static_cast<double>(ack.in_flight) <= target(1)) {
    mode_ = Mode::kProbeBw;
    phase_ = (2 + seed_ % 7) % kCycle.size();  // any but the draining one, 1
    phase_began_ns_ = ack.now_ns;
    phase_lossy_ = false;
  }
}

void TcpBbr::update_cycle(const TcpAck& ack) {
  phase_lossy_ = phase_lossy_ || ack.lost != 0;
  const bool elapsed = ack.now_ns - phase_began_ns_ > min_rtt_ns_;
  bool next = elapsed;
  if (kCycle[phase_] > 1) {
    next = elapsed && (phase_lossy_ || static_cast<double>(ack.in_flight_before) >= target(kCycle[phase_]));
  }
  if (kCycle[phase_] < 1) next = elapsed || static_cast<double>(ack.in_flight) <= target(1);
  if (!next) return;
  phase_ = (phase_ + 1) % kCycle.size();
  phase_began_ns_ = ack.now_ns;
  phase_lossy_ = false;
}

void TcpBbr::update_min_rtt(const TcpAck& ack) {
  const bool expired = ack.now_ns > min_rtt_seen_ns_ + kMinRttWindowNs;
  if (ack.rtt_ns != 0 && (min_rtt_ns_ == 0 || ack.rtt_ns <= min_rtt_ns_ || expired)) {
    min_rtt_ns_ = ack.rtt_ns;
    const bool first = min_rtt_seen_ns_ == 0;
    min_rtt_seen_ns_ = ack.now_ns;
    if (first) return;
  }
  if (expired && mode_ != Mode::kProbeRtt) {
    mode_ = Mode::kProbeRtt;
    window_before_ = std::max(window_, window_before_);
    probe_done_ns_ = 0;
  }
  if (mode_ != Mode::kProbeRtt) return;
  if (probe_done_ns_ == 0) {
    if (static_cast<double>(ack.in_flight) > kWindowMin) return;
    probe_done_ns_ = ack.now_ns + kProbeRttNs;
    probe_round_ = round_ + 1;
  } else if (ack.now_ns >= probe_done_ns_ && round_ >= probe_round_) {
    min_rtt_seen_ns_ = ack.now_ns;
    window_ = std::max(window_, window_before_);
    mode_ = full_ ? Mode::kProbeBw : Mode::kStartup;
    phase_ = (2 + (seed_ + round_) % 7) % kCycle.size();
    phase_began_ns_ = ack.now_ns;
  }
}

void TcpBbr::update_window(const TcpAck& ack) {
  const auto acked = static_cast<double>(ack.acked);
  if (ack.lost != 0) window_ = std::max(window_ - static_cast<double>(ack.lost), 1.0);
  if (ack.recovery_began) {
    if (!recovering_ && mode_ != Mode::kProbeRtt) window_before_ = window_ + static_cast<double>(ack.lost);
    conserve_round_ = round_ + 1;
    round_end_ = ack.delivered;
    window_ = static_cast<double>(ack.in_flight) + acked;
  } else if (recovering_ && !ack.recovering) {
    window_ = std::max(window_, window_before_);
    conserve_round_ = 0;
  }
  recovering_ = ack.recovering;
  if (recovering_ && round_ < conserve_round_) {
    window_ = std::max(window_, static_cast<double>(ack.in_flight) + acked);
  } else {
    const double extra = full_ ? std::min(std::max(extra_[0], extra_[1]), rate_ * kExtraNsMax) : 0;
    const double goal = target(mode_ == Mode::kStartup || mode_ == Mode::kDrain ? kHighGain : kWindowGain) + extra;
    if (full_) {
      window_ = std::min(window_ + acked, goal);
    } else if (window_ < goal || ack.delivered < 10) {
      window_ += acked;
    }
  }
  window_ = std::max(window_, kWindowMin);
  if (mode_ == Mode::kProbeRtt) window_ = std::min(window_, kWindowMin);
}

void TcpBbr::on_timeout(std::uint64_t) {
  window_before_ = std::max(window_before_, window_);
  window_ = 1;
  full_rate_ = 0;
}

}  // namespace dwcp::sim
