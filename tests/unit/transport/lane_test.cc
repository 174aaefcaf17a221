// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "solo_lane.h"

namespace dwcp {
namespace {

using wire::DropReason;

std::vector<LaneEventKind> kinds(const std::vector<LaneEvent>& events) {
  std::vector<LaneEventKind> all;
  for (const LaneEvent& event : events) all.push_back(event.kind);
  return all;
}

TEST(lane, is_silent_before_its_session) {
  Lane lane(small_config());
  std::vector<std::uint8_t> buffer(2000);
  TxDatagram out{.data = buffer.data(), .capacity = 2000};
  EXPECT_EQ(lane.transmit(kNsPerSec, {&out, 1}), 0U);
  lane.on_time(kNsPerSec);
  EXPECT_EQ(lane.deadline_ns(), kNever);
  EXPECT_EQ(sim::receive(lane, kNsPerSec, sim::Packet(0, 0, 0).ping().sealed()), DropReason::kWrongSession);
  EXPECT_TRUE(lane.drained());
}

TEST(lane, opens_ids_of_its_parity_up_to_the_limit) {
  SoloLane solo;
  EXPECT_EQ(raw(*solo.lane.open_flow()), 1U);
  EXPECT_EQ(raw(*solo.lane.open_flow()), 3U);
  EXPECT_FALSE(solo.lane.open_flow().has_value());
  solo.lane.close_flow(FlowId{1});
  EXPECT_EQ(raw(*solo.lane.open_flow()), 5U);  // 1 is never used again
}

TEST(lane, sends_no_more_than_was_granted) {
  SoloLane solo;
  const auto flow = solo.lane.open_flow();
  std::vector<std::unique_ptr<OwnedBody>> bodies;
  for (int i = 0; i < 8; ++i) {
    bodies.push_back(std::make_unique<OwnedBody>(100000));
    ASSERT_TRUE(solo.lane.submit(*flow, bodies.back()->body));
  }
  EXPECT_FALSE(solo.lane.submit(*flow, bodies[0]->body));  // tx_frames_max
  // The window is 266240: two frames of 102400 charged, not three.
  std::uint64_t highest = 0;
  for (int round = 0; round < 200; ++round) {
    for (const auto& datagram : solo.sent()) {
      (void)solo.give(solo.packet().ack(0, load_be<be32>(datagram.data() + 6), 0));
    }
    solo.now_ns += kNsPerMs;
    solo.lane.on_time(solo.now_ns);
    highest = solo.lane.counters().data_bytes_sent;
  }
  EXPECT_EQ(highest, 200000U);
  EXPECT_EQ(kinds(solo.events()), (std::vector{LaneEventKind::kFrameAcked, LaneEventKind::kFrameAcked}));
  ASSERT_EQ(solo.give(solo.packet().credit(raw(*flow), 3 * 102400, 100)), DropReason::kNone);
  EXPECT_FALSE(solo.sent().empty());
  solo.lane.abandon(EndReason::kShutdown);
  EXPECT_EQ(solo.events().size(), 7U);  // six bodies and the flow's end
  EXPECT_TRUE(solo.lane.drained());
}

TEST(lane, every_body_comes_back_once_and_before_the_flows_end) {
  SoloLane solo;
  const auto flow = solo.lane.open_flow();
  OwnedBody a(1000);
  OwnedBody b(1000);
  ASSERT_TRUE(solo.lane.submit(*flow, a.body));
  ASSERT_TRUE(solo.lane.submit(*flow, b.body));
  ASSERT_EQ(solo.sent_during(10 * kNsPerMs).size(), 2U);
  ASSERT_EQ(solo.give(solo.packet().ack(0, 0, 0)), DropReason::kNone);  // the first frame and the head of the second
  ASSERT_EQ(solo.give(solo.packet().data(raw(*flow), 0, 0, 0, 1)), DropReason::kBadFrame);
  EXPECT_EQ(kinds(solo.events()),
            (std::vector{LaneEventKind::kFrameAcked, LaneEventKind::kFrameDropped, LaneEventKind::kFlowReset}));
  EXPECT_FALSE(solo.lane.submit(*flow, a.body));
  solo.expect_drains();
}

TEST(lane, unpolled_events_hold_back_new_frames) {
  SoloLane solo;
  const auto flow = solo.lane.open_flow();
  OwnedBody body(100);
  for (int i = 0; i < 8; ++i) ASSERT_TRUE(solo.lane.submit(*flow, body.body));
  const auto sent = solo.sent_during(50 * kNsPerMs);
  ASSERT_FALSE(sent.empty());
  ASSERT_EQ(solo.give(solo.packet().ack(0, static_cast<std::uint32_t>(sent.size() - 1),
                                        static_cast<std::uint16_t>(sent.size() - 1))),
            DropReason::kNone);
  EXPECT_EQ(solo.lane.tx_frames_free(), 8U);
  EXPECT_FALSE(solo.lane.submit(*flow, body.body));
  EXPECT_EQ(solo.events().size(), 8U);
  EXPECT_TRUE(solo.lane.submit(*flow, body.body));
  solo.expect_drains();
}

TEST(lane, close_goes_alone_and_within_the_datagram) {
  SoloLane solo;
  const auto flow = solo.lane.open_flow();
  OwnedBody body(100000);
  ASSERT_TRUE(solo.lane.submit(*flow, body.body));
  solo.lane.close(EndReason::kShutdown);
  EXPECT_EQ(solo.lane.deadline_ns(), 0U);
  const auto datagrams = solo.sent_during(50 * kNsPerMs);
  ASSERT_GT(datagrams.size(), 3U);
  // CLOSE, and at most a ping.
  for (std::size_t i = 0; i < 3; ++i) EXPECT_LE(datagrams[i].size(), sizeof(wire::PacketHeader) + 3 + wire::kSealBytes);
  ASSERT_EQ(solo.give(solo.packet().close(10)), DropReason::kNone);
  EXPECT_TRUE(solo.lane.closed_by_peer());
  solo.expect_drains();
}

TEST(lane, abandoned_session_takes_and_says_nothing) {
  SoloLane solo;
  const auto flow = solo.lane.open_flow();
  OwnedBody body(1000);
  ASSERT_TRUE(solo.lane.submit(*flow, body.body));
  ASSERT_EQ(solo.give(solo.packet().data(2, 0, 10, 0, 10).data(2, 1, 10, 0, 5)), DropReason::kNone);
  solo.lane.abandon(EndReason::kLinkLost);
  EXPECT_EQ(solo.give(solo.packet().data(4, 0, 10, 0, 10)), DropReason::kWrongSession);
  solo.now_ns += 10 * kNsPerSec;
  solo.lane.on_time(solo.now_ns);
  EXPECT_TRUE(solo.sent().empty());
  EXPECT_EQ(solo.lane.deadline_ns(), kNever);
  EXPECT_FALSE(solo.lane.drained());
  solo.expect_drains();
  solo.begin();
  EXPECT_EQ(raw(*solo.lane.open_flow()), 1U);
  EXPECT_EQ(solo.give(solo.packet().data(2, 0, 10, 0, 10)), DropReason::kNone);
  EXPECT_EQ(solo.events().size(), 1U);
}

TEST(lane, frames_outlive_their_flow_until_consumed) {
  SoloLane solo;
  ASSERT_EQ(solo.give(solo.packet().data(2, 0, 5000, 0, 5000)), DropReason::kNone);
  const auto events = solo.events();
  solo.lane.reset_flow(FlowId{2}, EndReason::kDecodeError);
  EXPECT_EQ(solo.lane.rx_free_bytes(), solo.lane.config().rx_arena_bytes - 2 * wire::kCellBytes);
  EXPECT_EQ(solo.lane.rx_frame(events[0].rx_slot).body.bytes, 5000U);
  solo.lane.consume(solo.now_ns, events[0].rx_slot);
  EXPECT_TRUE(solo.events().empty());  // we ended it: nobody needs telling
  solo.expect_drains();
}

TEST(lane, paces_its_first_window) {
  LaneConfig config = small_config();
  SoloLane solo(config);
  const auto flow = solo.lane.open_flow();
  OwnedBody body(wire::kFrameBytesMax);
  ASSERT_TRUE(solo.lane.submit(*flow, body.body));
  EXPECT_LE(solo.sent().size(), 9U);  // a millisecond at 100 Mb/s
  solo.expect_drains();
}

// Datagrams that carry the first bytes of the flow's first frame.
std::size_t carrying_first_bytes(const std::vector<std::vector<std::uint8_t>>& datagrams) {
  return static_cast<std::size_t>(std::count_if(datagrams.begin(), datagrams.end(), [](const auto& datagram) {
    wire::DataChunk chunk;
    std::memcpy(&chunk, datagram.data() + sizeof(wire::PacketHeader), sizeof(chunk));
    return chunk.type == 3 && chunk.frame == 0U && chunk.offset == 0U;
  }));
}

TEST(lane, bytes_lost_twice_go_twice) {
  SoloLane solo;
  const auto flow = solo.lane.open_flow();
  OwnedBody first(30'000);
  OwnedBody second(30'000);
  ASSERT_TRUE(solo.lane.submit(*flow, first.body));
  const auto sent = static_cast<std::uint32_t>(solo.sent_during(50 * kNsPerMs).size());
  ASSERT_GT(sent, 5U);
  // All but packet 0 arrive: it is lost, and goes again, once.
  ASSERT_EQ(solo.give(solo.packet().ack(0, sent - 1, static_cast<std::uint16_t>(sent - 2))), DropReason::kNone);
  auto repairs = solo.sent_during(5 * kNsPerMs);
  ASSERT_EQ(repairs.size(), 1U);
  EXPECT_EQ(carrying_first_bytes(repairs), 1U);
  // All but the repair, which is packet `sent`: lost again, it goes twice.
  ASSERT_TRUE(solo.lane.submit(*flow, second.body));
  const auto more = static_cast<std::uint32_t>(solo.sent_during(20 * kNsPerMs).size());
  solo.now_ns += 60 * kNsPerMs;
  ASSERT_EQ(solo.give(solo.packet().ack(0, sent + more, static_cast<std::uint16_t>(more - 1))), DropReason::kNone);
  repairs = solo.sent_during(5 * kNsPerMs);
  EXPECT_EQ(repairs.size(), 2U);
  EXPECT_EQ(carrying_first_bytes(repairs), 2U);
  solo.expect_drains();
}

// Whether the ACK at the front of the datagram covers the number.
bool acknowledges(const std::vector<std::uint8_t>& datagram, std::uint32_t number) {
  const std::uint8_t* at = datagram.data() + sizeof(wire::PacketHeader);
  wire::AckChunk ack;
  std::memcpy(&ack, at, sizeof(ack));
  std::uint32_t last = ack.largest;
  std::uint32_t first = last - ack.first_length;
  for (std::size_t i = 0; i < ack.range_count; ++i) {
    if (number >= first && number <= last) return true;
    wire::AckRange range;
    std::memcpy(&range, at + sizeof(ack) + i * sizeof(range), sizeof(range));
    last = first - range.gap - 2;
    first = last - range.length;
  }
  return number >= first && number <= last;
}

TEST(lane, a_late_packet_below_many_holes_is_acknowledged) {
  SoloLane solo;
  constexpr std::uint32_t kLate = 101;
  for (std::uint32_t number = 0; number < 400; number += 2) {  // every second one is missing
    solo.number = number;
    ASSERT_EQ(solo.give(solo.packet().ping()), DropReason::kNone);
  }
  (void)solo.sent_during(10 * kNsPerMs);
  solo.number = kLate;
  ASSERT_EQ(solo.give(solo.packet().ping()), DropReason::kNone);
  for (int acks = 0; acks < 3; ++acks) {  // and again, should an ACK be lost
    const auto datagrams = solo.sent_during(10 * kNsPerMs);
    ASSERT_FALSE(datagrams.empty());
    EXPECT_TRUE(acknowledges(datagrams.front(), kLate));
    EXPECT_FALSE(acknowledges(datagrams.front(), kLate + 2));
    solo.number = 402 + 2 * static_cast<std::uint32_t>(acks);
    ASSERT_EQ(solo.give(solo.packet().ping()), DropReason::kNone);
  }
  (void)solo.sent_during(10 * kNsPerMs);
  // What is old news is not said for ever.
  for (int acks = 0; acks < 3; ++acks) {
    solo.number = 500 + 2 * static_cast<std::uint32_t>(acks);
    ASSERT_EQ(solo.give(solo.packet().ping()), DropReason::kNone);
    const auto datagrams = solo.sent_during(10 * kNsPerMs);
    ASSERT_FALSE(datagrams.empty());
    if (acks == 2) {
      EXPECT_LT(datagrams.front().size(), 200U);
    }
  }
  solo.expect_drains();
}

// --- What a stream that is not active may say ---------------------------------------------------------------------------

constexpr std::size_t kPingBytes = sizeof(wire::PacketHeader) + 1 + wire::kSealBytes;

// Two streams, the second of which has not proven its path.
struct TwoStreams : SoloLane {
  static LaneConfig config() {
    LaneConfig made = small_config();
    made.streams = 2;
    return made;
  }
  TwoStreams() : SoloLane(config()) { flow = *lane.open_flow(); }

  void submit(std::uint32_t bytes) {
    bodies.push_back(std::make_unique<OwnedBody>(bytes));
    ASSERT_TRUE(lane.submit(flow, bodies.back()->body));
  }
  static std::size_t stream_of(const std::vector<std::uint8_t>& datagram) { return datagram[offsetof(wire::PacketHeader, stream)]; }

  FlowId flow{};
  std::vector<std::unique_ptr<OwnedBody>> bodies;
};

TEST(lane, a_closing_stream_probes_with_pings) {
  TwoStreams solo;
  (void)solo.sent();
  solo.now_ns += 20 * kNsPerMs;
  ASSERT_EQ(solo.give(solo.packet().ack(1, 0, 0)), DropReason::kNone);
  ASSERT_EQ(solo.lane.streams_active(), 2U);
  solo.submit(200'000);  // more than the first window
  std::size_t on_second = 0;
  for (const auto& datagram : solo.sent_during(20 * kNsPerMs)) on_second += TwoStreams::stream_of(datagram) == 1;
  ASSERT_GT(on_second, 2U);
  solo.lane.set_streams(1, 1);
  ASSERT_EQ(solo.lane.streams()[1]->state(), StreamState::kClosing);
  std::size_t probes = 0;
  for (int i = 0; i < 3000; ++i) {
    solo.now_ns += kNsPerMs;
    solo.lane.on_time(solo.now_ns);
    for (const auto& datagram : solo.sent()) {
      if (TwoStreams::stream_of(datagram) != 1) continue;
      ++probes;
      EXPECT_EQ(datagram.size(), kPingBytes);
    }
  }
  EXPECT_GT(probes, 4U);
  solo.expect_drains();
}

TEST(lane, close_goes_where_answers_come_from) {
  // Whosever turn it is: each packet of data moves it on.
  for (std::uint32_t packets = 0; packets < 40; ++packets) {
    TwoStreams solo;
    for (std::uint32_t i = 0; i < packets; ++i) {
      if (i % 8 == 0) solo.submit(8'000);
      TxDatagram out;
      std::vector<std::uint8_t> buffer(2000);
      out = {.data = buffer.data(), .capacity = 2000};
      if (solo.lane.transmit(solo.now_ns, {&out, 1}) == 0) solo.now_ns += kNsPerMs;
    }
    solo.lane.close(EndReason::kShutdown);
    std::size_t closes = 0;
    for (const auto& datagram : solo.sent_during(20 * kNsPerMs)) {
      if (datagram[sizeof(wire::PacketHeader)] != static_cast<std::uint8_t>(wire::ChunkType::kClose)) continue;
      ++closes;
      EXPECT_EQ(TwoStreams::stream_of(datagram), 0U);
    }
    EXPECT_EQ(closes, 3U);
  }
}

// --- What counts as loss of the path ------------------------------------------------------------------------------------

TEST(lane, probes_of_the_mtu_are_not_lost_by_the_path) {
  LaneConfig config = small_config();
  config.datagram_bytes = 8972;
  SoloLane solo(config);
  ASSERT_EQ(solo.sent_during(50 * kNsPerMs).size(), PathMtu::kProbesMax);
  const auto flow = solo.lane.open_flow();
  OwnedBody body(5000);
  ASSERT_TRUE(solo.lane.submit(*flow, body.body));
  ASSERT_EQ(solo.sent_during(20 * kNsPerMs).size(), 4U);
  ASSERT_EQ(solo.give(solo.packet().ack(0, 6, 3)), DropReason::kNone);
  EXPECT_EQ(solo.lane.streams()[0]->counters().mtu_probes_lost, PathMtu::kProbesMax);
  EXPECT_EQ(solo.lane.loss().loss(), 0.0);
  solo.expect_drains();
}

TEST(lane, what_a_dead_path_held_is_said_again_but_not_lost_by_the_others) {
  TwoStreams solo;
  ASSERT_EQ(solo.sent().size(), 2U);
  solo.now_ns += 20 * kNsPerMs;
  ASSERT_EQ(solo.give(solo.packet().ack(0, 0, 0).ack(1, 0, 0)), DropReason::kNone);
  solo.submit(60'000);
  for (int i = 0; i < 1000; ++i) {
    solo.now_ns += kNsPerMs;
    solo.lane.on_time(solo.now_ns);
    for (const auto& datagram : solo.sent()) {
      if (TwoStreams::stream_of(datagram) != 0) continue;
      const std::uint32_t number = load_be<be32>(datagram.data() + offsetof(wire::PacketHeader, number));
      ASSERT_EQ(solo.give(solo.packet().ack(0, number, 0)), DropReason::kNone);
    }
    if (i % 200 == 0) solo.submit(100);
    (void)solo.events();
  }
  const StreamCounters& dead = solo.lane.streams()[1]->counters();
  EXPECT_GE(dead.deaths, 1U);
  EXPECT_GT(dead.packets_lost, 4U);
  EXPECT_EQ(solo.lane.counters().frames_sent, 6U);
  EXPECT_EQ(solo.lane.loss().loss(), 0.0);
  solo.expect_drains();
}

}  // namespace
}  // namespace dwcp
