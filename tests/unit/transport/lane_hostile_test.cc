// SPDX-License-Identifier: Apache-2.0
// What a peer that breaks the rules gets: a drop reason, at worst the end of its own flow, never more.
#include <gtest/gtest.h>

#include <algorithm>

#include "base/rng.h"
#include "solo_lane.h"

namespace dwcp {
namespace {

using wire::DropReason;

void expect_protocol_reset(SoloLane& solo, std::uint32_t flow) {
  const auto events = solo.events();
  ASSERT_FALSE(events.empty());
  EXPECT_EQ(events.back().kind, LaneEventKind::kFlowReset);
  EXPECT_EQ(events.back().reason, EndReason::kProtocolError);
  EXPECT_EQ(raw(events.back().flow), flow);
  EXPECT_EQ(solo.lane.flows_open(), 0U);
  // The peer is told.
  const auto datagrams = solo.sent();
  ASSERT_FALSE(datagrams.empty());
  const wire::ResetChunk reset{.type = 5, .flow = flow, .reason = static_cast<std::uint8_t>(EndReason::kProtocolError)};
  const auto* want = reinterpret_cast<const std::uint8_t*>(&reset);
  EXPECT_NE(std::search(datagrams[0].begin(), datagrams[0].end(), want, want + sizeof(reset)), datagrams[0].end());
}

TEST(lane_hostile, headers) {
  SoloLane solo;
  auto good = solo.packet().ping().sealed();
  const auto changed = [&](std::size_t at, std::uint8_t value) {
    auto copy = good;
    copy[at] = value;
    sim::seal(copy.data(), copy.size() - wire::kSealBytes);
    return sim::receive(solo.lane, solo.now_ns, copy);
  };
  EXPECT_EQ(sim::receive(solo.lane, solo.now_ns, std::span(good).first(25)), DropReason::kTruncated);
  EXPECT_EQ(sim::receive(solo.lane, solo.now_ns, std::vector<std::uint8_t>(9001)), DropReason::kOversized);
  EXPECT_EQ(changed(0, 0x21), DropReason::kWrongVersion);
  EXPECT_EQ(changed(0, 0x3f), DropReason::kUnknownType);
  EXPECT_EQ(changed(1, 1), DropReason::kWrongStream);
  EXPECT_EQ(changed(5, 99), DropReason::kWrongSession);
  auto damaged = good;
  damaged[10] ^= 1;
  EXPECT_EQ(sim::receive(solo.lane, solo.now_ns, damaged), DropReason::kBadSeal);
  EXPECT_EQ(sim::receive(solo.lane, solo.now_ns, good), DropReason::kNone);
  EXPECT_EQ(sim::receive(solo.lane, solo.now_ns, good), DropReason::kDuplicate);
  EXPECT_EQ(solo.lane.counters().drops[static_cast<std::size_t>(DropReason::kDuplicate)], 1U);
  solo.expect_drains();
}

TEST(lane_hostile, chunks_that_run_past_the_packet) {
  SoloLane solo;
  const std::vector<std::vector<std::uint8_t>> tails = {{2},
                                                        {2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1},
                                                        {3, 0, 0, 0, 2},
                                                        {3, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 9, 1},
                                                        {4, 1},
                                                        {5, 1},
                                                        {6},
                                                        {7},
                                                        {255}};
  for (const auto& tail : tails) EXPECT_EQ(solo.give(solo.packet().bytes(tail)), DropReason::kMalformedChunk);
  EXPECT_EQ(solo.give(solo.packet().data(2, 0, 10, 0, 0)), DropReason::kMalformedChunk);  // no bytes
  EXPECT_EQ(solo.lane.flows_open(), 0U);
  solo.expect_drains();
}

TEST(lane_hostile, over_the_charge_granted) {
  SoloLane solo;
  ASSERT_EQ(solo.give(solo.packet().data(2, 0, wire::kFrameBytesMax, 0, 1)), DropReason::kNone);
  EXPECT_EQ(solo.give(solo.packet().data(2, 1, wire::kFrameBytesMax, 0, 1)), DropReason::kOverCredit);
  expect_protocol_reset(solo, 2);
  solo.expect_drains();
}

TEST(lane_hostile, over_the_frames_granted) {
  SoloLane solo;
  const std::uint32_t limit = Lane::frame_window(solo.lane.config());
  EXPECT_EQ(solo.give(solo.packet().data(2, limit, 1, 0, 1)), DropReason::kOverCredit);
  EXPECT_EQ(solo.events().size(), 1U);
  solo.lane.abandon(EndReason::kShutdown);
}

TEST(lane_hostile, frame_sizes_that_lie) {
  const struct {
    std::uint32_t frame_bytes, offset;
    std::uint16_t length;
  } lies[] = {{0, 0, 1},        {wire::kFrameBytesMax + 1, 0, 1}, {10, 10, 1}, {10, 0, 11}, {0xffffff, 0, 1},
              {10, 0xffffff, 1}};
  for (const auto& lie : lies) {
    SoloLane solo;
    EXPECT_EQ(solo.give(solo.packet().data(2, 0, lie.frame_bytes, lie.offset, lie.length)), DropReason::kBadFrame);
    expect_protocol_reset(solo, 2);
    solo.expect_drains();
  }
}

TEST(lane_hostile, sizes_that_contradict_each_other) {
  SoloLane solo;
  ASSERT_EQ(solo.give(solo.packet().data(2, 0, 100, 0, 10)), DropReason::kNone);
  EXPECT_EQ(solo.give(solo.packet().data(2, 0, 101, 10, 10)), DropReason::kBadFrame);
  expect_protocol_reset(solo, 2);
  solo.expect_drains();
}

TEST(lane_hostile, overlapping_pieces_complete_a_frame_once) {
  SoloLane solo;
  for (const std::uint16_t length : std::initializer_list<std::uint16_t>{40, 60, 100, 100}) {
    EXPECT_EQ(solo.give(solo.packet().data(2, 0, 100, 0, length, 9)), DropReason::kNone);
  }
  EXPECT_EQ(solo.lane.counters().data_bytes_duplicate, 40U + 60U + 100U);
  const auto events = solo.events();
  ASSERT_EQ(events.size(), 1U);
  solo.lane.consume(solo.now_ns, events[0].rx_slot);
  EXPECT_EQ(solo.give(solo.packet().data(2, 0, 100, 0, 100)), DropReason::kNone);  // late
  EXPECT_TRUE(solo.events().empty());
  solo.expect_drains();
}

TEST(lane_hostile, more_pieces_than_are_remembered) {
  SoloLane solo;
  for (std::uint32_t i = 0; i < kFramePieces; ++i) {
    ASSERT_EQ(solo.give(solo.packet().data(2, 0, 5000, 2 * i, 1)), DropReason::kNone);
  }
  EXPECT_EQ(solo.give(solo.packet().data(2, 0, 5000, 4500, 1)), DropReason::kNoRoom);
  EXPECT_EQ(solo.lane.flows_open(), 1U);  // an honest peer can come here, on a bad day
  EXPECT_EQ(solo.give(solo.packet().data(2, 0, 5000, 0, 5000)), DropReason::kNone);
  EXPECT_EQ(solo.events().size(), 1U);
  solo.lane.abandon(EndReason::kShutdown);
}

TEST(lane_hostile, flows_it_may_not_open) {
  SoloLane solo;
  EXPECT_EQ(solo.give(solo.packet().data(0, 0, 10, 0, 10)), DropReason::kNone);
  EXPECT_EQ(solo.give(solo.packet().data(1, 0, 10, 0, 10)), DropReason::kNone);  // ours, not opened
  EXPECT_EQ(solo.give(solo.packet().credit(1, 1000, 10).credit(4, 1000, 10)), DropReason::kNone);
  EXPECT_EQ(solo.give(solo.packet().reset(1, 1)), DropReason::kNone);
  EXPECT_EQ(solo.lane.flows_open(), 0U);
  EXPECT_TRUE(solo.events().empty());
  solo.expect_drains();
}

TEST(lane_hostile, too_many_flows) {
  SoloLane solo;
  const std::size_t places = Lane::peer_flow_places(solo.lane.config());
  for (std::uint32_t i = 1; i <= places; ++i)
    ASSERT_EQ(solo.give(solo.packet().data(2 * i, 0, 10, 0, 5)), DropReason::kNone);
  const auto more = static_cast<std::uint32_t>(2 * places + 2);
  EXPECT_EQ(solo.give(solo.packet().data(more, 0, 10, 0, 5)), DropReason::kNoRoom);
  EXPECT_EQ(solo.give(solo.packet().parity(more, 0, 5000, 1000, 0)), DropReason::kNoRoom);
  EXPECT_EQ(solo.lane.flows_open(), places);
  EXPECT_TRUE(solo.lane.open_flow().has_value()) << "the peer cannot take our places";
  solo.expect_drains();
}

// Frames of flows that are over and that the codec still holds take the place of what a new flow was granted.
TEST(lane_hostile, no_room_while_the_arena_is_lent) {
  SoloLane solo;
  std::vector<std::uint32_t> lent;
  std::uint32_t flow = 2;
  for (; solo.lane.rx_free_bytes() >= wire::kFrameBytesMax; flow += 2) {
    for (std::uint32_t at = 0; at < wire::kFrameBytesMax; at += 8192) {
      const auto length = static_cast<std::uint16_t>(std::min<std::size_t>(8192, wire::kFrameBytesMax - at));
      ASSERT_EQ(solo.give(solo.packet().data(flow, 0, wire::kFrameBytesMax, at, length)), DropReason::kNone);
    }
    ASSERT_EQ(solo.give(solo.packet().reset(flow, 1)), DropReason::kNone);
    for (const LaneEvent& event : solo.events()) {
      if (event.kind == LaneEventKind::kFrameReceived) lent.push_back(event.rx_slot);
    }
  }
  EXPECT_EQ(solo.give(solo.packet().data(flow, 0, wire::kFrameBytesMax, 0, 1)), DropReason::kNoRoom);
  EXPECT_EQ(solo.lane.counters().drops[static_cast<std::size_t>(DropReason::kNoRoom)], 1U);
  EXPECT_EQ(solo.lane.flows_open(), 1U) << "the peer did nothing wrong";
  for (const std::uint32_t slot : lent) solo.lane.consume(solo.now_ns, slot);
  EXPECT_EQ(solo.give(solo.packet().data(flow, 0, wire::kFrameBytesMax, 0, 1)), DropReason::kNone);
  solo.expect_drains();
}

TEST(lane_hostile, a_flow_id_is_never_taken_twice) {
  SoloLane solo;
  ASSERT_EQ(solo.give(solo.packet().data(6, 0, 10, 0, 5)), DropReason::kNone);
  ASSERT_EQ(solo.give(solo.packet().reset(6, 1)), DropReason::kNone);
  ASSERT_EQ(solo.give(solo.packet().data(6, 0, 10, 0, 5)), DropReason::kNone);
  EXPECT_EQ(solo.lane.flows_open(), 0U);
  ASSERT_EQ(solo.give(solo.packet().data(2, 0, 10, 0, 5)), DropReason::kNone);  // older, but new
  EXPECT_EQ(solo.lane.flows_open(), 1U);
  ASSERT_EQ(solo.give(solo.packet().reset(4, 1).data(4, 0, 10, 0, 5)), DropReason::kNone);  // over before it began
  EXPECT_EQ(solo.lane.flows_open(), 1U);
  solo.expect_drains();
}

// Each of these packets would end a thousand flows.
TEST(lane_hostile, reset_storm_is_bounded) {
  SoloLane solo;
  std::uint32_t flow = 2;
  for (int i = 0; i < 50; ++i) {
    auto packet = solo.packet();
    while (packet.size() + 24 <= wire::kDatagramBytesMax) {
      packet.reset(flow, 1);
      flow += 2;
    }
    ASSERT_EQ(solo.give(packet), DropReason::kNone);
  }
  EXPECT_TRUE(solo.events().empty());
  solo.expect_drains();
}

TEST(lane_hostile, open_and_reset_storm_is_bounded) {
  SoloLane solo;
  std::uint32_t flow = 2;
  for (int i = 0; i < 50; ++i) {
    auto packet = solo.packet();
    while (packet.size() + 32 <= wire::kDatagramBytesMax) {
      packet.data(flow, 0, 100, 0, 1).reset(flow, 1);
      flow += 2;
    }
    (void)solo.give(packet);
  }
  EXPECT_LE(solo.events().size(), 2 * Lane::flow_places(solo.lane.config()));
  solo.expect_drains();
}

TEST(lane_hostile, violation_storm_with_acks_is_bounded) {
  SoloLane solo;
  for (std::uint32_t i = 1; i < 2000; ++i) {
    (void)solo.give(solo.packet().data(2 * i, 0, 0, 0, 1));
    for (const auto& datagram : solo.sent()) {
      std::uint32_t number = load_be<be32>(datagram.data() + 6);
      (void)solo.give(solo.packet().ack(0, number, 0));
    }
    solo.now_ns += kNsPerMs;
  }
  EXPECT_LE(solo.events().size(), 2 * Lane::flow_places(solo.lane.config()));
  solo.expect_drains();
}

TEST(lane_hostile, acks_of_what_was_never_sent) {
  SoloLane solo;
  OwnedBody frame(10000);
  const auto flow = solo.lane.open_flow();
  ASSERT_TRUE(solo.lane.submit(*flow, frame.body));
  const auto sent = static_cast<std::uint32_t>(solo.sent_during(50 * kNsPerMs).size());
  ASSERT_GE(sent, 7U);
  EXPECT_EQ(solo.give(solo.packet().ack(0, sent, 0)), DropReason::kBadAck);
  EXPECT_EQ(solo.give(solo.packet().ack(0, 0xffffffffU, 0)), DropReason::kBadAck);
  EXPECT_EQ(solo.give(solo.packet().ack(0, 2, 3)), DropReason::kBadAck);            // below zero
  EXPECT_EQ(solo.give(solo.packet().ack(0, 2, 0, {{0, 1}})), DropReason::kBadAck);  // likewise, by a range
  EXPECT_EQ(solo.give(solo.packet().ack(0, 2, 0, {{1, 0}})), DropReason::kBadAck);  // by a gap
  EXPECT_EQ(solo.give(solo.packet().ack(3, 0, 0)), DropReason::kBadAck);            // a stream we do not have
  EXPECT_EQ(solo.give(solo.packet().ack(0, 2, 0, std::vector<sim::Packet::Range>(255))), DropReason::kBadAck);
  EXPECT_TRUE(solo.events().empty());
  EXPECT_EQ(solo.give(solo.packet().ack(0, 2, 0, {{0, 0}})), DropReason::kNone);
  solo.expect_drains();
}

TEST(lane_hostile, two_acks_of_one_stream_in_a_packet) {
  SoloLane solo;
  OwnedBody frame(10000);
  ASSERT_TRUE(solo.lane.submit(*solo.lane.open_flow(), frame.body));
  ASSERT_GE(solo.sent_during(50 * kNsPerMs).size(), 7U);
  EXPECT_EQ(solo.give(solo.packet().ack(0, 0, 0).ack(0, 1, 0)), DropReason::kBadAck);
  EXPECT_EQ(solo.give(solo.packet().ack(0, 0, 0).ack_ecn(0, 1, 0, {})), DropReason::kBadAck);
  EXPECT_EQ(solo.lane.streams()[0]->counters().packets_acked, 1U) << "the second is not looked at";
  EXPECT_EQ(solo.give(solo.packet().ack(0, 1, 1)), DropReason::kNone);
  LaneConfig config = small_config();
  config.streams = 2;
  SoloLane two(config);
  ASSERT_GE(two.sent_during(50 * kNsPerMs).size(), 2U);  // a ping each, at least
  EXPECT_EQ(two.give(two.packet().ack(0, 0, 0).ack(1, 0, 0)), DropReason::kNone);
  solo.expect_drains();
}

TEST(lane_hostile, credit_at_the_ends_of_its_type) {
  SoloLane solo;
  OwnedBody frame(wire::kFrameBytesMax);
  const auto flow = solo.lane.open_flow();
  ASSERT_EQ(solo.give(solo.packet().credit(raw(*flow), ~std::uint64_t{0}, 0xffffffffU)), DropReason::kNone);
  ASSERT_EQ(solo.give(solo.packet().credit(raw(*flow), 0, 0)), DropReason::kNone);  // stale
  ASSERT_TRUE(solo.lane.submit(*flow, frame.body));
  EXPECT_FALSE(solo.sent().empty());
  solo.expect_drains();
}

TEST(lane_hostile, noise_by_seed) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    SoloLane solo;
    Rng rng(seed);
    OwnedBody frame(100000);
    const auto flow = solo.lane.open_flow();
    ASSERT_TRUE(solo.lane.submit(*flow, frame.body));
    for (int i = 0; i < 500; ++i) {
      std::vector<std::uint8_t> noise(1 + rng.below(80));
      for (auto& byte : noise) byte = static_cast<std::uint8_t>(rng.chance(0.5) ? rng.below(8) : rng.next());
      (void)solo.give(solo.packet().bytes(noise));
      solo.lane.on_time(solo.now_ns += rng.below(10 * kNsPerMs));
      (void)solo.sent();
    }
    solo.expect_drains();
  }
}

// A receiver that acknowledges all that was sent, got or not, is found out within a few thousand packets; one that
// acknowledges what it got never is.
TEST(lane_hostile, optimistic_acks_are_found_out) {
  for (const bool lies : {false, true}) {
    LaneConfig config = small_config();
    config.skip_numbers = true;
    SoloLane solo(config);
    std::uint32_t rounds = 0;
    for (; rounds < 400 && !solo.lane.lied_to(); ++rounds) {
      solo.now_ns += 2 * kNsPerSec;  // a ping is due
      const auto sent = solo.sent();
      ASSERT_FALSE(sent.empty());
      for (const auto& datagram : sent) {
        const auto& header = *reinterpret_cast<const wire::PacketHeader*>(datagram.data());
        const std::uint32_t number = header.number;
        const auto reach = static_cast<std::uint16_t>(lies ? std::min<std::uint32_t>(number, 30) : 0);
        const DropReason reason = solo.give(solo.packet().ack(wire::stream_of(header.stream), number, reach));
        EXPECT_EQ(reason, solo.lane.lied_to() ? DropReason::kFalseAck : DropReason::kNone);
      }
      solo.lane.on_time(solo.now_ns);
    }
    EXPECT_EQ(solo.lane.lied_to(), lies);
    EXPECT_EQ(rounds < 100, lies);
    EXPECT_EQ(solo.lane.counters().drops[static_cast<std::size_t>(DropReason::kFalseAck)], lies ? 1U : 0U);
  }
}

}  // namespace
}  // namespace dwcp
