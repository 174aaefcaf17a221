// SPDX-License-Identifier: Apache-2.0
#include "dataplane/transport/stream_scaler.h"

#include <algorithm>
#include <cmath>

namespace dwcp {
namespace {

// A span in which more than this part was sent for want of data measures the application.
constexpr std::uint64_t kLimitedPart = 8;
// Twice what spans differ by on their own is no gain.
constexpr double kNoiseFactor = 2;

constexpr std::uint64_t kStartUpFactor = 4;

std::uint32_t fewer_than(std::uint32_t number) { return number - std::max(number / 4, 1U); }

}  // namespace

void StreamScaler::Backoff::failed(std::uint64_t now_ns) noexcept {
  due_ns = now_ns + rest_ns;
  rest_ns = std::min(2 * rest_ns, kRestMaxNs);
}

void StreamScaler::begin(std::uint64_t now_ns, const ScalerLimits& limits) noexcept {
  *this = {};
  limits_ = limits;
  target_ = before_ = limits.initial;
  since_ns_ = delivered_seen_ns_ = now_ns;
}

void StreamScaler::set_limits(const ScalerLimits& limits) noexcept {
  limits_ = limits;
  if (state_ != ScalerState::kWatching) target_ = before_;
  state_ = next_state(state_, ScalerEvent::kAbandon);
  target_ = before_ = std::clamp(target_, limits.min, limits.max);
  base_rate_ = 0;
  more_ = fewer_ = {};
  span_ = {};
}

double StreamScaler::margin() const noexcept { return std::clamp(kNoiseFactor * noise_, kGainMin, kGainMax); }

void StreamScaler::step(const ScalerView& view) noexcept {
  if (check_idle(view) || view.rtt_ns == 0) return;
  const std::uint64_t in_state_ns = view.now_ns - since_ns_;
  const bool limited = span_rate(view) == 0 && span_over(view);
  switch (state_) {
    case ScalerState::kWatching:
      if (span_.now_ns == 0 || limited || view.starting_up) {
        begin_span(view);
        base_rate_ = 0;
      } else if (span_over(view)) {
        watch(view);
      }
      break;
    case ScalerState::kOpening: {
      const bool all = more() ? view.active >= target_ : view.active <= target_;
      if (!all && in_state_ns < std::max(kOpenMinNs, kOpenRtts * view.rtt_ns)) break;
      state_ = next_state(state_, ScalerEvent::kReady);
      since_ns_ = view.now_ns;
      break;
    }
    case ScalerState::kAdapting: {
      const std::uint64_t adapt_ns = std::max(kAdaptMinNs, kAdaptRtts * view.rtt_ns);
      // With coupling = "none" new streams start up; one that has nothing to send never ends that.
      if (in_state_ns < adapt_ns || (view.starting_up && in_state_ns < kStartUpFactor * adapt_ns)) break;
      state_ = next_state(state_, ScalerEvent::kSettled);
      begin_span(view);
      break;
    }
    case ScalerState::kJudging:
      if (limited) {
        abandon(view);
      } else if (span_over(view)) {
        judge(view);
      }
      break;
  }
}

void StreamScaler::begin_span(const ScalerView& view) noexcept { span_ = view; }

bool StreamScaler::span_over(const ScalerView& view) const noexcept {
  return view.now_ns >= span_.now_ns + std::max(kSpanMinNs, kSpanRtts * view.rtt_ns);
}

double StreamScaler::span_rate(const ScalerView& view) const noexcept {
  const std::uint64_t acked = view.acked_bytes - span_.acked_bytes;
  const std::uint64_t limited = view.limited_bytes - span_.limited_bytes;
  if (acked == 0 || limited * kLimitedPart > acked || view.now_ns == span_.now_ns) return 0;
  return static_cast<double>(view.delivered_bytes - span_.delivered_bytes) * 1e9 / static_cast<double>(view.now_ns - span_.now_ns);
}

// True when the lane has delivered nothing for long: it goes home, and what was found out is not held against the next.
bool StreamScaler::check_idle(const ScalerView& view) noexcept {
  if (view.delivered_bytes != delivered_seen_bytes_) delivered_seen_ns_ = view.now_ns;
  delivered_seen_bytes_ = view.delivered_bytes;
  if (view.now_ns < delivered_seen_ns_ + kIdleNs) return false;
  state_ = next_state(state_, ScalerEvent::kAbandon);
  target_ = before_ = std::clamp(limits_.initial, limits_.min, limits_.max);
  span_ = {};
  base_rate_ = 0;
  more_ = fewer_ = {};
  return true;
}

// A span at the number that stands has ended.
void StreamScaler::watch(const ScalerView& view) noexcept {
  const double rate = span_rate(view);
  if (base_rate_ != 0) noise_ += (std::abs(rate - base_rate_) / base_rate_ - noise_) / 4;
  base_rate_ = rate;
  begin_span(view);
  // Fewer only once more have been found not to pay, or the two would undo each other.
  if (target_ < limits_.max && view.now_ns >= more_.due_ns) {
    try_number(view, std::min(2 * target_, limits_.max));
  } else if (target_ > limits_.min && view.now_ns >= fewer_.due_ns) {
    const std::uint32_t number = fewer_than(target_);
    const std::uint32_t home = std::max(limits_.initial, limits_.min);
    try_number(view, target_ > home ? std::max(number, home) : std::max(number, limits_.min));
  }
}

void StreamScaler::try_number(const ScalerView& view, std::uint32_t number) noexcept {
  ++counters_.trials;
  before_ = target_;
  target_ = number;
  state_ = next_state(state_, ScalerEvent::kTry);
  since_ns_ = view.now_ns;
}

void StreamScaler::judge(const ScalerView& view) noexcept {
  const double rate = span_rate(view);
  const bool tried_more = more();
  const bool must_gain = tried_more || target_ < limits_.initial;
  const bool paid = must_gain ? rate >= base_rate_ * (1 + margin()) : rate >= base_rate_ * (1 - margin() / 2);
  Backoff& backoff = tried_more ? more_ : fewer_;
  state_ = next_state(state_, ScalerEvent::kJudge);
  if (paid) {
    backoff.paid();
    ++(tried_more ? counters_.grown : counters_.shrunk);
    before_ = target_;
    // What was judged is the next trial's base: growing goes on at once.
    base_rate_ = 0;
    watch(view);
    return;
  }
  backoff.failed(view.now_ns);
  target_ = before_;
  base_rate_ = 0;
  span_ = {};
}

void StreamScaler::abandon(const ScalerView& view) noexcept {
  state_ = next_state(state_, ScalerEvent::kAbandon);
  target_ = before_;
  base_rate_ = 0;
  begin_span(view);
}

}  // namespace dwcp
