// SPDX-License-Identifier: Apache-2.0
// The search for each stream's path MTU on whole paths: it finds what the path carries within a few round trips, survives
// what changes under it and what is forged, and costs neither bytes nor the model of the bottleneck.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>

#include "tests/sim/lane_pair.h"

namespace dwcp::sim {
namespace {

constexpr std::uint64_t kRttNs = 50 * kNsPerMs;
constexpr std::uint32_t kJumbo = 8972;

PairSetup setup_with(double loss, std::uint32_t streams = 4) {
  PairSetup setup;
  setup.forward = setup.backward = path(500, static_cast<double>(kRttNs) * 1e-6, loss);
  setup.lane.streams = streams;
  setup.lane.datagram_bytes = kJumbo;
  setup.lane.rx_arena_bytes = 48U << 20;
  setup.lane.packets_max = 1U << 16;
  setup.tx_arena_bytes = 32U << 20;
  setup.contents = false;
  setup.seed = 11;
  return setup;
}

const Stream& stream_of(LanePair& world, std::size_t i) { return *world.side(0).lane().streams()[i]; }

FlowId begin_transfer(LanePair& world, std::uint64_t frames = kNever) {
  const FlowId flow = *world.side(0).lane().open_flow();
  world.side(0).offer(flow, frames, 256 * 1024, 256 * 1024);
  return flow;
}

// The largest size that arrives, but for what a search does not tell apart.
void expect_found(const PathMtu& mtu, std::uint32_t carries) {
  EXPECT_LE(mtu.bytes(), carries);
  EXPECT_GT(mtu.bytes() + PathMtu::kStepBytes, carries);
}

bool all_in(LanePair& world, MtuState state) {
  const auto streams = world.side(0).lane().streams();
  return std::all_of(streams.begin(), streams.end(), [state](const auto& s) { return s->mtu().state() == state; });
}

// The longest time without a byte delivered, until `end_ns`.
std::uint64_t longest_gap_ns(LanePair& world, std::uint64_t end_ns) {
  std::uint64_t bytes = world.side(1).bytes_delivered();
  std::uint64_t last_ns = world.now_ns();
  std::uint64_t longest = 0;
  world.run_until(end_ns, [&] {
    longest = std::max(longest, world.now_ns() - last_ns);
    if (world.side(1).bytes_delivered() != bytes) last_ns = world.now_ns();
    bytes = world.side(1).bytes_delivered();
    return false;
  });
  return longest;
}

TEST(path_mtu_sim, finds_what_the_path_carries) {
  for (const double loss : {0.0, 0.02}) {
    for (const std::uint32_t carries : {1200U, 1232U, 1252U, 1372U, 1400U, 1472U, 1473U, 1600U, 2020U, 4068U, 8000U, 8952U, 8971U, 8972U}) {
      PairSetup setup = setup_with(loss);
      setup.path_bytes = [carries](std::uint64_t, std::size_t, StreamId, std::uint8_t) { return carries; };
      LanePair world(setup);
      (void)begin_transfer(world);
      const std::uint64_t begun_ns = world.now_ns();
      ASSERT_TRUE(world.run_until(begun_ns + 40 * kRttNs, [&] { return all_in(world, MtuState::kSearchComplete); }))
          << carries << " bytes, loss " << loss << ": " << stream_of(world, 0).mtu().bytes();
      for (std::size_t i = 0; i < 4; ++i) {
        expect_found(stream_of(world, i).mtu(), carries);
        EXPECT_EQ(stream_of(world, i).counters().deaths, 0U) << carries;
      }
    }
  }
}

// Usual paths end at exactly their size, and soon: after one round trip where jumbo frames pass, two where Ethernet's do.
TEST(path_mtu_sim, usual_paths_are_known_after_few_round_trips) {
  struct Case {
    std::uint32_t limit;
    std::uint32_t start;
    std::uint32_t carries;
    std::uint64_t at_size_eighths;  // of a round trip, until stream 0 sends what the path carries
    std::uint64_t known_eighths;    // until its search is over
  };
  for (const Case& c : {Case{8972, 1472, 8972, 9, 9}, Case{8972, 1472, 1472, 0, 20}, Case{8952, 1452, 1452, 0, 20}, Case{1472, 1472, 1472, 0, 9}}) {
    PairSetup setup = setup_with(0, 1);
    setup.lane.datagram_bytes = c.limit;
    setup.lane.datagram_bytes_start = c.start;
    setup.path_bytes = [&c](std::uint64_t, std::size_t, StreamId, std::uint8_t) { return c.carries; };
    LanePair world(setup);
    (void)begin_transfer(world);
    const std::uint64_t begun_ns = world.now_ns();
    const PathMtu& mtu = stream_of(world, 0).mtu();
    EXPECT_TRUE(world.run_until(begun_ns + c.at_size_eighths * kRttNs / 8 + 1, [&] { return mtu.bytes() == c.carries; })) << c.carries;
    EXPECT_TRUE(world.run_until(begun_ns + c.known_eighths * kRttNs / 8, [&] { return mtu.state() == MtuState::kSearchComplete; }))
        << c.carries << " " << mtu.bytes();
    EXPECT_EQ(mtu.bytes(), c.carries);
    EXPECT_EQ(stream_of(world, 0).counters().packets_lost, 0U) << "data went at what arrives";
  }
}

// A 1400-byte tunnel from the first packet on: what small packets tell after a round trip spares it a PTO.
TEST(path_mtu_sim, a_tunnel_from_the_start_costs_round_trips_and_no_pto) {
  PairSetup setup = setup_with(0);
  setup.lane.datagram_bytes = 1472;
  setup.path_bytes = [](std::uint64_t, std::size_t, StreamId, std::uint8_t) { return 1372U; };
  LanePair world(setup);
  (void)begin_transfer(world, 200);
  const std::uint64_t begun_ns = world.now_ns();
  EXPECT_TRUE(world.run_until(begun_ns + 4 * kRttNs, [&] { return world.side(1).bytes_delivered() != 0; }));
  EXPECT_TRUE(world.run_until(begun_ns + 5 * kNsPerSec, [&] { return world.settled(); }));
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(stream_of(world, i).counters().mtu_black_holes, 1U) << i;
    EXPECT_EQ(stream_of(world, i).counters().persistent_congestions, 0U) << i;
    EXPECT_EQ(stream_of(world, i).counters().deaths, 0U) << i;
    EXPECT_EQ(stream_of(world, i).counters().probes_sent, 0U) << i;
  }
}

// The path falls to 1400 bytes under a running transfer and nobody says so.
TEST(path_mtu_sim, a_black_hole_costs_round_trips_and_no_byte) {
  for (const double loss : {0.0, 0.02}) {
    constexpr std::uint64_t fall_ns = 3 * kNsPerSec;
    PairSetup setup = setup_with(loss);
    setup.path_bytes = [](std::uint64_t now_ns, std::size_t, StreamId, std::uint8_t) { return now_ns < fall_ns ? kJumbo : 1372U; };
    LanePair world(setup);
    const FlowId flow = begin_transfer(world, 2000);
    world.run_until(fall_ns);
    EXPECT_EQ(stream_of(world, 0).mtu().bytes(), kJumbo);
    const std::uint64_t bandwidth = world.side(0).lane().bandwidth_bytes_per_sec();
    EXPECT_LT(longest_gap_ns(world, fall_ns + 2 * kNsPerSec), 6 * kRttNs) << loss;
    EXPECT_GT(world.side(0).lane().bandwidth_bytes_per_sec() * 10, bandwidth * 9) << "the bottleneck has not changed";
    EXPECT_TRUE(world.run_until(30 * kNsPerSec, [&] { return world.settled(); })) << loss;
    EXPECT_EQ(world.side(1).frames_delivered(flow), 2000U);
    for (std::size_t i = 0; i < 4; ++i) {
      const StreamCounters& counters = stream_of(world, i).counters();
      expect_found(stream_of(world, i).mtu(), 1372);
      EXPECT_EQ(counters.deaths, 0U) << i;
      EXPECT_EQ(counters.persistent_congestions, 0U) << i;
    }
  }
}

TEST(path_mtu_sim, streams_on_different_paths_have_their_own) {
  static constexpr std::array<std::uint32_t, 4> carries = {8972, 1472, 1372, 4000};
  PairSetup setup = setup_with(0.001);
  setup.path_bytes = [](std::uint64_t, std::size_t, StreamId stream, std::uint8_t) { return carries[raw(stream) % 4]; };
  LanePair world(setup);
  (void)begin_transfer(world);
  world.run_until(world.now_ns() + 4 * kNsPerSec);
  for (std::size_t i = 0; i < 4; ++i) {
    expect_found(stream_of(world, i).mtu(), carries[i]);
    EXPECT_EQ(stream_of(world, i).counters().deaths, 0U);
  }
}

TEST(path_mtu_sim, a_path_that_grows_is_used_when_the_raise_timer_says_so) {
  constexpr std::uint64_t grow_ns = 60 * kNsPerSec;
  PairSetup setup = setup_with(0, 1);
  setup.forward.rate_bps = setup.backward.rate_bps = 10'000'000;
  setup.path_bytes = [](std::uint64_t now_ns, std::size_t, StreamId, std::uint8_t) { return now_ns < grow_ns ? 1472U : kJumbo; };
  LanePair world(setup);
  world.run_until(grow_ns);
  EXPECT_EQ(stream_of(world, 0).mtu().bytes(), 1472U);
  world.run_until(grow_ns + PathMtu::kRaiseMaxNs);
  EXPECT_EQ(stream_of(world, 0).mtu().bytes(), kJumbo);
}

// An idle link knows its path without a byte of data.
TEST(path_mtu_sim, is_found_without_data) {
  PairSetup setup = setup_with(0.02);
  setup.path_bytes = [](std::uint64_t, std::size_t, StreamId, std::uint8_t) { return 1372U; };
  LanePair world(setup);
  world.run_until(world.now_ns() + 60 * kNsPerSec);
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(stream_of(world, i).mtu().state(), MtuState::kSearchComplete);
    expect_found(stream_of(world, i).mtu(), 1372);
    EXPECT_EQ(stream_of(world, i).counters().packets_lost * 10 / stream_of(world, i).counters().packets_sent, 0U) << "probes are not loss";
  }
}

TEST(path_mtu_sim, routers_reports_spare_the_search) {
  PairSetup setup = setup_with(0);
  setup.forward.mtu = 1400;
  setup.too_big_reports = true;
  LanePair world(setup);
  (void)begin_transfer(world);
  const std::uint64_t begun_ns = world.now_ns();
  EXPECT_TRUE(world.run_until(begun_ns + 6 * kRttNs, [&] { return all_in(world, MtuState::kSearchComplete); }));
  EXPECT_EQ(stream_of(world, 0).mtu().bytes(), 1372U);
  EXPECT_EQ(stream_of(world, 0).counters().mtu_black_holes, 0U);
}

// Somebody who knows all ports says a hundred times a second that packets are too big.
TEST(path_mtu_sim, forged_reports_cost_little) {
  PairSetup setup = setup_with(0);
  LanePair honest(setup);
  LanePair forged(setup);
  for (LanePair* world : {&honest, &forged}) {
    (void)begin_transfer(*world);
    for (std::uint64_t tick = 0; tick < 500; ++tick) {
      world->run_until(world->now_ns() + 10 * kNsPerMs);
      if (world == &honest) continue;
      for (std::uint8_t i = 0; i < 4; ++i) {
        const auto bytes = static_cast<std::uint32_t>(100 + tick * 37 % 3000);
        world->side(0).lane().on_mtu_report(world->now_ns(), StreamId{i}, bytes);
        EXPECT_GE(stream_of(*world, i).mtu().bytes(), PathMtu::kBaseBytes);
      }
    }
  }
  EXPECT_GT(forged.side(1).bytes_delivered() * 100, honest.side(1).bytes_delivered() * 98);
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(stream_of(forged, i).mtu().bytes(), kJumbo);
    EXPECT_LE(stream_of(forged, i).mtu().counters().reports_heeded, 4U);
  }
}

// A blackout loses small packets as well: it is no black hole.
TEST(path_mtu_sim, a_blackout_is_not_taken_for_a_black_hole) {
  PairSetup setup = setup_with(0);
  setup.forward.blackholes = setup.backward.blackholes = {{.start_ns = 3 * kNsPerSec, .end_ns = 5 * kNsPerSec, .period_ns = 0}};
  LanePair world(setup);
  (void)begin_transfer(world);
  world.run_until(7 * kNsPerSec);
  for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(stream_of(world, i).mtu().bytes(), kJumbo);
}

}  // namespace
}  // namespace dwcp::sim
