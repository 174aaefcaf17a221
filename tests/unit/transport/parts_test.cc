// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "dataplane/transport/ack_tracker.h"
#include "dataplane/transport/bandwidth_filter.h"
#include "dataplane/transport/frame_table.h"
#include "dataplane/transport/pacer.h"
#include "dataplane/transport/rate_sampler.h"
#include "dataplane/transport/repair_queue.h"
#include "dataplane/transport/rtt.h"
#include "dataplane/transport/sent_map.h"

namespace dwcp {
namespace {

constexpr std::uint64_t kMs = kNsPerMs;

TEST(ack_tracker, second_packet_is_due_first_waits) {
  AckTracker tracker;
  EXPECT_FALSE(tracker.due(0));
  tracker.on_received(10 * kMs, 0, true, 80 * kMs);
  EXPECT_FALSE(tracker.due(10 * kMs));
  EXPECT_EQ(tracker.deadline_ns(), 10 * kMs + AckTracker::kDelayMaxNs);
  EXPECT_TRUE(tracker.due(10 * kMs + AckTracker::kDelayMaxNs));
  tracker.on_received(10 * kMs, 1, true, 80 * kMs);
  EXPECT_TRUE(tracker.due(10 * kMs));
  tracker.on_ack_sent();
  EXPECT_FALSE(tracker.wanted());
  EXPECT_EQ(tracker.deadline_ns(), kNever);
}

TEST(ack_tracker, gap_is_due_at_once) {
  AckTracker tracker;
  tracker.on_received(kMs, 0, true, 80 * kMs);
  tracker.on_ack_sent();
  tracker.on_received(2 * kMs, 2, true, 80 * kMs);
  EXPECT_TRUE(tracker.due(2 * kMs));
}

TEST(ack_tracker, bare_acks_ask_for_nothing) {
  AckTracker tracker;
  tracker.on_received(kMs, 0, false, 80 * kMs);
  tracker.on_received(kMs, 5, false, 80 * kMs);
  EXPECT_FALSE(tracker.wanted());
  EXPECT_EQ(tracker.admit(0), wire::DropReason::kDuplicate);
  EXPECT_EQ(tracker.admit(3), wire::DropReason::kNone);
}

TEST(ack_tracker, too_many_holes_raise_the_floor) {
  AckTracker tracker;
  for (PacketNumber n = 0; n <= 2 * AckTracker::kIntervalsMax; n += 2) tracker.on_received(kMs, n, true, 80 * kMs);
  EXPECT_EQ(tracker.received().intervals().size(), AckTracker::kIntervalsMax);
  EXPECT_EQ(tracker.admit(0), wire::DropReason::kTooOld);
  EXPECT_EQ(tracker.admit(1), wire::DropReason::kNone);  // between the floor and what is remembered
  EXPECT_EQ(tracker.admit(2), wire::DropReason::kDuplicate);
  EXPECT_EQ(tracker.largest(), 2 * AckTracker::kIntervalsMax);
}

TEST(ack_tracker, fast_arrival_is_acknowledged_once_a_millisecond) {
  AckTracker tracker;
  std::uint64_t now = kNsPerSec;
  PacketNumber n = 0;
  for (; n < 2000; ++n, now += 25'000) tracker.on_received(now, n, true, 80 * kMs);  // 40 packets a millisecond
  EXPECT_NEAR(tracker.ack_every(), 40, 2);
  for (; n < 2100; ++n, now += 10 * kMs) tracker.on_received(now, n, true, 80 * kMs);
  EXPECT_EQ(tracker.ack_every(), 2U);
}

TEST(sent_map, grows_reuses_and_exhausts) {
  SentPagePool pool(3 * SentPage::kRecords);
  SentMap map(pool);
  for (int round = 0; round < 20; ++round) {
    while (map.can_push()) map.push().bytes = static_cast<std::uint16_t>(map.next() % 60000);
    EXPECT_EQ(pool.free_pages(), 0U);
    for (PacketNumber n = map.base(); n < map.next(); ++n) ASSERT_EQ(map[n].bytes, n % 60000);
    map.erase_below(map.base() + SentPage::kRecords - 1);  // a page not wholly settled stays
    EXPECT_EQ(pool.free_pages(), map.base() % SentPage::kRecords == 0 ? 1U : 0U);
    map.erase_below(map.next());
    EXPECT_EQ(map.base(), map.next());
    map.release_page();
    EXPECT_EQ(pool.free_pages(), 3U);
  }
}

TEST(sent_map, destructor_gives_pages_back) {
  SentPagePool pool(4 * SentPage::kRecords);
  {
    SentMap map(pool);
    for (int i = 0; i < 700 && map.can_push(); ++i) map.push();
    EXPECT_EQ(pool.free_pages(), 1U);
  }
  EXPECT_EQ(pool.free_pages(), 4U);
}

TEST(sent_map, small_pool_still_sends_data) {
  SentPagePool pool(8 * SentPage::kRecords);
  SentMap map(pool);
  EXPECT_TRUE(map.can_push_spared());
  EXPECT_EQ(pool.spare_pages(), 2U);
  EXPECT_EQ(SentPagePool(262144).spare_pages(), 64U);
}

TEST(rtt, follows_rfc_9002_section_5) {
  RttEstimator rtt;
  EXPECT_EQ(rtt.smoothed_ns(), 333 * kMs);
  rtt.on_sample(100 * kMs, 20 * kMs);  // the first sample ignores the delay
  EXPECT_EQ(rtt.smoothed_ns(), 100 * kMs);
  EXPECT_EQ(rtt.variation_ns(), 50 * kMs);
  EXPECT_EQ(rtt.min_ns(), 100 * kMs);
  rtt.on_sample(140 * kMs, 20 * kMs);  // adjusted 120
  EXPECT_EQ(rtt.variation_ns(), (3 * 50 * kMs + 20 * kMs) / 4);
  EXPECT_EQ(rtt.smoothed_ns(), (7 * 100 * kMs + 120 * kMs) / 8);
  const std::uint64_t smoothed = rtt.smoothed_ns();
  rtt.on_sample(110 * kMs, 20 * kMs);  // below min + delay: the delay is not believed
  EXPECT_EQ(rtt.smoothed_ns(), (7 * smoothed + 110 * kMs) / 8);
  EXPECT_EQ(rtt.min_ns(), 100 * kMs);
  EXPECT_EQ(rtt.pto_ns(5 * kMs), rtt.smoothed_ns() + 4 * rtt.variation_ns() + 5 * kMs);
  rtt.forget_min();
  EXPECT_EQ(rtt.min_ns(), 110 * kMs);
}

TEST(pacer, does_not_drift) {
  Pacer pacer;
  pacer.set_rate(7'000'003);
  std::uint64_t now = kNsPerSec;
  std::uint64_t bytes = 0;
  while (now < 11 * kNsPerSec) {
    now = std::max(now, pacer.next_ns());
    pacer.on_sent(now, 1317);
    bytes += 1317;
  }
  EXPECT_NEAR(static_cast<double>(bytes), 70'000'030.0, 10'000);
}

TEST(pacer, catches_up_for_a_bounded_time) {
  Pacer pacer;
  pacer.set_rate(1'000'000'000);
  pacer.on_sent(kNsPerSec, 1000);
  std::uint64_t burst = 0;
  while (pacer.may_send(5 * kNsPerSec)) pacer.on_sent(5 * kNsPerSec, 1000), burst += 1000;
  EXPECT_NEAR(static_cast<double>(burst), 1e9 * 1e-9 * static_cast<double>(Pacer::kCatchUpNs), 2000);
}

TEST(pacer, packets_that_do_not_wait_leave_no_debt) {
  Pacer pacer;
  pacer.set_rate(1000);
  for (int i = 0; i < 100; ++i) pacer.on_sent(kNsPerSec, 1000);  // probes and pings
  EXPECT_LE(pacer.next_ns(), 2 * kNsPerSec);
}

TEST(rate_sampler, measures_a_steady_flow) {
  RateSampler sampler;
  std::vector<SentPacket> packets(200);
  AckSample sample;
  // 1000 bytes a millisecond, 50 ms away.
  for (std::uint64_t ms = 0; ms < 200; ++ms) {
    packets[ms].sent_ns = kNsPerSec + ms * kMs;
    packets[ms].bytes = 1000;
    sampler.on_sent(packets[ms], ms == 0 ? 0 : 1000);
    if (ms < 50) continue;
    sample = {};
    sampler.on_acked(kNsPerSec + ms * kMs, packets[ms - 50]);
    sampler.take(sample, 50 * kMs);
  }
  EXPECT_NEAR(static_cast<double>(sample.delivery_bytes_per_sec), 1e6, 3e4);
  EXPECT_FALSE(sample.app_limited);
}

TEST(rate_sampler, compressed_acks_do_not_look_fast) {
  RateSampler sampler;
  std::vector<SentPacket> packets(100);
  for (std::uint64_t i = 0; i < 100; ++i) {
    packets[i].sent_ns = kNsPerSec + i * kMs;
    packets[i].bytes = 1000;
    sampler.on_sent(packets[i], i);
  }
  AckSample sample;
  for (const SentPacket& packet : packets) sampler.on_acked(kNsPerSec + 150 * kMs, packet);
  sampler.take(sample, 50 * kMs);
  EXPECT_LE(sample.delivery_bytes_per_sec, 1'020'000U);
}

TEST(rate_sampler, marks_samples_taken_with_too_little_to_send) {
  RateSampler sampler;
  sampler.on_app_limited(0);
  SentPacket packet{};
  packet.sent_ns = kNsPerSec;
  packet.bytes = 1000;
  sampler.on_sent(packet, 0);
  sampler.on_acked(kNsPerSec + 50 * kMs, packet);
  AckSample sample;
  sampler.take(sample, 50 * kMs);
  EXPECT_TRUE(sample.app_limited);
  SentPacket next{};
  next.sent_ns = kNsPerSec + 60 * kMs;
  sampler.on_sent(next, 0);
  EXPECT_FALSE(next.app_limited);  // what was in flight then has been delivered
}

TEST(frame_table, hands_out_each_slot_once) {
  FrameTable<TxFrame> table(3);
  const auto a = table.take();
  const auto b = table.take();
  const auto c = table.take();
  EXPECT_EQ(a + b + c, 3U);
  EXPECT_EQ(table.take(), kNoSlot);
  table.put(b);
  EXPECT_EQ(table.free_count(), 1U);
  EXPECT_EQ(table.take(), b);
  EXPECT_EQ(FrameTable<TxFrame>(0).take(), kNoSlot);
}

TEST(cell_pool, takes_all_or_nothing) {
  CellPool pool(10 * wire::kCellBytes);
  FrameBody a;
  FrameBody b;
  ASSERT_TRUE(pool.allocate(a, 6 * wire::kCellBytes + 1));
  EXPECT_FALSE(pool.allocate(b, 3 * wire::kCellBytes + 1));
  EXPECT_EQ(pool.free_bytes(), 3 * wire::kCellBytes);
  std::vector<std::uint8_t> in(9000, 7);
  std::vector<std::uint8_t> out(9000);
  a.write(4000, in);
  a.read(4000, out);
  EXPECT_EQ(in, out);
  pool.release(a);
  EXPECT_EQ(pool.free_bytes(), pool.arena_bytes());
}

TEST(repair_queue, first_come_first_served) {
  RepairQueue queue(16);
  for (std::uint32_t i = 0; i < 64; ++i) {
    EXPECT_TRUE(queue.push({.slot = i, .generation = 0, .offset = 100, .length = 10}));
  }
  EXPECT_TRUE(queue.full());
  EXPECT_FALSE(queue.push({.slot = 64, .generation = 0, .offset = 0, .length = 1}));
  EXPECT_EQ(queue.bytes(), 640U);
  queue.trim_front(4);
  EXPECT_EQ(queue.front().offset, 104U);
  EXPECT_EQ(queue.front().length, 6U);
  queue.pop();
  EXPECT_EQ(queue.front().slot, 1U);
  EXPECT_EQ(queue.bytes(), 630U);
  queue.clear();
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(queue.bytes(), 0U);
}

TEST(bandwidth_filter, keeps_the_best_of_ten_rounds) {
  BandwidthFilter filter;
  EXPECT_EQ(filter.max(), 0U);
  filter.add(100, false);
  for (int i = 0; i < 9; ++i) {
    filter.begin_round(false);
    filter.add(50, false);
    EXPECT_EQ(filter.max(), 100U);
  }
  filter.begin_round(false);
  filter.add(50, false);
  EXPECT_EQ(filter.max(), 50U);
}

TEST(bandwidth_filter, rounds_with_little_to_send_neither_age_nor_lower_it) {
  BandwidthFilter filter;
  filter.add(100, false);
  for (int i = 0; i < 50; ++i) {
    filter.begin_round(true);
    filter.add(1, true);
  }
  filter.begin_round(false);
  filter.add(50, false);
  EXPECT_EQ(filter.max(), 100U);
  filter.add(120, true);
  EXPECT_EQ(filter.max(), 120U) << "but a lower bound above all others counts";
  filter.assume(7);
  EXPECT_EQ(filter.max(), 7U);
}

}  // namespace
}  // namespace dwcp
