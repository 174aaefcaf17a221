// SPDX-License-Identifier: Apache-2.0
// The number of streams: it grows while paths are limited each by itself, falls back where one bottleneck is shared, and
// changes under a transfer without stalling it.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "tests/sim/lane_pair.h"

namespace dwcp::sim {
namespace {

// A packet of 1472 bytes is 1514 of Ethernet frame and carries 1429 of a frame.
constexpr double kPayloadShare = 1429.0 / 1514.0;

PairSetup setup_with(std::uint32_t initial, std::uint32_t min, std::uint32_t max) {
  PairSetup setup;
  setup.lane.streams = initial;
  setup.lane.streams_min = min;
  setup.lane.streams_max = max;
  setup.contents = false;
  setup.seed = 11;
  return setup;
}

void offer_bulk(LanePair& world) {
  for (int i = 0; i < 2; ++i) world.side(0).offer(*world.side(0).lane().open_flow(), kNever, 256 * 1024, 256 * 1024);
}

const Lane& sender(LanePair& world) { return world.side(0).lane(); }

// Frame bits per second, in Mb/s, over a span.
double goodput_mbps(LanePair& world, std::uint64_t span_ns) {
  const std::uint64_t before = world.side(1).bytes_delivered();
  world.run_until(world.now_ns() + span_ns);
  return static_cast<double>(world.side(1).bytes_delivered() - before) * 8e3 / static_cast<double>(span_ns);
}

TEST(scaling, finds_the_paths_that_a_hash_spreads_streams_over) {
  PairSetup setup = setup_with(1, 1, 16);
  setup.forward = path(250, 50, 0);
  setup.forward_more = {3, path(250, 50, 0)};
  setup.backward = path(1000, 50, 0);
  LanePair world(setup);
  offer_bulk(world);
  world.run_until(world.now_ns() + 20 * kNsPerSec);
  const double goodput = goodput_mbps(world, 5 * kNsPerSec);
  std::set<std::size_t> reached;
  for (const auto& stream : sender(world).streams()) {
    if (stream->state() != StreamState::kActive) continue;
    reached.insert(world.pipe(0).path_of(flow_name(sender(world).session().local_session, stream->id(), stream->path())));
  }
  EXPECT_GE(reached.size(), 3U);
  EXPECT_GT(goodput, 0.85 * 250 * kPayloadShare * static_cast<double>(reached.size()));
}

TEST(scaling, grows_under_a_policer_of_each_flow) {
  PairSetup setup = setup_with(1, 1, 16);
  setup.forward = setup.backward = path(1000, 50, 0);
  setup.forward.policer = {.rate_bps = 50'000'000, .burst_bytes = 100'000};
  LanePair world(setup);
  offer_bulk(world);
  world.run_until(world.now_ns() + 20 * kNsPerSec);
  EXPECT_EQ(sender(world).scaler().target(), 16U);
  EXPECT_GT(goodput_mbps(world, 5 * kNsPerSec), 0.8 * 16 * 50 * kPayloadShare);
}

TEST(scaling, falls_back_where_one_bottleneck_is_shared) {
  double fixed = 0;
  double adaptive = 0;
  for (const bool scaled : {false, true}) {
    PairSetup setup = scaled ? setup_with(4, 1, 32) : setup_with(4, 4, 4);
    setup.forward = setup.backward = path(500, 50, 0.001);
    LanePair world(setup);
    offer_bulk(world);
    (scaled ? adaptive : fixed) = goodput_mbps(world, 40 * kNsPerSec);
    if (!scaled) continue;
    world.run_until(world.now_ns() + 5 * kNsPerSec, [&] { return sender(world).scaler().state() == ScalerState::kWatching; });
    EXPECT_EQ(sender(world).scaler().target(), 4U);
    EXPECT_GE(sender(world).scaler().counters().trials, 3U);
  }
  EXPECT_GT(adaptive, 0.98 * fixed);
}

// The longest time without a frame completed at the receiver, from now on.
std::uint64_t longest_gap_ns(LanePair& world, std::uint64_t span_ns) {
  std::uint64_t longest = 0;
  std::uint64_t since_ns = world.now_ns();
  std::uint64_t bytes = world.side(1).bytes_delivered();
  world.run_until(world.now_ns() + span_ns, [&] {
    longest = std::max(longest, world.now_ns() - since_ns);
    if (world.side(1).bytes_delivered() != bytes) since_ns = world.now_ns();
    bytes = world.side(1).bytes_delivered();
    return false;
  });
  return longest;
}

TEST(scaling, a_change_of_the_number_stalls_nothing) {
  struct Change {
    std::uint32_t from, to;
  };
  for (const Change change : {Change{1, 32}, Change{8, 32}, Change{32, 1}, Change{32, 8}}) {
    SCOPED_TRACE(std::to_string(change.from) + " to " + std::to_string(change.to));
    PairSetup setup = setup_with(change.from, 1, 32);
    setup.forward = setup.backward = path(500, 50, 0.001);
    LanePair world(setup);
    offer_bulk(world);
    world.side(0).lane().set_streams(change.from, change.from);
    world.run_until(world.now_ns() + 2 * kNsPerSec);
    const double before = goodput_mbps(world, kNsPerSec);
    world.side(0).lane().set_streams(change.to, change.to);
    // Half a round trip: no more than losses and queues make of gaps (13 to 18 ms), and less than a new start would.
    EXPECT_LT(longest_gap_ns(world, 2 * kNsPerSec), 25 * kNsPerMs);
    EXPECT_EQ(sender(world).streams_active(), change.to);
    EXPECT_GT(goodput_mbps(world, kNsPerSec), 0.95 * before);
  }
}

TEST(scaling, half_of_the_paths_may_die) {
  PairSetup setup = setup_with(8, 1, 16);
  setup.forward = setup.backward = path(500, 50, 0.001);
  constexpr std::uint64_t kDeathNs = 4 * kNsPerSec;
  setup.path_down = [](std::uint64_t now_ns, std::size_t side, StreamId stream, std::uint8_t path_number) {
    return side == 0 && now_ns >= kDeathNs && (raw(stream) + path_number) % 2 == 0;
  };
  LanePair world(setup);
  const auto flow = world.side(0).lane().open_flow();
  world.side(0).offer(*flow, 1600, 256 * 1024, 256 * 1024);  // 420 MB: seven seconds of the link
  world.run_until(kDeathNs - kNsPerSec);
  const double before = goodput_mbps(world, kNsPerSec);
  world.run_until(kDeathNs + 2 * 50 * kNsPerMs);
  // Nobody is known to be dead yet, but what the silent ones hold must not have filled the window of all.
  EXPECT_GT(goodput_mbps(world, 4 * 50 * kNsPerMs), 0.2 * before);
  world.run_until(kDeathNs + 12 * 50 * kNsPerMs);
  EXPECT_GT(goodput_mbps(world, kNsPerSec), 0.9 * before);
  EXPECT_TRUE(world.run_until(30 * kNsPerSec, [&] { return world.settled(); }));
  EXPECT_EQ(world.side(1).frames_delivered(*flow), 1600U);
}

TEST(scaling, streams_with_a_window_each_grow_under_a_policer_as_well) {
  PairSetup setup = setup_with(2, 1, 16);
  setup.lane.coupling = Coupling::kNone;
  setup.forward = setup.backward = path(1000, 50, 0);
  setup.forward.policer = {.rate_bps = 50'000'000, .burst_bytes = 100'000};
  LanePair world(setup);
  offer_bulk(world);
  world.run_until(world.now_ns() + 20 * kNsPerSec);
  EXPECT_GT(goodput_mbps(world, 5 * kNsPerSec), 0.8 * 16 * 50 * kPayloadShare);
}

// The first seed for which streams 0 to 3 reach the narrow path, number 3, and at least two others.
std::uint64_t seed_with_a_narrow_path(const PairSetup& setup) {
  std::vector<LinkProfile> paths = {setup.forward};
  paths.insert(paths.end(), setup.forward_more.begin(), setup.forward_more.end());
  for (std::uint64_t seed = 1;; ++seed) {
    const PathBundle bundle(paths, seed * 4 + 1);
    std::multiset<std::size_t> reached;
    for (std::uint8_t i = 0; i < 4; ++i) reached.insert(bundle.path_of(flow_name(100, StreamId{i}, 0)));
    if (reached.count(3) == 1 && reached.count(0) == 1 && reached.count(1) == 1) return seed;
  }
}

TEST(scaling, a_narrow_path_costs_only_itself) {
  PairSetup setup = setup_with(4, 4, 4);
  setup.forward = path(300, 50, 0);
  setup.forward_more = {path(300, 50, 0), path(300, 50, 0), path(20, 50, 0)};
  setup.backward = path(1000, 50, 0);
  setup.seed = seed_with_a_narrow_path(setup);
  LanePair world(setup);
  offer_bulk(world);
  world.run_until(world.now_ns() + 10 * kNsPerSec);
  const LaneCounters before = sender(world).counters();
  EXPECT_GT(goodput_mbps(world, 5 * kNsPerSec), 0.9 * (3 * 300 + 20) * kPayloadShare);
  const LaneCounters& after = sender(world).counters();
  EXPECT_LT(static_cast<double>(after.repair_bytes_sent - before.repair_bytes_sent),
            0.02 * static_cast<double>(after.data_bytes_sent - before.data_bytes_sent));
}

}  // namespace
}  // namespace dwcp::sim
