// SPDX-License-Identifier: Apache-2.0
// The scaler against a made-up lane whose delivery is a function of the number of streams.
#include "dataplane/transport/stream_scaler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

namespace dwcp {
namespace {

constexpr std::uint64_t kRttNs = 50 * kNsPerMs;

struct FakeLane {
  FakeLane(ScalerLimits limits, std::function<double(std::uint32_t)> rate) : bytes_per_sec(std::move(rate)) {
    scaler.begin(view.now_ns = kNsPerSec, limits);
    view.rtt_ns = kRttNs;
    view.active = limits.initial;
  }

  void step() {
    view.now_ns += kRttNs;
    const auto bytes = static_cast<std::uint64_t>(bytes_per_sec(view.active) * static_cast<double>(kRttNs) * 1e-9);
    view.delivered_bytes += bytes;
    view.acked_bytes += bytes;
    if (app_limited) view.limited_bytes += bytes;
    scaler.step(view);
    highest = std::max(highest, scaler.target());
    lowest = std::min(lowest, scaler.target());
    if (!paths_dead) view.active = scaler.target();
  }
  void run(std::uint64_t span_ns) {
    for (const std::uint64_t end_ns = view.now_ns + span_ns; view.now_ns < end_ns;) step();
  }
  bool run_to(ScalerState state) {
    for (int i = 0; i < 2000; ++i) {
      if (scaler.state() == state) return true;
      step();
    }
    return false;
  }

  StreamScaler scaler;
  ScalerView view;
  std::function<double(std::uint32_t)> bytes_per_sec;
  bool app_limited = false;
  bool paths_dead = false;  // new streams get no answer
  std::uint32_t highest = 0;
  std::uint32_t lowest = 1000;
};

double policed(std::uint32_t streams) { return 6e6 * streams; }
double shared(std::uint32_t) { return 60e6; }

TEST(stream_scaler, life_follows_its_table) {
  using enum ScalerState;
  EXPECT_EQ(next_state(kWatching, ScalerEvent::kTry), kOpening);
  EXPECT_EQ(next_state(kOpening, ScalerEvent::kReady), kAdapting);
  EXPECT_EQ(next_state(kAdapting, ScalerEvent::kSettled), kJudging);
  EXPECT_EQ(next_state(kJudging, ScalerEvent::kJudge), kWatching);
  for (const ScalerState state : {kWatching, kOpening, kAdapting, kJudging}) {
    EXPECT_EQ(next_state(state, ScalerEvent::kAbandon), kWatching);
  }
  EXPECT_EQ(next_state(kAdapting, ScalerEvent::kJudge), kAdapting);  // not measured yet
}

TEST(stream_scaler, grows_by_doubling_while_it_gains) {
  FakeLane lane({.min = 1, .initial = 1, .max = 16}, policed);
  lane.run(7 * kNsPerSec);
  EXPECT_EQ(lane.scaler.counters().grown, 4U);
  EXPECT_GE(lane.scaler.target(), 12U);
  lane.run(60 * kNsPerSec);
  EXPECT_GE(lane.scaler.target(), 12U);  // 16, or 16 less a trial of fewer
  EXPECT_EQ(lane.scaler.counters().shrunk, 0U);
}

TEST(stream_scaler, goes_back_where_nothing_is_gained_and_tries_ever_more_rarely) {
  FakeLane lane({.min = 4, .initial = 4, .max = 32}, shared);
  lane.run(10 * kNsPerSec);
  const std::uint64_t early = lane.scaler.counters().trials;
  EXPECT_EQ(lane.highest, 8U);
  EXPECT_GE(early, 2U);
  lane.run(100 * kNsPerSec);
  EXPECT_LE(lane.scaler.counters().trials, early + 5);
  EXPECT_EQ(lane.scaler.counters().grown, 0U);
  ASSERT_TRUE(lane.run_to(ScalerState::kWatching));
  EXPECT_EQ(lane.scaler.target(), 4U);
}

TEST(stream_scaler, finds_the_number_that_is_enough) {
  FakeLane lane({.min = 1, .initial = 4, .max = 64}, [](std::uint32_t n) { return std::min(6e6 * n, 120e6); });  // 20
  lane.run(60 * kNsPerSec);
  ASSERT_TRUE(lane.run_to(ScalerState::kWatching));
  EXPECT_GE(lane.scaler.target(), 20U);
  EXPECT_LE(lane.scaler.target(), 26U);
}

TEST(stream_scaler, above_home_fewer_need_only_lose_nothing) {
  FakeLane lane({.min = 1, .initial = 4, .max = 32}, policed);
  lane.run(20 * kNsPerSec);
  ASSERT_GE(lane.scaler.target(), 24U);
  lane.bytes_per_sec = shared;
  lane.run(120 * kNsPerSec);
  ASSERT_TRUE(lane.run_to(ScalerState::kWatching));
  EXPECT_EQ(lane.scaler.target(), 4U);
}

TEST(stream_scaler, below_home_fewer_must_gain) {
  FakeLane lane({.min = 1, .initial = 4, .max = 4}, [](std::uint32_t n) { return 60e6 / n; });
  lane.run(30 * kNsPerSec);
  ASSERT_TRUE(lane.run_to(ScalerState::kWatching));
  EXPECT_EQ(lane.scaler.target(), 1U);
  lane.bytes_per_sec = shared;
  lane.run(300 * kNsPerSec);
  ASSERT_TRUE(lane.run_to(ScalerState::kWatching));
  EXPECT_EQ(lane.scaler.target(), 4U) << "home again, losing nothing";
}

TEST(stream_scaler, does_not_judge_a_lane_with_little_to_send) {
  FakeLane lane({.min = 1, .initial = 2, .max = 16}, policed);
  lane.app_limited = true;
  lane.run(20 * kNsPerSec);
  EXPECT_EQ(lane.scaler.counters().trials, 0U);
  lane.app_limited = false;
  ASSERT_TRUE(lane.run_to(ScalerState::kJudging));
  lane.app_limited = true;
  lane.run(kNsPerSec);
  EXPECT_EQ(lane.scaler.state(), ScalerState::kWatching);
  EXPECT_EQ(lane.scaler.target(), 2U);
  EXPECT_EQ(lane.scaler.counters().grown, 0U);
}

TEST(stream_scaler, waits_for_start_up_to_end) {
  FakeLane lane({.min = 1, .initial = 1, .max = 8}, policed);
  lane.view.starting_up = true;
  lane.run(5 * kNsPerSec);
  EXPECT_EQ(lane.scaler.counters().trials, 0U);
  lane.view.starting_up = false;
  EXPECT_TRUE(lane.run_to(ScalerState::kOpening));
}

TEST(stream_scaler, gives_up_on_paths_that_do_not_answer) {
  FakeLane lane({.min = 1, .initial = 2, .max = 8}, policed);
  lane.paths_dead = true;
  ASSERT_TRUE(lane.run_to(ScalerState::kOpening));
  EXPECT_EQ(lane.scaler.target(), 4U);
  lane.run(2 * kNsPerSec);
  EXPECT_EQ(lane.scaler.target(), 2U);
  EXPECT_EQ(lane.scaler.counters().grown, 0U);
}

TEST(stream_scaler, goes_home_when_idle) {
  FakeLane lane({.min = 1, .initial = 2, .max = 16}, policed);
  lane.run(10 * kNsPerSec);
  ASSERT_GE(lane.scaler.target(), 12U);
  lane.bytes_per_sec = [](std::uint32_t) { return 0.0; };
  lane.run(StreamScaler::kIdleNs + kNsPerSec);
  EXPECT_EQ(lane.scaler.target(), 2U);
  EXPECT_EQ(lane.scaler.state(), ScalerState::kWatching);
}

TEST(stream_scaler, new_limits_hold_at_once) {
  FakeLane lane({.min = 1, .initial = 2, .max = 16}, policed);
  ASSERT_TRUE(lane.run_to(ScalerState::kAdapting));
  lane.scaler.set_limits({.min = 8, .initial = 8, .max = 8});
  EXPECT_EQ(lane.scaler.target(), 8U);
  EXPECT_EQ(lane.scaler.state(), ScalerState::kWatching);
  lane.lowest = lane.highest = 8;
  lane.run(20 * kNsPerSec);
  EXPECT_EQ(lane.lowest, 8U);
  EXPECT_EQ(lane.highest, 8U);
}

TEST(stream_scaler, what_spans_differ_by_on_their_own_is_no_gain) {
  double sign = 1;
  std::uint64_t flip = 0;
  FakeLane lane({.min = 4, .initial = 4, .max = 4}, {});
  lane.bytes_per_sec = [&](std::uint32_t) {
    if (++flip % 8 == 0) sign = -sign;
    return 60e6 * (1 + 0.05 * sign);
  };
  EXPECT_DOUBLE_EQ(lane.scaler.margin(), StreamScaler::kGainMin);
  lane.run(10 * kNsPerSec);
  EXPECT_GT(lane.scaler.margin(), 1.5 * StreamScaler::kGainMin);
  EXPECT_LE(lane.scaler.margin(), StreamScaler::kGainMax);
}

}  // namespace
}  // namespace dwcp
