// SPDX-License-Identifier: Apache-2.0
// ECN through a lane: marks on what goes out, counts of what came in and their way over the wire, and what a peer gets
// that tells wrong ones.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "solo_lane.h"

namespace dwcp {
namespace {

using wire::DropReason;

struct SentDatagram {
  std::vector<std::uint8_t> bytes;
  Ecn ecn;
};

struct EcnLane : SoloLane {
  using SoloLane::SoloLane;
  DropReason give_marked(sim::Packet& packet, Ecn ecn) { return sim::receive(lane, now_ns, packet.sealed(), ecn); }
  std::vector<SentDatagram> sent_marked() {
    std::vector<SentDatagram> all;
    std::vector<std::uint8_t> buffer(lane.datagram_bytes());
    TxDatagram out{.data = buffer.data(), .capacity = lane.datagram_bytes()};
    while (lane.transmit(now_ns, {&out, 1}) == 1) all.push_back({{buffer.begin(), buffer.begin() + out.length}, out.ecn});
    return all;
  }
  // The same while 10 ms pass, as pacing allows.
  std::vector<SentDatagram> sent_marked_a_while() {
    std::vector<SentDatagram> all;
    for (const std::uint64_t end_ns = now_ns + 10 * kNsPerMs; now_ns < end_ns; now_ns += 100 * kNsPerUs) {
      for (auto& datagram : sent_marked()) all.push_back(std::move(datagram));
    }
    return all;
  }
  [[nodiscard]] const Stream& stream() const { return *lane.streams()[0]; }
};

// The chunk of type `Chunk` that a packet begins with.
template <typename Chunk>
Chunk first_chunk(const std::vector<std::uint8_t>& datagram) {
  Chunk chunk;
  EXPECT_GE(datagram.size(), sizeof(wire::PacketHeader) + sizeof(chunk) + wire::kSealBytes);
  std::memcpy(&chunk, datagram.data() + sizeof(wire::PacketHeader), sizeof(chunk));
  return chunk;
}

constexpr auto kAckType = static_cast<std::uint8_t>(wire::ChunkType::kAck);
constexpr auto kAckEcnType = static_cast<std::uint8_t>(wire::ChunkType::kAckEcn);

TEST(ecn, tracker_counts_what_came) {
  AckTracker tracker;
  PacketNumber number = 0;
  for (const Ecn ecn : {Ecn::kNotEct, Ecn::kEct0, Ecn::kEct1, Ecn::kCe, Ecn::kCe}) {
    tracker.on_received(kNsPerSec, number++, true, 80 * kNsPerMs, ecn);
  }
  EXPECT_EQ(tracker.ecn(), (EcnCounts{.ect0 = 1, .ect1 = 1, .ce = 2}));
}

TEST(ecn, first_mark_of_a_run_is_told_at_once) {
  AckTracker tracker;
  tracker.on_received(kNsPerSec, 0, true, 80 * kNsPerMs, Ecn::kEct0);
  EXPECT_FALSE(tracker.due(kNsPerSec));
  tracker.on_ack_sent();
  tracker.on_received(kNsPerSec, 1, true, 80 * kNsPerMs, Ecn::kCe);
  EXPECT_TRUE(tracker.due(kNsPerSec));
  tracker.on_ack_sent();
  tracker.on_received(kNsPerSec, 2, true, 80 * kNsPerMs, Ecn::kCe);
  EXPECT_FALSE(tracker.due(kNsPerSec)) << "a path that marks all must not cost an ACK for each";
}

TEST(ecn, data_is_marked_and_bare_acks_are_not) {
  EcnLane solo;
  OwnedBody body(20'000);
  const auto flow = solo.lane.open_flow();
  ASSERT_TRUE(solo.lane.submit(*flow, body.body));
  const auto data = solo.sent_marked_a_while();
  ASSERT_GE(data.size(), 12U);
  for (std::size_t i = 0; i < data.size(); ++i) {
    EXPECT_EQ(data[i].ecn, i < EcnValidator::kTestPackets ? Ecn::kEct0 : Ecn::kNotEct) << i;
  }
  EcnLane receiver;
  const auto pings = receiver.sent_marked();  // the keepalive
  ASSERT_EQ(pings.size(), 1U);
  EXPECT_EQ(pings[0].ecn, Ecn::kEct0);
  ASSERT_EQ(receiver.give(receiver.packet().ping()), DropReason::kNone);
  receiver.now_ns += AckTracker::kDelayMaxNs;
  const auto acks = receiver.sent_marked();
  ASSERT_EQ(acks.size(), 1U);
  EXPECT_EQ(acks[0].ecn, Ecn::kNotEct);
  solo.expect_drains();
}

TEST(ecn, off_by_configuration_nothing_is_marked_but_counts_are_told) {
  LaneConfig config = small_config();
  config.ecn = false;
  EcnLane solo(config);
  EXPECT_EQ(solo.stream().ecn_state(), EcnState::kOff);
  ASSERT_EQ(solo.sent_marked().at(0).ecn, Ecn::kNotEct);
  ASSERT_EQ(solo.give_marked(solo.packet().ping(), Ecn::kEct0), DropReason::kNone);
  solo.now_ns += AckTracker::kDelayMaxNs;
  EXPECT_EQ(first_chunk<wire::AckChunk>(solo.sent_marked().at(0).bytes).type, kAckEcnType);
}

TEST(ecn, counts_come_with_acks_once_a_mark_was_seen) {
  EcnLane solo;
  (void)solo.sent_marked();
  ASSERT_EQ(solo.give_marked(solo.packet().ping(), Ecn::kNotEct), DropReason::kNone);
  solo.now_ns += AckTracker::kDelayMaxNs;
  EXPECT_EQ(first_chunk<wire::AckChunk>(solo.sent_marked().at(0).bytes).type, kAckType);
  ASSERT_EQ(solo.give_marked(solo.packet().ping(), Ecn::kCe), DropReason::kNone);
  const auto twice = solo.packet().ping().sealed();
  ASSERT_EQ(sim::receive(solo.lane, solo.now_ns, twice, Ecn::kEct0), DropReason::kNone);
  ASSERT_EQ(sim::receive(solo.lane, solo.now_ns, twice, Ecn::kEct0), DropReason::kDuplicate);
  ASSERT_EQ(solo.give_marked(solo.packet().ping(), Ecn::kNotEct), DropReason::kNone);
  const auto ack = solo.sent_marked().at(0).bytes;
  EXPECT_EQ(first_chunk<wire::AckChunk>(ack).type, kAckEcnType);
  struct Whole {
    wire::AckChunk ack;
    wire::AckEcnCounts counts;
  };
  static_assert(sizeof(Whole) == 23);
  const auto whole = first_chunk<Whole>(ack);
  EXPECT_EQ(whole.ack.range_count, 0);
  EXPECT_EQ(whole.ack.largest, 3U);
  EXPECT_EQ(whole.counts.ect0, 1U) << "a duplicate counts once";
  EXPECT_EQ(whole.counts.ect1, 0U);
  EXPECT_EQ(whole.counts.ce, 1U);
}

// A lane with ten packets of data under way.
struct Sender : EcnLane {
  Sender() {
    flow = *lane.open_flow();
    EXPECT_TRUE(lane.submit(flow, body.body));
    under_way = static_cast<std::uint32_t>(sent_marked_a_while().size());
    EXPECT_GE(under_way, 10U);
    now_ns += 50 * kNsPerMs;
  }
  DropReason ack(std::uint32_t largest, std::uint32_t ect0, std::uint32_t ect1, std::uint32_t ce) {
    return give(packet().ack_ecn(0, largest, static_cast<std::uint16_t>(largest), {.ect0 = ect0, .ect1 = ect1, .ce = ce}));
  }
  FlowId flow{};
  OwnedBody body{20'000};
  std::uint32_t under_way = 0;
};

TEST(ecn, honest_counts_make_a_path_capable) {
  Sender solo;
  EXPECT_EQ(solo.ack(3, 3, 0, 1), DropReason::kNone);
  EXPECT_EQ(solo.stream().ecn_state(), EcnState::kCapable);
  EXPECT_EQ(solo.stream().counters().ecn_ce_reported, 1U);
  EXPECT_EQ(solo.stream().counters().ecn_packets_sent, 10U);
  solo.expect_drains();
}

TEST(ecn, an_ack_that_raises_nothing_is_not_judged) {
  Sender solo;
  EXPECT_EQ(solo.ack(5, 6, 0, 0), DropReason::kNone);
  EXPECT_EQ(solo.ack(3, 1, 7, 0), DropReason::kNone);  // overtaken
  EXPECT_EQ(solo.ack(5, 0, 0, 0), DropReason::kNone);
  EXPECT_EQ(solo.stream().ecn_state(), EcnState::kCapable);
  EXPECT_EQ(solo.ack(6, 6, 1, 0), DropReason::kNone);
  EXPECT_EQ(solo.stream().ecn_state(), EcnState::kFailed);
  solo.expect_drains();
}

TEST(ecn, hostile_counts_cost_ecn_and_nothing_else) {
  const wire::AckEcnCounts cases[] = {
      {.ect0 = 0U, .ect1 = 0U, .ce = 0U},
      {.ect0 = 4U, .ect1 = 1U, .ce = 0U},
      {.ect0 = 100U, .ect1 = 0U, .ce = 0U},
      {.ect0 = 0xffffffffU, .ect1 = 0xffffffffU, .ce = 0xffffffffU},
      {.ect0 = 2U, .ect1 = 0U, .ce = 0x80000000U},
  };
  for (const wire::AckEcnCounts& counts : cases) {
    Sender solo;
    EXPECT_EQ(solo.ack(3, counts.ect0, counts.ect1, counts.ce), DropReason::kNone);
    EXPECT_EQ(solo.stream().ecn_state(), EcnState::kFailed);
    EXPECT_EQ(solo.stream().counters().ecn_violations, 1U);
    EXPECT_EQ(solo.stream().counters().packets_acked, 4U) << "the acknowledgement itself is good";
    EXPECT_EQ(solo.ack(solo.under_way - 1, counts.ect0, counts.ect1, counts.ce), DropReason::kNone);
    const auto events = solo.events();
    ASSERT_EQ(events.size(), 1U);
    EXPECT_EQ(events[0].kind, LaneEventKind::kFrameAcked);
    solo.expect_drains();
  }
}

TEST(ecn, plain_acks_of_marked_packets_are_a_bleached_path) {
  Sender solo;
  EXPECT_EQ(solo.give(solo.packet().ack(0, 3, 3)), DropReason::kNone);
  EXPECT_EQ(solo.stream().ecn_state(), EcnState::kFailed);
  solo.expect_drains();
}

TEST(ecn, ack_cut_short_within_its_counts_is_malformed) {
  const auto full = sim::Packet(kSession, 0, 0).ack_ecn(0, 3, 3, {.ect0 = 4U, .ect1 = 0U, .ce = 0U}).sealed();
  const std::size_t chunk = sizeof(wire::AckChunk) + sizeof(wire::AckEcnCounts);
  for (std::size_t kept = 1; kept < chunk; ++kept) {
    Sender solo;
    const std::vector<std::uint8_t> part(full.begin() + sizeof(wire::PacketHeader),
                                         full.begin() + static_cast<std::ptrdiff_t>(sizeof(wire::PacketHeader) + kept));
    EXPECT_EQ(solo.give(solo.packet().bytes(part)), DropReason::kMalformedChunk) << kept;
    EXPECT_EQ(solo.stream().counters().packets_acked, 0U);
    solo.expect_drains();
  }
}

// Two streams with a hole behind every packet: the second ACK is cut so that its counts end where the room does.
TEST(ecn, counts_fit_behind_the_most_ranges) {
  LaneConfig config = small_config();
  config.streams = 2;
  config.datagram_bytes = wire::kDatagramBytesMin;
  EcnLane solo(config);
  (void)solo.sent_marked();
  for (const std::uint8_t stream : {std::uint8_t{0}, std::uint8_t{1}}) {
    for (std::uint32_t n = 0; n < 2 * AckTracker::kIntervalsMax; n += 2) {
      auto packet = sim::Packet(kSession, stream, n).ping();
      ASSERT_EQ(solo.give_marked(packet, stream == 0 ? Ecn::kEct0 : Ecn::kCe), DropReason::kNone);
    }
  }
  const auto datagrams = solo.sent();  // each in a buffer of the datagram's size
  ASSERT_FALSE(datagrams.empty());
  EXPECT_EQ(datagrams[0].size(), wire::kDatagramBytesMin);
  const std::uint8_t* at = datagrams[0].data() + sizeof(wire::PacketHeader);
  for (const std::size_t ranges : {wire::kAckRangesMax, std::size_t{27}}) {
    wire::AckChunk ack;
    std::memcpy(&ack, at, sizeof(ack));
    EXPECT_EQ(ack.type, kAckEcnType);
    EXPECT_EQ(ack.range_count, ranges);
    wire::AckEcnCounts counts;
    at += sizeof(ack) + ack.range_count * sizeof(wire::AckRange);
    std::memcpy(&counts, at, sizeof(counts));
    at += sizeof(counts);
    EXPECT_EQ(ack.stream == 0 ? counts.ect0 : counts.ce, AckTracker::kIntervalsMax);
  }
}

TEST(ecn, three_silent_ptos_end_marking_and_an_answer_begins_a_test) {
  Sender solo;
  ASSERT_EQ(solo.ack(3, 4, 0, 0), DropReason::kNone);
  ASSERT_EQ(solo.stream().ecn_state(), EcnState::kCapable);
  OwnedBody more(100'000);
  ASSERT_TRUE(solo.lane.submit(solo.flow, more.body));
  (void)solo.sent_marked();
  std::vector<SentDatagram> probes;
  for (std::uint32_t i = 0; i < EcnValidator::kSilentPtos; ++i) {
    EXPECT_EQ(solo.stream().ecn_state(), EcnState::kCapable);
    while (solo.stream().pto_count() == i) {
      solo.now_ns = std::max(solo.stream().timer_ns(), solo.now_ns);
      solo.lane.on_time(solo.now_ns);
    }
    probes = solo.sent_marked();
  }
  EXPECT_EQ(solo.stream().ecn_state(), EcnState::kUnknown);
  ASSERT_FALSE(probes.empty());
  for (const SentDatagram& probe : probes) EXPECT_EQ(probe.ecn, Ecn::kNotEct);
  const auto newest = static_cast<std::uint32_t>(const_cast<Stream&>(solo.stream()).next_number() - 1);
  EXPECT_EQ(solo.give(solo.packet().ack_ecn(0, newest, 0, {.ect0 = 4U, .ect1 = 0U, .ce = 0U})), DropReason::kNone);
  EXPECT_EQ(solo.stream().ecn_state(), EcnState::kTesting);
  solo.expect_drains();
}

}  // namespace
}  // namespace dwcp
