// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/tcp_cubic.h"

#include <algorithm>
#include <cmath>

#include "base/time.h"

namespace dwcp::sim {
namespace {

constexpr double kC = 0.4;
constexpr double kBeta = 0.7;
constexpr double kWindowMin = 2;
constexpr int kHystartSamples = 8;

}  // namespace

std::uint64_t TcpCubic::window_packets() const {
  return static_cast<std::uint64_t>(std::max(recover_window_ != 0 ? recover_window_ : window_, kWindowMin));
}

void TcpCubic::on_ack(const TcpAck& ack) {
  if (ack.rtt_ns != 0) {
    const auto rtt = static_cast<double>(ack.rtt_ns);
    smoothed_rtt_ns_ = smoothed_rtt_ns_ == 0 ? rtt : smoothed_rtt_ns_ * 7 / 8 + rtt / 8;
    rtt_min_ns_ = std::min(rtt_min_ns_, ack.rtt_ns);
  }
  if (ack.recovery_began) {
    reduce();
    recover_in_flight_ = static_cast<double>(ack.in_flight_before);
    recover_delivered_ = recover_sent_ = 0;
    recover_last_in_flight_ = ack.in_flight;
  }
  if (ack.recovering) return recover(ack);
  recover_window_ = 0;
  if (window_ < threshold_) {
    slow_start(ack);
  } else {
    avoid_congestion(ack);
  }
}

// RFC 9438 §4.6 and §4.7: multiplicative decrease with fast convergence.
void TcpCubic::reduce() {
  window_max_ = window_ < window_max_ ? window_ * (1 + kBeta) / 2 : window_;
  window_ = threshold_ = std::max(window_ * kBeta, kWindowMin);
  epoch_ns_ = 0;
}

void TcpCubic::recover(const TcpAck& ack) {
  // What went out since the last ACK is what the flight grew by beyond what left it.
  const double left = static_cast<double>(ack.acked + ack.lost);
  const double in_flight = static_cast<double>(ack.in_flight);
  if (!ack.recovery_began) recover_sent_ += std::max(in_flight + left - static_cast<double>(recover_last_in_flight_), 0.0);
  recover_last_in_flight_ = ack.in_flight;
  const auto acked = static_cast<double>(ack.acked);
  recover_delivered_ += acked;
  double allowance = 0;
  if (in_flight > threshold_) {
    allowance = std::ceil(recover_delivered_ * threshold_ / std::max(recover_in_flight_, 1.0)) - recover_sent_;
  } else {
    allowance = std::min(threshold_ - in_flight, std::max(recover_delivered_ - recover_sent_, acked) + 1);
  }
  recover_window_ = in_flight + std::max(allowance, recover_sent_ == 0 && ack.recovery_began ? 1.0 : 0.0);
}

void TcpCubic::slow_start(const TcpAck& ack) {
  window_ += static_cast<double>(ack.acked);
  if (!hystart_ || ack.rtt_ns == 0) return;
  if (ack.prior_delivered >= round_end_) {
    round_end_ = ack.delivered;
    round_rtt_ns_ = ~std::uint64_t{0};
    round_samples_ = 0;
  }
  if (round_samples_ < kHystartSamples) {
    ++round_samples_;
    round_rtt_ns_ = std::min(round_rtt_ns_, ack.rtt_ns);
  }
  const std::uint64_t slack_ns = std::clamp(rtt_min_ns_ / 8, 4 * kNsPerMs, 16 * kNsPerMs);
  if (round_samples_ == kHystartSamples && window_ >= 16 && round_rtt_ns_ >= rtt_min_ns_ + slack_ns) threshold_ = window_;
}

void TcpCubic::avoid_congestion(const TcpAck& ack) {
  if (epoch_ns_ == 0) {
    epoch_ns_ = ack.now_ns;
    estimate_ = window_;
    if (window_max_ < window_) window_max_ = window_;  // out of slow start without a loss: §4.8
    origin_s_ = std::cbrt((window_max_ - window_) / kC);
  }
  const auto acked = static_cast<double>(ack.acked);
  const double t = (static_cast<double>(ack.now_ns - epoch_ns_) + smoothed_rtt_ns_) * 1e-9 - origin_s_;
  const double target = std::clamp(window_max_ + kC * t * t * t, window_, 1.5 * window_);
  const double alpha = estimate_ < window_max_ ? 3 * (1 - kBeta) / (1 + kBeta) : 1;
  estimate_ += alpha * acked / window_;
  window_ = std::max(window_ + (target - window_) / window_ * acked, estimate_);
}

void TcpCubic::on_timeout(std::uint64_t) {
  reduce();
  window_ = kWindowMin;
  recover_window_ = 0;
}

}  // namespace dwcp::sim
