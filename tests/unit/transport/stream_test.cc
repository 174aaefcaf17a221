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
  std::uint64_t lost_sent_ns = 0;
  std::uint64_t acked_sent_ns = 0;
  std::uint64_t spurious_sent_ns = 0;
  void on_ack(const AckSample& sample) noexcept override {
    lost += sample.lost_bytes;
    lost_sent_ns = sample.lost_sent_ns;
    acked_sent_ns = sample.acked_sent_ns;
  }
  void on_lost(const AckSample& sample) noexcept override {
    lost += sample.lost_bytes;
    lost_sent_ns = sample.lost_sent_ns;
  }
  void on_persistent_congestion(std::uint64_t) noexcept override { ++persistent; }
  void on_spurious_loss(std::uint64_t bytes, std::uint64_t sent_ns) noexcept override {
    spurious += bytes;
    spurious_sent_ns = sent_ns;
  }
  [[nodiscard]] std::uint64_t window_bytes() const noexcept override { return 1U << 30; }
  [[nodiscard]] std::uint64_t pacing_bytes_per_sec() const noexcept override { return 0; }
  [[nodiscard]] std::uint64_t bandwidth_bytes_per_sec() const noexcept override { return 0; }
  [[nodiscard]] bool starting_up() const noexcept override { return false; }
  [[nodiscard]] const char* name() const noexcept override { return "notes"; }
  [[nodiscard]] const char* state_name() const noexcept override { return ""; }
};

struct Bench final : SentSink {
  Bench() { stream.open_active(); }
  SentPagePool pages{64 * SentPage::kRecords};
  Notes* notes = new Notes;
  CongestionGroup group{std::unique_ptr<CongestionControl>(notes)};
  Stream stream{StreamId{0}, pages, group};
  std::vector<std::uint32_t> acked;
  std::vector<std::uint32_t> lost;
  void on_packet_acked(const SentPacket& packet) noexcept override { acked.push_back(packet.ranges[0].offset); }
  void on_packet_lost(const SentPacket& packet) noexcept override { lost.push_back(packet.ranges[0].offset); }
  void on_packet_abandoned(const SentPacket& packet) noexcept override { on_packet_lost(packet); }

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

TEST(stream, congestion_control_hears_when_the_newest_was_sent) {
  Bench b;
  for (std::uint64_t i = 0; i < 8; ++i) b.send(kNsPerSec + i * kMs);
  ASSERT_TRUE(b.ack(kNsPerSec + 60 * kMs, {{.first = 5, .last = 6}, {.first = 0, .last = 0}}));
  EXPECT_EQ(b.notes->acked_sent_ns, kNsPerSec + 6 * kMs);
  EXPECT_EQ(b.lost, (Numbers{1, 2, 3}));
  EXPECT_EQ(b.notes->lost_sent_ns, kNsPerSec + 3 * kMs);
  // By time, without an ACK.
  b.stream.on_time(b.stream.timer_ns(), b);
  EXPECT_EQ(b.lost, (Numbers{1, 2, 3, 4}));
  EXPECT_EQ(b.notes->lost_sent_ns, kNsPerSec + 4 * kMs);
  ASSERT_TRUE(b.ack(kNsPerSec + 70 * kMs, {{.first = 5, .last = 6}, {.first = 2, .last = 2}}));
  EXPECT_EQ(b.notes->spurious_sent_ns, kNsPerSec + 2 * kMs);
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

// The stream has measured a round trip of 100 ms, then its path failed: its next ping is due at the time returned.
std::uint64_t fail_path(Bench& b) {
  b.send(kNsPerSec);
  EXPECT_TRUE(b.ack(kNsPerSec + 100 * kMs, {{.first = 0, .last = 0}}));
  b.stream.fail(2 * kNsPerSec, b);
  return 2 * kNsPerSec;
}

// A flight of ten, sent at `sent_ns`: the first seven are declared lost after a round trip of 50 ms and come 20 ms later.
void reorder_flight(Bench& b, std::uint64_t sent_ns) {
  const PacketNumber first = b.stream.next_number();
  b.send(sent_ns, 10);
  ASSERT_TRUE(b.ack(sent_ns + 50 * kMs, {{.first = first + 7, .last = first + 9}}));
  if (b.stream.timer_ns() != kNever) b.stream.on_time(b.stream.timer_ns(), b);
  ASSERT_TRUE(b.ack(sent_ns + 120 * kMs, {{.first = first, .last = first + 9}}));
}

// A flight of which only the first is lost.
void lose_one(Bench& b, std::uint64_t sent_ns) {
  const std::uint64_t lost = b.stream.counters().packets_lost;
  const PacketNumber first = b.stream.next_number();
  b.send(sent_ns, 100);
  ASSERT_TRUE(b.ack(sent_ns + 50 * kMs, {{.first = first + 1, .last = first + 99}}));
  while (b.stream.timer_ns() != kNever) b.stream.on_time(b.stream.timer_ns(), b);
  ASSERT_EQ(b.stream.counters().packets_lost, lost + 1);
}

TEST(stream, tolerance_in_time_grows_by_one_step_a_round_trip) {
  Bench b;
  for (std::uint64_t i = 1; i <= 9; ++i) {
    reorder_flight(b, i * kNsPerSec);
    ASSERT_EQ(b.stream.counters().losses_spurious, 7 * i);
    EXPECT_EQ(b.stream.reordering().rtt_eighths(),
              std::min(ReorderWindow::kRttEighthsMin + i, std::uint64_t{ReorderWindow::kRttEighthsMax}));
  }
  EXPECT_EQ(b.stream.reordering().packets(), 10U);
}

TEST(stream, tolerance_shrinks_after_sixteen_recoveries_without_a_spurious_loss) {
  Bench b;
  reorder_flight(b, kNsPerSec);
  std::uint64_t now_ns = 2 * kNsPerSec;
  const auto recoveries = [&](std::uint32_t count) {
    for (; count > 0; --count, now_ns += kNsPerSec) lose_one(b, now_ns);
  };
  recoveries(10);
  const PacketNumber next = b.stream.next_number();
  ASSERT_TRUE(b.ack(now_ns - kNsPerSec + 60 * kMs, {{.first = next - 100, .last = next - 1}}));
  ASSERT_EQ(b.stream.counters().losses_spurious, 8U) << "the count begins anew";
  recoveries(15);
  EXPECT_TRUE(b.stream.reordering().seen());
  EXPECT_EQ(b.stream.reordering().packets(), 100U);
  EXPECT_GT(b.stream.reordering().rtt_eighths(), ReorderWindow::kRttEighthsMin);
  recoveries(1);
  EXPECT_FALSE(b.stream.reordering().seen());
  EXPECT_EQ(b.stream.reordering().packets(), ReorderWindow::kPacketsMin);
  EXPECT_EQ(b.stream.reordering().rtt_eighths(), ReorderWindow::kRttEighthsMin);
}

TEST(stream, losses_of_one_flight_are_one_recovery) {
  Bench b;
  reorder_flight(b, kNsPerSec);
  const PacketNumber first = b.stream.next_number();
  b.send(2 * kNsPerSec, 400);
  for (PacketNumber i = 0; i < 40; ++i) {  // one in ten lost, found one after the other
    ASSERT_TRUE(b.ack(2 * kNsPerSec + 90 * kMs + i * kMs / 10, {{.first = first + 10 * i + 1, .last = first + 10 * i + 9}}));
  }
  EXPECT_GE(b.stream.counters().packets_lost, 40U);
  EXPECT_TRUE(b.stream.reordering().seen());
}

TEST(stream, another_path_is_not_judged_by_how_the_last_one_reordered) {
  for (const bool fails : {true, false}) {
    Bench b;
    reorder_flight(b, kNsPerSec);
    ASSERT_TRUE(b.stream.reordering().seen());
    const PacketNumber first = b.stream.next_number();
    b.send(2 * kNsPerSec, 10);
    ASSERT_TRUE(b.ack(2 * kNsPerSec + 50 * kMs, {{.first = first + 9, .last = first + 9}}));
    if (fails) {
      b.stream.fail(2 * kNsPerSec + 60 * kMs, b);
    } else {
      b.stream.close(b);
      while (b.stream.state() == StreamState::kClosing) b.stream.on_time(b.stream.timer_ns(), b);
      b.stream.open(true);
    }
    ASSERT_EQ(b.stream.path(), 1);
    ASSERT_EQ(b.stream.state(), StreamState::kProbing);
    EXPECT_FALSE(b.stream.reordering().seen());
    EXPECT_EQ(b.stream.reordering().packets(), ReorderWindow::kPacketsMin);
    EXPECT_EQ(b.stream.reordering().rtt_eighths(), ReorderWindow::kRttEighthsMin);
    const std::uint64_t undone = b.notes->spurious;
    const std::uint64_t spurious = b.stream.counters().losses_spurious;
    ASSERT_TRUE(b.ack(2 * kNsPerSec + 130 * kMs, {{.first = first, .last = first + 9}}));
    EXPECT_EQ(b.stream.counters().losses_spurious, spurious + 9) << "none was lost";
    EXPECT_FALSE(b.stream.reordering().seen());
    if (fails) {
      EXPECT_EQ(b.notes->spurious, undone) << "nor had congestion control heard that they were";
    }
  }
}

TEST(stream, what_a_closed_stream_abandoned_is_no_reordering) {
  Bench b;
  fail_path(b);
  b.send(2 * kNsPerSec, 5);
  b.stream.close(b);
  b.stream.open();
  ASSERT_EQ(b.stream.path(), 1);
  ASSERT_TRUE(b.ack(3 * kNsPerSec, {{.first = 1, .last = 5}}));
  EXPECT_EQ(b.stream.counters().losses_spurious, 5U);
  EXPECT_FALSE(b.stream.reordering().seen());
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

// A set of 512 runs that is full, then less than full by a run filled: what was below it stays forgotten, or every ACK could
// have it all looked up again.
TEST(stream, acks_of_what_is_older_than_remembered_are_not_looked_at) {
  Bench b;
  constexpr PacketNumber kOld = 4000;
  constexpr PacketNumber kRuns = 512;
  b.send(kNsPerSec, static_cast<int>(kOld + 2 * kRuns));
  const std::uint64_t now_ns = kNsPerSec + 50 * kMs;
  for (PacketNumber i = 0; i < kRuns; ++i) ASSERT_TRUE(b.ack(now_ns, {{.first = kOld + 2 * i, .last = kOld + 2 * i}}));
  ASSERT_EQ(b.acked.size(), kRuns);
  const auto all_below = [&](PacketNumber number) {
    constexpr PacketNumber kNewest = kOld + 2 * kRuns - 2;
    return b.ack(now_ns, {{.first = kNewest, .last = kNewest}, {.first = 0, .last = number}});
  };
  ASSERT_TRUE(all_below(kOld - 2));
  EXPECT_EQ(b.acked.size(), kRuns);
  ASSERT_TRUE(b.ack(now_ns, {{.first = kOld + 100, .last = kOld + 102}}));  // two runs become one
  ASSERT_TRUE(all_below(kOld - 2));
  EXPECT_EQ(b.acked.size(), kRuns + 1);
  ASSERT_TRUE(all_below(kOld + 1)) << "what is remembered is settled, as far as it is";
  EXPECT_EQ(b.acked.size(), kRuns + 2);
  EXPECT_EQ(b.acked.back(), kOld + 1);
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

TEST(stream, life_follows_its_table) {
  using enum StreamState;
  EXPECT_EQ(next_state(kIdle, StreamEvent::kOpen), kProbing);
  EXPECT_EQ(next_state(kProbing, StreamEvent::kAcked), kActive);
  EXPECT_EQ(next_state(kProbing, StreamEvent::kFail), kProbing);
  EXPECT_EQ(next_state(kActive, StreamEvent::kFail), kProbing);
  EXPECT_EQ(next_state(kActive, StreamEvent::kClose), kClosing);
  EXPECT_EQ(next_state(kClosing, StreamEvent::kOpen), kActive);
  EXPECT_EQ(next_state(kClosing, StreamEvent::kSettled), kIdle);
  EXPECT_EQ(next_state(kClosing, StreamEvent::kFail), kIdle);
  EXPECT_EQ(next_state(kProbing, StreamEvent::kClose), kIdle);
  EXPECT_EQ(next_state(kIdle, StreamEvent::kAcked), kIdle);  // a late ACK opens nothing
}

TEST(stream, is_suspect_before_it_is_dead_by_what_others_are_answered) {
  Bench b;
  b.send(kNsPerSec);
  ASSERT_TRUE(b.ack(kNsPerSec + 50 * kMs, {{.first = 0, .last = 0}}));
  const std::uint64_t sent_ns = kNsPerSec + 60 * kMs;
  b.send(sent_ns);
  const std::uint64_t pto_ns = b.stream.rtt().pto_ns(Stream::kPeerAckDelayMaxNs);
  EXPECT_FALSE(b.stream.looks_suspect(sent_ns + pto_ns - 1));
  EXPECT_TRUE(b.stream.looks_suspect(sent_ns + pto_ns));
  b.send(sent_ns + 2 * pto_ns, 50);  // data sent on it does not put its death off
  EXPECT_FALSE(b.stream.looks_dead(sent_ns + 3 * pto_ns - 1));
  EXPECT_TRUE(b.stream.looks_dead(sent_ns + 3 * pto_ns));
  ASSERT_TRUE(b.ack(sent_ns + 3 * pto_ns, {{.first = 0, .last = 1}}));
  EXPECT_FALSE(b.stream.looks_suspect(sent_ns + 3 * pto_ns));
}

TEST(stream, comes_back_on_its_path_or_on_another_as_told) {
  Bench b;
  b.send(kNsPerSec);
  b.stream.close(b);
  EXPECT_EQ(b.stream.state(), StreamState::kClosing);
  ASSERT_TRUE(b.ack(kNsPerSec + 50 * kMs, {{.first = 0, .last = 0}}));
  EXPECT_EQ(b.stream.state(), StreamState::kIdle);
  b.stream.rest(kNsPerSec + 51 * kMs);
  EXPECT_TRUE(b.stream.at_rest());
  EXPECT_EQ(b.pages.free_pages(), b.pages.pages()) << "an idle stream holds no records";
  b.stream.open();
  EXPECT_EQ(b.stream.path(), 0);
  b.stream.close(b);
  b.stream.open(true);
  EXPECT_EQ(b.stream.path(), 1);
  EXPECT_EQ(b.stream.state(), StreamState::kProbing);
}

TEST(stream, goes_on_searching_its_mtu_when_it_is_opened_before_it_has_closed) {
  Bench b;
  b.stream.begin(kNsPerSec);
  b.send(kNsPerSec);
  ASSERT_EQ(b.stream.mtu().state(), MtuState::kBase);
  b.stream.close(b);
  EXPECT_EQ(b.stream.state(), StreamState::kClosing);
  b.stream.open();
  EXPECT_EQ(b.stream.state(), StreamState::kActive);
  EXPECT_EQ(b.stream.mtu().state(), MtuState::kBase);
  b.stream.close(b);
  ASSERT_TRUE(b.ack(kNsPerSec + 50 * kMs, {{.first = 0, .last = 0}}));
  EXPECT_EQ(b.stream.state(), StreamState::kIdle);
  EXPECT_EQ(b.stream.mtu().state(), MtuState::kDisabled);
}

TEST(stream, losses_of_a_limited_stream_are_not_its_groups) {
  Bench b;
  b.stream.set_limited(true);
  b.send(kNsPerSec, 5);
  ASSERT_TRUE(b.ack(kNsPerSec + 50 * kMs, {{.first = 4, .last = 4}}));
  EXPECT_EQ(b.lost.size(), 2U) << "they are repaired all the same";
  EXPECT_EQ(b.notes->lost, 0U);
}

TEST(stream, is_dead_only_while_others_of_its_group_get_through) {
  Bench b;
  Stream other{StreamId{1}, b.pages, b.group};
  other.open_active();
  const auto send_other = [&](std::uint64_t now_ns) {
    ASSERT_TRUE(other.has_record_space());
    SentPacket& packet = other.begin_packet();
    packet.ranges[0].offset = 1000;
    packet.range_count = 1;
    other.on_sent(now_ns, packet, 1000, true);
  };
  std::uint64_t now_ns = kNsPerSec;
  b.send(now_ns, 10);
  for (int i = 0; i < 6; ++i) {
    now_ns = b.stream.timer_ns();
    b.stream.on_time(now_ns, b);
    b.send(now_ns);  // the probe
  }
  EXPECT_FALSE(b.stream.looks_dead(b.group.last_acked_ns())) << "everything may be down";
  send_other(now_ns);
  ASSERT_TRUE(other.on_ack(now_ns + 50 * kMs, std::vector<AckedRange>{{.first = 0, .last = 0}}, 0, b));
  ASSERT_TRUE(b.stream.looks_dead(b.group.last_acked_ns()));
  EXPECT_TRUE(b.stream.looks_suspect(b.group.last_acked_ns()));
  b.lost.clear();
  b.stream.fail(now_ns + 50 * kMs, b);
  EXPECT_EQ(b.lost.size(), 16U) << "all that was outstanding is for others to repair";
  EXPECT_EQ(b.stream.in_flight_bytes(), 0U);
  EXPECT_EQ(b.group.in_flight_bytes(), 0U);
  EXPECT_EQ(b.stream.state(), StreamState::kProbing);
  EXPECT_EQ(b.stream.path(), 1);
  EXPECT_EQ(b.stream.probe_due_ns(), now_ns + 50 * kMs);
  EXPECT_FALSE(b.stream.may_send(now_ns + 60 * kMs));
  b.send(now_ns + 60 * kMs);  // its ping
  EXPECT_GT(b.stream.probe_due_ns(), now_ns + 60 * kMs);
  ASSERT_TRUE(b.ack(now_ns + 110 * kMs, {{.first = 16, .last = 16}}));
  EXPECT_EQ(b.stream.state(), StreamState::kActive);
}

TEST(stream, a_ping_without_an_answer_is_lost_and_the_next_goes_another_way) {
  Bench b;
  std::uint64_t now_ns = fail_path(b);
  std::uint64_t wait_ns = b.stream.rtt().pto_ns(Stream::kPeerAckDelayMaxNs);
  std::uint64_t pause_ns = Stream::kProbeMinNs;
  for (std::uint8_t path = 1; path < 12; ++path) {
    ASSERT_EQ(b.stream.path(), path);
    std::uint64_t ping_ns = now_ns;
    b.send(ping_ns);
    EXPECT_EQ(b.stream.timer_ns(), ping_ns + wait_ns);
    EXPECT_EQ(b.stream.probe_due_ns(), ping_ns + pause_ns) << "ever rarer, whatever the path";
    while (b.stream.probe_due_ns() < b.stream.timer_ns()) {  // another before the path has had its time
      ping_ns = b.stream.probe_due_ns();
      b.send(ping_ns);
      pause_ns = std::min(2 * pause_ns, Stream::kProbeMaxNs);
    }
    const std::uint64_t due_ns = b.stream.probe_due_ns();
    b.stream.on_time(b.stream.timer_ns() - 1, b);
    EXPECT_NE(b.stream.in_flight_bytes(), 0U);
    b.stream.on_time(b.stream.timer_ns(), b);
    EXPECT_EQ(b.stream.state(), StreamState::kProbing);
    EXPECT_EQ(b.stream.probes_pending(), 0U);
    EXPECT_EQ(b.stream.in_flight_bytes(), 0U);
    EXPECT_EQ(b.group.in_flight_bytes(), 0U);
    EXPECT_EQ(b.stream.timer_ns(), kNever);
    EXPECT_EQ(b.stream.probe_due_ns(), due_ns);
    EXPECT_EQ(b.stream.counters().deaths, path + 1U);
    now_ns = due_ns;
    wait_ns = std::min<std::uint64_t>(2 * wait_ns, kNsPerSec);
    pause_ns = std::min(2 * pause_ns, Stream::kProbeMaxNs);
  }
  EXPECT_EQ(pause_ns, Stream::kProbeMaxNs);
  EXPECT_EQ(b.notes->lost, 0U) << "pings into the void are no congestion";
  b.send(now_ns);
  ASSERT_TRUE(b.ack(now_ns + 900 * kMs, {{.first = b.stream.next_number() - 1, .last = b.stream.next_number() - 1}}));
  EXPECT_EQ(b.stream.state(), StreamState::kActive);
  EXPECT_EQ(b.stream.pto_count(), 0U);
}

// The pings that went unanswered were marked, and say nothing of the path that answers; but where marks are dropped on every
// path, pings must come to go without.
TEST(stream, a_path_found_tests_ecn_anew) {
  for (const std::uint32_t dead : {1U, 8U}) {
    Bench b;
    b.stream.enable_ecn();
    std::uint64_t now_ns = fail_path(b);
    const std::uint64_t marked = b.stream.counters().ecn_packets_sent;
    for (std::uint32_t path = 0; path < dead;) {
      b.send(now_ns);
      while (b.stream.timer_ns() <= b.stream.probe_due_ns()) b.stream.on_time(b.stream.timer_ns(), b), ++path;
      now_ns = b.stream.probe_due_ns();
    }
    EXPECT_LE(b.stream.counters().ecn_packets_sent - marked, 4U);
    b.send(now_ns);
    const PacketNumber ping = b.stream.next_number() - 1;
    ASSERT_TRUE(b.ack(now_ns + 50 * kMs, {{.first = ping, .last = ping}}));
    EXPECT_EQ(b.stream.state(), StreamState::kActive);
    EXPECT_EQ(b.stream.ecn_state(), EcnState::kTesting);
  }
}

TEST(stream, a_late_answer_from_the_path_before_proves_nothing) {
  Bench b;
  b.send(kNsPerSec, 2);
  ASSERT_TRUE(b.ack(kNsPerSec + 100 * kMs, {{.first = 0, .last = 0}}));
  b.stream.fail(2 * kNsPerSec, b);
  const auto late = [&](PacketNumber number) { return b.ack(2 * kNsPerSec + 600 * kMs, {{.first = number, .last = number}}); };
  ASSERT_TRUE(late(1));
  EXPECT_EQ(b.acked.back(), 1U) << "it arrived all the same";
  EXPECT_EQ(b.stream.state(), StreamState::kProbing);
  b.send(2 * kNsPerSec);  // 2, a ping of path 1
  b.stream.on_time(b.stream.timer_ns(), b);
  ASSERT_EQ(b.stream.path(), 2);
  b.send(2 * kNsPerSec + 500 * kMs);  // 3, of path 2
  ASSERT_TRUE(late(2));
  EXPECT_EQ(b.stream.state(), StreamState::kProbing);
  EXPECT_EQ(b.stream.mtu().state(), MtuState::kDisabled);
  EXPECT_EQ(b.stream.pto_count(), 1U) << "the next path is waited for as long";
  ASSERT_TRUE(late(3));
  EXPECT_EQ(b.stream.state(), StreamState::kActive);
  // Closed, and opened elsewhere: what went before it closed is of another path too.
  b.send(3 * kNsPerSec);  // 4
  b.stream.fail(3 * kNsPerSec, b);
  b.stream.close(b);
  ASSERT_EQ(b.stream.state(), StreamState::kIdle);
  b.stream.open(true);
  ASSERT_TRUE(late(4));
  EXPECT_EQ(b.stream.state(), StreamState::kProbing);
}

}  // namespace
}  // namespace dwcp
