// SPDX-License-Identifier: Apache-2.0
// Sessions that remember what the link gave: right, ten times too much, of another path; and a living session that was
// idle for long.  Flows begin with credit for a whole jump, so that credit never decides, but for the longest link.
#include <gtest/gtest.h>

#include "tests/sim/lane_pair.h"

namespace dwcp::sim {
namespace {

// Of a link's rate, what is delivered of UDP payload when 1 % is lost: what a session remembers.
constexpr double kPayloadShare = 0.963;

struct Link {
  double mbps;
  double rtt_ms;
  double loss;
};

PairSetup setup_of(const Link& link, CongestionKind kind, std::size_t first_credit_bytes = 3'000'000) {
  PairSetup setup;
  setup.contents = false;
  setup.forward = setup.backward = path(link.mbps, link.rtt_ms, link.loss);
  setup.lane.streams = 4;
  setup.lane.congestion = kind;
  setup.lane.flows_max = 1;
  // A flow's first credit is an eighth of its place's share (Lane::window_initial).
  setup.lane.rx_arena_bytes = 8 * Lane::flow_places(setup.lane) * first_credit_bytes;
  setup.lane.rx_frames_max = Lane::flow_places(setup.lane) * wire::kFramesPerFlowMax;
  setup.tx_arena_bytes = 128U << 20;
  return setup;
}

ResumePoint remembered(double mbps, double rtt_ms) {
  return {.bandwidth_bytes_per_sec = static_cast<std::uint64_t>(kPayloadShare * mbps * 1e6 / 8),
          .min_rtt_ns = static_cast<std::uint64_t>(rtt_ms * 1e6)};
}

// A session that was up for a second, its pings answered, and then has all to send there can be.
struct Transfer {
  explicit Transfer(const PairSetup& setup) : world(setup) { begin(kNsPerSec); }

  void begin(std::uint64_t after_ns) {
    world.run_until(world.now_ns() + after_ns);
    flow = *lane().open_flow();
    world.side(0).offer(flow, kNever, 256 * 1024, 256 * 1024);
    start_ns = world.now_ns();
    before = world.side(1).bytes_delivered();
    sent_before = sent().bytes_sent;
    lost_before = sent().packets_lost;
  }
  void end() {
    world.side(0).stop_offering(flow);
    world.run_until(world.now_ns() + 10 * kNsPerSec, [this] { return world.settled(); });
    for (std::size_t i : {0U, 1U}) world.side(i).lane().close_flow(flow);
  }
  void run_to(double ms) { world.run_until(start_ns + static_cast<std::uint64_t>(ms * 1e6)); }

  Lane& lane() { return world.side(0).lane(); }
  const CongestionControl& congestion() { return lane().streams()[0]->congestion(); }
  StreamCounters sent() {
    StreamCounters sum;
    for (const auto& stream : lane().streams()) sum += stream->counters();
    return sum;
  }
  double sent_bytes() { return static_cast<double>(sent().bytes_sent - sent_before); }
  double lost_bytes() { return static_cast<double>(sent().packets_lost - lost_before) * 1472; }
  double delivered_bytes() { return static_cast<double>(world.side(1).bytes_delivered() - before); }

  LanePair world;
  FlowId flow{};
  std::uint64_t start_ns = 0;
  std::uint64_t before = 0;
  std::uint64_t sent_before = 0;
  std::uint64_t lost_before = 0;
};

// Of the raw rate 0.944 is payload, 0.99 of that arrives, and the first frames come half a round trip after the start.
TEST(resume, a_resumed_link_is_full_from_the_first_round_trip) {
  const Link link{500, 40, 0.01};
  PairSetup setup = setup_of(link, CongestionKind::kBbr);
  Transfer cold(setup);
  setup.resume = remembered(500, 40);
  Transfer transfer(setup);
  cold.run_to(40);
  transfer.run_to(40);
  EXPECT_GT(transfer.sent_bytes(), 0.95 * kPayloadShare * 2.5e6);
  EXPECT_LT(cold.sent_bytes(), 0.4 * 2.5e6) << "nothing is remembered: this must not be quick";
  transfer.run_to(2500);  // as many round trips as 320 ms has in 20 s
  EXPECT_GE(transfer.delivered_bytes() / 156.25e6, 0.90);
}

// 1 Gb/s, 320 ms, 1 %, 20 s, with memory for eight pipes: the first round trip has credit for a tenth of one.
TEST(resume, the_longest_link) {
  PairSetup setup = setup_of({1000, 320, 0.01}, CongestionKind::kBbr, 4'000'000);
  setup.resume = remembered(1000, 320);
  Transfer transfer(setup);
  transfer.run_to(20'000);
  EXPECT_GE(transfer.delivered_bytes() / 2.5e9, 0.88);
}

// What was remembered is ten times what there is: over within two round trips, at the cost of one jump.
TEST(resume, a_jump_ten_times_too_far_is_over_in_two_round_trips) {
  for (const double rtt_ms : {20.0, 100.0}) {
    const Link link{50, rtt_ms, 0.01};
    const double jump = 0.5e9 / 8 * rtt_ms * 1e-3;
    PairSetup setup = setup_of(link, CongestionKind::kBbr, static_cast<std::size_t>(1.25 * jump));
    setup.resume = remembered(500, rtt_ms);
    Transfer transfer(setup);
    // The queue shows from the first round trip on, long before what overflows it is known to be lost.
    transfer.run_to(1.5 * rtt_ms);
    const double sent = transfer.sent_bytes();
    transfer.run_to(2 * rtt_ms);
    EXPECT_LE(transfer.sent_bytes() - sent, 0.1 * jump / 10) << rtt_ms;
    transfer.run_to(3 * rtt_ms);
    EXPECT_LE(transfer.sent_bytes() - sent, 1.25 * jump / 10) << rtt_ms;
    transfer.run_to(6 * rtt_ms);
    EXPECT_LE(transfer.lost_bytes(), 1.1 * jump) << rtt_ms;
    EXPECT_GT(transfer.lost_bytes(), 0.1 * jump) << "no overshoot, no test";
    const double rate = static_cast<double>(transfer.congestion().bandwidth_bytes_per_sec()) * 8e-6;
    EXPECT_NEAR(rate, 48, 5) << rtt_ms << " ms, " << transfer.congestion().state_name();
    EXPECT_STREQ(transfer.congestion().state_name(), "probe_bw");
    const double delivered = transfer.delivered_bytes();
    transfer.run_to(6 * rtt_ms + 3000);
    EXPECT_GT((transfer.delivered_bytes() - delivered) * 8e-6 / 3, 42) << rtt_ms;
  }
}

// What was remembered was a bad hour's: the first probe shows it, and start-up goes on from there.
TEST(resume, a_memory_far_below_the_link_does_not_hold_it_down) {
  PairSetup setup = setup_of({500, 40, 0.01}, CongestionKind::kBbr);
  setup.resume = remembered(200, 40);
  Transfer transfer(setup);
  transfer.run_to(500);
  const double delivered = transfer.delivered_bytes();
  transfer.run_to(1000);
  EXPECT_GT((transfer.delivered_bytes() - delivered) * 8e-6 / 0.5, 0.85 * 500);
}

TEST(resume, another_path_is_started_cold) {
  for (const double remembered_ms : {3.5, 100.0}) {  // more than ten times shorter, more than twice longer
    PairSetup setup = setup_of({500, 40, 0}, CongestionKind::kBbr);
    Transfer cold(setup);
    setup.resume = remembered(5000, remembered_ms);
    Transfer transfer(setup);
    cold.run_to(40);
    transfer.run_to(40);
    EXPECT_STREQ(transfer.congestion().state_name(), "startup");
    EXPECT_NEAR(transfer.sent_bytes(), cold.sent_bytes(), 0.02 * cold.sent_bytes()) << remembered_ms;
  }
}

TEST(resume, a_longer_path_gets_no_more_in_flight_than_was_confirmed) {
  PairSetup setup = setup_of({500, 160, 0}, CongestionKind::kBbr);
  setup.resume = remembered(500, 40);
  Transfer transfer(setup);
  transfer.run_to(155);
  EXPECT_LE(transfer.sent_bytes(), 1.15 * 2.5e6 * kPayloadShare);
  EXPECT_GE(transfer.sent_bytes(), 0.95 * 2.5e6 * kPayloadShare);
}

TEST(resume, loss_based_controls_jump_too_and_retreat) {
  for (const CongestionKind kind : {CongestionKind::kCubic, CongestionKind::kNewReno}) {
    PairSetup setup = setup_of({500, 40, 0}, kind);
    setup.resume = remembered(500, 40);
    Transfer held(setup);
    held.run_to(40);
    EXPECT_GT(held.sent_bytes(), 0.95 * kPayloadShare * 2.5e6);
    held.run_to(2000);
    EXPECT_GT(held.delivered_bytes() / 125e6, 0.88) << held.congestion().name();
    setup.forward = setup.backward = path(50, 40, 0);
    Transfer too_far(setup);
    too_far.run_to(80);
    const double sent = too_far.sent_bytes();
    too_far.run_to(120);
    EXPECT_LE(too_far.sent_bytes() - sent, 0.25e6);
    too_far.run_to(1000);
    EXPECT_LE(too_far.lost_bytes(), 1.1 * 2.5e6);
    EXPECT_GT(too_far.lost_bytes(), 0.25e6) << "no overshoot, no test";
    const double delivered = too_far.delivered_bytes();
    too_far.run_to(4000);
    EXPECT_GT((too_far.delivered_bytes() - delivered) * 8e-6 / 3, 40) << too_far.congestion().name();
  }
}

// Groups beyond the first streams' are there for streams to come: they neither know a rate nor begin with a part of one.
TEST(resume, streams_with_a_window_each_share_what_is_remembered) {
  PairSetup setup = setup_of({500, 60, 0.01}, CongestionKind::kBbr);
  setup.lane.coupling = Coupling::kNone;
  setup.lane.streams = 2;
  setup.lane.streams_min = 1;
  setup.lane.streams_max = 32;
  Transfer cold(setup);
  EXPECT_FALSE(cold.lane().bandwidth_known());
  EXPECT_TRUE(cold.world.run_until(cold.start_ns + 3 * kNsPerSec, [&] { return cold.lane().bandwidth_known(); }));
  setup.resume = remembered(500, 60);
  LanePair world(setup);
  world.run_until(world.now_ns() + kNsPerSec);
  Lane& lane = world.side(0).lane();
  lane.set_streams(4, 4);
  world.run_until(world.now_ns() + kNsPerSec);
  ASSERT_EQ(lane.streams_active(), 4U);
  for (std::size_t i = 0; i < 4; ++i) {
    const CongestionControl& control = lane.streams()[i]->congestion();
    EXPECT_STREQ(control.state_name(), i < 2 ? "resume" : "startup") << i;
    EXPECT_EQ(control.window_bytes() > 1'000'000, i < 2) << i << ": half the pipe, or a cold start's";
  }
}

// The second migration of a session, seconds or an hour after the first.
TEST(resume, a_living_session_starts_again_at_its_own_rate) {
  for (const std::uint64_t idle_s : {5U, 60U, 600U, 3500U}) {
    Transfer transfer(setup_of({500, 40, 0.01}, CongestionKind::kBbr));
    transfer.run_to(3000);
    transfer.end();
    transfer.begin(idle_s * kNsPerSec);
    transfer.run_to(40);
    EXPECT_GT(transfer.sent_bytes(), 0.9 * kPayloadShare * 2.5e6) << idle_s << " s";
    transfer.run_to(2500);
    EXPECT_GT(transfer.delivered_bytes() / 156.25e6, 0.89) << idle_s << " s";
  }
}

// Meanwhile the link has become a tenth of what it was: after half an hour that is found as carefully as by a new session.
TEST(resume, a_living_session_does_not_insist_on_what_was_long_ago) {
  PairSetup setup = setup_of({500, 40, 0}, CongestionKind::kBbr);
  setup.forward.changes.push_back({.at_ns = 100 * kNsPerSec, .rate_bps = 50'000'000});
  Transfer transfer(setup);
  transfer.run_to(3000);
  transfer.end();
  transfer.begin(1800 * kNsPerSec);
  transfer.run_to(80);
  const double sent = transfer.sent_bytes();
  transfer.run_to(120);
  EXPECT_LE(transfer.sent_bytes() - sent, 1.25 * 0.25e6);
  transfer.run_to(1000);
  EXPECT_LE(transfer.lost_bytes(), 1.1 * 2.5e6);
  EXPECT_NEAR(static_cast<double>(transfer.congestion().bandwidth_bytes_per_sec()) * 8e-6, 48, 5);
}

}  // namespace
}  // namespace dwcp::sim
