// SPDX-License-Identifier: Apache-2.0
#include "control/snapshot.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

namespace dwcp {
namespace {

TEST(snapshot, board_is_never_empty) {
  const SnapshotBoard board;
  ASSERT_NE(board.snapshot(), nullptr);
  EXPECT_TRUE(board.snapshot()->peers.empty());
}

TEST(snapshot, a_copy_outlives_the_next_publication) {
  SnapshotBoard board;
  Snapshot first;
  first.gateway.name = "first";
  board.publish(first);
  const auto held = board.snapshot();
  first.gateway.name = "second";
  board.publish(first);
  EXPECT_EQ(held->gateway.name, "first");
  EXPECT_EQ(board.snapshot()->gateway.name, "second");
}

// Every snapshot read is one that was published whole, and they never go back.
TEST(snapshot, readers_see_whole_snapshots_in_order) {
  SnapshotBoard board;
  std::atomic<bool> done{false};
  std::thread writer([&] {
    for (std::uint64_t i = 1; i <= 20'000; ++i) {
      Snapshot next;
      next.gateway.uptime_ms = i;
      next.drops.assign(3, DropCount{"reason_long_enough_to_allocate", i});
      board.publish(std::move(next));
    }
    done = true;
  });
  std::uint64_t last = 0;
  bool torn = false;
  while (!done) {
    const auto seen = board.snapshot();
    torn = torn || seen->gateway.uptime_ms < last;
    last = seen->gateway.uptime_ms;
    for (const auto& drop : seen->drops) torn = torn || drop.count != last;
  }
  writer.join();
  EXPECT_FALSE(torn);
  EXPECT_EQ(board.snapshot()->gateway.uptime_ms, 20'000U);
}

}  // namespace
}  // namespace dwcp
