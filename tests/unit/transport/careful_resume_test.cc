// SPDX-License-Identifier: Apache-2.0
#include "dataplane/transport/careful_resume.h"

#include <gtest/gtest.h>

#include "dataplane/transport/bbr.h"
#include "dataplane/transport/cubic.h"
#include "ack_clock.h"

namespace dwcp {
namespace {

constexpr std::uint64_t kMs = kNsPerMs;
constexpr std::uint64_t kDatagram = 1000;
constexpr std::uint64_t kWindow = 10 * kDatagram;
constexpr ResumePoint kKnown{.bandwidth_bytes_per_sec = 10'000'000, .min_rtt_ns = 100 * kMs};  // 1 MB in flight

struct Bench {
  CarefulResume resume{kDatagram, 0.1};
  std::uint64_t now_ns = 10 * kNsPerSec;
  std::uint64_t rtt_ns = 100 * kMs;

  Bench() { resume.offer(kKnown, kWindow); }

  ResumeEvent ack(std::uint64_t bytes, std::uint64_t in_flight, std::uint64_t lost = 0, std::uint64_t sent_ns = 0) {
    now_ns += kMs;
    AckSample sample;
    sample.now_ns = now_ns;
    sample.acked_bytes = bytes;
    sample.acked_sent_ns = sent_ns != 0 ? sent_ns : now_ns - rtt_ns;
    sample.sent_in_flight_bytes = in_flight;
    sample.in_flight_bytes = in_flight;
    sample.lost_bytes = lost;
    sample.rtt_ns = rtt_ns;
    return resume.on_ack(sample, 100 * kMs);
  }
  ResumeEvent ping() { return ack(50, 50); }
};

TEST(careful_resume, the_table_is_the_diagram) {
  using enum ResumePhase;
  using enum ResumeEvent;
  EXPECT_EQ(next_phase(kNormal, kOffered), kRecon);
  EXPECT_EQ(next_phase(kRecon, kConfirmed), kUnvalidated);
  EXPECT_EQ(next_phase(kRecon, kRefuted), kNormal);
  EXPECT_EQ(next_phase(kUnvalidated, kFirstAcked), kValidating);
  EXPECT_EQ(next_phase(kUnvalidated, kTrouble), kSafeRetreat);
  EXPECT_EQ(next_phase(kValidating, kUnderused), kUnvalidated);
  EXPECT_EQ(next_phase(kValidating, kLastAcked), kNormal);
  EXPECT_EQ(next_phase(kValidating, kTrouble), kSafeRetreat);
  EXPECT_EQ(next_phase(kSafeRetreat, kSettled), kNormal);
  for (std::size_t i = 0; i < kResumePhases; ++i) {
    const auto phase = static_cast<ResumePhase>(i);
    EXPECT_EQ(next_phase(phase, kNone), phase);
    EXPECT_EQ(next_phase(phase, kRefuted), kNormal) << i;
  }
  // Only a confirmed round trip leads to the remembered rate.
  for (const ResumePhase phase : {kNormal, kSafeRetreat}) {
    for (std::size_t e = 0; e < kResumeEvents; ++e) EXPECT_NE(next_phase(phase, static_cast<ResumeEvent>(e)), kUnvalidated);
  }
}

TEST(careful_resume, a_ping_confirms_the_path) {
  Bench b;
  EXPECT_EQ(b.resume.phase(), ResumePhase::kRecon);
  EXPECT_FALSE(b.resume.jumping());
  EXPECT_EQ(b.ping(), ResumeEvent::kConfirmed);
  EXPECT_TRUE(b.resume.jumping());
  EXPECT_EQ(b.resume.jump_bytes(), 1'000'000U);
  EXPECT_EQ(b.resume.rate_bytes_per_sec(), 10'000'000U);
  for (int i = 0; i < 1000; ++i) b.ping();
  EXPECT_EQ(b.resume.phase(), ResumePhase::kUnvalidated) << "pings are no jump";
}

TEST(careful_resume, bounds_of_the_round_trip) {
  const auto phase_at = [](std::uint64_t min_rtt_ns) {
    CarefulResume resume(kDatagram, 0.1);
    resume.offer(kKnown, kWindow);
    AckSample sample;
    (void)resume.on_ack(sample, min_rtt_ns);
    return std::pair(resume.phase(), resume.jump_bytes());
  };
  EXPECT_EQ(phase_at(0).first, ResumePhase::kRecon) << "not known yet";
  EXPECT_EQ(phase_at(49 * kMs).first, ResumePhase::kNormal);
  EXPECT_EQ(phase_at(50 * kMs), std::pair(ResumePhase::kUnvalidated, std::uint64_t{500'000}));
  EXPECT_EQ(phase_at(1000 * kMs), std::pair(ResumePhase::kUnvalidated, std::uint64_t{1'000'000}));
  EXPECT_EQ(phase_at(1001 * kMs).first, ResumePhase::kNormal);
}

TEST(careful_resume, nothing_known_or_nothing_to_gain_is_no_resumption) {
  CarefulResume resume(kDatagram, 0.1);
  resume.offer({}, kWindow);
  EXPECT_EQ(resume.phase(), ResumePhase::kNormal);
  resume.offer(kKnown, 2'000'000);
  AckSample sample;
  EXPECT_EQ(resume.on_ack(sample, 100 * kMs), ResumeEvent::kRefuted);
}

TEST(careful_resume, a_jump_that_holds_is_validated_by_its_last_packet) {
  Bench b;
  b.ping();
  b.ack(2 * kDatagram, kWindow);
  EXPECT_EQ(b.resume.phase(), ResumePhase::kUnvalidated) << "within the window it had anyway";
  EXPECT_EQ(b.ack(2 * kDatagram, 2 * kWindow), ResumeEvent::kFirstAcked);
  const std::uint64_t mark_ns = b.now_ns;
  for (int i = 0; i < 90; ++i) EXPECT_EQ(b.ack(10 * kDatagram, 900'000), ResumeEvent::kNone);
  EXPECT_EQ(b.ack(kDatagram, 1'000'000, 0, mark_ns), ResumeEvent::kNone);
  EXPECT_EQ(b.ack(kDatagram, 1'000'000, 0, mark_ns + 1), ResumeEvent::kLastAcked);
  EXPECT_EQ(b.resume.phase(), ResumePhase::kNormal);
}

TEST(careful_resume, a_small_transfer_proves_nothing_and_spends_nothing) {
  Bench b;
  b.ping();
  EXPECT_EQ(b.ack(2 * kDatagram, 2 * kWindow), ResumeEvent::kFirstAcked);
  EXPECT_EQ(b.ack(2 * kDatagram, 2 * kWindow, 0, b.now_ns + 1), ResumeEvent::kUnderused);
  EXPECT_EQ(b.resume.phase(), ResumePhase::kUnvalidated);
}

TEST(careful_resume, a_queue_is_trouble) {
  Bench b;
  b.ping();
  b.ack(kDatagram, 20 * kWindow);
  b.rtt_ns = 112 * kMs;  // below 100 + 100 / 8
  for (int i = 0; i < 20; ++i) EXPECT_EQ(b.ack(kDatagram, 20 * kWindow), ResumeEvent::kNone);
  b.rtt_ns = 113 * kMs;
  for (int i = 0; i < 7; ++i) EXPECT_EQ(b.ack(kDatagram, 20 * kWindow), ResumeEvent::kNone);
  b.rtt_ns = 100 * kMs;  // not in a row
  EXPECT_EQ(b.ack(kDatagram, 20 * kWindow), ResumeEvent::kNone);
  b.rtt_ns = 113 * kMs;
  for (int i = 0; i < 7; ++i) EXPECT_EQ(b.ack(kDatagram, 20 * kWindow), ResumeEvent::kNone);
  EXPECT_EQ(b.ack(kDatagram, 20 * kWindow), ResumeEvent::kTrouble);
  EXPECT_TRUE(b.resume.retreating());
}

TEST(careful_resume, a_queue_met_by_pings_is_not_ours) {
  Bench b;
  b.ping();
  b.rtt_ns = 180 * kMs;
  for (int i = 0; i < 50; ++i) b.ping();
  EXPECT_EQ(b.resume.phase(), ResumePhase::kUnvalidated);
}

TEST(careful_resume, loss_is_trouble_beyond_what_is_tolerated) {
  Bench b;
  b.ping();
  b.ack(kDatagram, 20 * kWindow);
  for (int i = 0; i < 60; ++i) ASSERT_EQ(b.ack(19 * kDatagram, 20 * kWindow, kDatagram), ResumeEvent::kNone) << "5 %";
  for (int i = 0; b.resume.jumping() && i < 100; ++i) b.ack(8 * kDatagram, 20 * kWindow, 2 * kDatagram);
  EXPECT_TRUE(b.resume.retreating()) << "20 %";
  CarefulResume strict(kDatagram, 0);
  strict.offer(kKnown, kWindow);
  AckSample sample;
  (void)strict.on_ack(sample, 100 * kMs);
  sample.acked_bytes = kDatagram;
  sample.sent_in_flight_bytes = 20 * kWindow;
  sample.lost_bytes = 1;
  EXPECT_EQ(strict.on_ack(sample, 100 * kMs), ResumeEvent::kTrouble);
}

TEST(careful_resume, congestion_told_of_ends_a_jump) {
  Bench b;
  AckSample sample;
  EXPECT_EQ(b.resume.on_congestion(sample), ResumeEvent::kNone);
  EXPECT_EQ(b.resume.phase(), ResumePhase::kNormal) << "in reconnaissance there is no jump to retreat from";
  Bench other;
  other.ping();
  EXPECT_EQ(other.resume.on_congestion(sample), ResumeEvent::kTrouble);
  EXPECT_TRUE(other.resume.retreating());
}

TEST(careful_resume, retreat_measures_what_came_through_until_all_is_settled) {
  Bench b;
  b.ping();
  b.ack(kDatagram, 20 * kWindow);
  b.rtt_ns = 130 * kMs;
  while (!b.resume.retreating()) b.ack(kDatagram, 20 * kWindow);
  const std::uint64_t mark_ns = b.now_ns;
  for (int i = 0; i < 100; ++i) b.ack(kDatagram, 20 * kWindow, 3 * kDatagram, mark_ns);
  EXPECT_NEAR(static_cast<double>(b.resume.pipe_bytes_per_sec(b.now_ns)), 1e6, 1e4) << "a datagram each millisecond";
  EXPECT_EQ(b.ack(kDatagram, kWindow, 0, mark_ns + 1), ResumeEvent::kSettled);
  EXPECT_EQ(b.resume.phase(), ResumePhase::kNormal);
}

TEST(careful_resume, memories_fade) {
  EXPECT_EQ(aged(kKnown, 3600 * kNsPerSec).bandwidth_bytes_per_sec, kKnown.bandwidth_bytes_per_sec);
  EXPECT_EQ(aged(kKnown, 3601 * kNsPerSec).bandwidth_bytes_per_sec, kKnown.bandwidth_bytes_per_sec / 2);
  EXPECT_EQ(aged(kKnown, 3601 * kNsPerSec).min_rtt_ns, kKnown.min_rtt_ns);
  EXPECT_EQ(aged(kKnown, 24 * 3601 * kNsPerSec).bandwidth_bytes_per_sec, 0U);
}

TEST(careful_resume, cubic_goes_on_from_a_jump_that_held) {
  Cubic cubic({.datagram_bytes = kDatagram, .resume = kKnown});
  AckClock clock{.control = cubic};
  clock.use = 0.001;
  clock.round(1);
  EXPECT_EQ(cubic.window_bytes(), 1'000'000U);
  EXPECT_EQ(cubic.pacing_bytes_per_sec(), 10'000'000U);
  EXPECT_TRUE(cubic.starting_up());
  EXPECT_STREQ(cubic.state_name(), "resume");
  clock.use = 1;
  clock.round();
  EXPECT_STREQ(cubic.state_name(), "resume_validating");
  clock.round();
  clock.round();
  EXPECT_STREQ(cubic.state_name(), "avoidance");
  EXPECT_GE(cubic.window_bytes(), 1'000'000U);
  EXPECT_LT(cubic.window_bytes(), 1'100'000U);
}

TEST(careful_resume, cubic_retreats_below_what_came_through) {
  Cubic cubic({.datagram_bytes = kDatagram, .resume = kKnown});
  AckClock clock{.control = cubic};
  clock.use = 0.001;
  clock.round(1);
  clock.use = 1;
  const std::uint64_t jump_sent_ns = clock.now_ns;
  clock.now_ns += clock.rtt_ns;
  clock.ack(kDatagram);
  clock.ack(kDatagram);
  clock.lose(10 * kDatagram, jump_sent_ns + 1);
  ASSERT_STREQ(cubic.state_name(), "resume_retreat");
  EXPECT_EQ(cubic.window_bytes(), 2 * kDatagram);
  for (int i = 0; i < 100; ++i) {  // a tenth of the jump
    AckSample sample = clock.sample(kDatagram);
    sample.acked_sent_ns = jump_sent_ns + 2;
    sample.lost_bytes = 9 * kDatagram;
    sample.lost_sent_ns = jump_sent_ns + 2;
    cubic.on_ack(sample);
  }
  clock.now_ns += 2 * clock.rtt_ns;
  clock.ack(kDatagram);
  EXPECT_STREQ(cubic.state_name(), "avoidance");
  EXPECT_NEAR(static_cast<double>(cubic.window_bytes()), 0.7 * 102e3, 3e3);
}

// Minutes with pings only: nothing is forgotten, and after some it is a memory.
void idle_after(int rounds_busy) {
  Bbr bbr({.datagram_bytes = kDatagram});
  AckClock clock{.control = bbr};
  std::uint64_t rate = 0;
  const auto carry = [&](std::uint64_t bytes_per_sec, int rounds) {
    for (int i = 0; i < rounds; ++i) {
      const std::uint64_t bytes = bytes_per_sec / 10;
      clock.now_ns += clock.rtt_ns;
      AckSample sample = clock.sample(bytes);
      sample.in_flight_bytes = sample.sent_in_flight_bytes = bytes;
      sample.packet_delivered_bytes = clock.delivered - bytes;
      sample.delivery_bytes_per_sec = bytes_per_sec;
      bbr.on_ack(sample);
    }
  };
  const auto ping_for = [&](std::uint64_t span_ns) {
    for (const std::uint64_t end_ns = clock.now_ns + span_ns; clock.now_ns < end_ns;) {
      clock.now_ns += kNsPerSec;
      AckSample sample = clock.sample(50);
      sample.in_flight_bytes = 0;
      sample.sent_in_flight_bytes = 50;
      sample.packet_delivered_bytes = clock.delivered - 50;
      sample.delivery_bytes_per_sec = 500;
      sample.app_limited = true;
      bbr.on_ack(sample);
    }
  };
  carry(10'000'000, rounds_busy);
  rate = bbr.bandwidth_bytes_per_sec();
  ASSERT_EQ(rate, 10'000'000U);
  ASSERT_FALSE(bbr.starting_up());
  ping_for(170 * kNsPerSec);
  EXPECT_EQ(bbr.bandwidth_bytes_per_sec(), rate);
  EXPECT_FALSE(bbr.starting_up());
  EXPECT_EQ(bbr.pacing_bytes_per_sec(), rate) << "neither the probe's rate nor the drain's";
  ping_for(20 * kNsPerSec);
  EXPECT_STREQ(bbr.state_name(), "resume");
  EXPECT_EQ(bbr.pacing_bytes_per_sec(), rate);
  EXPECT_GE(bbr.window_bytes(), 1'000'000U);
  ping_for(3000 * kNsPerSec);
  EXPECT_EQ(bbr.pacing_bytes_per_sec(), rate);
}

// In whatever phase of its probing it was.
TEST(careful_resume, bbr_keeps_its_model_while_idle_and_then_resumes_from_it) {
  for (int rounds = 50; rounds < 62; ++rounds) idle_after(rounds);
}

}  // namespace
}  // namespace dwcp
