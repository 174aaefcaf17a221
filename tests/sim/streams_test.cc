// SPDX-License-Identifier: Apache-2.0
// Many streams of one lane: they share one window, a dead path costs nothing but its own share for a moment, and what it
// held is repaired on the others.
#include <gtest/gtest.h>

#include "tests/sim/lane_pair.h"

namespace dwcp::sim {
namespace {

PairSetup setup_with(std::uint32_t streams) {
  PairSetup setup;
  setup.forward = setup.backward = path(500, 50, 0.001);
  setup.lane.streams = streams;
  setup.seed = 7;
  return setup;
}

// Payload bits per second that side 1 got between two moments.
double goodput_mbps(LanePair& world, std::uint64_t span_ns) {
  const std::uint64_t before = world.side(1).bytes_delivered();
  world.run_until(world.now_ns() + span_ns);
  return static_cast<double>(world.side(1).bytes_delivered() - before) * 8e3 / static_cast<double>(span_ns);
}

TEST(streams, all_become_active_and_share_the_load) {
  LanePair world(setup_with(8));
  const auto flow = world.side(0).lane().open_flow();
  world.side(0).offer(*flow, kNever, 256 * 1024, 256 * 1024);
  world.run_until(world.now_ns() + 2 * kNsPerSec);
  const Lane& lane = world.side(0).lane();
  EXPECT_EQ(lane.streams_active(), 8U);
  std::uint64_t least = kNever;
  std::uint64_t most = 0;
  for (const auto& stream : lane.streams()) {
    least = std::min(least, stream->counters().packets_sent);
    most = std::max(most, stream->counters().packets_sent);
  }
  EXPECT_GT(least * 10, most * 9);
}

TEST(streams, many_take_no_more_in_flight_than_one) {
  LanePair one(setup_with(1));
  LanePair many(setup_with(16));
  for (LanePair* world : {&one, &many}) {
    const auto flow = world->side(0).lane().open_flow();
    world->side(0).offer(*flow, kNever, 256 * 1024, 256 * 1024);
    world->run_until(world->now_ns() + 4 * kNsPerSec);
  }
  const double ratio = static_cast<double>(many.side(0).lane().window_bytes()) / static_cast<double>(one.side(0).lane().window_bytes());
  EXPECT_GT(ratio, 0.8);
  EXPECT_LT(ratio, 1.25);
}

TEST(streams, a_dead_path_is_left_and_another_taken) {
  PairSetup setup = setup_with(4);
  constexpr std::uint64_t down_ns = 3 * kNsPerSec;
  // Stream 2's first path is cut for good; any other path of it works.
  setup.path_down = [](std::uint64_t now_ns, std::size_t side, StreamId stream, std::uint8_t path_number) {
    return side == 0 && raw(stream) == 2 && path_number == 0 && now_ns > down_ns;
  };
  LanePair world(setup);
  const auto flow = world.side(0).lane().open_flow();
  world.side(0).offer(*flow, kNever, 256 * 1024, 256 * 1024);
  world.run_until(down_ns);
  const double before = goodput_mbps(world, kNsPerSec / 2);
  const double during = goodput_mbps(world, 2 * kNsPerSec);
  const double after = goodput_mbps(world, 2 * kNsPerSec);
  const Stream& cut = *world.side(0).lane().streams()[2];
  EXPECT_EQ(cut.counters().deaths, 1U);
  EXPECT_EQ(cut.path(), 1);
  EXPECT_EQ(cut.state(), StreamState::kActive);
  EXPECT_GT(during, before * 0.7);
  EXPECT_GT(after, before * 0.97);
}

TEST(streams, a_path_that_stays_dead_is_only_probed) {
  PairSetup setup = setup_with(4);
  setup.path_down = [](std::uint64_t, std::size_t side, StreamId stream, std::uint8_t) { return side == 0 && raw(stream) == 3; };
  LanePair world(setup);
  const auto flow = world.side(0).lane().open_flow();
  world.side(0).offer(*flow, kNever, 256 * 1024, 256 * 1024);
  world.run_until(world.now_ns() + 10 * kNsPerSec);
  const Lane& lane = world.side(0).lane();
  EXPECT_EQ(lane.streams_active(), 3U);
  EXPECT_EQ(lane.streams()[3]->state(), StreamState::kProbing);
  EXPECT_LT(lane.streams()[3]->counters().packets_sent, 40U);
  EXPECT_GT(goodput_mbps(world, 2 * kNsPerSec), 500 * 0.9);
}

// Stream 2 of 4 falls silent at `down_ns` and finds no other path.  It has a round trip measured, so its timers run.
PairSetup setup_without_second_path(std::uint64_t down_ns) {
  PairSetup setup = setup_with(4);
  setup.path_down = [down_ns](std::uint64_t now_ns, std::size_t side, StreamId stream, std::uint8_t) {
    return side == 0 && raw(stream) == 2 && now_ns > down_ns;
  };
  return setup;
}

TEST(streams, nothing_is_left_on_paths_that_are_all_dead) {
  PairSetup setup = setup_without_second_path(2 * kNsPerSec);
  LanePair world(setup);
  const auto flow = world.side(0).lane().open_flow();
  world.side(0).offer(*flow, 1000, 256 * 1024, 256 * 1024);
  EXPECT_TRUE(world.run_until(30 * kNsPerSec, [&] { return world.settled(); }));
  EXPECT_EQ(world.side(1).frames_delivered(*flow), 1000U);
}

// Credit, resets and data alike: nothing but pings goes where no answer has come from.
TEST(streams, a_path_that_is_tried_carries_only_pings) {
  PairSetup setup = setup_with(4);
  setup.path_down = [](std::uint64_t now_ns, std::size_t, StreamId stream, std::uint8_t path_number) {
    return raw(stream) == 2 && path_number == 0 && now_ns > 2 * kNsPerSec;
  };
  std::size_t pings = 0;
  setup.datagram_down = [&](std::size_t, const TxDatagram& datagram) {
    if (raw(datagram.stream) != 2 || datagram.path == 0) return false;
    ++pings;
    EXPECT_EQ(datagram.length, wire::kDatagramBytesMin - wire::chunk_room(wire::kDatagramBytesMin) + 1);
    return true;
  };
  LanePair world(setup);
  for (std::size_t side : {0U, 1U}) {
    const auto flow = world.side(side).lane().open_flow();
    world.side(side).offer(*flow, kNever, 256 * 1024, 256 * 1024);
  }
  world.run_until(8 * kNsPerSec);
  EXPECT_GT(pings, 6U);
}

// The link is idle and one of its streams finds no path: one ping is in flight now and then, and nothing piles up.
TEST(streams, pings_that_nothing_answers_do_not_pile_up) {
  for (const std::uint64_t down_ns : {2 * kNsPerSec, std::uint64_t{0}}) {
    LanePair world(setup_without_second_path(down_ns));
    Lane& lane = world.side(0).lane();
    const auto flow = lane.open_flow();
    world.side(0).offer(*flow, 400, 256 * 1024, 256 * 1024);
    ASSERT_TRUE(world.run_until(20 * kNsPerSec, [&] { return world.settled(); }));
    world.run_until(world.now_ns() + 10 * kNsPerSec);
    const Stream& cut = *lane.streams()[2];
    EXPECT_EQ(cut.state(), StreamState::kProbing);
    const std::uint64_t sent = cut.counters().packets_sent;
    const std::uint8_t path = cut.path();
    std::uint64_t idle = 0;
    for (int i = 0; i < 1200; ++i) {
      world.run_until(world.now_ns() + 97 * kNsPerMs);
      ASSERT_LE(lane.in_flight_bytes(), 5 * 64U);  // a ping of each stream, and the path's before
      idle += lane.in_flight_bytes() == 0;
      ASSERT_GE(lane.records_free() + 8 * SentPage::kRecords, lane.config().packets_max);  // at most two pages of each
    }
    EXPECT_GT(idle, 400U);
    EXPECT_NEAR(static_cast<double>(cut.counters().packets_sent - sent), 1200 * 0.097 / 4, 2);
    EXPECT_GE(cut.path() - path, 25) << "each ping unanswered, another path";
  }
}

TEST(streams, the_second_dead_path_is_left_as_well) {
  PairSetup setup = setup_with(4);
  setup.path_down = [](std::uint64_t now_ns, std::size_t side, StreamId stream, std::uint8_t path_number) {
    return side == 0 && raw(stream) == 2 && path_number < 3 && now_ns > 2 * kNsPerSec;
  };
  LanePair world(setup);
  const auto flow = world.side(0).lane().open_flow();
  world.side(0).offer(*flow, kNever, 256 * 1024, 256 * 1024);
  world.run_until(5 * kNsPerSec);
  const Stream& cut = *world.side(0).lane().streams()[2];
  EXPECT_EQ(cut.state(), StreamState::kActive);
  EXPECT_EQ(cut.path(), 3);
  EXPECT_EQ(cut.counters().deaths, 3U);
}

// What answers only after longer than any path before did must not be left for ever.
TEST(streams, a_slower_path_is_waited_for) {
  PairSetup setup = setup_with(4);
  setup.forward_more = {path(500, 900, 0.001)};
  setup.path_down = [](std::uint64_t now_ns, std::size_t side, StreamId stream, std::uint8_t path_number) {
    return side == 0 && raw(stream) == 2 && path_number == 0 && now_ns > 2 * kNsPerSec;
  };
  LanePair world(setup);
  const auto flow = world.side(0).lane().open_flow();
  world.side(0).offer(*flow, kNever, 64 * 1024, 64 * 1024);
  world.run_until(30 * kNsPerSec);
  EXPECT_EQ(world.side(0).lane().streams_active(), 4U);
}

TEST(streams, all_survive_thirty_seconds_of_blackout_without_losing_a_byte) {
  PairSetup setup = setup_with(4);
  setup.forward.blackholes = setup.backward.blackholes = {{.start_ns = 2 * kNsPerSec, .end_ns = 32 * kNsPerSec, .period_ns = 0}};
  LanePair world(setup);
  const auto flow = world.side(0).lane().open_flow();
  world.side(0).offer(*flow, 1500, 256 * 1024, 256 * 1024);  // 393 MB: six seconds of the link
  EXPECT_TRUE(world.run_until(45 * kNsPerSec, [&] { return world.settled(); }));
  EXPECT_EQ(world.side(1).frames_delivered(*flow), 1500U);
}

}  // namespace
}  // namespace dwcp::sim
