// SPDX-License-Identifier: Apache-2.0
// A port slower than its lcore: what it does not take is held, not lost, and not for ever.
#include <gtest/gtest.h>

#include "world.h"

namespace dwcp {
namespace {

std::uint64_t lost(Site& site) {
  std::uint64_t sum = 0;
  for (const auto& stream : site.net->lane(0).streams()) sum += stream->counters().packets_lost;
  return sum;
}

TEST(full_port, holds_the_sender_back_and_loses_nothing) {
  World world(1);
  ASSERT_TRUE(world.run([&] { return world.up(); }));
  for (FakePort* port : world.ports) port->limit_send(3);
  const Bytes bytes = payload(1, 3'000'000);
  const auto connection = world.west().edge.open(0, 0, {.says = bytes});
  ASSERT_NE(connection, nullptr);
  ASSERT_TRUE(world.run([&] { return world.home(); })) << world.west().not_home();
  EXPECT_TRUE(world.east().edge.accepted.front()->heard == bytes);
  EXPECT_GT(world.ports[0]->counters().tx_full, 50U);
  EXPECT_EQ(lost(world.west()), 0U);
}

TEST(full_port, stuck_for_long_gives_up_what_waits_and_goes_on_after) {
  World world(2);
  ASSERT_TRUE(world.run([&] { return world.up(); }));
  const Bytes bytes = payload(2, 3'000'000);
  const auto connection = world.west().edge.open(0, 0, {.says = bytes});
  ASSERT_NE(connection, nullptr);
  const auto given_up = [&] { return world.west().net->report().latest().tx_given_up; };
  world.run_for(10 * kNsPerMs);
  world.ports[0]->limit_send(0);
  world.run_for(90 * kNsPerMs);
  EXPECT_EQ(given_up(), 0U);
  world.run_for(300 * kNsPerMs);
  EXPECT_GT(given_up(), 0U);
  EXPECT_LE(given_up(), 4 * kBurstMax);  // a burst in 100 ms: what waits has its time
  world.ports[0]->limit_send(kBurstMax);
  ASSERT_TRUE(world.run([&] { return world.home(); })) << world.west().not_home();
  EXPECT_TRUE(world.east().edge.accepted.front()->heard == bytes);
  world.run_for(200 * kNsPerMs);
  world.sites.clear();
  EXPECT_EQ(world.network.buffers_available(), FakeNetworkConfig{}.buffers);
}

}  // namespace
}  // namespace dwcp
