// SPDX-License-Identifier: Apache-2.0
// The search by itself, and as its stream drives it with a congestion control that only takes notes.
#include "dataplane/transport/path_mtu.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "dataplane/transport/stream.h"
#include "solo_lane.h"

namespace dwcp {
namespace {

constexpr std::uint64_t kRttNs = 40 * kNsPerMs;
constexpr std::uint32_t kJumbo = 8972;
constexpr std::uint32_t kBase = PathMtu::kBaseBytes;

// A path that carries `carries` bytes, and a stream that asks what it must.
struct Search {
  explicit Search(std::uint32_t limit = kJumbo) : mtu(limit) { mtu.path_up(now_ns, 0); }

  // One attempt, settled at once; false when none is due.
  bool probe(std::uint32_t carries) {
    const std::uint32_t bytes = mtu.take_probe(now_ns);
    if (bytes == 0) return false;
    mtu.on_probe_sent(now_ns, number, kRttNs);
    if (bytes <= carries) {
      mtu.on_acked(now_ns, number++, bytes);
    } else {
      mtu.on_probe_lost(now_ns, number++, bytes, true);
    }
    return true;
  }
  // Attempts as they become due, until none is within `span_ns`.  Returns how many there were.
  int probes(std::uint32_t carries, std::uint64_t span_ns = kNsPerSec) {
    int count = 0;
    for (const std::uint64_t end_ns = now_ns + span_ns; mtu.probe_due_ns() < end_ns; ++count) {
      now_ns = std::max(now_ns, mtu.probe_due_ns());
      if (!probe(carries)) break;
    }
    return count;
  }
  void ack(std::uint32_t bytes) { mtu.on_acked(now_ns, number++, bytes); }
  void lose(std::uint32_t bytes) { mtu.on_lost(number++, bytes); }
  bool black_hole() { return mtu.detect_black_hole(now_ns, number); }

  std::uint64_t now_ns = kNsPerSec;
  PacketNumber number = 0;
  PathMtu mtu;
};

TEST(path_mtu, states_follow_their_table) {
  using enum MtuState;
  using enum MtuEvent;
  constexpr MtuState all[] = {kDisabled, kBase, kSearching, kSearchComplete, kError};
  for (const MtuState state : all) {
    EXPECT_EQ(next_state(state, kPathUp), kBase);
    EXPECT_EQ(next_state(state, kPathDown), kDisabled);
  }
  for (const MtuEvent event : {kConfirmed, kExhausted, kReduced, kBaseLost, kRaise}) EXPECT_EQ(next_state(kDisabled, event), kDisabled);
  EXPECT_EQ(next_state(kBase, kConfirmed), kSearching);
  EXPECT_EQ(next_state(kBase, kBaseLost), kError);
  EXPECT_EQ(next_state(kBase, kReduced), kBase);
  EXPECT_EQ(next_state(kBase, kExhausted), kBase);
  EXPECT_EQ(next_state(kBase, kRaise), kBase);
  EXPECT_EQ(next_state(kSearching, kConfirmed), kSearching);
  EXPECT_EQ(next_state(kSearching, kExhausted), kSearchComplete);
  EXPECT_EQ(next_state(kSearching, kReduced), kBase);
  EXPECT_EQ(next_state(kSearching, kBaseLost), kSearching);
  EXPECT_EQ(next_state(kSearchComplete, kRaise), kSearching);
  EXPECT_EQ(next_state(kSearchComplete, kReduced), kBase);
  EXPECT_EQ(next_state(kSearchComplete, kConfirmed), kSearchComplete);
  EXPECT_EQ(next_state(kError, kConfirmed), kSearching);
  EXPECT_EQ(next_state(kError, kRaise), kBase);
  EXPECT_EQ(next_state(kError, kReduced), kError);
}

TEST(path_mtu, is_silent_until_the_path_works) {
  PathMtu mtu(kJumbo);
  EXPECT_EQ(mtu.state(), MtuState::kDisabled);
  EXPECT_EQ(mtu.probe_due_ns(), kNever);
  mtu.on_acked(kNsPerSec, 5, kJumbo);
  mtu.on_report(kNsPerSec, 1300, 6);
  EXPECT_EQ(mtu.state(), MtuState::kDisabled);
  EXPECT_EQ(mtu.bytes(), 1472U);
}

TEST(path_mtu, the_most_is_tried_first_and_ends_the_search) {
  Search s;
  EXPECT_EQ(s.mtu.bytes(), 1472U);
  EXPECT_EQ(s.mtu.take_probe(s.now_ns), kJumbo);
  EXPECT_TRUE(s.probe(kJumbo));
  EXPECT_EQ(s.mtu.bytes(), kJumbo);
  EXPECT_EQ(s.mtu.state(), MtuState::kSearchComplete);
  EXPECT_EQ(s.mtu.probe_due_ns(), kNever) << "there is nothing to raise";
}

TEST(path_mtu, attempts_are_an_eighth_of_a_round_trip_apart_and_three) {
  Search s;
  for (int i = 0; i < 3; ++i) {
    ASSERT_EQ(s.mtu.take_probe(s.now_ns), kJumbo);
    s.mtu.on_probe_sent(s.now_ns, s.number++, kRttNs);
    EXPECT_EQ(s.mtu.take_probe(s.now_ns), 0U);
    s.now_ns += kRttNs / 8;
  }
  EXPECT_EQ(s.mtu.probe_due_ns(), kNever) << "until their fate is known";
}

TEST(path_mtu, an_ethernet_path_is_known_for_one_after_six_probes) {
  Search s;
  s.ack(1472);  // data
  EXPECT_EQ(s.probes(1472), 6);
  EXPECT_EQ(s.mtu.state(), MtuState::kSearchComplete);
  EXPECT_EQ(s.mtu.bytes(), 1472U);
}

TEST(path_mtu, bisects_between_what_arrives_and_what_does_not) {
  for (std::uint32_t carries = 1472; carries <= kJumbo; carries += 61) {
    Search s;
    s.ack(1472);
    const int probes = s.probes(carries);
    EXPECT_EQ(s.mtu.state(), MtuState::kSearchComplete) << carries;
    EXPECT_LE(s.mtu.bytes(), carries);
    EXPECT_GT(s.mtu.bytes() + PathMtu::kStepBytes, carries);
    EXPECT_LE(probes, 3 * 13) << carries;
  }
}

TEST(path_mtu, chance_losses_do_not_condemn_a_size) {
  Search s;
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(s.probe(0));
    s.now_ns += kRttNs;
  }
  ASSERT_TRUE(s.probe(kJumbo));
  EXPECT_EQ(s.mtu.bytes(), kJumbo);
}

TEST(path_mtu, a_probe_lost_with_its_neighbours_is_sent_again_but_not_for_ever) {
  Search s;
  s.ack(1472);
  int sent = 0;
  for (; s.mtu.take_probe(s.now_ns) == kJumbo; ++sent) {
    ASSERT_LT(sent, 100);
    s.mtu.on_probe_sent(s.now_ns, s.number, kRttNs);
    s.mtu.on_probe_lost(s.now_ns, s.number++, kJumbo, false);
    s.now_ns += kRttNs;
  }
  EXPECT_EQ(sent, 8 + 3);
}

TEST(path_mtu, late_acks_of_probes_are_believed) {
  Search s;
  s.ack(1472);
  const PacketNumber first = s.number;
  EXPECT_EQ(s.probes(1472), 6);
  ASSERT_EQ(s.mtu.state(), MtuState::kSearchComplete);
  s.mtu.on_acked(s.now_ns, first, kJumbo);  // it was on its way all the time
  EXPECT_EQ(s.mtu.bytes(), kJumbo);
  EXPECT_EQ(s.mtu.state(), MtuState::kSearchComplete);
}

TEST(path_mtu, acks_from_before_a_new_path_tell_nothing) {
  Search s;
  const PacketNumber old = s.number++;
  s.mtu.path_down();
  s.mtu.path_up(s.now_ns, s.number);
  s.mtu.on_acked(s.now_ns, old, kJumbo);
  EXPECT_EQ(s.mtu.bytes(), 1472U);
  EXPECT_EQ(s.mtu.state(), MtuState::kBase);
  for (int i = 0; i < 3; ++i) s.mtu.on_probe_lost(s.now_ns, old, kJumbo, true);
  EXPECT_EQ(s.mtu.take_probe(s.now_ns), kJumbo) << "its loss neither";
}

TEST(path_mtu, without_data_the_size_in_use_is_probed) {
  Search s;
  EXPECT_EQ(s.probes(1472, 4 * kNsPerSec), 3 + 1 + 3);
  EXPECT_EQ(s.mtu.bytes(), 1472U);
  Search tunnel;
  tunnel.probes(1372, 4 * kNsPerSec);
  EXPECT_EQ(tunnel.mtu.state(), MtuState::kSearchComplete);
  EXPECT_GT(tunnel.mtu.bytes() + PathMtu::kStepBytes, 1372U);
  EXPECT_LE(tunnel.mtu.bytes(), 1372U);
}

TEST(path_mtu, not_even_the_base_arrives) {
  Search s;
  s.probes(1000, 4 * kNsPerSec);
  EXPECT_EQ(s.mtu.state(), MtuState::kError);
  EXPECT_EQ(s.mtu.bytes(), kBase) << "nothing less is ever sent";
  EXPECT_EQ(s.mtu.probe_due_ns(), s.now_ns + PathMtu::kErrorRetryNs);
  s.now_ns = s.mtu.probe_due_ns();
  s.probes(1000, 4 * kNsPerSec);
  EXPECT_EQ(s.mtu.state(), MtuState::kError);
  s.ack(kBase);
  EXPECT_EQ(s.mtu.state(), MtuState::kSearching);
  s.probes(kJumbo);
  EXPECT_EQ(s.mtu.bytes(), kJumbo);
}

TEST(path_mtu, raises_come_ever_later_and_try_the_most_and_a_little_more) {
  Search s;
  s.ack(1472);
  s.probes(1472);
  std::uint64_t wait_ns = PathMtu::kRaiseMinNs;
  for (int i = 0; i < 6; ++i) {
    ASSERT_EQ(s.mtu.probe_due_ns(), s.now_ns + wait_ns) << i;
    s.now_ns = s.mtu.probe_due_ns();
    EXPECT_EQ(s.probes(1472), 6) << i;
    wait_ns = std::min(4 * wait_ns, PathMtu::kRaiseMaxNs);
  }
  s.now_ns = s.mtu.probe_due_ns();
  s.probes(1500);  // the path has grown by a little
  EXPECT_GT(s.mtu.bytes() + PathMtu::kStepBytes, 1500U);
}

TEST(path_mtu, a_black_hole_is_large_packets_lost_in_a_row_and_a_small_one_through) {
  Search s(1472);
  s.ack(1472);
  s.lose(1472);
  s.lose(1472);
  s.ack(kBase);
  EXPECT_FALSE(s.black_hole()) << "two are chance";
  s.lose(1472);
  EXPECT_TRUE(s.black_hole()) << "the third, with a small one through in between";
  Search t(1472);
  t.ack(1472);
  for (int i = 0; i < 20; ++i) t.lose(1472);
  EXPECT_FALSE(t.black_hole()) << "nothing small has arrived: all may be down";
  t.ack(600);
  EXPECT_TRUE(t.black_hole());
  EXPECT_EQ(t.mtu.bytes(), kBase);
  EXPECT_EQ(t.mtu.state(), MtuState::kBase);
  EXPECT_EQ(t.mtu.counters().black_holes, 1U);
  EXPECT_EQ(t.mtu.take_probe(t.now_ns), 1472U) << "it may have been an error";
}

TEST(path_mtu, what_refutes_a_black_hole) {
  Search outage(1472);
  outage.ack(1472);
  for (int i = 0; i < 20; ++i) outage.lose(1472);
  outage.lose(kBase);  // small ones as well
  outage.lose(1472);
  outage.ack(kBase);
  EXPECT_FALSE(outage.black_hole());
  Search burst(1472);
  burst.ack(1472);
  for (int i = 0; i < 20; ++i) burst.lose(1472);
  burst.ack(1472);  // one as large came through since
  burst.ack(kBase);
  EXPECT_FALSE(burst.black_hole());
  Search reordered(1472);
  reordered.number = 100;
  reordered.ack(1472);
  for (PacketNumber n = 50; n < 60; ++n) reordered.mtu.on_lost(n, 1472);
  reordered.ack(kBase);
  EXPECT_FALSE(reordered.black_hole()) << "a later one had arrived";
}

TEST(path_mtu, packets_from_before_a_black_hole_do_not_undo_it) {
  Search s(1472);
  s.ack(1472);
  const PacketNumber early = s.number++;
  for (int i = 0; i < 3; ++i) s.lose(1472);
  s.ack(kBase);
  ASSERT_TRUE(s.black_hole());
  s.mtu.on_acked(s.now_ns, early, 1472);
  EXPECT_EQ(s.mtu.bytes(), kBase);
  s.ack(kBase);
  EXPECT_EQ(s.mtu.state(), MtuState::kSearching);
  s.probes(1372);
  EXPECT_LE(s.mtu.bytes(), 1372U);
  EXPECT_GT(s.mtu.bytes() + PathMtu::kStepBytes, 1372U);
}

TEST(path_mtu, a_false_alarm_ends_with_the_first_probe) {
  Search s;
  s.probe(kJumbo);
  for (int i = 0; i < 3; ++i) s.lose(kJumbo);
  s.ack(kBase);
  ASSERT_TRUE(s.black_hole());
  EXPECT_TRUE(s.probe(kJumbo));
  EXPECT_EQ(s.mtu.bytes(), kJumbo);
  EXPECT_EQ(s.mtu.state(), MtuState::kSearchComplete);
}

TEST(path_mtu, some_packets_are_small) {
  Search s(1472);
  int small = 0;
  const auto send = [&](int count) {
    small = 0;
    for (int i = 0; i < count; ++i) {
      const std::uint32_t bytes = s.mtu.next_bytes(s.now_ns, kRttNs);
      if (bytes == kBase) ++small;
      s.mtu.on_sent(s.now_ns, bytes);
    }
  };
  send(80);
  EXPECT_EQ(small, 10);
  s.ack(1472);
  send(10'000);
  EXPECT_LE(small, 1) << "at most one a round trip";
  s.now_ns += kRttNs;
  send(1000);
  EXPECT_EQ(small, 1);
}

TEST(path_mtu, a_report_is_heeded_at_once_and_refuted_by_a_probe) {
  Search s(1472);
  s.ack(1472);
  s.mtu.on_report(s.now_ns, 1300, s.number);
  EXPECT_EQ(s.mtu.bytes(), 1300U);
  ASSERT_TRUE(s.probe(1472));
  EXPECT_EQ(s.mtu.bytes(), 1472U);
  EXPECT_EQ(s.mtu.counters().reports_refuted, 1U);
  s.mtu.on_report(s.now_ns + PathMtu::kReportHoldNs - 1, 1300, s.number);
  EXPECT_EQ(s.mtu.bytes(), 1472U) << "who lied once is not heard for a while";
  s.mtu.on_report(s.now_ns + PathMtu::kReportHoldNs, 1300, s.number);
  EXPECT_EQ(s.mtu.bytes(), 1300U);
}

TEST(path_mtu, a_true_report_stays) {
  Search s(1472);
  s.ack(1472);
  s.mtu.on_report(s.now_ns, 1372, s.number);
  s.ack(1372);
  s.probes(1372);
  EXPECT_EQ(s.mtu.bytes(), 1372U);
  EXPECT_EQ(s.mtu.state(), MtuState::kSearchComplete);
  EXPECT_EQ(s.mtu.counters().reports_refuted, 0U);
}

TEST(path_mtu, a_report_about_a_probe_ends_it) {
  Search s;
  s.ack(1472);
  s.mtu.on_report(s.now_ns, 4000, s.number);
  EXPECT_EQ(s.mtu.counters().reports_heeded, 0U) << "nothing of that size was sent";
  ASSERT_EQ(s.mtu.take_probe(s.now_ns), kJumbo);
  s.mtu.on_probe_sent(s.now_ns, s.number++, kRttNs);
  s.mtu.on_report(s.now_ns, 4000, s.number);
  EXPECT_EQ(s.mtu.take_probe(s.now_ns), 4000U);
  EXPECT_TRUE(s.probe(4000));
  EXPECT_EQ(s.mtu.bytes(), 4000U);
  EXPECT_EQ(s.mtu.state(), MtuState::kSearchComplete);
}

TEST(path_mtu, no_report_pushes_below_the_base_or_above_what_is_sent) {
  Search s(1472);
  s.ack(1472);
  for (const std::uint32_t bytes : {0U, 1U, 40U, kBase - 1, 1472U, 1473U, 9000U, 65535U, ~0U}) {
    s.mtu.on_report(s.now_ns, bytes, s.number);
    EXPECT_EQ(s.mtu.bytes(), 1472U) << bytes;
  }
  s.mtu.on_report(s.now_ns, kBase, s.number);
  EXPECT_EQ(s.mtu.bytes(), kBase);
}

// --- Driven by its stream ----------------------------------------------------------------------------------------------

struct Notes final : CongestionControl {
  std::uint64_t lost = 0;
  std::uint64_t spurious = 0;
  int persistent = 0;
  void on_ack(const AckSample& sample) noexcept override { lost += sample.lost_bytes; }
  void on_lost(const AckSample& sample) noexcept override { lost += sample.lost_bytes; }
  void on_persistent_congestion(std::uint64_t) noexcept override { ++persistent; }
  void on_spurious_loss(std::uint64_t bytes, std::uint64_t) noexcept override { spurious += bytes; }
  [[nodiscard]] std::uint64_t window_bytes() const noexcept override { return 1U << 30; }
  [[nodiscard]] std::uint64_t pacing_bytes_per_sec() const noexcept override { return 0; }
  [[nodiscard]] std::uint64_t bandwidth_bytes_per_sec() const noexcept override { return 0; }
  [[nodiscard]] bool starting_up() const noexcept override { return false; }
  [[nodiscard]] const char* name() const noexcept override { return "notes"; }
  [[nodiscard]] const char* state_name() const noexcept override { return ""; }
};

struct Bench final : SentSink {
  explicit Bench(std::uint32_t limit = 1472) : stream(StreamId{0}, pages, group, PathMtu(limit)) {
    stream.open_active();
    stream.begin(kNsPerSec);
  }
  SentPagePool pages{64 * SentPage::kRecords};
  Notes* notes = new Notes;
  CongestionGroup group{std::unique_ptr<CongestionControl>(notes)};
  Stream stream;
  std::size_t lost = 0;
  void on_packet_acked(const SentPacket&) noexcept override {}
  void on_packet_lost(const SentPacket& packet) noexcept override { lost += packet.mtu_probe ? 0U : 1U; }
  void on_packet_abandoned(const SentPacket& packet) noexcept override { on_packet_lost(packet); }

  void send(std::uint64_t now_ns, std::size_t bytes, int count = 1, bool probe = false) {
    for (; count > 0; --count) {
      ASSERT_TRUE(stream.has_record_space());
      SentPacket& packet = stream.begin_packet();
      packet.mtu_probe = probe;
      stream.on_sent(now_ns, packet, bytes, true);
    }
  }
  bool ack(std::uint64_t now_ns, std::vector<AckedRange> ranges) { return stream.on_ack(now_ns, ranges, 0, *this); }
};

TEST(stream_mtu, a_lost_probe_is_neither_congestion_nor_loss) {
  Bench b(kJumbo);
  b.send(kNsPerSec, 1472);
  b.send(kNsPerSec, kJumbo, 1, true);
  b.send(kNsPerSec, 1472, 4);
  ASSERT_TRUE(b.ack(kNsPerSec + kRttNs, {{.first = 2, .last = 5}, {.first = 0, .last = 0}}));
  EXPECT_EQ(b.notes->lost, 0U);
  EXPECT_EQ(b.stream.counters().packets_lost, 0U);
  EXPECT_EQ(b.stream.counters().mtu_probes_lost, 1U);
  EXPECT_EQ(b.stream.in_flight_bytes(), 0U);
  EXPECT_EQ(b.group.in_flight_bytes(), 0U);
  // It comes after all: its size counts, and nothing else changes.
  ASSERT_TRUE(b.ack(kNsPerSec + kRttNs + kNsPerMs, {{.first = 0, .last = 5}}));
  EXPECT_EQ(b.stream.mtu().bytes(), kJumbo);
  EXPECT_EQ(b.notes->spurious, 0U);
  EXPECT_EQ(b.stream.counters().losses_spurious, 0U);
  EXPECT_EQ(b.stream.counters().packets_acked, 5U);
}

TEST(stream_mtu, probes_lost_with_all_around_them_condemn_nothing) {
  Bench b(kJumbo);
  b.send(kNsPerSec, 1472);
  ASSERT_TRUE(b.ack(kNsPerSec + kRttNs, {{.first = 0, .last = 0}}));
  b.send(2 * kNsPerSec, 1472, 5);
  b.send(2 * kNsPerSec, kJumbo, 3, true);
  b.send(2 * kNsPerSec, 1472, 5);
  b.send(2 * kNsPerSec, 1472, 5);
  ASSERT_EQ(b.stream.mtu().probe_due_ns(), kNever) << "three are out";
  ASSERT_TRUE(b.ack(2 * kNsPerSec + kRttNs, {{.first = 14, .last = 18}}));
  EXPECT_EQ(b.stream.counters().mtu_probes_lost, 3U);
  EXPECT_NE(b.stream.mtu().probe_due_ns(), kNever) << "they are sent again";
  EXPECT_EQ(b.stream.take_mtu_probe(3 * kNsPerSec), kJumbo);
}

TEST(stream_mtu, a_black_hole_is_not_congestion) {
  Bench b;
  b.send(kNsPerSec, 1472);
  ASSERT_TRUE(b.ack(kNsPerSec + kRttNs, {{.first = 0, .last = 0}}));
  b.send(2 * kNsPerSec, 1472, 100);
  // Nothing comes, and the probe after the PTO, which is small, does.
  b.stream.on_time(b.stream.timer_ns(), b);
  ASSERT_EQ(b.stream.probes_pending(), 2U);
  b.send(2 * kNsPerSec + 300 * kNsPerMs, 1200);
  ASSERT_TRUE(b.ack(2 * kNsPerSec + 300 * kNsPerMs + kRttNs, {{.first = 101, .last = 101}}));
  EXPECT_EQ(b.lost, 100U) << "to be repaired at once";
  EXPECT_EQ(b.notes->lost, 0U);
  EXPECT_EQ(b.notes->persistent, 0);
  EXPECT_EQ(b.stream.counters().mtu_black_holes, 1U);
  EXPECT_EQ(b.stream.mtu().bytes(), PathMtu::kBaseBytes);
  EXPECT_EQ(b.stream.state(), StreamState::kActive);
}

TEST(stream_mtu, what_was_under_way_at_the_old_size_is_not_congestion_either) {
  Bench b;
  b.send(kNsPerSec, 1472);
  ASSERT_TRUE(b.ack(kNsPerSec + kRttNs, {{.first = 0, .last = 0}}));
  b.send(2 * kNsPerSec, 1472, 10);
  b.stream.on_mtu_report(2 * kNsPerSec + kNsPerMs, 1372);
  b.send(2 * kNsPerSec + 2 * kNsPerMs, 1372, 10);
  ASSERT_TRUE(b.ack(2 * kNsPerSec + kRttNs, {{.first = 11, .last = 20}}));
  EXPECT_EQ(b.lost, 10U);
  EXPECT_EQ(b.notes->lost, 0U);
}

TEST(stream_mtu, a_failed_stream_begins_anew_on_its_next_path) {
  Bench b(kJumbo);
  b.send(kNsPerSec, kJumbo, 1, true);
  ASSERT_TRUE(b.ack(kNsPerSec + kRttNs, {{.first = 0, .last = 0}}));
  ASSERT_EQ(b.stream.mtu().bytes(), kJumbo);
  b.stream.fail(2 * kNsPerSec, b);
  EXPECT_EQ(b.stream.mtu().state(), MtuState::kDisabled);
  b.send(2 * kNsPerSec, 40);
  ASSERT_TRUE(b.ack(2 * kNsPerSec + kRttNs, {{.first = 1, .last = 1}}));
  EXPECT_EQ(b.stream.mtu().state(), MtuState::kBase);
  EXPECT_EQ(b.stream.mtu().bytes(), 1472U);
}

// --- On a lane -----------------------------------------------------------------------------------------------------------

TEST(lane_mtu, probes_are_pings_and_padding_of_full_size) {
  LaneConfig config = small_config();
  config.datagram_bytes = kJumbo;
  SoloLane solo(config);
  EXPECT_EQ(solo.lane.deadline_ns(), solo.now_ns);
  const auto sent = solo.sent_during(50 * kNsPerMs);
  ASSERT_EQ(sent.size(), PathMtu::kProbesMax);
  for (const auto& datagram : sent) {
    ASSERT_EQ(datagram.size(), kJumbo);
    EXPECT_EQ(datagram[sizeof(wire::PacketHeader)], static_cast<std::uint8_t>(wire::ChunkType::kPing));
    EXPECT_TRUE(std::all_of(datagram.begin() + sizeof(wire::PacketHeader) + 1, datagram.end() - wire::kSealBytes,
                            [](std::uint8_t byte) { return byte == 0; }));
    EXPECT_TRUE(sim::unseal(datagram));
  }
  EXPECT_GT(solo.lane.deadline_ns(), solo.now_ns);
  solo.expect_drains();
}

// If what went before fell into a black hole, what asks after it must not.
TEST(lane_mtu, probes_after_a_pto_are_small) {
  SoloLane solo;
  const auto flow = solo.lane.open_flow();
  OwnedBody body(3000);
  ASSERT_TRUE(solo.lane.submit(*flow, body.body));
  ASSERT_EQ(solo.sent_during(10 * kNsPerMs).size(), 3U);
  solo.now_ns = solo.lane.streams()[0]->timer_ns();
  solo.lane.on_time(solo.now_ns);
  ASSERT_EQ(solo.lane.streams()[0]->probes_pending(), 2U);
  const auto probes = solo.sent();
  ASSERT_GE(probes.size(), 2U);
  for (std::size_t i = 0; i < 2; ++i) EXPECT_LE(probes[i].size(), kBase);
  EXPECT_EQ(probes[0].size(), kBase) << "the oldest range, as much of it as fits";
  solo.expect_drains();
}

TEST(lane_mtu, a_peer_that_takes_less_is_not_sent_more) {
  LaneConfig config = small_config();
  config.datagram_bytes = kJumbo;
  Lane lane(config);
  LaneSession session;
  session.peer_datagram_bytes = 1300;
  (void)lane.start(kNsPerSec, session, lane.make_streams(session));
  EXPECT_EQ(lane.datagram_bytes(), 1300U);
  EXPECT_EQ(lane.streams()[0]->mtu().bytes(), 1300U);
}

TEST(lane_mtu, a_report_is_for_one_stream_and_ranges_are_cut_anew) {
  LaneConfig config = small_config();
  config.streams = 2;
  SoloLane solo(config);
  solo.lane.on_mtu_report(solo.now_ns, StreamId{63}, 1300);  // none of ours
  EXPECT_EQ(solo.lane.streams()[0]->mtu().bytes(), 1472U);
  const auto flow = solo.lane.open_flow();
  OwnedBody body(100'000);
  ASSERT_TRUE(solo.lane.submit(*flow, body.body));
  (void)solo.sent_during(2 * kNsPerMs);
  solo.lane.on_mtu_report(solo.now_ns, StreamId{0}, 1300);
  for (const auto& datagram : solo.sent_during(50 * kNsPerMs)) {
    if (datagram[1] == 0 && datagram.size() > 1300) {
      EXPECT_EQ(datagram.size(), 1472U) << "a probe of the size left";
      EXPECT_EQ(datagram[sizeof(wire::PacketHeader)], static_cast<std::uint8_t>(wire::ChunkType::kPing));
    }
  }
  EXPECT_EQ(solo.lane.streams()[0]->mtu().bytes(), 1300U);
  EXPECT_EQ(solo.lane.streams()[1]->mtu().bytes(), 1472U);
  solo.expect_drains();
}

}  // namespace
}  // namespace dwcp
