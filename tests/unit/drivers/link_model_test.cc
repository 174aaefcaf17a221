// SPDX-License-Identifier: Apache-2.0
#include "drivers/impair/link_model.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <limits>

#include "base/time.h"

namespace dwcp {
namespace {

constexpr std::uint32_t kFrame = 1514;

std::uint64_t drops(const LinkModel& link, DropReason reason) {
  return link.counters().drops[static_cast<std::size_t>(reason)];
}

void expect_conservation(const LinkCounters& c) {
  EXPECT_EQ(c.offered + c.duplicated, c.delivered + c.dropped());
}

TEST(link_model, plain_link_adds_sending_time_and_delay) {
  LinkModel link({.rate_bps = 1'000'000'000, .delay_ns = 25 * kNsPerMs}, 1);
  const Verdict v = link.admit(1000, {.bytes = 1250});
  EXPECT_EQ(v.copies, 1);
  EXPECT_TRUE(v.in_order);
  EXPECT_EQ(v.deliver_ns, 1000 + 10'000 + 25 * kNsPerMs);
}

TEST(link_model, unlimited_rate_adds_delay_only) {
  LinkModel link({.delay_ns = 5}, 1);
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(link.admit(7, {.bytes = 9000}).deliver_ns, 12U);
}

// 5 h of a rate that no frame time divides, without a nanosecond of drift.
TEST(link_model, serialisation_clock_is_exact_over_hours) {
  constexpr std::uint64_t kRate = 299'999'977;
  LinkModel link({.rate_bps = kRate, .queue_bytes = 4 * kFrame}, 1);
  constexpr std::uint64_t kFrames = 450'000'000 / 32;
  std::uint64_t last_ns = 0;
  for (std::uint64_t i = 0; i < kFrames; ++i) {
    // Offer each when the one before it leaves, so the link never idles and never overflows.
    const Verdict v = link.admit(last_ns, {.bytes = 48'448});
    ASSERT_EQ(v.copies, 1);
    last_ns = v.deliver_ns;
  }
  __extension__ using Wide = unsigned __int128;
  EXPECT_EQ(last_ns, static_cast<std::uint64_t>(Wide{kFrames} * 48'448 * 8 * kNsPerSec / kRate));
  EXPECT_GT(last_ns, 5 * 3600 * kNsPerSec);
}

TEST(link_model, queue_takes_its_bytes_to_the_frame) {
  LinkModel link({.rate_bps = 8'000'000, .queue_bytes = 10'000}, 1);
  int accepted = 0;
  for (int i = 0; i < 20; ++i) accepted += link.admit(0, {.bytes = 1000}).copies;
  EXPECT_EQ(accepted, 10);
  EXPECT_EQ(drops(link, DropReason::kQueueFull), 10U);
  EXPECT_EQ(link.queue_bytes(0), 10'000U);
  EXPECT_EQ(link.counters().queue_bytes_max, 10'000U);
  EXPECT_EQ(link.counters().queue_delay_ns_max, 9 * kNsPerMs);
  // 1 byte per us: room for the next frame comes when one has left, not a nanosecond before.
  EXPECT_EQ(link.admit(kNsPerMs - 1000, {.bytes = 1000}).drop, DropReason::kQueueFull);
  EXPECT_EQ(link.admit(kNsPerMs, {.bytes = 1000}).copies, 1);
  expect_conservation(link.counters());
}

TEST(link_model, queue_default_is_one_bdp_with_a_floor) {
  EXPECT_EQ(queue_limit_bytes({.rate_bps = 1'000'000'000, .delay_ns = 25 * kNsPerMs}), 6'250'000U);
  EXPECT_EQ(queue_limit_bytes({.rate_bps = 1'000'000}), 65'536U);
  EXPECT_EQ(queue_limit_bytes({.rate_bps = 1'000'000, .queue_bytes = 9}), 9U);
  EXPECT_EQ(queue_limit_bytes({.queue_bytes = 9}), 0U);
}

TEST(link_model, idle_link_takes_a_frame_larger_than_its_queue) {
  LinkModel link({.rate_bps = 8'000'000, .queue_bytes = 100}, 1);
  EXPECT_EQ(link.admit(0, {.bytes = 1000}).copies, 1);
  EXPECT_EQ(link.admit(0, {.bytes = 1000}).copies, 0);
}

TEST(link_model, overload_drops_the_excess_only) {
  LinkModel link({.rate_bps = 1'000'000'000, .queue_bytes = 100'000}, 1);
  const std::uint64_t frame_ns = kFrame * 8;  // at 1 Gb/s; offered at twice the rate
  for (std::uint64_t i = 0; i < 200'000; ++i) static_cast<void>(link.admit(i * frame_ns / 2, {.bytes = kFrame}));
  EXPECT_NEAR(static_cast<double>(link.counters().delivered), 100'000.0, 70.0);
  expect_conservation(link.counters());
}

TEST(link_model, random_loss_matches_its_probability) {
  LinkModel link({.loss = 0.01}, 7);
  for (int i = 0; i < 1'000'000; ++i) static_cast<void>(link.admit(i, {.bytes = kFrame}));
  EXPECT_NEAR(static_cast<double>(drops(link, DropReason::kRandomLoss)), 10'000, 500);  // 5 sigma
  expect_conservation(link.counters());
}

TEST(link_model, burst_loss_matches_rate_and_mean_length) {
  LinkModel link({.burst_loss = {.rate = 0.02, .mean_length = 8}}, 7);
  std::uint64_t bursts = 0;
  bool lost_before = false;
  constexpr int kFrames = 2'000'000;
  for (int i = 0; i < kFrames; ++i) {
    const bool lost = link.admit(i, {.bytes = kFrame}).copies == 0;
    bursts += lost && !lost_before;
    lost_before = lost;
  }
  const auto lost = static_cast<double>(drops(link, DropReason::kBurstLoss));
  EXPECT_NEAR(lost / kFrames, 0.02, 0.002);
  EXPECT_NEAR(lost / static_cast<double>(bursts), 8, 0.6);
  expect_conservation(link.counters());
}

TEST(link_model, a_policer_gives_each_flow_its_rate_and_burst) {
  LinkModel link({.policer = {.rate_bps = 80'000'000, .burst_bytes = 20'000}}, 3);  // 10 bytes a microsecond
  std::array<std::uint64_t, 2> passed{};
  for (std::uint64_t t = 0; t < kNsPerSec; t += 50 * kNsPerUs) {  // flow 0 offers twice its rate, flow 1 half
    passed[0] += link.admit(t, {.bytes = 1000, .flow = 0}).copies * 1000U;
    if (t % (200 * kNsPerUs) == 0) passed[1] += link.admit(t, {.bytes = 1000, .flow = 1}).copies * 1000U;
  }
  EXPECT_NEAR(static_cast<double>(passed[0]), 10e6 + 20'000, 2000);
  EXPECT_EQ(passed[1], 5'000'000U);
  EXPECT_EQ(drops(link, DropReason::kPoliced), 20'000U - passed[0] / 1000);
  expect_conservation(link.counters());
}

TEST(link_model, blackhole_windows_are_exact_once_and_periodic) {
  LinkModel link({.blackholes = {{100, 200, 0}, {1000, 1010, 100}}}, 1);
  for (std::uint64_t t = 0; t < 2000; ++t) {
    const bool dead = (t >= 100 && t < 200) || (t >= 1000 && (t - 1000) % 100 < 10);
    ASSERT_EQ(link.admit(t, {.bytes = 60}).copies == 0, dead) << t;
  }
  EXPECT_EQ(drops(link, DropReason::kBlackhole), 200U);
  expect_conservation(link.counters());
}

TEST(link_model, mtu_drops_larger_packets) {
  LinkModel link({.mtu = 1500}, 1);
  EXPECT_EQ(link.admit(0, {.bytes = 1514}).copies, 1);
  EXPECT_EQ(link.admit(0, {.bytes = 1515}).drop, DropReason::kMtu);
}

TEST(link_model, reordered_frames_are_held_back_and_others_stay_in_order) {
  LinkModel link({.rate_bps = 1'000'000'000, .delay_ns = kNsPerMs, .reorder = 0.05, .reorder_extra_ns = 300'000}, 3);
  std::uint64_t last_ns = 0;
  std::uint64_t overtaken = 0;
  for (std::uint64_t i = 0; i < 100'000; ++i) {
    const Verdict v = link.admit(i * 12'112, {.bytes = kFrame});
    if (v.in_order) {
      ASSERT_GE(v.deliver_ns, last_ns);
      last_ns = v.deliver_ns;
    } else {
      ++overtaken;
      EXPECT_EQ(v.deliver_ns, (i + 1) * 12'112 + kNsPerMs + 300'000);
    }
  }
  EXPECT_EQ(link.counters().reordered, overtaken);
  EXPECT_NEAR(static_cast<double>(overtaken), 5000, 400);
}

TEST(link_model, jitter_spreads_and_keeps_order) {
  LinkModel link({.rate_bps = 1'000'000'000, .delay_ns = kNsPerMs, .jitter_ns = 4 * kNsPerMs}, 3);
  std::uint64_t last_ns = 0;
  std::array<int, 4> quarter{};
  for (std::uint64_t i = 0; i < 2'000'000; ++i) {
    const std::uint64_t now_ns = i * 13'000;
    const Verdict v = link.admit(now_ns, {.bytes = kFrame});
    ASSERT_TRUE(v.in_order);
    ASSERT_GE(v.deliver_ns, last_ns);
    last_ns = v.deliver_ns;
    const std::uint64_t extra_ns = v.deliver_ns - now_ns - kNsPerMs - kFrame * 8;
    ASSERT_LE(extra_ns, 4 * kNsPerMs);
    ++quarter[std::min<std::size_t>(3, extra_ns / kNsPerMs)];
  }
  for (const int count : quarter) EXPECT_GT(count, 200'000);
}

TEST(link_model, duplicate_and_corrupt_are_counted_and_bounded) {
  LinkModel link({.duplicate = 0.1, .corrupt = 0.2}, 5);
  std::uint64_t twice = 0;
  std::uint64_t damaged = 0;
  std::array<int, 4> by_flips{};
  for (int i = 0; i < 100'000; ++i) {
    const Verdict v = link.admit(i, {.bytes = 15});  // one byte to hit, so that three distinct bits are a test
    twice += v.copies == 2;
    damaged += v.flips > 0;
    ++by_flips.at(v.flips);
    for (int f = 0; f < v.flips; ++f) {
      ASSERT_GE(v.flip_bits.at(f), 14U * 8);
      ASSERT_LT(v.flip_bits.at(f), 15U * 8);
      for (int g = 0; g < f; ++g) ASSERT_NE(v.flip_bits.at(f), v.flip_bits.at(g));
    }
  }
  EXPECT_EQ(link.counters().duplicated, twice);
  EXPECT_EQ(link.counters().corrupted, damaged);
  EXPECT_NEAR(static_cast<double>(twice), 10'000, 500);
  EXPECT_NEAR(static_cast<double>(damaged), 20'000, 700);
  for (const int flips : {1, 2, 3}) EXPECT_NEAR(by_flips.at(flips), 20'000 / 3, 500);
  expect_conservation(link.counters());
}

TEST(link_model, corruption_leaves_a_bare_header_alone) {
  LinkModel link({.corrupt = 1}, 5);
  EXPECT_EQ(link.admit(0, {.bytes = 14}).flips, 0);
  EXPECT_EQ(link.counters().corrupted, 0U);
}

TEST(link_model, rate_drop_takes_hold_for_frames_already_queued) {
  LinkProfile profile{.rate_bps = 80'000'000, .queue_bytes = 100'000};  // 10 bytes/us
  profile.changes = {{.at_ns = kNsPerMs, .rate_bps = 8'000'000}};
  LinkModel link(profile, 1);
  std::uint64_t last_ns = 0;
  for (int i = 0; i < 50; ++i) last_ns = link.admit(0, {.bytes = 1000}).deliver_ns;
  EXPECT_EQ(last_ns, kNsPerMs + 40 * kNsPerMs);  // ten frames at the old rate, forty at the tenth of it
  EXPECT_EQ(link.queue_bytes(0), 50'000U);
  EXPECT_EQ(link.queue_bytes(kNsPerMs / 2), 45'000U);
  EXPECT_EQ(link.queue_bytes(11 * kNsPerMs), 30'000U);
}

TEST(link_model, route_change_keeps_order_unless_told) {
  LinkProfile profile{.delay_ns = 100};
  profile.changes = {{.at_ns = 50, .delay_ns = 10, .loss = 1.0}, {.at_ns = 60, .loss = 0.0}};
  LinkModel ordered(profile, 1);
  EXPECT_EQ(ordered.admit(49, {.bytes = 60}).deliver_ns, 149U);
  EXPECT_EQ(ordered.admit(50, {.bytes = 60}).drop, DropReason::kRandomLoss);
  EXPECT_EQ(ordered.admit(60, {.bytes = 60}).deliver_ns, 149U);
  EXPECT_EQ(ordered.admit(140, {.bytes = 60}).deliver_ns, 150U);

  profile.delay_fall_reorders = true;
  LinkModel natural(profile, 1);
  EXPECT_EQ(natural.admit(49, {.bytes = 60}).deliver_ns, 149U);
  const Verdict v = natural.admit(60, {.bytes = 60});
  EXPECT_EQ(v.deliver_ns, 70U);
  EXPECT_FALSE(v.in_order);
  EXPECT_EQ(natural.counters().reordered, 1U);
}

TEST(link_model, ecn_marks_ect_above_the_threshold_only) {
  LinkModel link({.rate_bps = 8'000'000, .ecn_mark_threshold_bytes = 2000}, 1);
  EXPECT_FALSE(link.admit(0, {.bytes = 1000, .ect = true}).mark_ce);
  EXPECT_FALSE(link.admit(0, {.bytes = 1000, .ect = true}).mark_ce);
  EXPECT_FALSE(link.admit(0, {.bytes = 1000, .ect = true}).mark_ce);  // finds exactly the threshold
  EXPECT_TRUE(link.admit(0, {.bytes = 1000, .ect = true}).mark_ce);
  EXPECT_FALSE(link.admit(0, {.bytes = 1000, .ect = false}).mark_ce);
  EXPECT_EQ(link.counters().ecn_marked, 1U);
}

TEST(link_model, reconfigure_keeps_order_and_counters) {
  LinkModel link({.rate_bps = 8'000'000, .delay_ns = kNsPerMs}, 1);
  const Verdict before = link.admit(0, {.bytes = 1000});
  link.reconfigure({.loss = 0});
  const Verdict after = link.admit(1, {.bytes = 1000});
  EXPECT_GE(after.deliver_ns, before.deliver_ns);
  EXPECT_EQ(link.counters().offered, 2U);
}

TEST(link_model, same_seed_same_verdicts_other_seed_others) {
  const LinkProfile profile{
      .jitter_ns = 50, .loss = 0.1, .reorder = 0.1, .reorder_extra_ns = 9, .duplicate = 0.1, .corrupt = 0.1};
  LinkModel a(profile, 1);
  LinkModel b(profile, 1);
  LinkModel c(profile, 2);
  int differ = 0;
  for (int i = 0; i < 10'000; ++i) {
    const Verdict va = a.admit(i, {.bytes = kFrame});
    const Verdict vb = b.admit(i, {.bytes = kFrame});
    const Verdict vc = c.admit(i, {.bytes = kFrame});
    ASSERT_EQ(va.drop, vb.drop);
    ASSERT_EQ(va.deliver_ns, vb.deliver_ns);
    ASSERT_EQ(va.flip_bits, vb.flip_bits);
    differ += va.copies != vc.copies;
  }
  EXPECT_GT(differ, 1000);
}

TEST(link_profile, nonsense_is_named) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(profile_error({}), nullptr);
  EXPECT_NE(profile_error({.loss = 1.1}), nullptr);
  EXPECT_NE(profile_error({.loss = -0.1}), nullptr);
  EXPECT_NE(profile_error({.loss = nan}), nullptr);
  EXPECT_NE(profile_error({.ecn_fault_rate = 1.1}), nullptr);
  EXPECT_NE(profile_error({.burst_loss = {.rate = 0.1, .mean_length = 0.5}}), nullptr);
  EXPECT_NE(profile_error({.burst_loss = {.rate = nan}}), nullptr);
  EXPECT_NE(profile_error({.burst_loss = {.rate = 0.8, .mean_length = 1}}), nullptr);
  EXPECT_NE(profile_error({.reorder = 0.1}), nullptr);
  EXPECT_NE(profile_error({.blackholes = {{5, 5, 0}}}), nullptr);
  EXPECT_NE(profile_error({.blackholes = {{5, 15, 10}}}), nullptr);
  EXPECT_NE(profile_error({.rate_bps = 2'000'000'000'000}), nullptr);
  LinkProfile unordered;
  unordered.changes = {{.at_ns = 2}, {.at_ns = 1}};
  EXPECT_NE(profile_error(unordered), nullptr);
}

// A generous bound: it catches an accidental O(n) or allocation per frame, not a slow machine.  Prints the figure.
TEST(link_model, admit_costs_nanoseconds) {
  LinkModel link({.rate_bps = 1'000'000'000, .delay_ns = 25 * kNsPerMs, .loss = 0.001, .burst_loss = {0.001, 3}}, 1);
  constexpr int kFrames = 3'000'000;
  const auto start = std::chrono::steady_clock::now();
  for (std::uint64_t i = 0; i < kFrames; ++i) static_cast<void>(link.admit(i * 12'500, {.bytes = kFrame}));
  const std::chrono::duration<double, std::nano> spent = std::chrono::steady_clock::now() - start;
  RecordProperty("ns_per_admit", static_cast<int>(spent.count() / kFrames));
  std::printf("admit: %.1f ns\n", spent.count() / kFrames);
  EXPECT_LT(spent.count() / kFrames, 1000);
}

}  // namespace
}  // namespace dwcp
