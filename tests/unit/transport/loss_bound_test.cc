// SPDX-License-Identifier: Apache-2.0
// The bound by loss, round by round: 100 packets in flight at 50 ms, on a path whose queue adds as much again.
#include "dataplane/transport/loss_bound.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace dwcp {
namespace {

constexpr std::uint64_t kPacket = 1472;
constexpr std::uint64_t kMs = kNsPerMs;

struct Path {
  LossBound bound{static_cast<std::uint32_t>(kPacket)};
  std::uint64_t now_ns = kNsPerSec;
  std::uint64_t packets = 100;  // in flight

  [[nodiscard]] LossBound::Round make(std::uint64_t lost, bool queue) {
    const std::uint64_t rtt_ns = queue ? 100 * kMs : 50 * kMs;
    now_ns += rtt_ns;
    const std::uint64_t flight = std::min(packets * kPacket, bound.in_flight_max(now_ns));
    return {.now_ns = now_ns,
            .rtt_ns = rtt_ns,
            .min_rtt_ns = 50 * kMs,
            .acked_bytes = flight - lost * kPacket,
            .lost_bytes = lost * kPacket,
            .in_flight_bytes = flight,
            .bdp_bytes = packets * kPacket / 2,
            .queue = queue};
  }
  bool round(std::uint64_t lost, bool queue = true) { return bound.on_round(make(lost, queue)); }
  void rounds(int count, std::uint64_t lost, bool queue = true) {
    for (int i = 0; i < count; ++i) round(lost, queue);
  }
  [[nodiscard]] std::uint64_t limit() const { return bound.in_flight_max(now_ns) / kPacket; }
  // A block that is not judged, and three in which others let us have the queue without loss.
  void become_yielding() {
    rounds(64, 0);
    ASSERT_TRUE(bound.yielding());
  }
};

TEST(loss_bound, nothing_is_bounded_before_loss) {
  Path path;
  path.rounds(100, 0);
  EXPECT_EQ(path.bound.in_flight_max(path.now_ns), LossBound::kUnbounded);
  EXPECT_FALSE(path.bound.contested());
}

TEST(loss_bound, yields_once_others_are_seen_to) {
  Path path;
  EXPECT_FALSE(path.bound.yielding());
  path.rounds(63, 0);
  EXPECT_FALSE(path.bound.yielding());
  path.round(0);
  EXPECT_TRUE(path.bound.yielding());
}

TEST(loss_bound, never_yields_to_those_who_do_not) {
  Path path;
  path.rounds(200, 4);
  EXPECT_FALSE(path.bound.yielding());
  EXPECT_EQ(path.bound.in_flight_max(path.now_ns), LossBound::kUnbounded);
  EXPECT_TRUE(path.bound.contested());
}

TEST(loss_bound, a_congested_round_cuts_by_the_queue) {
  Path path;
  path.become_yielding();
  EXPECT_TRUE(path.round(3));
  EXPECT_EQ(path.limit(), 50U);
  EXPECT_TRUE(path.bound.contested());
}

TEST(loss_bound, one_overflow_is_one_cut) {
  Path path;
  path.become_yielding();
  path.round(3);
  EXPECT_FALSE(path.round(3));
  EXPECT_GE(path.limit(), 50U);
  EXPECT_TRUE(path.round(3));
  EXPECT_LT(path.limit(), 40U);
}

// K for 75 - 50 packets at 0.4 x (1 - 0.5) / (1 - 0.7) a cubic second is 3.3 s, and Reno's line adds a packet a round.
TEST(loss_bound, grows_back_as_a_cubic) {
  Path path;
  path.become_yielding();
  path.round(3);
  path.rounds(8, 0);
  EXPECT_GT(path.limit(), 55U);
  EXPECT_LT(path.limit(), 75U);
  path.rounds(24, 0);
  EXPECT_GE(path.limit(), 73U);
  EXPECT_LT(path.limit(), 100U);
}

TEST(loss_bound, does_not_grow_unused) {
  Path path;
  path.become_yielding();
  path.round(3);
  path.packets = 30;
  LossBound::Round idle = path.make(0, true);
  idle.bdp_bytes = 50 * kPacket;
  for (int i = 0; i < 20; ++i) path.bound.on_round(idle);
  EXPECT_EQ(path.limit(), 50U);
}

TEST(loss_bound, ambient_loss_is_not_congestion) {
  Path path;
  path.rounds(60, 2, false);
  EXPECT_NEAR(path.bound.ambient_loss(), 0.02, 0.003);
  path.become_yielding();
  path.rounds(40, 2, false);
  EXPECT_FALSE(path.round(3));
  EXPECT_TRUE(path.round(14));
}

// A round that ends behind a queue says nothing about the path, though its first round trips showed none.
TEST(loss_bound, an_overflow_is_not_ambient) {
  Path path;
  LossBound::Round overflow = path.make(10, false);
  overflow.rtt_ns = 100 * kMs;
  path.bound.on_round(overflow);
  EXPECT_EQ(path.bound.ambient_loss(), 0);
}

TEST(loss_bound, a_contested_block_without_loss_corrects_the_ambient_rate) {
  Path path;
  path.rounds(60, 4, false);
  path.rounds(32, 0, true);
  EXPECT_EQ(path.bound.ambient_loss(), 0);
}

// After a change to a longer route every round seems to have a queue, and what the path loses at random comes unevenly.
TEST(loss_bound, uneven_ambient_loss_behind_a_queue_is_still_ambient) {
  Path path;
  path.rounds(60, 1, false);
  path.become_yielding();
  path.rounds(60, 1, false);
  for (int i = 0; i < 200; ++i) path.round(i % 2 == 0 ? 2 : 0);
  EXPECT_GT(path.limit(), 100U);
}

TEST(loss_bound, what_was_learned_behind_a_queue_is_forgotten_with_it) {
  Path path;
  path.rounds(60, 4, false);
  LossBound::Round shorter = path.make(0, false);
  shorter.min_rtt_ns = shorter.rtt_ns = 40 * kMs;
  path.bound.on_round(shorter);
  EXPECT_EQ(path.bound.ambient_loss(), 0);
}

TEST(loss_bound, heavy_loss_is_congestion_without_a_queue) {
  Path path;
  path.become_yielding();
  EXPECT_TRUE(path.round(40, false));
}

TEST(loss_bound, stops_yielding_when_loss_goes_on) {
  Path path;
  path.become_yielding();
  path.packets = 50;
  for (int i = 0; i < 64; ++i) path.round(i % 8 == 0 ? 8 : 0);
  EXPECT_FALSE(path.bound.yielding());
  EXPECT_EQ(path.bound.in_flight_max(path.now_ns), LossBound::kUnbounded);
}

TEST(loss_bound, yielding_is_put_to_the_test_again) {
  Path path;
  path.become_yielding();
  int rounds = 0;
  while (path.bound.yielding() && rounds < 5000) path.round(rounds % 60 == 0 ? 1 : 0), ++rounds;
  EXPECT_EQ(rounds, 65 * 16);
}

// The test takes from others what a cubic would give back over minutes.
TEST(loss_bound, goes_on_from_where_it_was_when_the_test_shows_that_others_yield) {
  Path path;
  path.become_yielding();
  path.round(3);
  int rounds = 0;
  while (path.bound.yielding() && ++rounds < 5000) path.round(rounds % 60 == 0 ? 1 : 0);
  ASSERT_FALSE(path.bound.yielding());
  EXPECT_TRUE(path.bound.contested());
  path.rounds(63, 0);
  EXPECT_EQ(path.bound.in_flight_max(path.now_ns), LossBound::kUnbounded);
  path.round(0);
  ASSERT_TRUE(path.bound.yielding());
  EXPECT_LE(path.limit(), 100U);
}

// 100 packets: below 0.4 x 2.8 % it is CUBIC, above 2.8 % it is not.
TEST(loss_bound, what_may_be_either_is_yielded_to_in_turns) {
  Path path;
  const auto block = [&] {
    for (int i = 0; i < 16; ++i) path.round(i % 2 == 0 ? 4 : 0);  // 2 %
  };
  for (int i = 0; i < 7; ++i) {
    block();
    EXPECT_FALSE(path.bound.yielding()) << i;
  }
  block();
  EXPECT_TRUE(path.bound.yielding());
  EXPECT_EQ(path.limit(), 50U);  // the first time, as after a congested round
  int rounds = 0;
  while (path.bound.yielding() && ++rounds < 5000) path.round(0);
  EXPECT_EQ(rounds, 7 * 16);
  // It goes on half-way between where it was and where the test ended.
  EXPECT_EQ(path.bound.in_flight_max(path.now_ns), LossBound::kUnbounded);
  for (int i = 0; i < 8; ++i) block();
  EXPECT_TRUE(path.bound.yielding());
  EXPECT_GT(path.limit(), 100U);
  EXPECT_LT(path.limit(), 160U);
}

TEST(loss_bound, room_that_is_left_alone_is_taken) {
  Path path;
  path.become_yielding();
  path.round(3);
  path.packets = 1000;
  path.rounds(30, 0, false);
  EXPECT_GT(path.limit(), 400U);
}

TEST(loss_bound, unyielding_replaces_nothing_lost_for_a_round_trip) {
  Path path;
  const LossBound::Ack ack{.now_ns = path.now_ns,
                           .rtt_ns = 100 * kMs,
                           .acked_bytes = 2 * kPacket,
                           .lost_bytes = 5 * kPacket,
                           .in_flight_bytes = 93 * kPacket,
                           .queue = true};
  path.bound.on_ack(ack);
  EXPECT_EQ(path.limit(), 95U);
  path.now_ns += 99 * kMs;
  EXPECT_EQ(path.limit(), 95U);
  path.now_ns += kMs;
  EXPECT_EQ(path.bound.in_flight_max(path.now_ns), LossBound::kUnbounded);
}

TEST(loss_bound, unyielding_never_holds_back_what_the_pipe_takes) {
  Path path;
  for (std::uint64_t in_flight = 90; in_flight > 20; in_flight -= 10) {
    path.bound.on_ack({.now_ns = path.now_ns, .rtt_ns = 100 * kMs, .acked_bytes = kPacket, .lost_bytes = 9 * kPacket,
                       .in_flight_bytes = in_flight * kPacket, .bdp_bytes = 50 * kPacket, .queue = true});
  }
  EXPECT_EQ(path.limit(), 50U);
}

TEST(loss_bound, what_was_not_lost_holds_nothing_back) {
  Path path;
  path.bound.on_ack({.now_ns = path.now_ns, .rtt_ns = 100 * kMs, .acked_bytes = 2 * kPacket, .lost_bytes = 5 * kPacket,
                     .in_flight_bytes = 93 * kPacket, .queue = true});
  ASSERT_EQ(path.limit(), 95U);
  path.bound.on_spurious_loss(5 * kPacket);
  EXPECT_EQ(path.bound.in_flight_max(path.now_ns), LossBound::kUnbounded);
}

TEST(loss_bound, unyielding_replaces_what_the_path_loses_anyway) {
  Path path;
  path.rounds(60, 4, false);
  LossBound::Ack ack{.now_ns = path.now_ns, .rtt_ns = 100 * kMs, .acked_bytes = kPacket, .lost_bytes = kPacket,
                     .in_flight_bytes = 99 * kPacket, .queue = true};
  for (int i = 0; i < 9; ++i) path.bound.on_ack(ack);
  EXPECT_EQ(path.bound.in_flight_max(path.now_ns), LossBound::kUnbounded);
  ack.lost_bytes = 8 * kPacket;
  path.bound.on_ack(ack);
  EXPECT_EQ(path.limit(), 100U);
}

TEST(loss_bound, loss_without_a_queue_is_replaced_at_once) {
  Path path;
  path.bound.on_ack({.now_ns = path.now_ns, .rtt_ns = 50 * kMs, .acked_bytes = kPacket, .lost_bytes = kPacket,
                     .in_flight_bytes = 90 * kPacket, .queue = false});
  EXPECT_EQ(path.bound.in_flight_max(path.now_ns), LossBound::kUnbounded);
}

TEST(loss_bound, more_paths_are_as_lossy_as_those_before) {
  Path path;
  path.become_yielding();
  path.rounds(60, 2, false);
  path.round(30);
  path.bound.forget_others();
  EXPECT_FALSE(path.bound.yielding());
  EXPECT_EQ(path.bound.in_flight_max(path.now_ns), LossBound::kUnbounded);
  EXPECT_NEAR(path.bound.ambient_loss(), 0.02, 0.003);
}

TEST(loss_bound, forgets_with_the_path) {
  Path path;
  path.rounds(60, 2, false);
  path.become_yielding();
  path.round(30);
  path.bound.forget();
  EXPECT_EQ(path.bound.ambient_loss(), 0);
  EXPECT_FALSE(path.bound.yielding());
  EXPECT_EQ(path.bound.in_flight_max(path.now_ns), LossBound::kUnbounded);
}

}  // namespace
}  // namespace dwcp
