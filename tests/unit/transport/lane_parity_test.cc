// SPDX-License-Identifier: Apache-2.0
// Tail repair between two lanes whose path is the test: which packet is lost is chosen one by one.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>

#include "base/rng.h"
#include "solo_lane.h"
#include "tests/sim/lane_pair.h"

namespace dwcp {
namespace {

using wire::DropReason;

LaneConfig config() {
  LaneConfig made = small_config();
  made.rx_arena_bytes = 13 * wire::kFrameBytesMax;
  made.window_max_bytes = Lane::window_initial(made);  // no credit to be said
  made.datagram_bytes = wire::kDatagramBytesMin;  // no MTU to be searched: packets are of one size
  return made;
}

// `from` is SoloLane's; `to` its peer.
struct Two {
  explicit Two(const LaneConfig& made = config()) : from(made), to(made) {
    LaneSession session;
    session.local_session = 78;
    session.remote_session = kSession;
    session.peer_flows_max = 2;
    session.peer_window_bytes = Lane::window_initial(made);
    session.peer_frame_window = Lane::frame_window(made);
    (void)to.start(from.now_ns, session, to.make_streams(session));
    flow = *from.lane.open_flow();
  }

  void submit(std::uint32_t bytes, bool tail, std::uint64_t seed) {
    bodies.push_back(std::make_unique<OwnedBody>(bytes));
    Rng rng(seed);
    for (auto& byte : bodies.back()->memory) byte = static_cast<std::uint8_t>(rng.next());
    bodies.back()->body.tail = tail;
    ASSERT_TRUE(from.lane.submit(flow, bodies.back()->body));
  }
  // All that is sent without an answer, but the packets whose place in it `lost` names.
  std::size_t carry(const std::vector<std::size_t>& lost) {
    std::size_t sent = 0;
    for (const auto& datagram : from.sent_during(50 * kNsPerMs)) {
      if (std::find(lost.begin(), lost.end(), sent++) == lost.end()) (void)sim::receive(to, from.now_ns, datagram);
    }
    return sent;
  }
  // Frames handed up, each compared.
  std::size_t arrived() {
    std::size_t count = 0;
    LaneEvent event;
    while (to.poll_event(event)) {
      if (event.kind != LaneEventKind::kFrameReceived) continue;
      ++count;
      const FrameBody& got = to.rx_frame(event.rx_slot).body;
      const FrameBody& want = bodies[raw(event.seq)]->body;
      EXPECT_EQ(got.bytes, want.bytes);
      std::vector<std::uint8_t> a(got.bytes);
      std::vector<std::uint8_t> b(got.bytes);
      got.read(0, a);
      want.read(0, b);
      EXPECT_EQ(a, b);
      to.consume(from.now_ns, event.rx_slot);
    }
    return count;
  }
  ~Two() {
    to.abandon(EndReason::kShutdown);
    (void)arrived();
    EXPECT_TRUE(to.parity_idle());
    EXPECT_EQ(to.rx_free_bytes(), to.config().rx_arena_bytes);
    from.lane.abandon(EndReason::kShutdown);
    EXPECT_TRUE(from.lane.parity_idle());
  }

  SoloLane from;
  Lane to;
  FlowId flow{};
  std::vector<std::unique_ptr<OwnedBody>> bodies;
};

constexpr std::uint32_t kBytes = 32000;  // 28 packets

TEST(lane_parity, any_packet_lost_is_mended_without_an_answer) {
  for (std::size_t lost = 0; lost < 29; ++lost) {
    Two two;
    two.submit(kBytes, true, lost);
    EXPECT_EQ(two.carry({lost}), 29U);  // nothing was ever lost: one parity symbol
    EXPECT_EQ(two.arrived(), 1U) << lost;
    EXPECT_EQ(two.to.counters().frames_recovered, lost < 28 ? 1U : 0U);
    EXPECT_EQ(two.to.counters().data_bytes_duplicate, 0U);
  }
}

TEST(lane_parity, more_lost_than_parity_is_left_to_acknowledgements) {
  Two two;
  two.submit(kBytes, true, 1);
  two.carry({3, 9});
  EXPECT_EQ(two.arrived(), 0U);
  EXPECT_FALSE(two.to.parity_idle());
  EXPECT_EQ(two.to.counters().parity_packets_received, 1U);
  // One of the two comes after all, under another number: now there is enough.
  const std::uint32_t symbol = (kBytes + 27) / 28;
  const wire::DataChunk chunk{.type = static_cast<std::uint8_t>(wire::ChunkType::kData),
                              .flow = raw(two.flow),
                              .frame = 0U,
                              .frame_bytes = kBytes,
                              .offset = 3 * symbol,
                              .length = static_cast<std::uint16_t>(symbol)};
  std::vector<std::uint8_t> piece(symbol);
  two.bodies[0]->body.read(3 * symbol, piece);
  const auto* header = reinterpret_cast<const std::uint8_t*>(&chunk);
  const auto datagram = sim::Packet(78, 0, 1000).bytes({header, sizeof(chunk)}).bytes(piece).sealed();
  EXPECT_EQ(sim::receive(two.to, two.from.now_ns, datagram), DropReason::kNone);
  EXPECT_EQ(two.arrived(), 1U);
  EXPECT_EQ(two.to.counters().frames_recovered, 1U);
}

TEST(lane_parity, bulk_has_none) {
  Two two;
  two.submit(kBytes, false, 1);
  two.submit(kBytes, false, 2);
  two.carry({});
  EXPECT_EQ(two.arrived(), 2U);
  EXPECT_EQ(two.from.lane.counters().parity_packets_sent, 0U);
}

TEST(lane_parity, none_when_it_is_turned_off) {
  LaneConfig made = config();
  made.tail_parity_max_percent = 0;
  Two two(made);
  two.submit(kBytes, true, 1);
  two.submit(20, true, 2);
  EXPECT_EQ(two.carry({}), 28U);
  EXPECT_EQ(two.from.lane.counters().parity_packets_sent, 0U);
}

TEST(lane_parity, what_is_in_flight_when_a_tail_begins_has_it_too) {
  for (std::size_t lost = 0; lost < 56; lost += 5) {
    Two two;
    two.submit(kBytes, false, 1);
    two.submit(kBytes, false, 2);
    two.submit(25, true, 3);
    // A packet of bulk is parts of up to two symbols: two rows for each frame; and a copy of the small one.
    two.carry({lost});
    EXPECT_EQ(two.arrived(), 3U) << lost;
    EXPECT_EQ(two.from.lane.counters().parity_packets_sent, 5U);
  }
}

TEST(lane_parity, the_smallest_frame_is_sent_twice) {
  for (std::size_t lost : {0U, 1U}) {
    Two two;
    two.submit(25, true, 1);
    EXPECT_EQ(two.carry({lost}), 2U);
    EXPECT_EQ(two.arrived(), 1U) << lost;
    EXPECT_EQ(two.from.lane.counters().parity_bytes_sent, 25U);
    EXPECT_EQ(two.from.lane.counters().data_bytes_sent, 25U);
  }
}

TEST(lane_parity, a_body_acknowledged_early_takes_its_parity_along) {
  Two two;
  two.submit(kBytes, true, 1);
  std::size_t data = 0;
  while (data < 28) data += two.from.sent_during(100 * kNsPerUs).size();
  if (data == 28) {
    ASSERT_EQ(two.from.give(two.from.packet().ack(0, 27, 27)), DropReason::kNone);
    EXPECT_TRUE(two.from.lane.parity_idle());
    EXPECT_EQ(two.from.lane.counters().parity_packets_sent, 0U);
  }
  EXPECT_EQ(two.from.events().size(), data == 28 ? 1U : 0U);
}

// Packets are cut smaller while a frame is under way: its symbols stay as they were, its parity cannot be sent.
TEST(lane_parity, a_smaller_path_ends_parity_of_larger_symbols) {
  LaneConfig larger = config();
  larger.datagram_bytes = 1472;
  Two two(larger);
  two.submit(kBytes, true, 1);
  TxDatagram out;
  std::vector<std::uint8_t> buffer(2000);
  out = {.data = buffer.data(), .capacity = 2000};
  ASSERT_EQ(two.from.lane.transmit(two.from.now_ns, {&out, 1}), 1U);
  sim::seal(out);
  ASSERT_EQ(sim::receive(two.to, two.from.now_ns, {out.data, out.length}), DropReason::kNone);
  two.from.lane.on_mtu_report(two.from.now_ns, StreamId{0}, 1200);
  two.carry({});
  EXPECT_EQ(two.arrived(), 1U);
  EXPECT_EQ(two.from.lane.counters().parity_packets_sent, 0U);
  EXPECT_TRUE(two.from.lane.parity_idle());
}

// Of packets of full size one in eight is small, so that a black hole is noticed; it may come when parity is due.
TEST(lane_parity, small_packets_among_large_ones_take_none_away) {
  LaneConfig larger = config();
  larger.datagram_bytes = 1472;
  for (std::uint32_t symbols = 2; symbols < 34; ++symbols) {
    Two two(larger);
    two.submit(symbols * 1400, true, symbols);
    // A small packet is part of a symbol, and the rest of that goes in another.
    EXPECT_EQ(two.carry({symbols % 7}), symbols + symbols / 8 + 1) << symbols;
    EXPECT_EQ(two.from.lane.counters().parity_packets_sent, 1U) << symbols;
    EXPECT_EQ(two.arrived(), 1U) << symbols;
  }
}

// The window ends with a frame's data, and nothing is heard: probes are small, its parity waits for one who can take it.
TEST(lane_parity, probes_leave_it_to_larger_packets) {
  LaneConfig larger = config();
  larger.datagram_bytes = 1472;
  larger.congestion = CongestionKind::kNewReno;  // begins with few packets
  larger.keepalive_ns = 10 * kNsPerSec;  // none is sent in place of a probe
  bool waited = false;
  for (std::uint32_t symbols = 4; symbols < 100 && !waited; ++symbols) {
    Two two(larger);
    SoloLane& from = two.from;
    two.submit(symbols * 1400, true, symbols);
    const std::size_t data = from.sent_during(500 * kNsPerMs).size();
    if (from.lane.counters().data_bytes_sent < symbols * 1400 || from.lane.counters().parity_packets_sent != 0) continue;
    waited = true;
    while (from.lane.streams()[0]->counters().probes_sent == 0) {
      from.now_ns += kNsPerMs;
      from.lane.on_time(from.now_ns);
      for (const auto& datagram : from.sent()) EXPECT_LE(datagram.size(), wire::kDatagramBytesMin);
    }
    EXPECT_EQ(from.lane.counters().parity_packets_sent, 0U);
    const auto largest = static_cast<std::uint32_t>(data) - 4;
    ASSERT_EQ(from.give(from.packet().ack(0, largest, static_cast<std::uint16_t>(largest))), DropReason::kNone);
    (void)from.sent_during(50 * kNsPerMs);
    EXPECT_EQ(from.lane.counters().parity_packets_sent, 1U);
  }
  EXPECT_TRUE(waited);
}

constexpr std::uint32_t kJumbo = 8972;

TEST(lane_parity, large_packets_have_large_symbols) {
  LaneConfig jumbo = config();
  jumbo.datagram_bytes = jumbo.datagram_bytes_start = kJumbo;
  for (std::size_t lost = 0; lost < 6; ++lost) {
    Two two(jumbo);
    two.submit(45'000, true, lost);
    EXPECT_EQ(two.carry({lost}), 7U);
    EXPECT_EQ(two.arrived(), 1U) << lost;
  }
}

TEST(lane_parity, a_large_port_has_no_fewer_symbols_for_small_packets) {
  constexpr std::size_t kUsual = wire::chunk_room(PathMtu::kStartBytes);
  constexpr std::size_t kMost = wire::chunk_room(kJumbo);
  SymbolPool pool(ParityConfig::kPoolBytes, kUsual, kMost);
  EXPECT_TRUE(pool.fit(kUsual));
  EXPECT_EQ(pool.size(), ParityConfig::kPoolBytes / kUsual);
  EXPECT_TRUE(pool.fit(kUsual + 1));
  EXPECT_EQ(pool.size(), ParityConfig::kPoolBytes / kMost);
  EXPECT_FALSE(pool.fit(kMost + 1));
  std::uint8_t* large = pool.take();
  EXPECT_TRUE(pool.fit(kUsual)) << "room enough, and one is in use";
  EXPECT_EQ(pool.size(), ParityConfig::kPoolBytes / kMost);
  pool.put(large);
  EXPECT_TRUE(pool.fit(kUsual));
  EXPECT_EQ(pool.free_count(), ParityConfig::kPoolBytes / kUsual);
  std::uint8_t* small = pool.take();
  EXPECT_FALSE(pool.fit(kMost)) << "not while a small one is in use";
  pool.put(small);
}

TEST(lane_parity, a_flow_that_is_all_tail_soon_has_no_more) {
  sim::PairSetup setup;
  setup.contents = false;
  setup.forward = setup.backward = sim::path(1000, 10, 0, 40);
  sim::LanePair world(setup);
  const auto flow = world.side(0).lane().open_flow();
  world.side(0).offer(*flow, 480, 256 * 1024, 256 * 1024).tail_from = 0;
  ASSERT_TRUE(world.run_until(20 * kNsPerSec, [&] { return world.settled(); }));
  for (const auto& stream : world.side(0).lane().streams()) ASSERT_EQ(stream->counters().packets_lost, 0U);
  // 64 MiB, and a quarter of 120 MiB: 376 frames of a symbol each.
  EXPECT_LE(world.side(0).lane().counters().parity_packets_sent, 376U);
  EXPECT_GE(world.side(0).lane().counters().parity_packets_sent, 256U);
}

// --- A peer that breaks the rules --------------------------------------------------------------------------------------

void expect_ended(SoloLane& solo) {
  const auto events = solo.events();
  ASSERT_FALSE(events.empty());
  EXPECT_EQ(events.back().reason, EndReason::kProtocolError);
  EXPECT_EQ(solo.lane.flows_open(), 0U);
  EXPECT_TRUE(solo.lane.parity_idle());
  solo.expect_drains();
}

TEST(lane_parity, sizes_that_contradict_the_limits_end_the_flow) {
  struct Wrong {
    std::uint32_t frame_bytes;
    std::uint16_t symbol_bytes;
    std::uint8_t row;
  };
  for (const Wrong& wrong : {Wrong{5000, 511, 0}, Wrong{5000, 0, 0}, Wrong{1000, 1000, 0}, Wrong{600, 1000, 0}, Wrong{0, 600, 0},
                             Wrong{wire::kFrameBytesMax + 1, 1400, 0}, Wrong{5000, 1000, 64}, Wrong{5000, 1000, 255},
                             Wrong{600 * 240, 600, 15}, Wrong{wire::kFrameBytesMax, 512, 0}}) {
    SoloLane solo;
    EXPECT_EQ(solo.give(solo.packet().parity(2, 0, wrong.frame_bytes, wrong.symbol_bytes, wrong.row)), DropReason::kBadFrame);
    expect_ended(solo);
  }
  SoloLane solo;
  EXPECT_EQ(solo.give(solo.packet().parity(2, 0, 600 * 240, 600, 14)), DropReason::kNone);
}

TEST(lane_parity, chunks_that_run_past_the_packet) {
  SoloLane solo;
  EXPECT_EQ(solo.give(solo.packet().bytes(std::vector<std::uint8_t>{8, 0, 0})), DropReason::kMalformedChunk);
  sim::Packet packet = solo.packet();
  packet.parity(2, 0, 5000, 1000, 0);
  auto datagram = packet.sealed();
  datagram.resize(datagram.size() - 1);
  sim::seal(datagram.data(), datagram.size() - wire::kSealBytes);
  EXPECT_EQ(sim::receive(solo.lane, solo.now_ns, datagram), DropReason::kMalformedChunk);
  EXPECT_EQ(solo.lane.flows_open(), 0U);
}

TEST(lane_parity, contradictions_between_chunks_end_the_flow) {
  SoloLane symbols;
  ASSERT_EQ(symbols.give(symbols.packet().parity(2, 0, 5000, 1000, 0)), DropReason::kNone);
  EXPECT_EQ(symbols.give(symbols.packet().parity(2, 0, 5000, 1001, 1)), DropReason::kBadFrame);
  expect_ended(symbols);
  SoloLane frames;
  ASSERT_EQ(frames.give(frames.packet().data(2, 0, 5001, 0, 1000)), DropReason::kNone);
  EXPECT_EQ(frames.give(frames.packet().parity(2, 0, 5000, 1000, 0)), DropReason::kBadFrame);
  expect_ended(frames);
}

TEST(lane_parity, is_bound_by_credit_as_data_is) {
  SoloLane solo;
  ASSERT_EQ(solo.give(solo.packet().parity(2, 0, wire::kFrameBytesMax, 1400, 0)), DropReason::kNone);
  EXPECT_EQ(solo.give(solo.packet().parity(2, 1, wire::kFrameBytesMax, 1400, 0)), DropReason::kOverCredit);
  expect_ended(solo);
  SoloLane far;
  EXPECT_EQ(far.give(far.packet().parity(2, Lane::frame_window(far.lane.config()), 5000, 1000, 0)), DropReason::kOverCredit);
  expect_ended(far);
}

TEST(lane_parity, of_flows_it_cannot_be_of_is_ignored) {
  SoloLane solo;
  EXPECT_EQ(solo.give(solo.packet().parity(1, 0, 5000, 1000, 0)), DropReason::kNone);  // an id of ours, not open
  EXPECT_EQ(solo.lane.flows_open(), 0U);
  EXPECT_EQ(solo.lane.counters().parity_packets_received, 0U);
}

TEST(lane_parity, repetitions_and_what_comes_late_are_dropped) {
  SoloLane solo;
  ASSERT_EQ(solo.give(solo.packet().parity(2, 0, 1200, 1000, 3, 7)), DropReason::kNone);
  ASSERT_EQ(solo.give(solo.packet().parity(2, 0, 1200, 1000, 3, 8)), DropReason::kNone);
  EXPECT_TRUE(solo.events().empty());  // two symbols missing, one row
  ASSERT_EQ(solo.give(solo.packet().data(2, 0, 1200, 0, 1200)), DropReason::kNone);
  EXPECT_EQ(solo.events().size(), 1U);
  ASSERT_EQ(solo.give(solo.packet().parity(2, 0, 1200, 1000, 4)), DropReason::kNone);
  EXPECT_EQ(solo.lane.counters().parity_useless, 2U);
  EXPECT_EQ(solo.lane.counters().frames_recovered, 0U);
  EXPECT_TRUE(solo.lane.parity_idle());
}

// What a liar's parity makes is whatever it is: the codec's digest finds it.  Nothing but the frame is touched.
TEST(lane_parity, nonsense_becomes_a_frame_of_the_size_announced) {
  SoloLane solo;
  for (std::uint8_t row = 0; row < 8; ++row) {
    ASSERT_EQ(solo.give(solo.packet().parity(2, 0, 8 * 1000 - 999, 1000, static_cast<std::uint8_t>(63 - row), row)), DropReason::kNone);
  }
  const auto events = solo.events();
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(solo.lane.rx_frame(events[0].rx_slot).body.bytes, 7001U);
  EXPECT_EQ(solo.lane.counters().frames_recovered, 1U);
  EXPECT_TRUE(solo.lane.parity_idle());
  solo.lane.consume(solo.now_ns, events[0].rx_slot);
  solo.expect_drains();
}

TEST(lane_parity, a_flood_takes_no_more_than_the_pool) {
  LaneConfig made = small_config();
  made.rx_arena_bytes = 200 * wire::kFrameBytesMax;
  made.rx_frames_max = 4000;
  SoloLane solo(made);
  const std::uint32_t frames = Lane::frame_window(made);
  ASSERT_GT(frames, ParityConfig::kRxSets);
  for (std::uint32_t frame = 0; frame < frames; ++frame) {
    for (std::uint8_t row = 0; row < 20; ++row) {
      ASSERT_EQ(solo.give(solo.packet().parity(2, frame, 30000, 1400, row)), DropReason::kNone);
    }
  }
  EXPECT_GT(solo.lane.counters().parity_no_room, 0U);
  EXPECT_FALSE(solo.lane.parity_idle());
  EXPECT_TRUE(solo.events().empty());
  // The pool is no one's for good: frames that are whole give it back.
  solo.lane.abandon(EndReason::kShutdown);
  EXPECT_TRUE(solo.lane.parity_idle());
  (void)solo.events();
}

}  // namespace
}  // namespace dwcp
