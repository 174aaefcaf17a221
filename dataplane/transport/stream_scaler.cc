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
  abandon();
  target_ = before_ = std::clamp(target_, limits.min, limits.max);
  more_ = fewer_ = {};
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
        base_rate_ = last_rate_ = 0;
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
      const std::uint64_t adapt_ns = std::max(kAdaptMinNs, (more() ? kAdaptRtts : kAdaptFewerRtts) * view.rtt_ns);
      // With coupling = "none" new streams start up; one that has nothing to send never ends that.
      if (in_state_ns < adapt_ns || (view.starting_up && in_state_ns < kStartUpFactor * adapt_ns)) break;
      state_ = next_state(state_, ScalerEvent::kSettled);
      begin_span(view);
      break;
    }
    case ScalerState::kJudging:
      if (limited) {
        abandon();
      } else if (span_over(view) || clearly_worse(view)) {
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

// Half a span is enough to see that too few were tried: it need not cost more.
bool StreamScaler::clearly_worse(const ScalerView& view) const noexcept {
  if (more() || view.now_ns < span_.now_ns + std::max(kSpanMinNs, kSpanRtts * view.rtt_ns) / 2) return false;
  return span_rate(view) < base_rate_ * (1 - 2 * margin());
}

// True when the lane has delivered nothing for long: it goes home, and what was found out is not held against the next.
bool StreamScaler::check_idle(const ScalerView& view) noexcept {
  if (view.delivered_bytes != delivered_seen_bytes_) delivered_seen_ns_ = view.now_ns;
  delivered_seen_bytes_ = view.delivered_bytes;
  if (view.now_ns < delivered_seen_ns_ + kIdleNs) return false;
  abandon();
  target_ = before_ = limits_.initial;
  more_ = fewer_ = {};
  return true;
}

// A span at the number that stands has ended.
void StreamScaler::watch(const ScalerView& view) noexcept {
  const double rate = span_rate(view);
  const double before = last_rate_;
  if (before != 0) noise_ += (std::abs(rate - before) / before - noise_) / 4;
  // The better of two spans: one may hold a dip, such as congestion control's look at the path without its queue.
  base_rate_ = std::max(rate, before);
  last_rate_ = rate;
  begin_span(view);
  if (before != 0) choose(view);
}

// Fewer only once more have been found not to pay, or the two would undo each other.
void StreamScaler::choose(const ScalerView& view) noexcept {
  if (target_ < limits_.max && view.now_ns >= more_.due_ns) {
    const std::uint32_t number = std::min(2 * target_, limits_.max);
    try_number(view, target_ < limits_.initial ? std::min(number, limits_.initial) : number);
  } else if (target_ > limits_.min && view.now_ns >= fewer_.due_ns) {
    const std::uint32_t number = target_ - std::max(target_ / 4, 1U);
    try_number(view, std::max(number, target_ > limits_.initial ? limits_.initial : limits_.min));
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
  // Towards home the new number need lose nothing; away from it, it must gain.
  const bool away = tried_more ? target_ > limits_.initial : target_ < limits_.initial;
  const bool paid = rate >= base_rate_ * (away ? 1 + margin() : 1 - margin() / 2);
  Backoff& backoff = tried_more ? more_ : fewer_;
  state_ = next_state(state_, ScalerEvent::kJudge);
  if (!paid) {
    backoff.failed(view.now_ns);
    forget_trial();
    return;
  }
  backoff.paid();
  ++(tried_more ? counters_.grown : counters_.shrunk);
  before_ = target_;
  // What was judged is the next trial's base: growing goes on at once.
  base_rate_ = last_rate_ = rate;
  begin_span(view);
  choose(view);
}

void StreamScaler::abandon() noexcept {
  state_ = next_state(state_, ScalerEvent::kAbandon);
  forget_trial();
}

// The number as before, nothing measured.
void StreamScaler::forget_trial() noexcept {
  target_ = before_;
  base_rate_ = last_rate_ = 0;
  span_ = {};
}

}  // namespace dwcp
