// SPDX-License-Identifier: Apache-2.0
// What a lane grants its peer, and what it makes of the peer's grants.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <optional>

#include "solo_lane.h"

namespace dwcp {
namespace {

using wire::DropReason;

TEST(lane_credit, credit_is_said_when_the_largest_frame_would_not_fit) {
  LaneConfig config = small_config();
  config.rx_frames_max = 2400;  // so that the count of frames does not bring it about
  SoloLane solo(config);        // the window is just the largest frame
  ASSERT_EQ(Lane::window_initial(solo.lane.config()), wire::kFrameBytesMax);
  ASSERT_EQ(solo.give(solo.packet().data(2, 0, 1, 0, 1)), DropReason::kNone);
  const auto events = solo.events();
  ASSERT_EQ(events.size(), 1U);
  (void)solo.sent();
  solo.lane.consume(solo.now_ns, events[0].rx_slot);
  solo.now_ns += kNsPerMs;
  const auto datagrams = solo.sent();
  ASSERT_EQ(datagrams.size(), 1U);
  const wire::CreditChunk want{.type = 4,
                               .flow = 2U,
                               .charge_limit = wire::kFrameBytesMax + wire::kCellBytes,
                               .frame_limit = 0U};
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(&want);
  EXPECT_NE(std::search(datagrams[0].begin(), datagrams[0].end(), bytes, bytes + offsetof(wire::CreditChunk, frame_limit)),
            datagrams[0].end());
  solo.expect_drains();
}

// One flow grows as far as it can; then the others are opened, with the first windows the hello promised.
TEST(lane_credit, windows_never_promise_more_than_the_arena) {
  LaneConfig config = small_config();
  config.rx_arena_bytes = 24 * wire::kFrameBytesMax;
  config.rx_frames_max = 2400;
  SoloLane solo(config);
  std::uint64_t limit = Lane::window_initial(config);
  std::uint64_t charged = 0;
  std::uint64_t windows_most = 0;
  const auto flow = solo.lane.open_flow();
  OwnedBody probe(100);
  ASSERT_TRUE(solo.lane.submit(*flow, probe.body));  // for an RTT
  (void)solo.sent();
  solo.now_ns += 100 * kNsPerMs;
  ASSERT_EQ(solo.give(solo.packet().ack(0, 0, 0)), DropReason::kNone);
  for (std::uint32_t id : {2U, 4U, 6U}) {
    limit = Lane::window_initial(config);
    charged = 0;
    for (std::uint32_t frame = 0; frame < 900; ++frame) {
      auto packet = solo.packet().data(id, frame, 4096, 0, 4096);
      ASSERT_EQ(solo.give(packet), DropReason::kNone);
      charged += 4096;
      for (const LaneEvent& event : solo.events()) {
        if (event.kind == LaneEventKind::kFrameReceived) solo.lane.consume(solo.now_ns, event.rx_slot);
      }
      solo.now_ns += kNsPerMs / 4;
      for (const auto& datagram : solo.sent()) {
        for (std::size_t i = 10; i + 17 <= datagram.size(); ++i) {
          if (datagram[i] == 4 && load_be<be32>(datagram.data() + i + 1) == id)
            limit = std::max(limit, load_be<be64>(datagram.data() + i + 5));
        }
      }
    }
    windows_most += limit - charged;
  }
  const std::size_t others = Lane::flow_places(config) - 3;
  EXPECT_GT(windows_most, 3 * Lane::window_initial(config));  // it did grow
  EXPECT_LE(windows_most + others * Lane::window_initial(config), config.rx_arena_bytes);
  solo.expect_drains();
}

struct SaidCredit {
  std::uint32_t flow = 0;
  std::uint64_t charge_limit = 0;
  std::uint32_t frame_limit = 0;
};

// The CREDIT a datagram begins with, for a flow not above 255.
std::optional<SaidCredit> credit_in(const std::vector<std::uint8_t>& datagram) {
  const std::uint8_t* at = datagram.data() + sizeof(wire::PacketHeader);
  if (datagram.size() < sizeof(wire::PacketHeader) + sizeof(wire::CreditChunk)) return std::nullopt;
  if (*at != static_cast<std::uint8_t>(wire::ChunkType::kCredit)) return std::nullopt;
  return SaidCredit{load_be<be32>(at + 1), load_be<be64>(at + 5), load_be<be32>(at + 13)};
}

LaneConfig roomy_config() {
  LaneConfig config = small_config();
  config.rx_arena_bytes = 64 * wire::kFrameBytesMax;
  config.rx_frames_max = 2400;
  return config;
}

TEST(lane_credit, an_idle_session_grants_ahead_to_the_peers_next_flow) {
  SoloLane solo(roomy_config());
  const auto sent = solo.sent();
  ASSERT_EQ(sent.size(), 1U);
  const auto credit = credit_in(sent[0]);
  ASSERT_TRUE(credit.has_value());
  EXPECT_EQ(credit->flow, 2U);
  const std::uint64_t first = Lane::window_initial(solo.lane.config());
  EXPECT_EQ(credit->charge_limit, first + 16 * wire::kFrameBytesMax);
  EXPECT_EQ(credit->frame_limit, Lane::frame_window(solo.lane.config()) + 600);
  // What was granted is taken, and nothing more.
  const std::uint32_t frames = static_cast<std::uint32_t>(credit->charge_limit / wire::kFrameBytesMax);
  for (std::uint32_t frame = 0; frame < frames; ++frame) {
    ASSERT_EQ(solo.give(solo.packet().data(2, frame, wire::kFrameBytesMax, 0, 100)), DropReason::kNone) << frame;
  }
  solo.expect_drains();
}

// Whether one of them grants `flow` what an idle session grants ahead.
bool grants_ahead(const std::vector<std::vector<std::uint8_t>>& datagrams, std::uint32_t flow) {
  const std::uint64_t limit = Lane::window_initial(roomy_config()) + 16 * wire::kFrameBytesMax;
  return std::any_of(datagrams.begin(), datagrams.end(), [&](const auto& datagram) {
    for (std::size_t i = sizeof(wire::PacketHeader); i + sizeof(wire::CreditChunk) <= datagram.size(); ++i) {
      if (datagram[i] == 4 && load_be<be32>(datagram.data() + i + 1) == flow && load_be<be64>(datagram.data() + i + 5) == limit)
        return true;
    }
    return false;
  });
}

TEST(lane_credit, credit_ahead_is_said_again_when_lost) {
  SoloLane solo(roomy_config());
  ASSERT_TRUE(grants_ahead(solo.sent(), 2));
  OwnedBody body(20000);
  ASSERT_TRUE(solo.lane.submit(*solo.lane.open_flow(), body.body));
  const auto sent = solo.sent_during(20 * kNsPerMs);
  ASSERT_FALSE(grants_ahead(sent, 2));
  const auto count = static_cast<std::uint16_t>(sent.size());
  solo.now_ns += 20 * kNsPerMs;
  ASSERT_EQ(solo.give(solo.packet().ack(0, count, count - 1)), DropReason::kNone);  // all but the first packet
  solo.now_ns += 20 * kNsPerMs;
  solo.lane.on_time(solo.now_ns);
  EXPECT_TRUE(grants_ahead(solo.sent(), 2));
}

TEST(lane_credit, credit_ahead_is_granted_to_one_flow_after_the_other) {
  SoloLane solo(roomy_config());
  (void)solo.sent();
  ASSERT_EQ(solo.give(solo.packet().data(2, 0, 100, 0, 100)), DropReason::kNone);
  for (const LaneEvent& event : solo.events()) solo.lane.consume(solo.now_ns, event.rx_slot);
  EXPECT_FALSE(grants_ahead(solo.sent_during(200 * kNsPerMs), 4));  // not while one is open
  solo.lane.close_flow(FlowId{2});
  EXPECT_TRUE(grants_ahead(solo.sent_during(200 * kNsPerMs), 4));
  solo.expect_drains();
}

TEST(lane_credit, credit_for_a_flow_never_opened_is_given_back) {
  SoloLane solo(roomy_config());
  (void)solo.sent();
  for (std::uint32_t id = 2; id < 60; id += 2) {
    ASSERT_EQ(solo.give(solo.packet().reset(id, 1)), DropReason::kNone);
    EXPECT_TRUE(grants_ahead(solo.sent_during(100 * kNsPerMs), id + 2)) << id;
  }
  solo.expect_drains();
}

// start() asserts that no credit of the session before is still promised.
TEST(lane_credit, credit_ahead_ends_with_the_flow_ids) {
  SoloLane solo(roomy_config());
  for (int session = 0; session < 3; ++session) {
    (void)solo.sent();
    ASSERT_EQ(solo.give(solo.packet().data(2, 0, 100, 0, 1).data(0xfffffffeU, 0, 100, 0, 1)), DropReason::kNone);
    for (const std::uint32_t id : {2U, 0xfffffffeU, 0xfffffffcU, 0xfffffffaU}) {
      ASSERT_EQ(solo.give(solo.packet().data(id, 0, 100, 0, 100).reset(id, 1)), DropReason::kNone);
      EXPECT_FALSE(grants_ahead(solo.sent_during(100 * kNsPerMs), 0)) << id;
      for (const LaneEvent& event : solo.events()) {
        if (event.kind == LaneEventKind::kFrameReceived) solo.lane.consume(solo.now_ns, event.rx_slot);
      }
    }
    solo.expect_drains();
    solo.begin();
  }
  solo.expect_drains();
}

TEST(lane_credit, credit_ahead_is_taken_back_from_a_flow_that_can_not_be_any_more) {
  for (const bool data : {false, true}) {
    SoloLane solo(roomy_config());
    ASSERT_TRUE(grants_ahead(solo.sent(), 2));
    auto near = solo.packet();  // 2 may still come
    if (data) near.data(2 * 64, 0, 100, 0, 1);
    ASSERT_EQ(solo.give(near.reset(2 * 64, 1)), DropReason::kNone);
    EXPECT_FALSE(grants_ahead(solo.sent_during(100 * kNsPerMs), 2 * 65));
    auto far = solo.packet();
    if (data) far.data(2 * 65, 0, 100, 0, 1);
    ASSERT_EQ(solo.give(far.reset(2 * 65, 1)), DropReason::kNone);
    EXPECT_TRUE(grants_ahead(solo.sent_during(100 * kNsPerMs), 2 * 66));
    solo.expect_drains();
    solo.begin();
    solo.expect_drains();
  }
}

TEST(lane_credit, a_flow_opens_with_the_credit_granted_ahead_of_it) {
  SoloLane solo;
  ASSERT_EQ(solo.give(solo.packet().credit(3, 5 * 102400, 100)), DropReason::kNone);  // not the next: no matter
  ASSERT_EQ(solo.give(solo.packet().credit(1, 3 * 102400, 100)), DropReason::kNone);
  ASSERT_EQ(solo.give(solo.packet().credit(1, 1, 1)), DropReason::kNone);  // stale
  const auto flow = solo.lane.open_flow();
  std::vector<std::unique_ptr<OwnedBody>> bodies;
  for (int i = 0; i < 8; ++i) {
    bodies.push_back(std::make_unique<OwnedBody>(100000));
    ASSERT_TRUE(solo.lane.submit(*flow, bodies.back()->body));
  }
  for (int round = 0; round < 200; ++round) {
    for (const auto& datagram : solo.sent()) (void)solo.give(solo.packet().ack(0, load_be<be32>(datagram.data() + 6), 0));
    solo.now_ns += kNsPerMs;
    solo.lane.on_time(solo.now_ns);
  }
  EXPECT_EQ(solo.lane.counters().data_bytes_sent, 300000U);
  solo.lane.abandon(EndReason::kShutdown);
}

TEST(lane_credit, frame_windows_grow_and_never_promise_more_than_there_are) {
  LaneConfig config = small_config();
  config.rx_arena_bytes = 24 * wire::kFrameBytesMax;
  config.rx_frames_max = 480;
  SoloLane solo(config);
  const auto flow = solo.lane.open_flow();
  OwnedBody probe(100);
  ASSERT_TRUE(solo.lane.submit(*flow, probe.body));  // for an RTT
  (void)solo.sent();
  solo.now_ns += 100 * kNsPerMs;
  ASSERT_EQ(solo.give(solo.packet().ack(0, 0, 0)), DropReason::kNone);
  std::uint32_t windows = 0;
  std::uint32_t sent = 1;
  for (const std::uint32_t id : {2U, 4U, 6U}) {
    std::uint32_t limit = Lane::frame_window(config);
    for (std::uint32_t frame = 0; frame < 1500; ++frame) {
      ASSERT_EQ(solo.give(solo.packet().data(id, frame, 10, 0, 10)), DropReason::kNone);
      for (const LaneEvent& event : solo.events()) {
        if (event.kind == LaneEventKind::kFrameReceived) solo.lane.consume(solo.now_ns, event.rx_slot);
      }
      solo.now_ns += kNsPerMs / 4;
      for (const auto& datagram : solo.sent()) {
        ++sent;
        for (std::size_t i = 10; i + 17 <= datagram.size(); ++i) {
          if (datagram[i] == 4 && load_be<be32>(datagram.data() + i + 1) == id)
            limit = std::max<std::uint32_t>(limit, load_be<be32>(datagram.data() + i + 13));
        }
      }
      ASSERT_EQ(solo.give(solo.packet().ack(0, sent - 1, static_cast<std::uint16_t>(sent - 1))), DropReason::kNone);
    }
    windows += limit - 1500;
  }
  const std::size_t others = Lane::flow_places(config) - 3;
  EXPECT_GT(windows, 6 * Lane::frame_window(config));  // it did grow
  EXPECT_LE(windows + others * Lane::frame_window(config), config.rx_frames_max);
  solo.expect_drains();
}

}  // namespace
}  // namespace dwcp
