// SPDX-License-Identifier: Apache-2.0
// What a net lcore tells of its lanes.
#include <gtest/gtest.h>

#include <algorithm>

#include "world.h"

namespace dwcp {
namespace {

// A link that polices each 5-tuple, so that more streams pay.
TEST(net_report, tells_of_every_stream_a_lane_has_grown_to) {
  LinkProfile link = good_link();
  link.rate_bps = 1'000'000'000;
  link.policer = {.rate_bps = 20'000'000, .burst_bytes = 50'000};
  SiteOptions west = west_options();
  west.streams_max = 8;
  World world(1, link, west);
  ASSERT_TRUE(world.run([&] { return world.up(); }));
  Rng rng(5);
  Bytes noise(60'000'000);
  for (auto& byte : noise) byte = static_cast<std::uint8_t>(rng.next());
  const auto connection = world.west().edge.open(0, 0, {.says = noise});
  ASSERT_NE(connection, nullptr);
  const auto newest = [&]() -> const LaneReport& { return world.west().net->report().latest().lane[0]; };
  ASSERT_TRUE(world.run([&] { return newest().streams > west.streams; }, 20 * kNsPerSec));
  const LaneReport& lane = newest();
  EXPECT_EQ(lane.streams_sending, west.streams_max);
  const auto told = std::span(lane.stream).first(lane.streams_sending);
  EXPECT_EQ(std::count_if(told.begin(), told.end(), [](const StreamReport& s) { return s.state == StreamState::kActive; }),
            lane.streams);
  std::uint64_t sent = 0;
  for (const StreamReport& stream : told) sent += stream.packets.packets_sent;
  EXPECT_EQ(sent, lane.packets.packets_sent);
}

}  // namespace
}  // namespace dwcp
