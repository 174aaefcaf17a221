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

// West has heard that east is gone, within moments of the port's moving again, and nothing of east's session is left.
void expect_told(World& world, const Connection& connection) {
  world.ports[1]->limit_send(kBurstMax);
  EXPECT_TRUE(world.run([&] { return connection.over; }, 50 * kNsPerMs)) << "long before the session timeout";
  EXPECT_EQ(connection.aborted, EndReason::kLinkLost);
  EXPECT_TRUE(world.run([&] { return !world.east().net->lane(0).active(); }, 50 * kNsPerMs));
}

bool stop_east(World& world) {
  return world.east().control.to_net.push({.kind = ControlToNetKind::kStop, .reason = EndReason::kShutdown, .lane = 0});
}

TEST(full_port, a_session_stopped_while_packets_wait_is_told_to_the_peer) {
  World world(3);
  ASSERT_TRUE(world.run([&] { return world.up(); }));
  const auto connection = world.west().edge.open(0, 0, {.says = payload(3, 100'000'000)});
  ASSERT_NE(connection, nullptr);
  ASSERT_TRUE(world.run([&] { return connection->said > 1'000'000 && !world.east().edge.accepted.empty(); }));
  world.ports[1]->limit_send(0);
  world.run_for(10 * kNsPerMs);
  ASSERT_EQ(world.east().net->deadline_ns(), 0U) << "ACKs wait";
  ASSERT_TRUE(stop_east(world));
  world.run_for(10 * kNsPerMs);
  expect_told(world, *connection);
}

// No lane is left, no hello is due: nobody has a reason to send but that something waits.
TEST(full_port, last_words_that_the_port_did_not_take_are_offered_again) {
  World world(4);
  ASSERT_TRUE(world.run([&] { return world.up(); }));
  world.east().edge.on_connect = [](std::uint16_t) { return Script{.eof_after_peer = true}; };
  const auto connection = world.west().edge.open(0, 0, {.says = payload(4, 1'000), .eof_after_peer = true});
  ASSERT_NE(connection, nullptr);
  ASSERT_TRUE(world.run([&] { return !world.east().edge.accepted.empty(); }));
  world.run_for(100 * kNsPerMs);
  ASSERT_FALSE(connection->over);
  world.east().control_runs = false;
  world.ports[1]->limit_send(0);
  ASSERT_NE(world.east().net->deadline_ns(), 0U) << "nothing waits yet";
  ASSERT_TRUE(stop_east(world));
  world.run_for(10 * kNsPerMs);
  ASSERT_FALSE(world.east().net->lane(0).active());
  ASSERT_EQ(world.east().net->deadline_ns(), 0U) << "CLOSE waits";
  expect_told(world, *connection);
}

}  // namespace
}  // namespace dwcp
