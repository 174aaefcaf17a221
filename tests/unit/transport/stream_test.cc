// SPDX-License-Identifier: Apache-2.0
// Loss recovery of one stream (RFC 9002), with a congestion control that only takes notes.
#include "dataplane/transport/stream.h"

#include <gtest/gtest.h>

#include <vector>

namespace dwcp {
namespace {

constexpr std::uint64_t kMs = kNsPerMs;

struct Notes final : CongestionControl {
  std::uint64_t lost = 0;
  std::uint64_t spurious = 0;
  int persistent = 0;
  void on_ack(const AckSample& sample) noexcept override { lost += sample.lost_bytes; }
  void on_lost(std::uint64_t, std::uint64_t bytes, std::uint64_t) noexcept override { lost += bytes; }
  void on_persistent_congestion(std::uint64_t) noexcept override { ++persistent; }
  void on_spurious_loss(std::uint64_t bytes) noexcept override { spurious += bytes; }
  [[nodiscard]] std::uint64_t window_bytes() const noexcept override { return 1U << 30; }
  [[nodiscard]] std::uint64_t pacing_bytes_per_sec() const noexcept override { return 0; }
  [[nodiscard]] std::uint64_t bandwidth_bytes_per_sec() const noexcept override { return 0; }
  [[nodiscard]] bool starting_up() const noexcept override { return false; }
  [[nodiscard]] const char* name() const noexcept override { return "notes"; }
  [[nodiscard]] const char* state_name() const noexcept override { return ""; }
};

struct Bench final : SentSink {
  SentPagePool pages{64 * SentPage::kRecords};
  Notes* notes = new Notes;
  Stream stream{StreamId{0}, pages, std::unique_ptr<CongestionControl>(notes)};
  std::vector<std::uint32_t> acked;
  std::vector<std::uint32_t> lost;
  void on_packet_acked(const SentPacket& packet) noexcept override { acked.push_back(packet.ranges[0].offset); }
  void on_packet_lost(const SentPacket& packet) noexcept override { lost.push_back(packet.ranges[0].offset); }

  // Packet n carries n in its range.
  void send(std::uint64_t now_ns, int count = 1) {
    for (; count > 0; --count) {
      ASSERT_TRUE(stream.has_record_space());
      const auto number = static_cast<std::uint32_t>(stream.next_number());
      SentPacket& packet = stream.begin_packet();
      packet.ranges[0].offset = number;
      packet.range_count = 1;
      stream.on_sent(now_ns, packet, 1000, true);
    }
  }
  bool ack(std::uint64_t now_ns, std::vector<AckedRange> ranges) { return stream.on_ack(now_ns, ranges, 0, *this); }
};

using Numbers = std::vector<std::uint32_t>;

TEST(stream, packet_threshold_is_three) {
  Bench b;
  b.send(kNsPerSec, 5);
  ASSERT_TRUE(b.ack(kNsPerSec + 50 * kMs, {{.first = 1, .last = 2}}));
  EXPECT_TRUE(b.lost.empty());
  ASSERT_TRUE(b.ack(kNsPerSec + 50 * kMs, {{.first = 1, .last = 3}}));
  EXPECT_EQ(b.lost, (Numbers{0}));
  EXPECT_EQ(b.acked, (Numbers{1, 2, 3}));
  EXPECT_EQ(b.stream.in_flight_bytes(), 1000U);
  EXPECT_EQ(b.notes->lost, 1000U);
}

TEST(stream, time_threshold_is_nine_eighths) {
  Bench b;
  b.send(kNsPerSec, 2);
  ASSERT_TRUE(b.ack(kNsPerSec + 80 * kMs, {{.first = 1, .last = 1}}));
  EXPECT_EQ(b.stream.timer_ns(), kNsPerSec + 90 * kMs);
  b.stream.on_time(kNsPerSec + 90 * kMs - 1, b);
  EXPECT_TRUE(b.lost.empty());
  b.stream.on_time(kNsPerSec + 90 * kMs, b);
  EXPECT_EQ(b.lost, (Numbers{0}));
  EXPECT_EQ(b.stream.in_flight_bytes(), 0U);
  EXPECT_EQ(b.stream.timer_ns(), kNever);
}

TEST(stream, pto_doubles_up_to_a_cap_and_declares_nothing_lost) {
  Bench b;
  b.send(kNsPerSec);
  ASSERT_TRUE(b.ack(kNsPerSec + 100 * kMs, {{.first = 0, .last = 0}}));
  const std::uint64_t sent = 2 * kNsPerSec;
  b.send(sent);
  // smoothed 100, variation 50: 100 + 4 x 50 + 5.
  std::uint64_t pto = 305 * kMs;
  EXPECT_EQ(b.stream.timer_ns(), sent + pto);
  for (int i = 0; i < 8; ++i) {
    b.stream.on_time(b.stream.timer_ns(), b);
    EXPECT_EQ(b.stream.probes_pending(), 2U);
    pto = std::min<std::uint64_t>(2 * pto, kNsPerSec);
    EXPECT_EQ(b.stream.timer_ns(), sent + pto) << i;
  }
  EXPECT_TRUE(b.lost.empty());
  ASSERT_TRUE(b.ack(6 * kNsPerSec, {{.first = 1, .last = 1}}));
  EXPECT_EQ(b.stream.pto_count(), 0U);
  EXPECT_EQ(b.stream.probes_pending(), 0U);
}

TEST(stream, spurious_loss_is_undone_and_tolerance_grows) {
  Bench b;
  b.send(kNsPerSec, 8);
  ASSERT_TRUE(b.ack(kNsPerSec + 50 * kMs, {{.first = 1, .last = 7}}));
  EXPECT_EQ(b.lost, (Numbers{0}));
  ASSERT_TRUE(b.ack(kNsPerSec + 52 * kMs, {{.first = 0, .last = 7}}));
  EXPECT_EQ(b.stream.counters().losses_spurious, 1U);
  EXPECT_EQ(b.notes->spurious, 1000U);
  EXPECT_EQ(b.acked.size(), 8U);
  EXPECT_EQ(b.stream.in_flight_bytes(), 0U);
  // The same reordering again convicts nobody.
  b.send(2 * kNsPerSec, 8);
  ASSERT_TRUE(b.ack(2 * kNsPerSec + 50 * kMs, {{.first = 9, .last = 15}}));
  EXPECT_EQ(b.lost.size(), 1U);
}

TEST(stream, persistent_congestion_is_declared) {
  Bench b;
  b.send(kNsPerSec);
  ASSERT_TRUE(b.ack(kNsPerSec + 50 * kMs, {{.first = 0, .last = 0}}));
  for (int i = 0; i < 10; ++i) b.send((2 + i) * kNsPerSec);
  b.send(15 * kNsPerSec, 4);
  ASSERT_TRUE(b.ack(15 * kNsPerSec + 50 * kMs, {{.first = 14, .last = 14}}));
  EXPECT_EQ(b.notes->persistent, 1);
  EXPECT_EQ(b.stream.counters().persistent_congestions, 1U);
  EXPECT_EQ(b.notes->lost, 0U);  // an outage says nothing about the rate of loss
  EXPECT_GE(b.lost.size(), 10U);
}

TEST(stream, an_ack_between_losses_is_not_persistent_congestion) {
  Bench b;
  b.send(kNsPerSec);
  ASSERT_TRUE(b.ack(kNsPerSec + 50 * kMs, {{.first = 0, .last = 0}}));
  for (int i = 0; i < 10; ++i) b.send(2 * kNsPerSec + i * 200 * kMs);  // 1 .. 10
  b.send(15 * kNsPerSec);
  ASSERT_TRUE(
      b.ack(15 * kNsPerSec + 50 * kMs,
            {{.first = 11, .last = 11}, {.first = 9, .last = 9}, {.first = 6, .last = 6}, {.first = 3, .last = 3}}));
  EXPECT_EQ(b.notes->persistent, 0);
}

TEST(stream, refuses_acks_of_what_was_never_sent) {
  Bench b;
  b.send(kNsPerSec, 3);
  EXPECT_FALSE(b.ack(kNsPerSec + kMs, {{.first = 0, .last = 3}}));
  EXPECT_FALSE(b.ack(kNsPerSec + kMs, {}));
  EXPECT_TRUE(b.acked.empty());
}

TEST(stream, each_packet_is_settled_once) {
  Bench b;
  b.send(kNsPerSec, 100);
  for (int i = 0; i < 5; ++i)
    ASSERT_TRUE(b.ack(kNsPerSec + 50 * kMs, {{.first = 50, .last = 99}, {.first = 0, .last = 20}}));
  EXPECT_EQ(b.acked.size() + b.lost.size(), 100U);
  EXPECT_EQ(b.stream.in_flight_bytes(), 0U);
}

TEST(stream, bare_acks_do_not_use_up_records) {
  Bench b;
  for (int i = 0; i < 100 * 256; ++i) {
    ASSERT_TRUE(b.stream.has_record_space()) << i;
    b.stream.on_sent(kNsPerSec + static_cast<std::uint64_t>(i) * kMs, b.stream.begin_packet(), 50, false);
  }
  EXPECT_EQ(b.stream.in_flight_bytes(), 0U);
}

TEST(stream, forget_all_gives_every_record_back) {
  Bench b;
  b.send(kNsPerSec, 1000);
  b.stream.forget_all();
  EXPECT_EQ(b.pages.free_pages(), b.pages.pages());
}

}  // namespace
}  // namespace dwcp
