// SPDX-License-Identifier: Apache-2.0
// ECN from end to end: routers that mark, and routers that spoil the marks.
#include <gtest/gtest.h>

#include "tests/sim/lane_pair.h"

namespace dwcp::sim {
namespace {

constexpr double kMbps = 100;
constexpr double kRttMs = 50;
constexpr double kBdpBytes = kMbps * 1e6 / 8 * kRttMs * 1e-3;

// Packets that find more than this share of the product queued are marked; 0 = none.
PairSetup setup_with(double threshold_bdp, bool ecn = true) {
  PairSetup setup;
  setup.forward = setup.backward = path(kMbps, kRttMs, 0);
  setup.forward.ecn_mark_threshold_bytes = static_cast<std::uint64_t>(threshold_bdp * kBdpBytes);
  setup.lane.ecn = ecn;
  setup.contents = false;
  setup.seed = 11;
  return setup;
}

struct Figures {
  double goodput_mbps = 0;
  double queue_mean_bdp = 0;
  double queue_max_bdp = 0;
  std::uint64_t queue_drops = 0;
};

struct World : LanePair {
  explicit World(const PairSetup& setup) : LanePair(setup) {
    const auto flow = side(0).lane().open_flow();
    side(0).offer(*flow, kNever, 256 * 1024, 256 * 1024);
  }
  Figures run(std::uint64_t span_ns) {
    Figures out;
    const LinkCounters before = pipe(0).counters();
    const std::uint64_t bytes = side(1).bytes_delivered();
    for (const std::uint64_t end_ns = now_ns() + span_ns; now_ns() < end_ns;) {
      run_until(now_ns() + kNsPerMs);
      out.queue_max_bdp = std::max(out.queue_max_bdp, static_cast<double>(pipe(0).link().queue_bytes(now_ns())) / kBdpBytes);
    }
    const LinkCounters& after = pipe(0).counters();
    out.goodput_mbps = static_cast<double>(side(1).bytes_delivered() - bytes) * 8e3 / static_cast<double>(span_ns);
    out.queue_mean_bdp = static_cast<double>(after.queue_delay_ns_sum - before.queue_delay_ns_sum) /
                         static_cast<double>(after.queued - before.queued) / (kRttMs * 1e6);
    constexpr auto full = static_cast<std::size_t>(DropReason::kQueueFull);
    out.queue_drops = after.drops[full] - before.drops[full];
    return out;
  }
  [[nodiscard]] std::span<const std::unique_ptr<Stream>> streams() { return side(0).lane().streams(); }
  [[nodiscard]] StreamCounters sent() {
    StreamCounters sum;
    for (const auto& stream : streams()) sum += stream->counters();
    return sum;
  }
};

TEST(ecn_sim, one_group_keeps_the_queue_below_the_mark) {
  World world(setup_with(0.2));
  world.run(2 * kNsPerSec);
  const Figures marked = world.run(10 * kNsPerSec);
  World blind(setup_with(0.2, false));
  blind.run(2 * kNsPerSec);
  const Figures unmarked = blind.run(10 * kNsPerSec);
  EXPECT_EQ(world.streams()[0]->ecn_state(), EcnState::kCapable);
  EXPECT_GT(world.sent().ecn_ce_reported, 0U);
  EXPECT_EQ(blind.pipe(0).counters().ecn_marked, 0U);
  EXPECT_LT(marked.queue_mean_bdp, 0.1);
  EXPECT_LT(marked.queue_max_bdp, 0.35) << "a probe is a round trip ahead of its marks";
  EXPECT_GT(marked.goodput_mbps, unmarked.goodput_mbps * 0.98);
}

// A buffer too small for a probe of the whole gain: what was lost each time is not any more.
TEST(ecn_sim, marks_take_the_place_of_losses) {
  PairSetup setup = setup_with(0.05);
  setup.forward.queue_bytes = static_cast<std::uint64_t>(0.15 * kBdpBytes);
  World world(setup);
  setup.lane.ecn = false;
  World blind(setup);
  world.run(3 * kNsPerSec);
  blind.run(3 * kNsPerSec);
  const Figures marked = world.run(20 * kNsPerSec);
  const Figures unmarked = blind.run(20 * kNsPerSec);
  EXPECT_GT(unmarked.queue_drops, 100U);
  EXPECT_LT(marked.queue_drops * 10, unmarked.queue_drops);
  EXPECT_GT(marked.goodput_mbps, unmarked.goodput_mbps * 0.95);
}

TEST(ecn_sim, groups_that_compete_share_without_filling_the_buffer) {
  PairSetup setup = setup_with(0.2);
  setup.lane.streams = 4;
  setup.lane.coupling = Coupling::kNone;
  World world(setup);
  setup.lane.ecn = false;
  World blind(setup);
  world.run(3 * kNsPerSec);
  blind.run(3 * kNsPerSec);
  const Figures marked = world.run(10 * kNsPerSec);
  const Figures unmarked = blind.run(10 * kNsPerSec);
  EXPECT_GT(unmarked.queue_mean_bdp, 0.5);
  EXPECT_LT(marked.queue_mean_bdp, 0.2);
  EXPECT_EQ(marked.queue_drops, 0U);
  EXPECT_GT(unmarked.queue_drops, 0U);
  EXPECT_GT(marked.goodput_mbps, unmarked.goodput_mbps * 0.98);
}

TEST(ecn_sim, spoiled_marks_cost_no_goodput) {
  World clean(setup_with(0));
  const double goodput = clean.run(6 * kNsPerSec).goodput_mbps;
  for (const EcnFault fault : {EcnFault::kBleach, EcnFault::kEct1, EcnFault::kCe}) {
    SCOPED_TRACE(static_cast<int>(fault));
    PairSetup setup = setup_with(0.2);
    setup.forward.ecn_fault = fault;
    World world(setup);
    EXPECT_GT(world.run(6 * kNsPerSec).goodput_mbps, goodput * 0.99);
    EXPECT_EQ(world.streams()[0]->ecn_state(), EcnState::kFailed);
    EXPECT_EQ(world.sent().ecn_packets_sent, EcnValidator::kTestPackets);
    EXPECT_EQ(world.sent().ecn_ce_reported, 0U);
  }
}

TEST(ecn_sim, bleaching_of_some_packets_is_found) {
  PairSetup setup = setup_with(0.2);
  setup.forward.ecn_fault = EcnFault::kBleach;
  setup.forward.ecn_fault_rate = 0.01;
  World world(setup);
  EXPECT_GT(world.run(6 * kNsPerSec).goodput_mbps, 85);
  EXPECT_EQ(world.streams()[0]->ecn_state(), EcnState::kFailed);
  EXPECT_EQ(world.sent().ecn_violations, 1U);
}

TEST(ecn_sim, a_path_that_drops_what_is_marked_carries_the_transfer) {
  for (const std::uint32_t streams : {1U, 4U}) {
    PairSetup setup = setup_with(0);
    setup.lane.streams = streams;
    setup.datagram_down = [](std::size_t side, const TxDatagram& datagram) {
      return side == 0 && datagram.ecn != Ecn::kNotEct;
    };
    World world(setup);
    world.run(6 * kNsPerSec);  // streams other than the first prove their paths by pings, and these are few
    EXPECT_GT(world.run(4 * kNsPerSec).goodput_mbps, 90);
    for (const auto& stream : world.streams()) EXPECT_EQ(stream->ecn_state(), EcnState::kFailed);
    EXPECT_LE(world.sent().ecn_packets_sent, 2 * EcnValidator::kTestPackets * streams);
    EXPECT_EQ(world.side(0).lane().streams_active(), streams);
  }
}

// The route changes under a stream that was capable: from now on, whatever is marked is dropped.
TEST(ecn_sim, a_capable_path_that_comes_to_drop_marks_is_found) {
  bool dropping = false;
  PairSetup setup = setup_with(0);
  setup.datagram_down = [&](std::size_t side, const TxDatagram& datagram) {
    return dropping && side == 0 && datagram.ecn != Ecn::kNotEct;
  };
  World world(setup);
  world.run(2 * kNsPerSec);
  ASSERT_EQ(world.streams()[0]->ecn_state(), EcnState::kCapable);
  dropping = true;
  world.run(4 * kNsPerSec);
  EXPECT_EQ(world.streams()[0]->ecn_state(), EcnState::kFailed);
  EXPECT_GT(world.run(4 * kNsPerSec).goodput_mbps, 90);
}

TEST(ecn_sim, ce_on_every_packet_slows_but_does_not_stall) {
  PairSetup setup = setup_with(0);
  World world(setup);
  world.run(2 * kNsPerSec);
  ASSERT_EQ(world.streams()[0]->ecn_state(), EcnState::kCapable);
  LinkProfile spoiled = setup.forward;
  spoiled.ecn_fault = EcnFault::kCe;
  world.pipe(0).link().reconfigure(spoiled);
  world.run(20 * kNsPerSec);
  const Figures late = world.run(10 * kNsPerSec);
  EXPECT_GT(late.goodput_mbps, 5);
  EXPECT_LT(late.goodput_mbps, 90) << "it is congestion, as far as anyone can know";
  EXPECT_EQ(late.queue_drops, 0U);
  EXPECT_EQ(world.sent().ecn_violations, 0U);
}

TEST(ecn_sim, a_stream_that_takes_another_path_tests_it) {
  PairSetup setup = setup_with(0);
  setup.lane.streams = 4;
  // Stream 2's first path is cut after three seconds; its second one works.
  setup.path_down = [](std::uint64_t now_ns, std::size_t side, StreamId stream, std::uint8_t path_number) {
    return side == 0 && raw(stream) == 2 && path_number == 0 && now_ns > 3 * kNsPerSec;
  };
  World world(setup);
  world.run(2 * kNsPerSec);
  const Stream& cut = *world.streams()[2];
  ASSERT_EQ(cut.ecn_state(), EcnState::kCapable);
  bool tested = false;
  for (int i = 0; i < 4000; ++i) {
    world.run(kNsPerMs);
    tested = tested || (cut.path() == 1 && cut.ecn_state() == EcnState::kTesting);
  }
  EXPECT_TRUE(tested);
  EXPECT_EQ(cut.path(), 1);
  EXPECT_EQ(cut.ecn_state(), EcnState::kCapable);
  EXPECT_EQ(world.sent().ecn_violations, 0U);
}

// After a blackout of everything the marks are used again within a moment, not after EcnValidator::kRetryNs.
TEST(ecn_sim, a_blackout_costs_no_validation) {
  PairSetup setup = setup_with(0);
  setup.forward.blackholes = setup.backward.blackholes = {
      {.start_ns = 2 * kNsPerSec, .end_ns = 12 * kNsPerSec, .period_ns = 0}};
  World world(setup);
  world.run(kNsPerSec / 2);
  ASSERT_EQ(world.streams()[0]->ecn_state(), EcnState::kCapable);
  world.run(8 * kNsPerSec);
  EXPECT_EQ(world.streams()[0]->ecn_state(), EcnState::kUnknown) << "silence is met without marks";
  world.run(5 * kNsPerSec);
  EXPECT_EQ(world.streams()[0]->ecn_state(), EcnState::kCapable);
}

}  // namespace
}  // namespace dwcp::sim
