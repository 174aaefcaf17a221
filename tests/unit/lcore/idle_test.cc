// SPDX-License-Identifier: Apache-2.0
#include "dataplane/lcore/idle.h"

#include <gtest/gtest.h>

namespace dwcp {
namespace {

constexpr std::uint64_t kNow = 5 * kNsPerSec;

void poll_through(Idle& idle) {
  for (std::uint32_t i = 1; i < Idle::kEmptyPolls; ++i) ASSERT_EQ(idle.on_empty(kNow, kNever), 0U);
}

TEST(idle, polls_first_then_sleeps_twice_as_long_each_time_up_to_the_limit) {
  Idle idle(500 * kNsPerUs);
  poll_through(idle);
  for (const std::uint64_t us : {50, 100, 200, 400, 500, 500, 500}) {
    EXPECT_EQ(idle.on_empty(kNow, kNever), us * kNsPerUs);
  }
}

TEST(idle, work_brings_it_back_to_full_speed_at_once) {
  Idle idle(kNsPerMs);
  for (int i = 0; i < 100; ++i) (void)idle.on_empty(kNow, kNever);
  EXPECT_EQ(idle.on_empty(kNow, kNever), kNsPerMs);
  idle.on_work();
  poll_through(idle);
  EXPECT_EQ(idle.on_empty(kNow, kNever), Idle::kStepNs);
}

TEST(idle, never_sleeps_past_a_deadline_but_for_the_shortest_sleep) {
  Idle idle(10 * kNsPerMs);
  for (int i = 0; i < 100; ++i) (void)idle.on_empty(kNow, kNever);
  EXPECT_EQ(idle.on_empty(kNow, kNow + 3 * kNsPerMs), 3 * kNsPerMs);
  EXPECT_EQ(idle.on_empty(kNow, kNow + 60 * kNsPerUs), 60 * kNsPerUs);
  EXPECT_EQ(idle.on_empty(kNow, kNow + 1), Idle::kStepNs);
  EXPECT_EQ(idle.on_empty(kNow, kNow), Idle::kStepNs);
  EXPECT_EQ(idle.on_empty(kNow, 0), Idle::kStepNs);  // long past
}

TEST(idle, a_limit_below_the_shortest_sleep_holds) {
  Idle idle(20 * kNsPerUs);
  poll_through(idle);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(idle.on_empty(kNow, kNow + 1), 20 * kNsPerUs);
}

TEST(idle, zero_means_never) {
  Idle idle(0);
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(idle.on_empty(kNow, kNever), 0U);
}

}  // namespace
}  // namespace dwcp
