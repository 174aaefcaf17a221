// SPDX-License-Identifier: Apache-2.0
// Shares of streams whose paths lose and queue as a test says, round trip by round trip; and the turns taken by shares.
#include "dataplane/transport/stream_shares.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <memory>
#include <vector>

#include "dataplane/transport/bbr.h"
#include "dataplane/transport/stream_turns.h"

namespace dwcp {
namespace {

constexpr std::uint64_t kRttNs = 50 * kNsPerMs;

// A group whose streams send `total` packets a round, by their shares, each on a path that bears `bears` a round and loses
// the rest, or holds it in a queue.
struct Group final : SentSink {
  explicit Group(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) add();
  }
  void add() {
    streams.push_back(std::make_unique<Stream>(static_cast<StreamId>(streams.size()), pages, group));
    streams.back()->open_active();
    bears.push_back(1e9);
    queue_ns.push_back(0);
  }
  void on_packet_acked(const SentPacket&) noexcept override {}
  void on_packet_lost(const SentPacket&) noexcept override {}
  void on_packet_abandoned(const SentPacket& packet) noexcept override { on_packet_lost(packet); }

  void round(double total) {
    double sum = 0;
    for (std::size_t i = 0; i < streams.size(); ++i) sum += shares.share(i);
    for (std::size_t i = 0; i < streams.size(); ++i) {
      exchange(*streams[i], total * shares.share(i) / sum, bears[i], queue_ns[i]);
    }
    now_ns += kRttNs;
    shares.update(now_ns, streams);
  }
  void rounds(int count, double total) {
    for (; count > 0; --count) round(total);
  }

  // Sends and settles one round's packets of a stream: what the path does not bear is lost.
  void exchange(Stream& stream, double packets, double most, std::uint64_t queue) {
    const auto n = static_cast<std::uint64_t>(packets) + 1;
    const auto lost = n - std::min(n, static_cast<std::uint64_t>(most));
    std::vector<AckedRange> acked;
    for (std::uint64_t i = 0; i < n + 4; ++i) {  // the last four come through, so that the losses are seen
      const PacketNumber number = stream.next_number();
      ASSERT_TRUE(stream.has_record_space());
      stream.on_sent(now_ns, stream.begin_packet(), 1200, true);
      if (i >= lost && (acked.empty() || acked.front().last + 1 != number)) acked.insert(acked.begin(), {number, number});
      if (i >= lost) acked.front().last = number;
    }
    ASSERT_TRUE(stream.on_ack(now_ns + kRttNs + queue, acked, 0, *this));
  }

  std::uint64_t now_ns = kNsPerSec;
  SentPagePool pages{4096 * SentPage::kRecords};
  CongestionGroup group{std::make_unique<Bbr>(BbrConfig{})};
  std::vector<std::unique_ptr<Stream>> streams;
  std::vector<double> bears;
  std::vector<std::uint64_t> queue_ns;
  StreamShares shares;
};

TEST(stream_shares, streams_of_one_clean_path_are_even) {
  Group group(4);
  group.rounds(20, 400);
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(group.shares.share(i), 1.0);
    EXPECT_FALSE(group.shares.limited(i));
  }
}

TEST(stream_shares, a_policed_stream_carries_what_it_may_and_is_called_limited) {
  Group group(4);
  group.bears[2] = 50;  // of 800 a round: a fifth of the others' 250
  group.round(800);
  group.round(800);
  EXPECT_TRUE(group.shares.limited(2));
  EXPECT_FALSE(group.shares.limited(1));
  group.rounds(40, 800);
  EXPECT_NEAR(group.shares.share(2), 50.0 / 250, 0.05);
  EXPECT_EQ(group.shares.share(0), 1.0);
}

TEST(stream_shares, one_clean_stream_among_policed_ones_is_enough_to_tell) {
  Group group(8);
  for (std::size_t i = 1; i < 8; ++i) group.bears[i] = 60;
  group.rounds(40, 800);
  for (std::size_t i = 1; i < 8; ++i) EXPECT_LT(group.shares.share(i), 0.25) << i;  // 60 of 380
  EXPECT_EQ(group.shares.share(0), 1.0);
}

TEST(stream_shares, loss_that_all_have_is_nobodys_own) {
  Group group(4);
  for (double& most : group.bears) most = 170;  // of 200 each
  group.rounds(20, 800);
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_GT(group.shares.share(i), 0.9);
    EXPECT_FALSE(group.shares.limited(i));
  }
}

TEST(stream_shares, a_queue_of_its_own_lowers_a_share_and_one_of_all_does_not) {
  Group group(4);
  group.rounds(5, 400);
  for (std::uint64_t& queue : group.queue_ns) queue = 20 * kNsPerMs;
  group.rounds(20, 400);
  for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(group.shares.share(i), 1.0);
  group.queue_ns = {0, 0, 0, 40 * kNsPerMs};
  group.rounds(20, 400);
  EXPECT_LT(group.shares.share(3), 0.8);
  EXPECT_FALSE(group.shares.limited(3)) << "nothing was lost";
  EXPECT_EQ(group.shares.share(0), 1.0);
}

TEST(stream_shares, a_stream_that_joins_behind_a_common_queue_makes_no_other_stand_out) {
  Group group(3);
  group.rounds(5, 400);
  for (std::uint64_t& queue : group.queue_ns) queue = 20 * kNsPerMs;
  group.rounds(20, 400);
  group.add();
  group.queue_ns.back() = 20 * kNsPerMs;
  group.rounds(20, 400);
  for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(group.shares.share(i), 1.0) << i;
}

TEST(stream_shares, a_path_that_becomes_wide_is_filled_again) {
  Group group(4);
  group.bears[2] = 20;
  group.rounds(40, 800);
  ASSERT_LT(group.shares.share(2), 0.2);
  group.bears[2] = 1e9;
  group.rounds(60, 800);
  EXPECT_EQ(group.shares.share(2), 1.0);
}

TEST(stream_shares, a_dead_path_keeps_the_least_share) {
  Group group(2);
  group.bears[1] = 0;
  group.rounds(60, 2000);
  EXPECT_GE(group.shares.share(1), StreamShares::kShareMin);
  EXPECT_LT(group.shares.share(1), 0.05);
}

TEST(stream_shares, a_new_stream_begins_low) {
  Group group(4);
  group.rounds(10, 400);
  group.add();
  group.shares.update(group.now_ns, group.streams);
  EXPECT_NEAR(group.shares.share(4), StreamShares::kNewPart, 0.1);
  group.rounds(6, 400);
  EXPECT_EQ(group.shares.share(4), 1.0);
}

TEST(stream_shares, streams_that_begin_together_stay_even_while_the_rate_doubles) {
  Group group(1);
  group.shares.update(group.now_ns, group.streams);
  for (int i = 0; i < 3; ++i) group.add();  // their paths answered before anything was delivered
  group.shares.update(group.now_ns, group.streams);
  // The first has been at it; too little of the others' is settled to be judged, and that must not leave them behind.
  group.exchange(*group.streams[0], 200, 1e9, 0);
  for (std::size_t i = 1; i < 4; ++i) group.exchange(*group.streams[i], 5, 1e9, 0);
  group.now_ns += kRttNs;
  group.shares.update(group.now_ns, group.streams);
  for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(group.shares.share(i), 1.0) << i;
  for (double total = 100; total < 10'000; total *= 2) {
    group.round(total);
    for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(group.shares.share(i), 1.0) << i << " at " << total;
  }
}

TEST(stream_shares, one_that_joins_while_the_rate_doubles_is_not_left_behind) {
  Group group(3);
  group.rounds(3, 100);
  group.add();
  group.shares.update(group.now_ns, group.streams);
  EXPECT_NEAR(group.shares.share(3), StreamShares::kNewPart, 0.01);
  double total = 100;
  for (int i = 0; i < 5; ++i) group.round(total *= 2);
  EXPECT_EQ(group.shares.share(3), 1.0);
}

TEST(stream_turns, packets_follow_shares_in_runs) {
  StreamTurns turns;
  turns.begin(3);
  turns.set_share(1, 0.5);
  turns.set_share(2, 1.0 / 16);
  std::array<int, 3> sent{};
  int changes = 0;
  std::size_t last = 0;
  for (int i = 0; i < 10'000; ++i) {
    std::size_t at = turns.at();
    for (std::size_t asked = 0; !turns.has_credit(at); at = turns.after(at)) {
      if (++asked == turns.streams()) turns.new_round(), asked = 0;
    }
    turns.spend(at);
    ++sent[at];
    changes += at != last ? 1 : 0;
    last = at;
  }
  EXPECT_NEAR(sent[0], 10'000 * 16.0 / 25, 20);
  EXPECT_NEAR(sent[1], 10'000 * 8.0 / 25, 20);
  EXPECT_NEAR(sent[2], 10'000 * 1.0 / 25, 20);
  EXPECT_LT(changes, 10'000 / 4);
}

}  // namespace
}  // namespace dwcp
