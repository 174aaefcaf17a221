// SPDX-License-Identifier: Apache-2.0
#include "dataplane/transport/cubic.h"

#include <algorithm>
#include <cmath>

namespace dwcp {
namespace {

constexpr double kTargetMax = 1.5;  // §4.2: per round trip

double seconds_of(std::uint64_t ns) noexcept { return static_cast<double>(ns) * 1e-9; }

}  // namespace

double Cubic::window_at(double seconds) const noexcept {
  const double t = seconds - curve_.k;
  return kC * t * t * t + curve_.window_max;
}

void Cubic::begin_epoch() noexcept {
  const double now = window() / datagram();
  curve_.begun = true;
  curve_.seconds = 0;
  curve_.window_friendly = now;
  curve_.window_max = std::max(curve_.window_max, now);
  curve_.k = std::cbrt((curve_.window_max - now) / kC);
}

// §4.8: out of slow start without a loss, the cubic is flat here and rises from here on.
void Cubic::begin_avoidance() noexcept {
  curve_ = Curve{.window_max = window() / datagram(), .window_before = window() / datagram()};
  begin_epoch();
  last_ack_ns_ = 0;
}

void Cubic::avoid(const AckSample& sample) noexcept {
  if (!curve_.begun) begin_epoch();
  // An ACK that was long in coming says nothing of the time before the last round trip.
  if (last_ack_ns_ != 0) {
    curve_.seconds += seconds_of(std::min(sample.now_ns - last_ack_ns_, 2 * sample.smoothed_rtt_ns));
  }
  last_ack_ns_ = sample.now_ns;
  const double now = window() / datagram();
  const double acked = static_cast<double>(sample.acked_bytes) / datagram();
  // §4.3: as fast as NewReno once it is where the last reduction began.
  const double alpha = curve_.window_friendly < curve_.window_before ? kAlpha : 1;
  curve_.window_friendly += alpha * acked / now;
  if (window_at(curve_.seconds) < curve_.window_friendly) {
    grow_to(curve_.window_friendly * datagram());
    return;
  }
  const double target = std::clamp(window_at(curve_.seconds + seconds_of(sample.smoothed_rtt_ns)), now, kTargetMax * now);
  grow_to((now + (target - now) / now * acked) * datagram());
}

double Cubic::reduce() noexcept {
  const double now = window() / datagram();
  // §4.7, fast convergence: whose window was already below the last peak makes room for newcomers.
  const bool lower = now < curve_.window_max;
  curve_ = Curve{.window_max = lower ? now * (1 + kBeta) / 2 : now, .window_before = now};
  return kBeta * window();
}

}  // namespace dwcp
