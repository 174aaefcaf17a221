// SPDX-License-Identifier: Apache-2.0
// ECN through whole gateways: the bits of real IP headers, both ways, and what the report says of them.
#include <gtest/gtest.h>

#include "world.h"

namespace dwcp {
namespace {

LinkProfile slow_link() {
  LinkProfile link;
  link.rate_bps = 50'000'000;
  link.delay_ns = 5 * kNsPerMs;
  link.queue_bytes = 200'000;
  return link;
}

const LaneReport& newest(World& world, std::size_t site) {
  return world.sites[site]->net->report().latest().lane[0];
}

std::uint32_t in_state(const LaneReport& lane, EcnState state) { return lane.ecn_streams[static_cast<std::size_t>(state)]; }

// One migration of incompressible bytes from west to east.
void migrate(World& world) {
  Rng rng(5);
  Bytes noise(8'000'000);
  for (auto& byte : noise) byte = static_cast<std::uint8_t>(rng.next());
  world.east().edge.on_connect = [](std::uint16_t) { return Script{}; };
  ASSERT_TRUE(world.run([&] { return world.up(); }));
  ASSERT_NE(world.west().edge.open(0, 0, {.says = noise}), nullptr);
  ASSERT_TRUE(world.run([&] { return world.home(); })) << world.west().not_home();
  world.run_for(kNsPerSec / 2);  // reports are made ten times a second; after a whole one, keepalives are under way
}

TEST(lcore_ecn, marks_reach_the_sender_that_caused_them) {
  LinkProfile link = slow_link();
  link.ecn_mark_threshold_bytes = 20'000;
  World world(1, link);
  migrate(world);
  const LaneReport& west = newest(world, 0);
  const LaneReport& east = newest(world, 1);
  EXPECT_EQ(in_state(west, EcnState::kCapable), world.options[0].streams);
  EXPECT_GT(west.packets.ecn_ce_reported, 100U);
  EXPECT_GE(east.ecn_received.ce, west.packets.ecn_ce_reported);
  const LinkCounters& link_counters = world.network.link(*world.ports[0]).counters();
  EXPECT_EQ(east.ecn_received.ce, link_counters.ecn_marked);
  EXPECT_EQ(east.ecn_received.ect1, 0U);
  const std::uint64_t arrived = east.ecn_received.ect0 + east.ecn_received.ce;
  EXPECT_LE(arrived, west.packets.ecn_packets_sent);
  EXPECT_GE(arrived + link_counters.dropped(), west.packets.ecn_packets_sent);
  EXPECT_EQ(west.packets.ecn_violations + east.packets.ecn_violations, 0U);
}

TEST(lcore_ecn, a_path_that_spoils_the_bits_is_used_without) {
  for (const EcnFault fault : {EcnFault::kBleach, EcnFault::kEct1, EcnFault::kCe}) {
    LinkProfile link = slow_link();
    link.ecn_fault = fault;
    World world(2, link);
    migrate(world);
    const LaneReport& west = newest(world, 0);
    EXPECT_EQ(in_state(west, EcnState::kFailed), world.options[0].streams) << static_cast<int>(fault);
    EXPECT_LE(west.packets.ecn_packets_sent, world.options[0].streams * EcnValidator::kTestPackets);
    EXPECT_EQ(west.packets.ecn_ce_reported, 0U);
  }
}

}  // namespace
}  // namespace dwcp
