// SPDX-License-Identifier: Apache-2.0
// BBR against a path made of arithmetic: a bottleneck with a queue, no losses but those named.
#include "dataplane/transport/bbr.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace dwcp {
namespace {

constexpr std::uint64_t kMs = kNsPerMs;

// Rounds of one RTT each: the sender has window or pacing's worth in flight, the path delivers at most rate.
struct FakePath {
  std::uint64_t rate_bytes_per_sec;
  std::uint64_t rtt_ns;
  double loss = 0;
  double ce = 0;  // share of packets marked
  std::uint64_t floor_ns = 0;  // delay nobody can take away: a longer route

  std::uint64_t now_ns = kNsPerSec;
  std::uint64_t delivered = 0;

  void round(Bbr& bbr, int pieces = 20) {
    const std::uint64_t bdp = rate_bytes_per_sec * rtt_ns / kNsPerSec;
    const std::uint64_t paced = bbr.pacing_bytes_per_sec() * rtt_ns / kNsPerSec;
    const std::uint64_t in_flight = std::min(bbr.window_bytes(), paced);
    const std::uint64_t queue_ns = in_flight > bdp ? (in_flight - bdp) * kNsPerSec / rate_bytes_per_sec : 0;
    const std::uint64_t took_ns = rtt_ns + floor_ns + queue_ns;
    const std::uint64_t start = delivered;
    for (int i = 0; i < pieces; ++i) {
      now_ns += took_ns / static_cast<std::uint64_t>(pieces);
      AckSample sample;
      const std::uint64_t bytes = in_flight / static_cast<std::uint64_t>(pieces);
      sample.lost_bytes = static_cast<std::uint64_t>(static_cast<double>(bytes) * loss);
      sample.acked_bytes = bytes - sample.lost_bytes;
      delivered += sample.acked_bytes;
      sample.ecn_acked_packets = sample.acked_bytes / 1472;
      sample.ecn_ce_packets = static_cast<std::uint64_t>(static_cast<double>(sample.ecn_acked_packets) * ce);
      sample.now_ns = now_ns;
      sample.in_flight_bytes = in_flight;
      sample.sent_in_flight_bytes = in_flight;
      sample.delivered_bytes = delivered;
      sample.packet_delivered_bytes = start;
      sample.delivery_bytes_per_sec =
          static_cast<std::uint64_t>(static_cast<double>(in_flight) * (1 - loss) * 1e9 / static_cast<double>(took_ns));
      sample.rtt_ns = sample.smoothed_rtt_ns = took_ns;
      bbr.on_ack(sample);
    }
  }
};

BbrConfig config() {
  return {.datagram_bytes = 1472};
}

TEST(bbr, startup_fills_the_pipe_and_leaves) {
  Bbr bbr(config());
  FakePath path{.rate_bytes_per_sec = 125'000'000, .rtt_ns = 50 * kMs};
  EXPECT_EQ(bbr.state(), Bbr::State::kStartup);
  EXPECT_STREQ(bbr.state_name(), "startup");
  EXPECT_TRUE(bbr.starting_up());
  int rounds = 0;
  while (bbr.state() == Bbr::State::kStartup && rounds < 40) path.round(bbr), ++rounds;
  EXPECT_LE(rounds, 14);
  EXPECT_FALSE(bbr.starting_up());
  for (int i = 0; i < 30; ++i) path.round(bbr);
  EXPECT_EQ(bbr.state(), Bbr::State::kProbeBw);
  EXPECT_NEAR(static_cast<double>(bbr.bandwidth_bytes_per_sec()), 125e6, 6e6);
  EXPECT_NEAR(static_cast<double>(bbr.min_rtt_ns()), 50e6, 2e6);
}

TEST(bbr, two_percent_random_loss_is_not_congestion) {
  Bbr bbr(config());
  FakePath path{.rate_bytes_per_sec = 125'000'000, .rtt_ns = 50 * kMs, .loss = 0.02};
  for (int i = 0; i < 120; ++i) path.round(bbr);
  EXPECT_GT(static_cast<double>(bbr.bandwidth_bytes_per_sec()), 115e6);
  EXPECT_GT(bbr.window_bytes(), 125'000'000U / 20);
  EXPECT_NEAR(bbr.ambient_loss(), 0.02, 0.01);
}

TEST(bbr, pings_do_not_unlearn_the_ambient_loss) {
  Bbr bbr(config());
  FakePath path{.rate_bytes_per_sec = 125'000'000, .rtt_ns = 50 * kMs, .loss = 0.02};
  for (int i = 0; i < 120; ++i) path.round(bbr);
  const double before = bbr.ambient_loss();
  for (int i = 0; i < 100; ++i) {
    AckSample ping;
    ping.now_ns = path.now_ns += kNsPerSec;
    ping.acked_bytes = ping.sent_in_flight_bytes = 50;
    ping.packet_delivered_bytes = path.delivered;
    ping.delivered_bytes = path.delivered += 50;
    ping.rtt_ns = ping.smoothed_rtt_ns = 50 * kMs;
    ping.app_limited = true;
    bbr.on_ack(ping);
  }
  EXPECT_NEAR(bbr.ambient_loss(), before, 0.003);
}

// A buffer that holds what was in flight: acknowledgements come at the new rate, each behind a queue that shrinks by what is
// not sent.  The first estimate of the new rate has some of the old one in it.
TEST(bbr, a_fallen_rate_is_believed_and_its_queue_drained) {
  Bbr bbr(config());
  FakePath path{.rate_bytes_per_sec = 125'000'000, .rtt_ns = 50 * kMs};
  for (int i = 0; i < 60; ++i) path.round(bbr);
  const double before = static_cast<double>(bbr.bandwidth_bytes_per_sec());
  double in_flight = static_cast<double>(bbr.window_bytes());
  double rate = 12.5e6;
  std::uint64_t rtt_ns = path.rtt_ns;
  for (int ms = 0; ms < 1500; ++ms) {
    path.now_ns += kMs;
    const double now_rate = ms < 150 ? rate * 2.4 : rate;
    const double acked = std::min(now_rate * 1e-3, in_flight);
    const double paced = static_cast<double>(bbr.pacing_bytes_per_sec()) * 1e-3;
    in_flight -= acked;
    in_flight += std::min(paced, std::max(static_cast<double>(bbr.window_bytes()) - in_flight, 0.0));
    AckSample sample;
    sample.now_ns = path.now_ns;
    sample.acked_bytes = static_cast<std::uint64_t>(acked);
    sample.in_flight_bytes = sample.sent_in_flight_bytes = static_cast<std::uint64_t>(in_flight);
    sample.packet_delivered_bytes = path.delivered;
    path.delivered += sample.acked_bytes;
    sample.delivered_bytes = path.delivered + sample.in_flight_bytes;  // the round lasts as long as the queue
    sample.delivery_bytes_per_sec = static_cast<std::uint64_t>(now_rate);
    // A queue grows by what is sent into it: by 9 ms a millisecond here.
    rtt_ns = std::min(rtt_ns + 9 * kMs, std::max(path.rtt_ns, static_cast<std::uint64_t>(in_flight / now_rate * 1e9)));
    sample.rtt_ns = sample.smoothed_rtt_ns = rtt_ns;
    bbr.on_ack(sample);
  }
  EXPECT_GT(before, 110e6);
  EXPECT_LT(static_cast<double>(bbr.bandwidth_bytes_per_sec()), 1.4 * rate);
  EXPECT_LT(in_flight, 3 * rate * 0.05);
}

// No outage, no loss: from one round to the next the path is six times as long.
TEST(bbr, a_much_longer_route_is_filled_within_two_seconds) {
  Bbr bbr(config());
  FakePath path{.rate_bytes_per_sec = 125'000'000, .rtt_ns = 10 * kMs};
  for (int i = 0; i < 100; ++i) path.round(bbr);
  path.rtt_ns = 60 * kMs;
  const std::uint64_t start_ns = path.now_ns;
  while (path.now_ns < start_ns + 2 * kNsPerSec) path.round(bbr);
  EXPECT_GT(static_cast<double>(bbr.bandwidth_bytes_per_sec()), 115e6);
  EXPECT_GT(bbr.window_bytes(), 125'000'000U / 1000 * 60);
  EXPECT_NEAR(static_cast<double>(bbr.min_rtt_ns()), 60e6, 5e6);
}

TEST(bbr, loss_with_a_queue_bounds_what_is_in_flight) {
  Bbr clean(config());
  Bbr congested(config());
  FakePath path{.rate_bytes_per_sec = 125'000'000, .rtt_ns = 50 * kMs};
  FakePath other = path;
  for (int i = 0; i < 40; ++i) path.round(clean), other.round(congested);
  for (int i = 0; i < 5; ++i) {
    path.round(clean), other.round(congested);
    other.floor_ns = path.floor_ns += 4 * kMs;  // others build a queue
  }
  other.loss = 0.1;
  for (int i = 0; i < 6; ++i) path.round(clean), other.round(congested);
  EXPECT_LT(congested.window_bytes(), clean.window_bytes() * 3 / 4);
}

// Losses that time finds, without an ACK, hold back what is in flight as others do.
TEST(bbr, loss_found_by_time_bounds_what_is_in_flight_too) {
  const auto window_after = [](bool lost) {
    Bbr bbr(config());
    FakePath path{.rate_bytes_per_sec = 125'000'000, .rtt_ns = 50 * kMs};
    for (int i = 0; i < 40; ++i) path.round(bbr);
    for (int i = 0; i < 5; ++i) path.floor_ns += 4 * kMs, path.round(bbr);  // others build a queue
    const std::uint64_t in_flight = 7'000'000;
    if (lost) bbr.on_lost({.now_ns = path.now_ns, .lost_bytes = 100 * 1472, .in_flight_bytes = in_flight});
    bbr.on_ack({.now_ns = path.now_ns + kMs, .acked_bytes = 1472, .in_flight_bytes = in_flight, .delivered_bytes = path.delivered,
                .rtt_ns = 70 * kMs, .smoothed_rtt_ns = 70 * kMs});
    return bbr.window_bytes();
  };
  EXPECT_LE(window_after(true), 7'000'000U + 1472);
  EXPECT_GT(window_after(false), 10'000'000U);
}

TEST(bbr, more_streams_do_not_make_it_forget_who_else_is_there) {
  Bbr bbr(config());
  FakePath path{.rate_bytes_per_sec = 125'000'000, .rtt_ns = 50 * kMs};
  for (int i = 0; i < 40; ++i) path.round(bbr);
  for (int i = 0; i < 5; ++i) path.floor_ns += 4 * kMs, path.round(bbr);
  path.loss = 0.05;
  while (bbr.state() != Bbr::State::kProbeBw || !bbr.loss_bound().contested()) {
    ASSERT_LT(path.now_ns, 60 * kNsPerSec);
    path.round(bbr);
  }
  bbr.on_streams_added(path.now_ns);
  EXPECT_TRUE(bbr.loss_bound().contested());
}

TEST(bbr, startup_ends_within_a_round_of_marks) {
  Bbr bbr(config());
  FakePath path{.rate_bytes_per_sec = 1'250'000'000, .rtt_ns = 50 * kMs};
  for (int i = 0; i < 2; ++i) path.round(bbr);
  ASSERT_EQ(bbr.state(), Bbr::State::kStartup);
  path.ce = 0.4;  // passing: a burst of somebody's
  path.round(bbr);
  ASSERT_EQ(bbr.state(), Bbr::State::kStartup);
  path.ce = 0.9;
  path.round(bbr);
  EXPECT_NE(bbr.state(), Bbr::State::kStartup);
}

TEST(bbr, marks_bound_what_is_in_flight_and_a_clean_probe_lifts_the_bound) {
  Bbr bbr(config());
  FakePath path{.rate_bytes_per_sec = 125'000'000, .rtt_ns = 50 * kMs};
  for (int i = 0; i < 40; ++i) path.round(bbr);
  const std::uint64_t before = bbr.window_bytes();
  path.ce = 1;
  for (int i = 0; i < 12; ++i) path.round(bbr);
  EXPECT_LT(bbr.window_bytes(), before * 6 / 10);
  EXPECT_GT(bbr.window_bytes(), 125'000'000U / 20 / 2) << "not below half of what the path holds";
  path.ce = 0;
  for (int i = 0; i < 120; ++i) path.round(bbr);
  EXPECT_GT(bbr.window_bytes(), before * 9 / 10);
}

TEST(bbr, marks_that_never_end_leave_progress) {
  Bbr bbr(config());
  FakePath path{.rate_bytes_per_sec = 125'000'000, .rtt_ns = 50 * kMs, .ce = 1};
  for (int i = 0; i < 3000; ++i) {
    path.round(bbr);
    ASSERT_GE(bbr.window_bytes(), 4U * 1472);
    ASSERT_GE(bbr.pacing_bytes_per_sec(), 4U * 1472);
  }
}

TEST(ecn_bound, answers_a_round_once_and_by_its_average) {
  EcnBound bound;
  constexpr std::uint64_t kReached = 1'000'000;
  bound.on_ack(0, 100);
  EXPECT_FALSE(bound.end_round(kReached, 0));
  EXPECT_EQ(bound.bytes(), ~std::uint64_t{0}) << "no marks, no bound";
  for (int i = 0; i < 200; ++i) bound.on_ack(0, 100), (void)bound.end_round(kReached, 0);
  EXPECT_LT(bound.alpha(), 0.001);
  bound.on_ack(1, 100);
  EXPECT_TRUE(bound.marked());
  EXPECT_FALSE(bound.end_round(kReached, 0));
  EXPECT_FALSE(bound.marked());
  EXPECT_EQ(bound.bytes(), 950'000U) << "one mark is answered too (RFC 3168)";
  bound.lift();
  for (int i = 0; i < 200; ++i) {
    bound.on_ack(100, 100);
    ASSERT_TRUE(bound.end_round(kReached, 0));
  }
  EXPECT_NEAR(bound.alpha(), 1, 0.001);
  bound.lift();
  bound.on_ack(500, 100);  // marks told of late
  EXPECT_TRUE(bound.end_round(kReached, 900'000));
  EXPECT_EQ(bound.bytes(), 900'000U) << "never below the least";
  bound.lift();
  bound.on_ack(100, 100);
  (void)bound.end_round(kReached, 0);
  EXPECT_NEAR(static_cast<double>(bound.bytes()), 2e6 / 3, 1000);
}

TEST(bbr, startup_ends_on_heavy_loss) {
  Bbr bbr(config());
  FakePath path{.rate_bytes_per_sec = 125'000'000, .rtt_ns = 50 * kMs};
  for (int i = 0; i < 2; ++i) path.round(bbr);
  ASSERT_EQ(bbr.state(), Bbr::State::kStartup);
  path.loss = 0.4;
  path.round(bbr);
  path.round(bbr);
  EXPECT_NE(bbr.state(), Bbr::State::kStartup);
}

TEST(bbr, an_outage_does_not_end_startup) {
  Bbr bbr(config());
  FakePath path{.rate_bytes_per_sec = 125'000'000, .rtt_ns = 50 * kMs};
  path.round(bbr);
  AckSample outage;
  outage.now_ns = path.now_ns;
  outage.lost_bytes = 100 * 1472;
  bbr.on_lost(outage);
  bbr.on_persistent_congestion(path.now_ns);
  path.round(bbr);
  path.round(bbr);
  EXPECT_EQ(bbr.state(), Bbr::State::kStartup);
}

TEST(bbr, follows_a_rate_drop_within_the_filter) {
  Bbr bbr(config());
  FakePath path{.rate_bytes_per_sec = 125'000'000, .rtt_ns = 50 * kMs};
  for (int i = 0; i < 40; ++i) path.round(bbr);
  path.rate_bytes_per_sec /= 10;
  for (int i = 0; i < 30; ++i) path.round(bbr);
  EXPECT_LT(static_cast<double>(bbr.bandwidth_bytes_per_sec()), 15e6);
}

// Step by step, so that no step is a route of its own.
TEST(bbr, refreshes_the_min_rtt_of_a_path_that_became_longer) {
  Bbr bbr(config());
  FakePath path{.rate_bytes_per_sec = 12'500'000, .rtt_ns = 50 * kMs};
  for (int i = 0; i < 40; ++i) path.round(bbr);
  bool probed = false;
  for (int i = 0; i < 400; ++i) {
    path.floor_ns = std::min<std::uint64_t>(path.floor_ns + 4 * kMs, 40 * kMs);
    path.round(bbr);
    probed = probed || bbr.state() == Bbr::State::kProbeRtt;
  }
  EXPECT_TRUE(probed);
  EXPECT_NEAR(static_cast<double>(bbr.min_rtt_ns()), 90e6, 12e6);
}

TEST(bbr, never_slower_than_the_least_window_per_round_trip) {
  Bbr bbr(config());
  FakePath path{.rate_bytes_per_sec = 100, .rtt_ns = 50 * kMs};
  AckSample sample;
  for (int i = 0; i < 40; ++i) {
    sample.now_ns = path.now_ns += 5 * kNsPerSec;
    sample.acked_bytes = 100;
    sample.packet_delivered_bytes = sample.delivered_bytes;
    sample.delivered_bytes += 100;
    sample.delivery_bytes_per_sec = 20;
    sample.rtt_ns = sample.smoothed_rtt_ns = 50 * kMs;
    bbr.on_ack(sample);
  }
  EXPECT_GE(bbr.pacing_bytes_per_sec(), 4U * 1472 * 20);
}

TEST(bbr, keeps_to_a_configured_rate) {
  BbrConfig capped = config();
  capped.rate_max_bytes_per_sec = 1'000'000;
  Bbr bbr(capped);
  EXPECT_LE(bbr.pacing_bytes_per_sec(), 1'000'000U);
  FakePath path{.rate_bytes_per_sec = 125'000'000, .rtt_ns = 5 * kMs};
  for (int i = 0; i < 40; ++i) {
    path.round(bbr);
    ASSERT_LE(bbr.pacing_bytes_per_sec(), 1'000'000U);
  }
}

}  // namespace
}  // namespace dwcp
