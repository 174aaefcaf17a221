// SPDX-License-Identifier: Apache-2.0
#include "dataplane/transport/make_congestion.h"

#include <gtest/gtest.h>

#include <string>

#include "solo_lane.h"

namespace dwcp {
namespace {

TEST(make_congestion, makes_what_is_asked_for) {
  const std::array<std::string, kCongestionKinds> names{"bbr", "cubic", "newreno"};
  for (std::size_t i = 0; i < kCongestionKinds; ++i) {
    const auto control = make_congestion({.kind = static_cast<CongestionKind>(i)});
    EXPECT_EQ(control->name(), names[i]);
    EXPECT_TRUE(control->starting_up());
    EXPECT_GT(control->window_bytes(), 0U);
    EXPECT_GT(control->pacing_bytes_per_sec(), 0U) << "pacing is always on";
  }
}

TEST(make_congestion, hands_on_every_setting) {
  for (std::size_t i = 0; i < kCongestionKinds; ++i) {
    const CongestionSetup setup{.kind = static_cast<CongestionKind>(i),
                                .datagram_bytes = 1300,
                                .rate_max_bytes_per_sec = 1000,
                                .resume = {.bandwidth_bytes_per_sec = 125'000'000, .min_rtt_ns = 100 * kNsPerMs}};
    const auto control = make_congestion(setup);
    EXPECT_EQ(control->window_bytes() % 1300, 0U);
    EXPECT_EQ(control->pacing_bytes_per_sec(), 1000U);
    AckSample ping;
    ping.now_ns = kNsPerSec;
    ping.acked_bytes = 50;
    ping.acked_sent_ns = kNsPerSec - 100 * kNsPerMs;
    ping.rtt_ns = ping.smoothed_rtt_ns = 100 * kNsPerMs;
    ping.app_limited = true;
    control->on_ack(ping);
    EXPECT_GE(control->window_bytes(), 12'500'000U) << "what is remembered of the path";
    EXPECT_LE(control->pacing_bytes_per_sec(), 1000U);
  }
}

TEST(make_congestion, the_lane_takes_its_configuration_and_shares_what_is_remembered) {
  LaneConfig config = small_config();
  config.streams = 4;
  config.coupling = Coupling::kNone;
  config.congestion = CongestionKind::kCubic;
  Lane lane(config);
  LaneSession session;
  session.resume = {.bandwidth_bytes_per_sec = 40'000'000, .min_rtt_ns = 100 * kNsPerMs};
  const Streams streams = lane.make_streams(session);
  ASSERT_EQ(streams.groups.size(), 4U);
  for (const auto& group : streams.groups) {
    EXPECT_STREQ(group->control().name(), "cubic");
    AckSample ping;
    ping.now_ns = kNsPerSec;
    ping.rtt_ns = ping.smoothed_rtt_ns = 100 * kNsPerMs;
    group->control().on_ack(ping);
    EXPECT_EQ(group->control().window_bytes(), 1'000'000U);
  }
}

// A port that takes 9000 bytes says nothing of the path: what is counted in packets is counted in those streams start with.
TEST(make_congestion, the_size_of_a_packet_is_not_the_ports) {
  for (std::size_t i = 0; i < kCongestionKinds; ++i) {
    std::vector<std::uint64_t> windows;  // the first, and the least, with either port
    for (const std::uint32_t port : {1472U, 8972U}) {
      LaneConfig config = small_config();
      config.congestion = static_cast<CongestionKind>(i);
      config.datagram_bytes = port;
      Lane lane(config);
      const Streams streams = lane.make_streams({});
      CongestionControl& control = streams.groups[0]->control();
      windows.push_back(control.window_bytes());
      control.on_persistent_congestion(kNsPerSec);
      windows.push_back(control.window_bytes());
    }
    EXPECT_EQ(windows[0], windows[2]) << i;
    EXPECT_EQ(windows[1], windows[3]) << i;
  }
}

}  // namespace
}  // namespace dwcp
