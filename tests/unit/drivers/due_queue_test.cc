// SPDX-License-Identifier: Apache-2.0
#include "drivers/impair/due_queue.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "base/rng.h"

namespace dwcp {
namespace {

TEST(due_queue, leaves_in_order_of_time_then_of_push) {
  DueQueue<int> queue(1'000'000);
  Rng rng(4);
  struct Sent {
    std::uint64_t due_ns;
    int id;
  };
  std::vector<Sent> sent;
  std::uint64_t fifo_ns = 0;
  for (int i = 0; i < 20'000; ++i) {
    const bool in_order = !rng.chance(0.2);
    const std::uint64_t due_ns = in_order ? (fifo_ns += rng.below(3)) : fifo_ns + rng.below(50);
    ASSERT_TRUE(queue.push(due_ns, in_order, i));
    sent.push_back({due_ns, i});
  }
  std::stable_sort(sent.begin(), sent.end(), [](const Sent& a, const Sent& b) { return a.due_ns < b.due_ns; });
  for (const Sent& expected : sent) {
    ASSERT_EQ(queue.next_due_ns(), expected.due_ns);
    ASSERT_EQ(queue.pop(), expected.id);
  }
  EXPECT_EQ(queue.next_due_ns(), kNever);
}

TEST(due_queue, wraps_and_grows_without_losing_order) {
  DueQueue<std::uint64_t> queue(1'000'000);
  std::uint64_t in = 0;
  std::uint64_t out = 0;
  for (int round = 0; round < 300; ++round) {
    for (int i = 0; i < 40; ++i, ++in) ASSERT_TRUE(queue.push(in, true, in));
    for (int i = 0; i < 30; ++i, ++out) ASSERT_EQ(queue.pop(), out);
  }
  EXPECT_EQ(queue.size(), in - out);
}

TEST(due_queue, is_bounded) {
  DueQueue<int> queue(2);
  EXPECT_TRUE(queue.push(1, true, 1));
  EXPECT_TRUE(queue.push(1, false, 2));
  EXPECT_FALSE(queue.push(1, true, 3));
  EXPECT_FALSE(queue.push(1, false, 3));
  EXPECT_EQ(queue.pop(), 1);
  EXPECT_TRUE(queue.push(2, true, 4));
}

}  // namespace
}  // namespace dwcp
