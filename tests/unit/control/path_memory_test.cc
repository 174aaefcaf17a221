// SPDX-License-Identifier: Apache-2.0
#include "control/path_memory.h"

#include <gtest/gtest.h>

namespace dwcp {
namespace {

constexpr std::uint64_t kHour = 3600 * kNsPerSec;

struct Bench {
  PathMemory memory{2};
  std::uint64_t now_ns = kNsPerSec;
  std::uint64_t packet_bytes = 1472;
  PathObserved observed{.session = 7, .min_rtt_ns = 50 * kNsPerMs};

  // Ten reports a second while the link carries `used` of `bytes_per_sec`.
  void run(std::uint64_t span_ns, std::uint64_t bytes_per_sec, double used = 1, bool known = true) {
    for (const std::uint64_t end_ns = now_ns + span_ns; now_ns < end_ns;) {
      now_ns += 100 * kNsPerMs;
      observed.bandwidth_bytes_per_sec = bytes_per_sec;
      observed.bandwidth_known = known;
      const auto packets =
          static_cast<std::uint64_t>(used * static_cast<double>(bytes_per_sec) / 10 / static_cast<double>(packet_bytes));
      observed.packets_acked += packets;
      observed.packets_sent += packets;
      observed.bytes_sent += packets * packet_bytes;
      memory.learn(now_ns, 0, observed);
    }
  }
  [[nodiscard]] std::uint64_t recalled() const { return memory.recall(now_ns, 0).bandwidth_bytes_per_sec; }
};

TEST(path_memory, knows_nothing_at_first) {
  Bench b;
  EXPECT_EQ(b.recalled(), 0U);
  EXPECT_EQ(b.memory.recall(b.now_ns, 0).min_rtt_ns, 0U);
}

TEST(path_memory, remembers_the_rate_and_round_trip_of_a_link_in_use) {
  Bench b;
  b.run(5 * kNsPerSec, 100'000'000);
  b.observed.min_rtt_ns = 49 * kNsPerMs;
  b.run(kNsPerSec, 90'000'000);
  const ResumePoint point = b.memory.recall(b.now_ns, 0);
  EXPECT_EQ(point.bandwidth_bytes_per_sec, 100'000'000U);
  EXPECT_EQ(point.min_rtt_ns, 49 * kNsPerMs);
  EXPECT_EQ(b.memory.recall(b.now_ns, 1).bandwidth_bytes_per_sec, 0U) << "of the other peer";
}

TEST(path_memory, a_rate_still_being_found_or_not_in_use_is_not_remembered) {
  Bench b;
  b.run(5 * kNsPerSec, 100'000'000, 1, false);
  EXPECT_EQ(b.recalled(), 0U);
  b.run(5 * kNsPerSec, 100'000'000, 0.1);
  EXPECT_EQ(b.recalled(), 0U);
  b.run(5 * kNsPerSec, 100'000'000, 0.5);
  EXPECT_EQ(b.recalled(), 100'000'000U);
}

// What a packet carries changes with the path: it is counted as it was while the report was made up.
TEST(path_memory, use_is_judged_by_what_packets_carry) {
  Bench b;
  b.packet_bytes = 1440;
  b.run(5 * kNsPerSec, 100'000'000, 0.1);
  EXPECT_EQ(b.recalled(), 0U);
  b.packet_bytes = 8960;
  b.run(kNsPerSec, 100'000'000, 0.2);
  EXPECT_EQ(b.recalled(), 0U);
  b.run(kNsPerSec, 100'000'000, 0.3);
  EXPECT_EQ(b.recalled(), 100'000'000U) << "after five seconds of small packets";
}

TEST(path_memory, an_implausible_report_is_not_believed) {
  Bench b;
  b.run(kNsPerSec, 50'000);
  b.run(kNsPerSec, 60'000'000'000);
  b.observed.min_rtt_ns = 0;
  b.run(kNsPerSec, 100'000'000);
  b.observed.min_rtt_ns = 6 * kNsPerSec;
  b.run(kNsPerSec, 100'000'000);
  EXPECT_EQ(b.recalled(), 0U);
}

TEST(path_memory, the_last_bad_seconds_do_not_outweigh_the_minute_before_but_a_minute_does) {
  Bench b;
  b.run(60 * kNsPerSec, 100'000'000);
  b.run(10 * kNsPerSec, 5'000'000);
  EXPECT_EQ(b.recalled(), 100'000'000U);
  b.run(65 * kNsPerSec, 5'000'000);
  EXPECT_EQ(b.recalled(), 5'000'000U);
}

TEST(path_memory, survives_the_session_and_idle_time_but_not_a_day) {
  Bench b;
  b.run(10 * kNsPerSec, 100'000'000);
  b.observed.session = 8;
  b.observed.packets_acked = b.observed.packets_sent = b.observed.bytes_sent = 0;
  b.run(kHour / 2, 100'000'000, 0);
  EXPECT_EQ(b.recalled(), 100'000'000U);
  b.now_ns += kHour;
  EXPECT_EQ(b.recalled(), 50'000'000U);
  b.now_ns += 24 * kHour;
  EXPECT_EQ(b.recalled(), 0U);
}

TEST(path_memory, totals_of_another_session_are_no_progress) {
  Bench b;
  b.run(100 * kNsPerMs, 100'000'000);
  EXPECT_EQ(b.recalled(), 0U) << "the first report of a session says nothing of the time before it";
  b.observed.session = 8;
  b.run(100 * kNsPerMs, 100'000'000);
  EXPECT_EQ(b.recalled(), 0U);
  b.run(100 * kNsPerMs, 100'000'000);
  EXPECT_EQ(b.recalled(), 100'000'000U);
}

}  // namespace
}  // namespace dwcp
