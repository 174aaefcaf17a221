// SPDX-License-Identifier: Apache-2.0
#include "drivers/fake/path_bundle.h"

#include <gtest/gtest.h>

#include <array>

namespace dwcp {
namespace {

TEST(path_bundle, flows_keep_to_one_path_and_spread_over_all) {
  PathBundle bundle(std::vector<LinkProfile>(4), 5);
  std::array<int, 4> flows{};
  for (std::uint64_t flow = 0; flow < 400; ++flow) {
    const std::size_t path = bundle.path_of(flow);
    ASSERT_LT(path, flows.size());
    EXPECT_EQ(bundle.path_of(flow), path);
    ++flows[path];
  }
  for (const int n : flows) EXPECT_GT(n, 60);
}

TEST(path_bundle, paths_deliver_in_the_order_of_arrival_and_count_together) {
  PathBundle bundle({{.delay_ns = 300}, {.delay_ns = 100}}, 1);
  const std::array<std::uint8_t, 40> bytes{};
  std::uint64_t slow = 0;
  std::uint64_t fast = 0;
  while (bundle.path_of(slow) != 0) ++slow;
  while (bundle.path_of(fast) != 1) ++fast;
  EXPECT_EQ(bundle.send(0, bytes, slow), DropReason::kNone);
  EXPECT_EQ(bundle.send(1, bytes, fast), DropReason::kNone);
  EXPECT_EQ(bundle.in_flight(), 2U);
  EXPECT_EQ(bundle.next_event_ns(), 101U);
  EXPECT_FALSE(bundle.receive(100));
  EXPECT_EQ(bundle.receive(400)->due_ns, 101U);
  EXPECT_EQ(bundle.receive(400)->due_ns, 300U);
  EXPECT_FALSE(bundle.receive(400));
  EXPECT_EQ(bundle.counters().delivered, 2U);
  EXPECT_EQ(bundle.path(0).counters().delivered, 1U);
}

TEST(path_bundle, marks_and_faults_of_all_paths_are_counted) {
  const LinkProfile profile{.rate_bps = 8'000'000, .ecn_mark_threshold_bytes = 500, .ecn_fault = EcnFault::kBleach};
  PathBundle bundle({profile, profile}, 1);
  const std::array<std::uint8_t, 1000> bytes{};
  for (std::uint64_t flow = 0; flow < 40; ++flow) EXPECT_EQ(bundle.send(0, bytes, flow, Ecn::kEct0), DropReason::kNone);
  EXPECT_EQ(bundle.counters().ecn_faults, 40U);
  EXPECT_EQ(bundle.counters().ecn_marked, 38U) << "all but the first of each path, which found no queue";
}

}  // namespace
}  // namespace dwcp
