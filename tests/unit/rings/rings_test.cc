// SPDX-License-Identifier: Apache-2.0
// What crosses threads: alone, and under two threads (run under ThreadSanitizer for what the eye does not see).
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <set>
#include <thread>
#include <vector>

#include "dataplane/rings/block.h"
#include "dataplane/rings/ingress_limit.h"
#include "dataplane/rings/migration_table.h"
#include "dataplane/rings/published.h"
#include "dataplane/rings/read_times.h"
#include "dataplane/rings/ring.h"

namespace dwcp {
namespace {

struct Message {
  std::uint64_t number = 0;
  std::uint64_t check = 0;
  std::uint32_t more[2] = {};
};

TEST(spsc_ring, holds_what_was_asked_for_in_order_and_then_is_full) {
  for (const std::size_t capacity :
       {std::size_t{1}, std::size_t{2}, std::size_t{3}, std::size_t{64}, std::size_t{255}, std::size_t{1000}}) {
    SpscRing<Message> ring(capacity);
    Message got;
    EXPECT_FALSE(ring.pop(got));
    std::uint64_t next_in = 0;
    std::uint64_t next_out = 0;
    for (int round = 0; round < 5; ++round) {
      while (ring.push({.number = next_in, .check = ~next_in})) ++next_in;
      EXPECT_EQ(ring.size(), next_in - next_out);
      EXPECT_GE(ring.size(), capacity);
      EXPECT_LE(ring.size(), 2 * capacity + 2);
      for (std::size_t i = 0; i < capacity / 2 + 1 && ring.pop(got); ++i, ++next_out) {
        ASSERT_EQ(got.number, next_out);
        ASSERT_EQ(got.check, ~next_out);
      }
    }
    std::vector<Message> rest(3 * capacity + 3);
    const std::size_t n = ring.pop(std::span(rest));
    EXPECT_EQ(n, next_in - next_out);
    for (std::size_t i = 0; i < n; ++i) ASSERT_EQ(rest[i].number, next_out + i);
    EXPECT_EQ(ring.size(), 0U);
  }
}

TEST(spsc_ring, two_threads) {
  SpscRing<Message> ring(31);
  constexpr std::uint64_t kCount = 200'000;
  std::thread producer([&] {
    for (std::uint64_t i = 0; i < kCount;) {
      if (ring.push({.number = i, .check = ~i, .more = {static_cast<std::uint32_t>(i), 1}})) {
        ++i;
      } else {
        std::this_thread::yield();
      }
    }
  });
  Message got;
  for (std::uint64_t i = 0; i < kCount;) {
    if (!ring.pop(got)) {
      std::this_thread::yield();
      continue;
    }
    ASSERT_EQ(got.number, i);
    ASSERT_EQ(got.check, ~i);
    ASSERT_EQ(got.more[0], static_cast<std::uint32_t>(i));
    ++i;
  }
  producer.join();
  EXPECT_FALSE(ring.pop(got));
}

struct Report {
  std::array<std::uint64_t, 100> values{};
};

TEST(published, latest_stays_until_asked_again) {
  Published<Report> published;
  EXPECT_EQ(published.latest().values[0], 0U);
  published.back().values.fill(1);
  EXPECT_EQ(published.latest().values[0], 0U);  // not published
  published.publish();
  const Report& first = published.latest();
  EXPECT_EQ(first.values[99], 1U);
  for (std::uint64_t i = 2; i < 6; ++i) {
    published.back().values.fill(i);
    published.publish();
  }
  EXPECT_EQ(first.values[0], 1U);  // the reader's copy is left alone
  EXPECT_EQ(published.latest().values[99], 5U);
  EXPECT_EQ(published.latest().values[99], 5U);
}

TEST(published, two_threads_see_whole_values_that_never_go_back) {
  Published<Report> published;
  constexpr std::uint64_t kLast = 100'000;
  std::thread writer([&] {
    for (std::uint64_t i = 1; i <= kLast; ++i) {
      published.back().values.fill(i);
      published.publish();
    }
  });
  std::uint64_t seen = 0;
  std::size_t different = 0;
  while (seen != kLast) {
    const Report& report = published.latest();
    const std::uint64_t value = report.values[0];
    ASSERT_GE(value, seen);
    ASSERT_TRUE(std::all_of(report.values.begin(), report.values.end(), [&](std::uint64_t v) { return v == value; }));
    if (value != seen) ++different;
    seen = value;
  }
  writer.join();
  EXPECT_GT(different, 0U);
}

TEST(migration_table, the_slot_free_longest_comes_first) {
  MigrationTable table(4);
  std::vector<MigrationRef> refs;
  for (std::uint16_t i = 0; i < 4; ++i) {
    refs.push_back(*table.claim());
    EXPECT_EQ(refs.back().slot, i);
    EXPECT_EQ(refs.back().generation, 1U);
  }
  EXPECT_FALSE(table.claim());
  for (const std::size_t i : {std::size_t{2}, std::size_t{0}, std::size_t{3}, std::size_t{1}}) table.release(refs[i]);
  for (const std::uint16_t slot : std::initializer_list<std::uint16_t>{2, 0, 3, 1}) {
    const auto claimed = table.claim();
    ASSERT_TRUE(claimed);
    EXPECT_EQ(claimed->slot, slot);
    EXPECT_EQ(claimed->generation, 3U);
    EXPECT_FALSE(*claimed == refs[slot]);  // a message of the last tenant is told apart
  }
}

TEST(migration_table, a_never_used_slot_is_older_than_a_released_one) {
  MigrationTable table(3);
  table.release(*table.claim());
  EXPECT_EQ(table.claim()->slot, 1);
  EXPECT_EQ(table.claim()->slot, 2);
  EXPECT_EQ(table.claim()->slot, 0);
}

TEST(migration_table, offset_and_stride_shard_the_slots) {
  MigrationTable table(7);
  std::vector<std::uint16_t> mine;
  while (const auto claimed = table.claim(1, 3)) mine.push_back(claimed->slot);
  EXPECT_EQ(mine, (std::vector<std::uint16_t>{1, 4}));
  mine.clear();
  while (const auto claimed = table.claim(2, 3)) mine.push_back(claimed->slot);
  EXPECT_EQ(mine, (std::vector<std::uint16_t>{2, 5}));
  EXPECT_FALSE(table.claim(7, 8));
  mine.clear();
  while (const auto claimed = table.claim()) mine.push_back(claimed->slot);
  EXPECT_EQ(mine, (std::vector<std::uint16_t>{0, 3, 6}));
}

TEST(migration_table, counters_outlive_the_tenant_until_the_next_claim) {
  MigrationTable table(1);
  const MigrationRef first = *table.claim();
  MigrationSlot& slot = table[0];
  slot.edge_in_bytes.add(5);
  slot.edge_in_bytes.add(7);
  slot.end_reason.set(3);
  slot.ended_ns.set(9);
  slot.digest_state.set(kVerdictMatch);
  table.release(first);
  EXPECT_EQ(slot.edge_in_bytes.get(), 12U);
  EXPECT_EQ(slot.end_reason.get(), 3U);
  ASSERT_TRUE(table.claim());
  EXPECT_EQ(slot.edge_in_bytes.get(), 0U);
  EXPECT_EQ(slot.end_reason.get(), 0U);
  EXPECT_EQ(slot.ended_ns.get(), 0U);
  EXPECT_EQ(slot.digest_state.get(), kVerdictPending);
}

TEST(migration_table, threads_claim_and_release_without_sharing_a_slot) {
  MigrationTable table(6);
  std::array<std::atomic<int>, 6> tenants{};
  std::atomic<std::size_t> claims{0};
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      std::vector<MigrationRef> held;
      for (int i = 0; i < 20'000; ++i) {
        // Two threads use all slots, two only the odd ones.
        const auto claimed = t < 2 ? table.claim() : table.claim(1, 2);
        if (claimed) {
          ASSERT_EQ(tenants[claimed->slot].fetch_add(1), 0);
          if (t >= 2) {
            ASSERT_EQ(claimed->slot % 2, 1);
          }
          table[claimed->slot].listener = static_cast<std::uint16_t>(t);  // the claimer's own
          table[claimed->slot].edge_in_bytes.add(1);
          ASSERT_EQ(table[claimed->slot].edge_in_bytes.get(), 1U);
          held.push_back(*claimed);
          claims.fetch_add(1);
        }
        if (held.size() > 1 || (!claimed && !held.empty())) {
          const MigrationRef ref = held.front();
          held.erase(held.begin());
          ASSERT_EQ(table[ref.slot].listener, t);
          tenants[ref.slot].fetch_sub(1);
          table.release(ref);
        }
      }
      for (const MigrationRef& ref : held) {
        tenants[ref.slot].fetch_sub(1);
        table.release(ref);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_GT(claims.load(), 1000U);
  for (std::size_t i = 0; i < table.size(); ++i) EXPECT_EQ(table[i].generation.load() % 2, 0U);
}

TEST(block_pool, lends_each_block_once_and_whole) {
  BlockPool pool(5);
  EXPECT_EQ(pool.size(), 5U);
  std::vector<Block*> lent;
  std::set<std::uint8_t*> places;
  while (Block* block = pool.take()) {
    EXPECT_EQ(block->length, 0U);
    block->data[0] = block->data[kBlockBytes - 1] = static_cast<std::uint8_t>(lent.size());
    block->length = kBlockBytes;
    lent.push_back(block);
    places.insert(block->data);
  }
  ASSERT_EQ(lent.size(), 5U);
  EXPECT_EQ(places.size(), 5U);
  EXPECT_EQ(pool.available(), 0U);
  for (std::size_t i = 0; i < lent.size(); ++i) {
    EXPECT_EQ(lent[i]->data[0], i);
    EXPECT_EQ(lent[i]->data[kBlockBytes - 1], i);
  }
  pool.put(lent[3]);
  EXPECT_EQ(pool.available(), 1U);
  Block* again = pool.take();
  EXPECT_EQ(again, lent[3]);
  EXPECT_EQ(again->length, 0U);
  EXPECT_EQ(pool.take(), nullptr);
}

TEST(read_times, tell_when_each_byte_was_read) {
  ReadTimes times;
  EXPECT_EQ(times.of(0), 0U);
  EXPECT_EQ(times.last_ns(), 0U);
  const std::uint64_t step = ReadTimes::kResolutionNs;
  times.note(0, 10 * step);
  times.note(100, 10 * step + step - 1);  // as good as the same moment
  times.note(200, 11 * step);
  times.note(300, 20 * step);
  EXPECT_EQ(times.of(0), 10 * step);
  EXPECT_EQ(times.of(199), 10 * step);
  EXPECT_EQ(times.of(200), 11 * step);
  EXPECT_EQ(times.of(299), 11 * step);
  EXPECT_EQ(times.of(300), 20 * step);
  EXPECT_EQ(times.of(1'000'000), 20 * step);
  EXPECT_EQ(times.last_ns(), 20 * step);
  times.clear();
  EXPECT_EQ(times.of(300), 0U);
}

TEST(read_times, newest_read_is_exact_when_there_were_more_than_places) {
  ReadTimes times;
  const std::uint64_t step = ReadTimes::kResolutionNs;
  const std::uint32_t reads = 3 * ReadTimes::kPlaces;
  for (std::uint32_t i = 0; i < reads; ++i) times.note(10 * i, (100 + i) * step);
  EXPECT_EQ(times.of(10 * (reads - 1)), (100 + reads - 1) * step);
  for (std::uint32_t i = 0; i < reads; ++i) EXPECT_LE(times.of(10 * i), (100 + i) * step) << "never later than it was";
  EXPECT_EQ(times.of(5), 100 * step);
}

TEST(ingress_limit, takes_fewer_blocks_and_then_smaller_ones) {
  constexpr std::size_t kMax = 8;
  const auto of = [](std::uint64_t bytes) { return IngressLimit::of(bytes, kMax); };
  EXPECT_EQ(of(0).blocks, kMax);
  EXPECT_EQ(of(0).block_bytes, kBlockBytes);
  EXPECT_EQ(of(~std::uint64_t{0}).blocks, kMax);
  EXPECT_EQ(of(~std::uint64_t{0}).block_bytes, kBlockBytes);
  EXPECT_EQ(of(5 * kBlockBytes).blocks, 5U);
  EXPECT_EQ(of(5 * kBlockBytes).block_bytes, kBlockBytes);
  EXPECT_EQ(of(300'000).blocks, 3U);
  EXPECT_EQ(of(300'000).block_bytes, 100'000U);
  EXPECT_EQ(of(1).blocks, 2U);
  EXPECT_EQ(of(1).block_bytes, IngressLimit::kBlockBytesMin);
  for (std::uint64_t bytes = 1; bytes < 3'000'000; bytes += 4567) {
    const std::uint64_t held = of(bytes).blocks * of(bytes).block_bytes;
    EXPECT_LE(held, std::max<std::uint64_t>(bytes, 2 * IngressLimit::kBlockBytesMin));
  }
  for (const std::uint64_t bytes : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{1'000'000'000}}) {
    EXPECT_EQ(IngressLimit::of(bytes, 1).blocks, 1U);
    EXPECT_EQ(IngressLimit::of(bytes, 2).blocks, 2U);
  }
}

}  // namespace
}  // namespace dwcp
