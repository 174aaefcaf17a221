// SPDX-License-Identifier: Apache-2.0
// The arithmetic of the pause: which observation counts, what the parts are, and that nothing the peer says breaks it.
#include <gtest/gtest.h>

#include <limits>

#include "base/time.h"
#include "dataplane/lcore/pause_meter.h"

namespace dwcp {
namespace {

constexpr std::uint32_t kMax = std::numeric_limits<std::uint32_t>::max();

std::uint64_t ms(std::uint64_t value) { return 1'000'000 * kNsPerMs + value * kNsPerMs; }

// Stop read at 0 and submitted at 5, with 1000 bytes before it; those acknowledged at 130; the last block submitted at 80 and
// acknowledged at 205.  The least RTT is 100, and the last byte was taken at 160.
SenderPause usual() {
  SenderPause pause;
  pause.on_stop(ms(5), ms(0), 1000);
  pause.on_submitted(ms(5));
  pause.on_acked(ms(129), 999);
  pause.on_acked(ms(130), 1000);
  pause.on_acked(ms(140), 5000);
  pause.on_submitted(ms(80));
  pause.on_blocks_acked(ms(205));
  return pause;
}

void expect(const PauseTimes& times, std::uint32_t pause_ms, std::uint32_t backlog_ms, std::uint32_t path_ms, std::uint32_t far_ms) {
  EXPECT_EQ(times.pause_us, 1000 * pause_ms);
  EXPECT_EQ(times.backlog_us, 1000 * backlog_ms);
  EXPECT_EQ(times.path_us, 1000 * path_ms);
  EXPECT_EQ(times.far_us, 1000 * far_ms);
}

TEST(pause_meter, takes_what_delivered_says) {
  expect(usual().finish(ms(230), 100 * kNsPerMs, 20'000, 5'000), 160, 30, 125, 5);
}

TEST(pause_meter, a_delivered_that_was_lost_and_repeated_does_not_count) {
  expect(usual().finish(ms(430), 100 * kNsPerMs, 20'000, 5'000), 160, 30, 125, 5);
}

TEST(pause_meter, an_acknowledgement_that_was_late_does_not_count) {
  SenderPause pause = usual();
  pause.on_blocks_acked(ms(400));
  expect(pause.finish(ms(430), 100 * kNsPerMs, 220'000, 5'000), 160, 30, 125, 5);
  // One that is not of all blocks counts for nothing.
  pause.on_blocks_acked(ms(90));
  pause.on_submitted(ms(100));
  expect(pause.finish(ms(430), 100 * kNsPerMs, 220'000, 5'000), 160, 30, 125, 5);
}

TEST(pause_meter, without_a_backlog_it_is_what_the_gateway_needs_to_encode) {
  SenderPause pause;
  pause.on_stop(ms(5), ms(0), 1000);
  pause.on_submitted(ms(5));
  pause.on_acked(ms(6), 1000);
  expect(pause.finish(ms(130), 100 * kNsPerMs, 20'000, 1'000), 60, 5, 54, 1);
}

TEST(pause_meter, is_never_shorter_than_what_was_seen_here_and_its_parts_never_longer) {
  expect(usual().finish(ms(230), 100 * kNsPerMs, kMax, kMax), 80, 0, 0, 80);
  expect(usual().finish(ms(230), ~std::uint64_t{0}, kMax, 0), 80, 5, 75, 0);
  expect(usual().finish(ms(230), 100 * kNsPerMs, 0, kMax), 180, 0, 0, 180);
  expect(usual().finish(ms(0), 0, 0, 0), 80, 80, 0, 0);
  const PauseTimes nothing = SenderPause{}.finish(0, 0, 0, 0);
  expect(nothing, 0, 0, 0, 0);
}

TEST(pause_meter, receiver_tells_its_own_times) {
  ReceiverPause far;
  far.on_block(ms(0), false);
  far.on_block(ms(10), true);
  far.on_block(ms(50), false);
  far.on_block(ms(60), true);  // a second one is refused elsewhere
  far.on_written(ms(70));
  far.on_written(ms(66));
  EXPECT_EQ(far.age_us(ms(75)), 5'000U);
  EXPECT_EQ(far.span_us(), 60'000U);
  EXPECT_EQ(far.far_us(), 10'000U);
  EXPECT_EQ(far.age_us(ms(0)), 0U);
}

}  // namespace
}  // namespace dwcp
