// SPDX-License-Identifier: Apache-2.0
// A path of 50 ms, a packet acknowledged every millisecond.
#include "dataplane/transport/path_step.h"

#include <gtest/gtest.h>

namespace dwcp {
namespace {

constexpr std::uint64_t kMs = kNsPerMs;

struct Acks {
  PathStep step;
  std::uint64_t sent_ns = kNsPerSec;
  std::uint64_t round_end_ns = 0;  // a round begins with the first packet sent after the ACK that began the one before

  std::uint64_t ack(std::uint64_t rtt_ns, std::uint64_t apart_ns = kMs) {
    sent_ns += apart_ns;
    const std::uint64_t now_ns = sent_ns + rtt_ns;
    const bool round = sent_ns >= round_end_ns;
    if (round) round_end_ns = now_ns;
    return step.on_ack(now_ns, rtt_ns, 50 * kMs, round);
  }
  // The first step found in so much time.
  std::uint64_t during(std::uint64_t span_ns, std::uint64_t rtt_ns) {
    for (const std::uint64_t end_ns = sent_ns + span_ns; sent_ns < end_ns;) {
      if (const std::uint64_t found = ack(rtt_ns)) return found;
    }
    return 0;
  }
};

TEST(path_step, a_longer_route_is_certain_after_six_rounds) {
  Acks acks;
  acks.during(300 * kMs, 50 * kMs);
  EXPECT_EQ(acks.during(590 * kMs, 150 * kMs), 0U);
  EXPECT_TRUE(acks.step.pending());
  EXPECT_EQ(acks.during(500 * kMs, 150 * kMs), 100 * kMs);
  EXPECT_FALSE(acks.step.pending());
  EXPECT_EQ(acks.during(5000 * kMs, 150 * kMs), 0U);  // once
}

TEST(path_step, both_directions_are_seen_one_after_the_other) {
  Acks acks;
  acks.during(300 * kMs, 50 * kMs);
  EXPECT_EQ(acks.during(25 * kMs, 100 * kMs), 0U);
  EXPECT_EQ(acks.during(3000 * kMs, 150 * kMs), 100 * kMs);
}

TEST(path_step, behind_a_queue_only_the_step_counts) {
  Acks acks;
  acks.during(300 * kMs, 80 * kMs);
  EXPECT_EQ(acks.during(3000 * kMs, 110 * kMs), 30 * kMs);
}

TEST(path_step, a_queue_that_grows_is_none) {
  Acks acks;
  acks.during(300 * kMs, 50 * kMs);
  for (std::uint64_t rtt_ns = 50 * kMs; rtt_ns < 500 * kMs; rtt_ns += 8 * kMs) EXPECT_EQ(acks.ack(rtt_ns), 0U);
  EXPECT_FALSE(acks.step.pending());
  EXPECT_EQ(acks.during(9000 * kMs, 500 * kMs), 0U);
}

TEST(path_step, a_stall_drains) {
  Acks acks;
  acks.during(300 * kMs, 50 * kMs);
  std::uint64_t rtt_ns = 100 * kMs;
  EXPECT_EQ(acks.ack(rtt_ns, 10 * kNsPerUs), 0U);
  EXPECT_TRUE(acks.step.pending());
  for (; rtt_ns > 50 * kMs; rtt_ns -= kMs) EXPECT_EQ(acks.ack(rtt_ns), 0U);
  EXPECT_FALSE(acks.step.pending());
}

TEST(path_step, streams_on_paths_of_different_length_are_none) {
  Acks acks;
  for (int i = 0; i < 5000; ++i) EXPECT_EQ(acks.ack(i % 2 == 0 ? 50 * kMs : 80 * kMs), 0U);
}

TEST(path_step, what_is_small_is_left_to_other_means) {
  Acks acks;
  acks.during(300 * kMs, 50 * kMs);
  EXPECT_EQ(acks.during(3000 * kMs, 61 * kMs), 0U);
}

}  // namespace
}  // namespace dwcp
