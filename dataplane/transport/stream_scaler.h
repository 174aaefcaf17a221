// SPDX-License-Identifier: Apache-2.0
// How many streams a lane should send on: more while the lane delivers more with them, fewer while it does not deliver less
// without.  What pays is found by trying: what was delivered in a span of round trips before a change is compared with what
// is delivered after it, once the new streams carry data and congestion control has had time to use them.
//
//     ┌──────────────────── kAbandon: number as before the trial ────────────────────┐
//     ▼          kTry                kReady                kSettled                  │
//  kWatching ───────────▶ kOpening ───────────▶ kAdapting ───────────▶ kJudging ─────┤
//     ▲                                                                   │          │
//     └────────────── kJudge: the new number stays, or the old comes back ┘          │
//                                    (kOpening, kAdapting and kJudging may all) ─────┘
//
// A trial that does not pay makes the next of its kind wait twice as long.  The lane's first number is its home: away from it
// a number must gain, towards it a number need only lose nothing.  So what does not pay goes back, and a lane does not fall to
// one stream for no gain, when streams on several paths are what survives the death of one.
// A lane with little to send tells nothing of its paths and is left as it is; one idle for kIdleNs goes home.
//
// Sans-IO, of one lane, called on its thread about once a round trip.  Use:  scaler.step(view); ... scaler.target() ...
#pragma once

#include <cstdint>

#include "base/time.h"

namespace dwcp {

struct ScalerLimits {
  std::uint32_t min = 1;
  std::uint32_t initial = 1;
  std::uint32_t max = 1;  // min <= initial <= max
};

// What the lane is doing; the sums only ever rise.
struct ScalerView {
  std::uint64_t now_ns = 0;
  std::uint64_t rtt_ns = 0;              // smoothed; 0 = none yet
  std::uint64_t delivered_bytes = 0;     // of frames, acknowledged for the first time
  std::uint64_t acked_bytes = 0;         // of packets
  std::uint64_t limited_bytes = 0;       // of these, sent while there was too little to send
  std::uint32_t active = 0;              // streams that carry data
  bool starting_up = false;              // congestion control is still looking for the rate
};

struct ScalerCounters {
  std::uint64_t trials = 0;
  std::uint64_t grown = 0;   // trials of more streams that were kept
  std::uint64_t shrunk = 0;  // trials of fewer that were kept
};

enum class ScalerState : std::uint8_t {
  kWatching,  // measuring at the number that stands
  kOpening,   // new streams prove their paths
  kAdapting,  // they carry data; shares and rate find their place
  kJudging,   // measuring at the number under trial
};
inline constexpr std::size_t kScalerStates = 4;
enum class ScalerEvent : std::uint8_t { kTry, kReady, kSettled, kJudge, kAbandon };
inline constexpr std::size_t kScalerEvents = 5;

// The diagram above as a table.
[[nodiscard]] constexpr ScalerState next_state(ScalerState state, ScalerEvent event) noexcept {
  using enum ScalerState;
  constexpr ScalerState table[kScalerStates][kScalerEvents] = {
      // kTry     kReady     kSettled   kJudge     kAbandon
      {kOpening, kWatching, kWatching, kWatching, kWatching},   // kWatching
      {kOpening, kAdapting, kOpening, kOpening, kWatching},     // kOpening
      {kAdapting, kAdapting, kJudging, kAdapting, kWatching},   // kAdapting
      {kJudging, kJudging, kJudging, kWatching, kWatching},     // kJudging
  };
  return table[static_cast<std::size_t>(state)][static_cast<std::size_t>(event)];
}

class StreamScaler {
 public:
  // One cycle of BBR's gains takes eight round trips; a shorter span measures where in it one is.
  static constexpr std::uint64_t kSpanRtts = 8;
  static constexpr std::uint64_t kSpanMinNs = 400 * kNsPerMs;
  // Shares double from a quarter (two), and BBR's probing takes two for each quarter more of rate: doubled after eight.
  static constexpr std::uint64_t kAdaptRtts = 10;
  // With fewer nothing need be found: what was in flight is delivered and the rest takes its load.
  static constexpr std::uint64_t kAdaptFewerRtts = 4;
  static constexpr std::uint64_t kAdaptMinNs = 100 * kNsPerMs;
  // A ping that is lost is repeated after 250 ms; a path that has not answered in this time is not waited for.
  static constexpr std::uint64_t kOpenRtts = 3;
  static constexpr std::uint64_t kOpenMinNs = 300 * kNsPerMs;
  // Between trials of one kind; twice as long after each that did not pay.
  static constexpr std::uint64_t kRestMinNs = 2 * kNsPerSec;
  static constexpr std::uint64_t kRestMaxNs = 128 * kNsPerSec;
  static constexpr std::uint64_t kIdleNs = 5 * kNsPerSec;
  // What must be gained, at the least; more where spans differ by themselves.
  static constexpr double kGainMin = 0.05;
  static constexpr double kGainMax = 0.25;

  void begin(std::uint64_t now_ns, const ScalerLimits& limits) noexcept;
  // From now on; a target outside moves to the nearest within, at once, and a trial under way is over.
  void set_limits(const ScalerLimits& limits) noexcept;
  void step(const ScalerView& view) noexcept;

  [[nodiscard]] std::uint32_t target() const noexcept { return target_; }
  [[nodiscard]] ScalerState state() const noexcept { return state_; }
  [[nodiscard]] const ScalerLimits& limits() const noexcept { return limits_; }
  [[nodiscard]] const ScalerCounters& counters() const noexcept { return counters_; }
  // What must be gained now.
  [[nodiscard]] double margin() const noexcept;

 private:
  // Trials of one kind: not before `due_ns`.
  struct Backoff {
    std::uint64_t due_ns = 0;
    std::uint64_t rest_ns = kRestMinNs;
    void failed(std::uint64_t now_ns) noexcept;
    void paid() noexcept { *this = {}; }
  };

  void begin_span(const ScalerView& view) noexcept;
  [[nodiscard]] bool span_over(const ScalerView& view) const noexcept;
  // Bytes per second in the span; 0 when it says nothing.
  [[nodiscard]] double span_rate(const ScalerView& view) const noexcept;
  [[nodiscard]] bool clearly_worse(const ScalerView& view) const noexcept;
  [[nodiscard]] bool check_idle(const ScalerView& view) noexcept;
  void watch(const ScalerView& view) noexcept;
  void choose(const ScalerView& view) noexcept;
  void try_number(const ScalerView& view, std::uint32_t number) noexcept;
  void judge(const ScalerView& view) noexcept;
  void abandon() noexcept;
  void forget_trial() noexcept;
  [[nodiscard]] bool more() const noexcept { return target_ > before_; }

  ScalerLimits limits_;
  ScalerState state_ = ScalerState::kWatching;
  std::uint32_t target_ = 1;
  std::uint32_t before_ = 1;      // the number before the trial
  double base_rate_ = 0;          // bytes per second at that number; 0 = not measured
  double last_rate_ = 0;          // of the last span without a change
  double noise_ = 0;              // how much spans without a change differ, as a fraction
  std::uint64_t since_ns_ = 0;    // of the state
  ScalerView span_{};             // where the span began
  Backoff more_;
  Backoff fewer_;
  std::uint64_t delivered_seen_bytes_ = 0;
  std::uint64_t delivered_seen_ns_ = 0;
  ScalerCounters counters_;
};

}  // namespace dwcp
