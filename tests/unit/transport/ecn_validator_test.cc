// SPDX-License-Identifier: Apache-2.0
// ECN validation (RFC 9000 §13.4.2, appendix A.4): every way through the table, and counts no honest peer would tell.
#include "dataplane/transport/ecn_validator.h"

#include <gtest/gtest.h>

#include "base/rng.h"

namespace dwcp {
namespace {

constexpr std::uint64_t kPtoNs = 100 * kNsPerMs;

struct Path {
  Path() { ecn.enable(); }
  EcnValidator ecn;
  EcnCounts told;  // by the peer, unless a test says otherwise
  std::uint64_t now_ns = kNsPerSec;
  PacketNumber next = 0;

  // Sends `count` packets and says how many went as ECT(0).
  std::uint64_t send(std::uint64_t count) {
    std::uint64_t marked = 0;
    for (; count > 0; --count) marked += ecn.on_sent(now_ns, next++, kPtoNs);
    return marked;
  }
  std::uint64_t ack() { return ecn.on_ack(&told); }
  // Packets [first, first + count) arrived as `with` and are acknowledged.
  std::uint64_t deliver(PacketNumber first, std::uint64_t count, Ecn with = Ecn::kEct0) {
    for (; count > 0; --count, ++first) {
      ecn.on_acked(first);
      told.add(with);
    }
    return ack();
  }
  // Well within its test, a path that carries marks.
  void make_capable() {
    ASSERT_EQ(send(2), 2U);
    deliver(next - 2, 2);
    ASSERT_EQ(ecn.state(), EcnState::kCapable);
  }
};

TEST(ecn_validator, off_until_enabled) {
  EcnValidator ecn;
  EXPECT_FALSE(ecn.on_sent(1, 0, kPtoNs));
  const EcnCounts counts{.ect0 = 9, .ect1 = 9, .ce = 9};
  EXPECT_EQ(ecn.on_ack(&counts), 0U);
  ecn.restart(1);
  EXPECT_EQ(ecn.state(), EcnState::kOff);
  EXPECT_EQ(ecn.violations(), 0U);
}

TEST(ecn_validator, table_follows_its_diagram) {
  using enum EcnState;
  EXPECT_EQ(next_state(kTesting, EcnEvent::kTested), kUnknown);
  EXPECT_EQ(next_state(kTesting, EcnEvent::kProven), kCapable);
  EXPECT_EQ(next_state(kUnknown, EcnEvent::kProven), kCapable);
  EXPECT_EQ(next_state(kUnknown, EcnEvent::kUnproven), kFailed);
  EXPECT_EQ(next_state(kCapable, EcnEvent::kViolated), kFailed);
  EXPECT_EQ(next_state(kFailed, EcnEvent::kProven), kFailed) << "only a new test may";
  for (const EcnState state : {kTesting, kUnknown, kCapable}) {
    EXPECT_EQ(next_state(state, EcnEvent::kViolated), kFailed);
    EXPECT_EQ(next_state(state, EcnEvent::kSilent), kUnknown);
  }
  for (const EcnState state : {kTesting, kUnknown, kCapable, kFailed}) EXPECT_EQ(next_state(state, EcnEvent::kRestart), kTesting);
}

TEST(ecn_validator, ten_packets_are_a_test) {
  Path path;
  EXPECT_EQ(path.send(50), EcnValidator::kTestPackets);
  EXPECT_EQ(path.ecn.state(), EcnState::kUnknown);
  path.deliver(0, 10);
  EXPECT_EQ(path.ecn.state(), EcnState::kCapable);
  EXPECT_EQ(path.send(50), 50U);
}

TEST(ecn_validator, three_ptos_are_a_test) {
  Path path;
  EXPECT_EQ(path.send(1), 1U);
  path.now_ns += 3 * kPtoNs;
  EXPECT_EQ(path.send(1), 1U);
  path.now_ns += 1;
  EXPECT_EQ(path.send(1), 0U);
  EXPECT_EQ(path.ecn.state(), EcnState::kUnknown);
}

TEST(ecn_validator, capable_before_the_test_is_over) {
  Path path;
  EXPECT_EQ(path.send(3), 3U);
  path.deliver(0, 1);
  EXPECT_EQ(path.ecn.state(), EcnState::kCapable);
  EXPECT_EQ(path.send(100), 100U);
}

TEST(ecn_validator, all_lost_is_a_path_that_drops_marks) {
  Path path;
  path.send(12);
  for (PacketNumber n = 0; n < 9; ++n) path.ecn.on_lost(n);
  EXPECT_EQ(path.ecn.state(), EcnState::kUnknown);
  path.ecn.on_lost(9);
  EXPECT_EQ(path.ecn.state(), EcnState::kFailed);
  EXPECT_EQ(path.ecn.violations(), 0U) << "nobody said anything wrong";
  EXPECT_EQ(path.send(5), 0U);
}

TEST(ecn_validator, losses_found_before_the_test_ended_count_when_it_does) {
  Path path;
  path.send(4);
  for (PacketNumber n = 0; n < 4; ++n) path.ecn.on_lost(n);
  EXPECT_EQ(path.ecn.state(), EcnState::kTesting);
  path.now_ns += 4 * kPtoNs;
  EXPECT_EQ(path.send(1), 0U);
  EXPECT_EQ(path.ecn.state(), EcnState::kFailed);
}

TEST(ecn_validator, one_of_the_test_that_arrives_is_enough) {
  Path path;
  path.send(12);
  for (PacketNumber n = 0; n < 9; ++n) path.ecn.on_lost(n);
  path.deliver(9, 1);
  EXPECT_EQ(path.ecn.state(), EcnState::kCapable);
}

TEST(ecn_validator, a_loss_taken_back_is_none) {
  Path path;
  path.send(12);
  for (PacketNumber n = 0; n < 9; ++n) path.ecn.on_lost(n);
  path.ecn.on_spurious(3);
  path.ecn.on_acked(3);  // by an ACK whose counts are not judged
  path.ecn.on_lost(9);
  EXPECT_EQ(path.ecn.state(), EcnState::kUnknown) << "its counts are still to come";
  path.told.add(Ecn::kEct0);
  path.ack();
  EXPECT_EQ(path.ecn.state(), EcnState::kCapable);
}

TEST(ecn_validator, bleaching_is_found_with_the_first_ack) {
  Path path;
  path.send(5);
  path.ecn.on_acked(0);
  EXPECT_EQ(path.ecn.on_ack(nullptr), 0U);  // the peer saw no mark, so its ACK has no counts
  EXPECT_EQ(path.ecn.state(), EcnState::kFailed);
  EXPECT_EQ(path.ecn.violations(), 1U);
}

TEST(ecn_validator, an_ack_of_unmarked_packets_needs_no_counts) {
  Path path;
  path.send(12);
  EXPECT_EQ(path.ecn.on_ack(nullptr), 0U);
  EXPECT_EQ(path.ecn.state(), EcnState::kUnknown);
}

TEST(ecn_validator, bleaching_that_begins_later_is_found) {
  Path path;
  path.make_capable();
  path.send(4);
  path.ecn.on_acked(2);
  path.ack();
  EXPECT_EQ(path.ecn.state(), EcnState::kFailed);
}

TEST(ecn_validator, a_path_that_makes_all_ce_is_found_by_its_test) {
  Path path;
  path.send(12);
  EXPECT_EQ(path.deliver(0, 9, Ecn::kCe), 0U) << "no word of congestion before the path is proven";
  EXPECT_EQ(path.ecn.state(), EcnState::kUnknown);
  path.deliver(9, 1, Ecn::kCe);
  EXPECT_EQ(path.ecn.state(), EcnState::kFailed);
}

TEST(ecn_validator, some_ce_is_congestion) {
  Path path;
  path.send(12);
  path.deliver(0, 9, Ecn::kCe);
  path.deliver(9, 1);
  EXPECT_EQ(path.ecn.state(), EcnState::kCapable);
  path.send(6);
  EXPECT_EQ(path.deliver(12, 4, Ecn::kCe), 4U);
  EXPECT_EQ(path.deliver(16, 1), 0U);
  EXPECT_EQ(path.deliver(17, 1, Ecn::kCe), 1U);
  EXPECT_EQ(path.ecn.state(), EcnState::kCapable);
}

TEST(ecn_validator, counts_that_contradict) {
  struct Case {
    const char* what;
    EcnCounts told;
  };
  // Ten were sent ECT(0), five of them are acknowledged, and two of the five were told of before.
  const Case cases[] = {
      {"a count shrank", {.ect0 = 1, .ect1 = 0, .ce = 4}},
      {"fewer than acknowledged", {.ect0 = 4, .ect1 = 0, .ce = 0}},
      {"a codepoint never sent", {.ect0 = 5, .ect1 = 1, .ce = 0}},
      {"more ECT(0) than were sent", {.ect0 = 11, .ect1 = 0, .ce = 0}},
      {"more CE than were sent", {.ect0 = 2, .ect1 = 0, .ce = 9}},
      {"all at once", {.ect0 = 0xffffffff, .ect1 = 0xffffffff, .ce = 0xffffffff}},
      {"a large step", {.ect0 = 0x7fffffff, .ect1 = 0, .ce = 0x7fffffff}},
  };
  for (const Case& wrong : cases) {
    SCOPED_TRACE(wrong.what);
    Path path;
    path.make_capable();
    path.send(8);
    for (PacketNumber n = 2; n < 5; ++n) path.ecn.on_acked(n);
    path.told = wrong.told;
    EXPECT_EQ(path.ack(), 0U);
    EXPECT_EQ(path.ecn.state(), EcnState::kFailed);
    EXPECT_EQ(path.ecn.violations(), 1U);
    EXPECT_EQ(path.send(3), 0U);
  }
  Path path;
  path.make_capable();
  path.send(8);
  for (PacketNumber n = 2; n < 5; ++n) path.ecn.on_acked(n);
  path.told = {.ect0 = 4, .ect1 = 0, .ce = 6};  // as many as were sent: not all acknowledged yet
  EXPECT_EQ(path.ack(), 6U);
  EXPECT_EQ(path.ecn.state(), EcnState::kCapable);
}

TEST(ecn_validator, counts_wrap_at_32_bits) {
  Path path;
  path.make_capable();
  // Nonsense, which fails but is where the next path's counts begin.
  for (const std::uint64_t ect0 : {0x7fffffffULL, 0xfffffff0ULL}) path.told.ect0 = ect0, path.ack();
  ASSERT_EQ(path.ecn.state(), EcnState::kFailed);
  path.ecn.restart(path.next);
  path.send(10);
  path.deliver(path.next - 10, 10);
  path.send(30);
  path.told.ect0 &= 0xffffffff;
  path.deliver(path.next - 30, 30);
  EXPECT_GT(path.told.ect0, 0xffffffffULL);
  path.send(1);
  path.told.ect0 &= 0xffffffff;
  path.deliver(path.next - 1, 1);
  EXPECT_EQ(path.ecn.state(), EcnState::kCapable);
  path.told.ect0 = (path.told.ect0 + 0x80000000ULL) & 0xffffffff;
  path.ack();
  EXPECT_EQ(path.ecn.state(), EcnState::kFailed) << "half the range is a step back";
}

TEST(ecn_validator, a_new_path_is_tested_anew) {
  Path path;
  path.make_capable();
  path.send(20);
  path.ecn.restart(path.next);
  EXPECT_EQ(path.ecn.state(), EcnState::kTesting);
  const PacketNumber first = path.next;
  // What the old path held arrives late, bleached: nothing against the new one.
  path.ecn.on_acked(2);
  path.ack();
  path.ecn.on_lost(3);
  EXPECT_EQ(path.ecn.state(), EcnState::kTesting);
  EXPECT_EQ(path.send(30), EcnValidator::kTestPackets);
  path.told.add(Ecn::kEct0);  // one more of the old path's
  path.ack();
  EXPECT_EQ(path.ecn.state(), EcnState::kUnknown) << "nothing of the new path is acknowledged";
  path.deliver(first, 10);
  EXPECT_EQ(path.ecn.state(), EcnState::kCapable);
}

TEST(ecn_validator, a_failed_path_taints_no_other) {
  Path path;
  path.make_capable();
  path.send(5);
  path.deliver(2, 5, Ecn::kEct1);
  ASSERT_EQ(path.ecn.state(), EcnState::kFailed);
  path.told.ce += 500;  // the old path made CE of what was not marked at all
  path.ack();
  path.ecn.restart(path.next);
  path.send(5);
  path.deliver(path.next - 5, 5);
  EXPECT_EQ(path.ecn.state(), EcnState::kCapable);
}

TEST(ecn_validator, silence_is_met_without_marks) {
  Path path;
  path.make_capable();
  path.send(10);
  path.ecn.on_silence();
  EXPECT_EQ(path.ecn.state(), EcnState::kUnknown);
  EXPECT_EQ(path.send(3), 0U) << "the path may have come to drop them";
  path.ecn.restart(path.next);
  EXPECT_EQ(path.send(3), 3U);
}

TEST(ecn_validator, failure_is_tried_again_after_a_minute) {
  Path path;
  path.send(12);
  for (PacketNumber n = 0; n < 10; ++n) path.ecn.on_lost(n);
  ASSERT_EQ(path.ecn.state(), EcnState::kFailed);
  EXPECT_EQ(path.send(1), 0U);
  path.now_ns += EcnValidator::kRetryNs - 1;
  EXPECT_EQ(path.send(1), 0U);
  path.now_ns += 1;
  EXPECT_EQ(path.send(20), EcnValidator::kTestPackets);
  path.deliver(14, 10);
  EXPECT_EQ(path.ecn.state(), EcnState::kCapable);
  // A second failure waits as long.
  path.ecn.on_acked(14);
  path.ack();
  ASSERT_EQ(path.ecn.state(), EcnState::kFailed);
  EXPECT_EQ(path.send(1), 0U);
  path.now_ns += EcnValidator::kRetryNs - 1;
  EXPECT_EQ(path.send(1), 0U);
}

// Whatever is told, the state is one of the table's, and no more CE is reported than was sent.
TEST(ecn_validator, survives_noise) {
  Rng rng(20261125);
  for (int life = 0; life < 300; ++life) {
    Path path;
    std::uint64_t sent = 0;
    std::uint64_t ce = 0;
    for (int i = 0; i < 200; ++i) {
      sent += path.send(rng.below(4));
      path.now_ns += rng.below(2 * kNsPerSec);
      if (rng.chance(0.02)) path.ecn.restart(path.next);
      if (rng.chance(0.02)) path.ecn.on_silence();
      if (rng.chance(0.3)) path.told.ect0 = rng.chance(0.5) ? rng.next() & 0xffffffff : path.told.ect0 + rng.below(4);
      if (rng.chance(0.3)) path.told.ce = rng.chance(0.2) ? rng.next() & 0xffffffff : path.told.ce + rng.below(4);
      const std::uint64_t more = rng.chance(0.1) ? path.ecn.on_ack(nullptr) : path.ack();
      ce += more;
      ASSERT_TRUE(more == 0 || path.ecn.state() == EcnState::kCapable);
      ASSERT_LT(static_cast<std::size_t>(path.ecn.state()), kEcnStates);
    }
    ASSERT_TRUE(ce <= sent || path.ecn.violations() != 0);
  }
}

}  // namespace
}  // namespace dwcp
