// SPDX-License-Identifier: Apache-2.0
// NewReno, and with it what all loss-based controls share: slow start, epochs, undo, persistent congestion, pacing.
#include "dataplane/transport/new_reno.h"

#include <gtest/gtest.h>

#include "ack_clock.h"

namespace dwcp {
namespace {

constexpr std::uint64_t kMs = kNsPerMs;
constexpr std::uint64_t kDatagram = 1000;

LossBasedConfig config() {
  return {.datagram_bytes = kDatagram};
}

struct Bench {
  NewReno reno{config()};
  AckClock clock{.control = reno};

  // Slow start to about `datagrams`, then a loss: avoidance at half of it.
  void into_avoidance(std::uint64_t datagrams) {
    while (reno.window_bytes() < datagrams * kDatagram) clock.round();
    clock.lose(kDatagram);
    clock.now_ns += clock.rtt_ns;
  }
};

TEST(new_reno, starts_with_ten_datagrams_and_doubles_each_round) {
  Bench b;
  EXPECT_EQ(b.reno.window_bytes(), 10 * kDatagram);
  EXPECT_STREQ(b.reno.name(), "newreno");
  EXPECT_STREQ(b.reno.state_name(), "slow_start");
  b.clock.round(10);
  EXPECT_EQ(b.reno.window_bytes(), 20 * kDatagram);
  b.clock.round(10);
  EXPECT_EQ(b.reno.window_bytes(), 40 * kDatagram);
  EXPECT_TRUE(b.reno.starting_up());
}

TEST(new_reno, a_loss_halves_the_window_and_a_round_adds_one_datagram) {
  Bench b;
  b.into_avoidance(100);
  const std::uint64_t window = b.reno.window_bytes();
  EXPECT_NEAR(static_cast<double>(window), 80e3, 1);  // 160 datagrams in the round that passed 100
  EXPECT_FALSE(b.reno.starting_up());
  EXPECT_STREQ(b.reno.state_name(), "avoidance");
  for (int i = 1; i <= 10; ++i) {
    b.clock.round();
    EXPECT_NEAR(static_cast<double>(b.reno.window_bytes() - window), 1e3 * i, 100.0 * i);
  }
}

TEST(new_reno, one_reduction_in_a_round_trip) {
  Bench b;
  b.into_avoidance(100);
  b.clock.round();
  const std::uint64_t before = b.reno.window_bytes();
  const std::uint64_t event_ns = b.clock.now_ns;
  b.clock.lose(kDatagram);
  EXPECT_EQ(b.reno.window_bytes(), before / 2);
  b.clock.now_ns += 80 * kMs;
  b.clock.lose(5 * kDatagram, event_ns - 1);
  b.clock.lose(5 * kDatagram, event_ns);  // sent at the moment of the reduction
  EXPECT_EQ(b.reno.window_bytes(), before / 2);
  b.clock.lose(kDatagram, event_ns + 1);
  EXPECT_EQ(b.reno.window_bytes(), before / 4);
}

TEST(new_reno, losses_found_by_time_count_as_others_do) {
  Bench b;
  b.into_avoidance(100);
  const std::uint64_t before = b.reno.window_bytes();
  AckSample sample;
  sample.now_ns = b.clock.now_ns;
  sample.lost_bytes = kDatagram;
  sample.lost_sent_ns = b.clock.now_ns - 10 * kMs;
  b.reno.on_lost(sample);
  EXPECT_EQ(b.reno.window_bytes(), before / 2);
}

TEST(new_reno, no_growth_by_what_was_sent_before_the_reduction) {
  Bench b;
  b.into_avoidance(100);
  b.clock.lose(kDatagram);
  const std::uint64_t window = b.reno.window_bytes();
  b.clock.round();
  EXPECT_EQ(b.reno.window_bytes(), window);
  b.clock.now_ns += 1;
  b.clock.round();
  EXPECT_GT(b.reno.window_bytes(), window);
}

TEST(new_reno, spurious_losses_restore_the_window_when_all_are_known) {
  Bench b;
  b.into_avoidance(100);
  const std::uint64_t before = b.reno.window_bytes();
  const std::uint64_t sent_ns = b.clock.now_ns - 50 * kMs;
  b.clock.lose(2 * kDatagram, sent_ns);
  b.clock.lose(kDatagram, sent_ns + 1);  // the same epoch
  b.reno.on_spurious_loss(2 * kDatagram, sent_ns);
  EXPECT_EQ(b.reno.window_bytes(), before / 2);
  b.reno.on_spurious_loss(kDatagram, sent_ns + 1);
  EXPECT_EQ(b.reno.window_bytes(), before);
  // A real loss of the same flight, found later, still counts.
  b.clock.lose(kDatagram, sent_ns + 2);
  EXPECT_EQ(b.reno.window_bytes(), before / 2);
}

TEST(new_reno, spurious_losses_of_an_earlier_epoch_restore_nothing) {
  Bench b;
  b.into_avoidance(100);
  const std::uint64_t first_ns = b.clock.now_ns - 1;
  b.clock.lose(kDatagram, first_ns);
  b.clock.now_ns += b.clock.rtt_ns;
  b.clock.lose(kDatagram, b.clock.now_ns - 1);
  const std::uint64_t window = b.reno.window_bytes();
  b.reno.on_spurious_loss(kDatagram, first_ns);
  EXPECT_EQ(b.reno.window_bytes(), window);
}

TEST(new_reno, undone_in_slow_start_it_is_in_slow_start_again) {
  Bench b;
  b.clock.round();
  const std::uint64_t before = b.reno.window_bytes();
  b.clock.lose(kDatagram);
  EXPECT_FALSE(b.reno.slow_start());
  b.reno.on_spurious_loss(kDatagram, b.clock.now_ns - b.clock.rtt_ns / 2);
  EXPECT_TRUE(b.reno.slow_start());
  EXPECT_EQ(b.reno.window_bytes(), before);
}

TEST(new_reno, persistent_congestion_leaves_two_datagrams_and_half_the_threshold) {
  Bench b;
  b.into_avoidance(100);
  const std::uint64_t before = b.reno.window_bytes();
  b.reno.on_persistent_congestion(b.clock.now_ns);
  EXPECT_EQ(b.reno.window_bytes(), 2 * kDatagram);
  EXPECT_TRUE(b.reno.slow_start());
  while (b.reno.slow_start()) b.clock.round();
  EXPECT_NEAR(static_cast<double>(b.reno.window_bytes()), static_cast<double>(before) / 2, 3e3);
  // It is not undone by losses that turn out spurious.
  b.reno.on_spurious_loss(kDatagram, b.clock.now_ns - 1);
  EXPECT_NEAR(static_cast<double>(b.reno.window_bytes()), static_cast<double>(before) / 2, 3e3);
}

TEST(new_reno, never_below_two_datagrams) {
  Bench b;
  for (int i = 0; i < 20; ++i) {
    b.clock.now_ns += b.clock.rtt_ns;
    b.clock.lose(kDatagram);
  }
  EXPECT_EQ(b.reno.window_bytes(), 2 * kDatagram);
}

TEST(new_reno, a_window_not_in_use_does_not_grow) {
  Bench b;
  b.into_avoidance(100);
  b.clock.use = 0.5;
  const std::uint64_t window = b.reno.window_bytes();
  for (int i = 0; i < 20; ++i) b.clock.round();
  EXPECT_EQ(b.reno.window_bytes(), window);
  b.clock.use = 1;
  b.clock.round();
  EXPECT_GT(b.reno.window_bytes(), window);
}

TEST(new_reno, paced_a_quarter_above_the_window_and_twice_in_slow_start) {
  Bench b;
  EXPECT_GT(b.reno.pacing_bytes_per_sec(), 0U);
  b.clock.round();
  EXPECT_NEAR(static_cast<double>(b.reno.pacing_bytes_per_sec()), 2 * static_cast<double>(b.reno.window_bytes()) * 10, 20);
  b.into_avoidance(100);
  b.clock.round();
  EXPECT_NEAR(static_cast<double>(b.reno.pacing_bytes_per_sec()), 1.25 * static_cast<double>(b.reno.window_bytes()) * 10, 20);
}

TEST(new_reno, keeps_to_a_configured_rate) {
  LossBasedConfig capped = config();
  capped.rate_max_bytes_per_sec = 50'000;
  capped.resume = {.bandwidth_bytes_per_sec = 10'000'000, .min_rtt_ns = 100 * kMs};
  NewReno reno(capped);
  AckClock clock{.control = reno};
  EXPECT_LE(reno.pacing_bytes_per_sec(), 50'000U);
  for (int i = 0; i < 8; ++i) {
    clock.round();
    ASSERT_LE(reno.pacing_bytes_per_sec(), 50'000U);
  }
}

TEST(new_reno, tells_the_rate_it_measured_and_keeps_it_while_idle) {
  Bench b;
  b.into_avoidance(100);
  for (int i = 0; i < 12; ++i) b.clock.round();
  const double rate = static_cast<double>(b.reno.bandwidth_bytes_per_sec());
  EXPECT_NEAR(rate, static_cast<double>(b.reno.window_bytes()) * 10, 30e3);
  b.clock.app_limited = true;
  b.clock.use = 0.01;
  for (int i = 0; i < 100; ++i) b.clock.round(1);
  EXPECT_EQ(static_cast<double>(b.reno.bandwidth_bytes_per_sec()), rate);
}

// RFC 9002 §7.8: minutes later, what was measured is asked for again and not taken for granted.
TEST(new_reno, a_window_idle_for_minutes_becomes_a_memory) {
  Bench b;
  b.into_avoidance(400);
  for (int i = 0; i < 12; ++i) b.clock.round();
  const std::uint64_t rate = b.reno.bandwidth_bytes_per_sec();
  const std::uint64_t window = b.reno.window_bytes();
  const auto ping_for = [&](std::uint64_t span_ns) {
    for (const std::uint64_t end_ns = b.clock.now_ns + span_ns; b.clock.now_ns < end_ns;) {
      b.clock.now_ns += kNsPerSec;
      AckSample ping = b.clock.sample(50);
      ping.in_flight_bytes = 0;
      ping.sent_in_flight_bytes = 50;
      ping.delivery_bytes_per_sec = 500;
      ping.app_limited = true;
      b.reno.on_ack(ping);
    }
  };
  ping_for(170 * kNsPerSec);
  EXPECT_EQ(b.reno.window_bytes(), window);
  EXPECT_STREQ(b.reno.state_name(), "avoidance");
  ping_for(20 * kNsPerSec);
  EXPECT_STREQ(b.reno.state_name(), "resume");
  EXPECT_EQ(b.reno.pacing_bytes_per_sec(), rate);
  EXPECT_NEAR(static_cast<double>(b.reno.window_bytes()), static_cast<double>(rate) / 10, 1);
}

}  // namespace
}  // namespace dwcp
