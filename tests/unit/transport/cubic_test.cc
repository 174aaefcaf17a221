// SPDX-License-Identifier: Apache-2.0
// CUBIC against the figures of RFC 9438, and HyStart++ against RFC 9406.
#include "dataplane/transport/cubic.h"

#include <gtest/gtest.h>

#include <cmath>

#include "ack_clock.h"

namespace dwcp {
namespace {

constexpr std::uint64_t kMs = kNsPerMs;
constexpr std::uint64_t kDatagram = 1000;

LossBasedConfig config() {
  return {.datagram_bytes = kDatagram};
}

struct Bench {
  explicit Bench(std::uint64_t rtt_ns = 100 * kMs) : clock{.control = cubic, .rtt_ns = rtt_ns} {}
  Cubic cubic{config()};
  AckClock clock;

  [[nodiscard]] double datagrams() const { return static_cast<double>(cubic.window_bytes()) / kDatagram; }
  void lose() {
    clock.now_ns += clock.rtt_ns;
    clock.lose(kDatagram);
    clock.now_ns += clock.rtt_ns;
  }
  // Slow start until the window is past `most`, and a loss; returns the window before it.
  double into_avoidance(double most) {
    while (datagrams() < most) clock.round();
    const double before = datagrams();
    lose();
    return before;
  }
};

TEST(cubic, a_loss_leaves_seven_tenths) {
  Bench b;
  EXPECT_STREQ(b.cubic.name(), "cubic");
  const double before = b.into_avoidance(1000);
  EXPECT_NEAR(b.datagrams(), 0.7 * before, 1);
  EXPECT_NEAR(b.cubic.window_max(), before, 1);
}

// §4.2: K = cbrt((W_max - cwnd_epoch) / C), and W_cubic(t) = C (t - K)^3 + W_max: 0.7 W_max at 0, W_max at K.
TEST(cubic, returns_along_the_cubic) {
  Bench b;
  const double before = b.into_avoidance(1000);
  b.clock.round(1);
  const double k = std::cbrt(0.3 * before / 0.4);
  ASSERT_NEAR(b.cubic.k(), k, 0.01);
  EXPECT_NEAR(b.cubic.window_at(0), 0.7 * before, 1);
  EXPECT_NEAR(b.cubic.window_at(k), before, 1);
  EXPECT_NEAR(b.cubic.window_at(2 * k), 1.3 * before, 1);
  // The window itself, driven by ACKs, to the RFC's figure at each time.
  double elapsed = 0.1;
  for (const double part : {0.25, 0.5, 0.75, 1.0, 1.25, 1.5}) {
    const double more = part * k - elapsed;
    b.clock.rounds_for(static_cast<std::uint64_t>(more * 1e9));
    elapsed = part * k;
    const double expected = 0.4 * std::pow(elapsed - k, 3) + before;
    EXPECT_NEAR(b.datagrams(), expected, 0.02 * before) << part;
  }
}

// §4.7: W_max = cwnd (1 + beta) / 2 when the window did not get back to where it was.
TEST(cubic, fast_convergence_makes_room) {
  Bench b;
  const double before = b.into_avoidance(1000);
  b.clock.rounds_for(2 * kNsPerSec);
  const double second = b.datagrams();
  ASSERT_LT(second, 0.98 * before);
  b.lose();
  EXPECT_NEAR(b.cubic.window_max(), second * 0.85, 2);
  EXPECT_NEAR(b.datagrams(), 0.7 * second, 2);
}

TEST(cubic, beyond_the_last_peak_the_new_one_is_kept_whole) {
  Bench b;
  const double before = b.into_avoidance(1000);
  b.clock.rounds_for(static_cast<std::uint64_t>(1.5 * std::cbrt(0.3 * before / 0.4) * 1e9));
  const double second = b.datagrams();
  ASSERT_GT(second, 1.01 * before);
  b.lose();
  EXPECT_NEAR(b.cubic.window_max(), second, 2);
}

// §4.3: on short paths at least as fast as NewReno of the same mean: 3 (1 - beta) / (1 + beta) datagrams a round trip until
// the window is where it was, and then one.
TEST(cubic, follows_newreno_where_that_is_faster) {
  Bench b(2 * kMs);
  const double before = b.into_avoidance(30);
  const double start = b.datagrams();
  ASSERT_NEAR(start, 0.7 * before, 0.1);
  for (int i = 0; i < 10; ++i) b.clock.round();
  EXPECT_NEAR(b.datagrams() - start, 10 * 9.0 / 17, 0.8);
  while (b.datagrams() < before) b.clock.round();
  const double there = b.datagrams();
  for (int i = 0; i < 10; ++i) b.clock.round();
  EXPECT_NEAR(b.datagrams() - there, 10, 1.5);
}

// §4.2: at most half as much again in a round trip.
TEST(cubic, never_grows_by_more_than_half_a_round) {
  Bench b(2 * kNsPerSec);
  b.into_avoidance(20);
  for (int i = 0; i < 30; ++i) {
    const double before = b.datagrams();
    b.clock.round(100);
    ASSERT_LE(b.datagrams(), 1.66 * before);  // e^(1/2), the half being of the window as it grows
  }
  EXPECT_GT(b.datagrams(), 1000);
}

// §5.8: what was not in use must not leap when it is again.
TEST(cubic, time_without_use_does_not_count) {
  Bench b;
  b.into_avoidance(1000);
  b.clock.round();
  b.clock.use = 0.3;
  b.clock.rounds_for(60 * kNsPerSec);
  const double before = b.datagrams();
  b.clock.use = 1;
  b.clock.round();
  EXPECT_LT(b.datagrams(), before * 1.05);
}

TEST(cubic, undo_restores_window_and_curve) {
  Bench b;
  b.into_avoidance(1000);
  b.clock.rounds_for(2 * kNsPerSec);
  const double before = b.datagrams();
  const double peak = b.cubic.window_max();
  const std::uint64_t sent_ns = b.clock.now_ns - 1;
  b.clock.lose(kDatagram, sent_ns);
  ASSERT_NE(b.cubic.window_max(), peak);
  b.cubic.on_spurious_loss(kDatagram, sent_ns);
  EXPECT_NEAR(b.datagrams(), before, 0.1);
  EXPECT_EQ(b.cubic.window_max(), peak);
}

// §4.8: after a timeout, K = 0 and W_max is the window at the start of avoidance.
TEST(cubic, after_persistent_congestion_the_curve_begins_anew) {
  Bench b;
  b.into_avoidance(200);
  const double before = b.datagrams();
  b.cubic.on_persistent_congestion(b.clock.now_ns);
  EXPECT_EQ(b.cubic.window_bytes(), 2 * kDatagram);
  while (b.cubic.slow_start()) b.clock.round();
  EXPECT_EQ(b.cubic.k(), 0);
  EXPECT_NEAR(b.cubic.window_max(), 0.7 * before, 8);
}

TEST(hystart, a_rise_of_an_eighth_slows_and_five_rounds_later_ends_slow_start) {
  Bench b(80 * kMs);
  for (int i = 0; i < 3; ++i) b.clock.round();
  ASSERT_NEAR(b.datagrams(), 80, 1);
  b.clock.rtt_ns = 91 * kMs;  // 80 ms + 1/8 and a little
  b.clock.round();
  const double slowed = b.datagrams();
  EXPECT_LT(slowed, 160);
  EXPECT_TRUE(b.cubic.slow_start());
  int rounds = 0;
  while (b.cubic.slow_start() && rounds < 10) b.clock.round(), ++rounds;
  EXPECT_GE(rounds, 3);
  EXPECT_LE(rounds, 6);
  EXPECT_LT(b.datagrams(), slowed * std::pow(1.25, rounds) + 1);
  EXPECT_EQ(b.cubic.k(), 0);
}

TEST(hystart, a_rise_that_goes_away_was_none) {
  Bench b(80 * kMs);
  for (int i = 0; i < 3; ++i) b.clock.round();
  b.clock.rtt_ns = 91 * kMs;
  b.clock.round();
  b.clock.rtt_ns = 80 * kMs;
  b.clock.round();
  const double before = b.datagrams();
  b.clock.round();
  EXPECT_NEAR(b.datagrams(), 2 * before, 0.1 * before);
}

TEST(hystart, a_rise_below_the_threshold_is_none) {
  Bench b(80 * kMs);
  for (int i = 0; i < 3; ++i) b.clock.round();
  b.clock.rtt_ns = 88 * kMs;
  for (int i = 0; i < 3; ++i) b.clock.round();
  EXPECT_NEAR(b.datagrams(), 640, 40);
}

}  // namespace
}  // namespace dwcp
