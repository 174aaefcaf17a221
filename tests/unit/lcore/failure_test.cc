// SPDX-License-Identifier: Apache-2.0
// How migrations end when something fails: the reason reaches both hypervisors, nothing leaks, and the next one works.
#include <gtest/gtest.h>

#include "world.h"

namespace dwcp {
namespace {

class FailureTest : public testing::Test {
 protected:
  void start(World& world) {
    ASSERT_TRUE(world.run([&] { return world.up(); }));
    world.east().edge.on_connect = [](std::uint16_t) { return Script{.says = payload(1, 50'000)}; };
  }
  void expect_home(World& world) {
    ASSERT_TRUE(world.run([&] { return world.home(); })) << world.west().not_home() << " | " << world.east().not_home();
  }
  void expect_works(World& world) {
    ASSERT_TRUE(world.run([&] { return world.up(); }));
    world.east().edge.on_connect = [](std::uint16_t) { return Script{.says = payload(1, 50'000)}; };
    world.east().edge.accepted.clear();
    const Bytes there = payload(2, 500'000);
    const auto connection = world.west().edge.open(0, 0, {.says = there});
    ASSERT_NE(connection, nullptr);
    expect_home(world);
    EXPECT_EQ(connection->aborted, EndReason::kNone);
    ASSERT_EQ(world.east().edge.accepted.size(), 1U);
    EXPECT_TRUE(world.east().edge.accepted.front()->heard == there);
  }
};

TEST_F(FailureTest, far_hypervisor_refuses) {
  World world(1);
  start(world);
  for (const EndReason reason : {EndReason::kConnectRefused, EndReason::kConnectTimeout}) {
    world.east().edge.on_connect = [reason](std::uint16_t) { return Script{.refuse = reason}; };
    const auto connection = world.west().edge.open(0, 0, {.says = payload(3, 3'000'000)});
    expect_home(world);
    EXPECT_EQ(connection->aborted, reason);
    EXPECT_EQ(world.west().end_reason(*connection), reason);
    EXPECT_EQ(static_cast<MigrationPhase>(world.west().slot(*connection).phase.get()), MigrationPhase::kFailed);
  }
  expect_works(world);
}

TEST_F(FailureTest, unknown_service) {
  World world(2);
  start(world);
  const auto connection = world.west().edge.open(1, 0, {.says = payload(3, 1'000'000)});
  expect_home(world);
  EXPECT_EQ(connection->aborted, EndReason::kServiceUnknown);
  EXPECT_TRUE(world.east().edge.accepted.empty());
  expect_works(world);
}

TEST_F(FailureTest, a_hypervisor_resets_in_the_middle) {
  World world(3);
  start(world);
  for (const bool near : {true, false}) {
    for (const std::size_t after : {std::size_t{0}, std::size_t{1}, std::size_t{400'000}, std::size_t{1'900'000}}) {
      SCOPED_TRACE(std::string(near ? "near " : "far ") + std::to_string(after));
      world.east().edge.accepted.clear();
      Script mine{.says = payload(4, 2'000'000)};
      Script theirs{.says = payload(5, 2'000'000)};
      (near ? mine : theirs).abort_after = after;
      world.east().edge.on_connect = [&](std::uint16_t) { return theirs; };
      const auto connection = world.west().edge.open(0, 0, mine);
      expect_home(world);
      world.run_for(50 * kNsPerMs);  // the lane's resets are acknowledged
      EXPECT_EQ(world.west().end_reason(*connection), EndReason::kHypervisorReset);
      if (!near) {
        EXPECT_EQ(connection->aborted, EndReason::kHypervisorReset);
      }
      for (const auto& far : world.east().edge.accepted) {
        if (near) {
          EXPECT_EQ(far->aborted, EndReason::kHypervisorReset);
        }
        EXPECT_FALSE(far->eof_heard && far->heard.size() < 2'000'000);
      }
    }
  }
  expect_works(world);
}

// A hypervisor that connects and is gone before the lane has answered.
TEST_F(FailureTest, reset_before_the_flow_is_open) {
  World world(4);
  start(world);
  for (int i = 0; i < 12; ++i) {  // three times the table
    const auto connection = world.west().edge.open(0, 0, {.abort_after = 0});
    ASSERT_NE(connection, nullptr) << "slot leaked by number " << i;
    world.west().edge.step();  // kOpen and kClosed reach the codec in one step
    expect_home(world);
    world.run_for(50 * kNsPerMs);  // the lane's resets are acknowledged
  }
  expect_works(world);
}

TEST_F(FailureTest, no_link_refuses_at_once) {
  World world(5);
  const auto connection = world.west().edge.open(0, 0, {.says = payload(1, 1000)});
  ASSERT_TRUE(world.run([&] { return connection->over; }, 10 * kNsPerMs));
  EXPECT_EQ(connection->aborted, EndReason::kPeerDown);
  expect_works(world);
}

TEST_F(FailureTest, far_side_has_no_slot_left) {
  SiteOptions east = east_options();
  east.migrations_max = 2;
  World world(6, good_link(), west_options(), east);
  start(world);
  // Two whose far hypervisor never ends fill the table; as many flows are left.
  world.east().edge.on_connect = [](std::uint16_t) { return Script{.eof_after_peer = true}; };
  std::vector<std::shared_ptr<Connection>> held;
  held.push_back(world.west().edge.open(0, 0, {.eof_after_peer = true}));
  held.push_back(world.west().edge.open(0, 0, {.eof_after_peer = true}));
  ASSERT_TRUE(world.run([&] { return world.east().edge.accepted.size() == 2; }));
  EXPECT_EQ(world.east().edge.open(0, 0, {}), nullptr);
  // The near side's end of the first goes on; the far edge is not scheduled, so its slot stays taken.
  world.east().edge.stopped = true;
  held[0]->script.abort_after = 0;
  ASSERT_TRUE(world.run([&] { return held[0]->over; }));
  world.run_for(50 * kNsPerMs);
  const auto refused = world.west().edge.open(0, 0, {.says = payload(9, 700'000)});
  ASSERT_TRUE(world.run([&] { return refused->over; }));
  EXPECT_EQ(refused->aborted, EndReason::kResourceExhausted);
  EXPECT_EQ(world.east().edge.accepted.size(), 2U);

  world.east().edge.stopped = false;
  held[1]->script.abort_after = 0;
  expect_home(world);
  world.run_for(50 * kNsPerMs);
  expect_works(world);
}

TEST_F(FailureTest, lost_link_aborts_both_sides_and_comes_back) {
  World world(7);
  start(world);
  const auto connection = world.west().edge.open(0, 0, {.says = payload(4, 200'000'000)});
  ASSERT_TRUE(world.run([&] { return connection->said > 1'000'000 && !world.east().edge.accepted.empty(); }));
  world.network.set_carrier(*world.ports[0], false);
  ASSERT_TRUE(world.run([&] { return connection->over && world.east().edge.accepted.front()->over; }, 5 * kNsPerSec));
  EXPECT_EQ(connection->aborted, EndReason::kLinkLost);
  EXPECT_EQ(world.east().edge.accepted.front()->aborted, EndReason::kLinkLost);
  EXPECT_EQ(world.west().end_reason(*connection), EndReason::kLinkLost);
  expect_home(world);
  EXPECT_TRUE(world.run([&] { return !world.west().up(); }, 10 * kNsPerMs));  // control looks every 5 ms
  world.run_for(3 * kNsPerSec);
  world.network.set_carrier(*world.ports[0], true);
  expect_works(world);
}

TEST_F(FailureTest, restarted_peer_gets_a_new_session) {
  for (std::uint64_t seed = 8; seed < 20; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    LinkProfile link = good_link();
    link.loss = 0.05;
    SiteOptions west = west_options();
    SiteOptions east = east_options();
    west.session_timeout_ns = east.session_timeout_ns = 45 * kNsPerSec;
    World world(seed, link, west, east);
    start(world);
    const std::size_t gone = seed % 2;
    const auto connection = world.west().edge.open(0, 0, {.says = payload(4, 200'000'000)});
    ASSERT_TRUE(world.run([&] { return connection->said > 2'000'000 && !world.east().edge.accepted.empty(); }));
    const auto survivor = gone == 1 ? connection : world.east().edge.accepted.front();
    const std::uint64_t gone_ns = world.now_ns();
    world.restart(gone);
    ASSERT_TRUE(world.run([&] { return survivor->over; }, PeerLink::kKnockedAgainNs + 3 * kNsPerSec));
    EXPECT_EQ(survivor->aborted, EndReason::kLinkLost);
    ASSERT_TRUE(world.run([&] { return world.up() && world.home(); }, 5 * kNsPerSec));
    expect_works(world);
    // Long before the session timeout: neither a lost packet nor the patience with knocks must cost one.
    EXPECT_LT(world.now_ns() - gone_ns, 10 * kNsPerSec);
  }
}

TEST_F(FailureTest, shutdown_is_told_to_the_peer) {
  World world(30);
  start(world);
  const auto connection = world.west().edge.open(0, 0, {.says = payload(4, 100'000'000)});
  ASSERT_TRUE(world.run([&] { return connection->said > 1'000'000 && !world.east().edge.accepted.empty(); }));
  ASSERT_TRUE(
      world.east().control.to_net.push({.kind = ControlToNetKind::kStop, .reason = EndReason::kShutdown, .lane = 0}));
  ASSERT_TRUE(world.run([&] { return connection->over; }, 200 * kNsPerMs));
  EXPECT_EQ(connection->aborted, EndReason::kLinkLost);
  expect_home(world);
  expect_works(world);
}

}  // namespace
}  // namespace dwcp
