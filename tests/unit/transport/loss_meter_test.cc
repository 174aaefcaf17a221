// SPDX-License-Identifier: Apache-2.0
#include "dataplane/transport/loss_meter.h"

#include <gtest/gtest.h>

#include "base/rng.h"
#include "base/time.h"

namespace dwcp {
namespace {

constexpr std::uint64_t kPacketNs = 12 * kNsPerUs;
constexpr std::uint64_t kGapNs = 4 * kPacketNs;

struct Path {
  explicit Path(double rate, double burst_packets) : enter(rate / (1 - rate) / burst_packets), leave(1 / burst_packets) {}
  [[nodiscard]] bool loses(Rng& rng) {
    down = down ? !rng.chance(leave) : rng.chance(enter);
    return down;
  }
  double enter;
  double leave;
  bool down = false;
};

LossMeter after(double rate, double burst_packets, std::uint64_t packets) {
  LossMeter meter;
  Rng rng(7);
  Path path(rate, burst_packets);
  for (std::uint64_t i = 1; i <= packets; ++i) {
    path.loses(rng) ? meter.on_lost(i * kPacketNs, kGapNs) : meter.on_acked();
  }
  return meter;
}

TEST(loss_meter, one_symbol_where_nothing_is_lost) {
  EXPECT_EQ(LossMeter().parity_symbols(187, 1, 0, 38), 1U);
  EXPECT_EQ(after(0, 1, 10000).parity_symbols(187, 1, 0, 38), 1U);
  EXPECT_EQ(LossMeter().parity_symbols(187, 1, 1, 38), 2U);  // a packet holds parts of two symbols
}

TEST(loss_meter, finds_rate_and_burst) {
  EXPECT_NEAR(after(0.01, 1.0001, 100000).loss(), 0.01, 0.005);
  EXPECT_LT(after(0.01, 1.0001, 100000).burst(), 1.3);
  EXPECT_NEAR(after(0.01, 10, 300000).burst(), 10, 3);
}

TEST(loss_meter, loss_that_rose_counts_within_a_thousand_packets) {
  LossMeter meter = after(0.001, 1.0001, 50000);
  for (std::uint64_t i = 0; i < 1024; ++i) i % 20 == 0 ? meter.on_lost(kNsPerSec + i * kPacketNs, kGapNs) : meter.on_acked();
  EXPECT_GT(meter.loss(), 0.025);
}

// Its losses are one burst, whose mean length would go beyond any integer.
TEST(loss_meter, an_outage_is_a_burst_of_bounded_length) {
  LossMeter meter = after(0.01, 1.0001, 50000);
  for (std::uint64_t i = 0; i < 10500; ++i) meter.on_lost(kNsPerSec + i * kPacketNs, kGapNs);
  EXPECT_EQ(meter.burst(), LossMeter::kBurstMax);
  EXPECT_EQ(meter.parity_symbols(187, 8, 0, 38), 38U);
  for (std::uint64_t i = 0; i < 200'000; ++i) {
    i % 100 == 0 ? meter.on_lost(2 * kNsPerSec + i * kPacketNs, kGapNs) : meter.on_acked();
  }
  EXPECT_LT(meter.burst(), 1.3);
}

TEST(loss_meter, never_more_than_allowed) {
  EXPECT_EQ(after(0.2, 1.0001, 20000).parity_symbols(187, 1, 0, 38), 38U);
  EXPECT_EQ(after(0.9, 30, 20000).parity_symbols(200, 1, 1, 55), 55U);
  EXPECT_EQ(after(0.2, 1.0001, 20000).parity_symbols(1, 1, 0, 2), 2U);
}

// What parity_symbols() promises, tried out.
void expect_misses_few(double rate, double burst_packets, std::size_t interleave, std::size_t rows_max) {
  const LossMeter meter = after(rate, burst_packets, 300000);
  const std::size_t rows = meter.parity_symbols(187, interleave, 0, 120);
  EXPECT_LE(rows, rows_max);
  Rng rng(99);
  Path path(rate, burst_packets);
  int misses = 0;
  constexpr int kCodewords = 20000;
  for (int word = 0; word < kCodewords; word += static_cast<int>(interleave)) {
    std::vector<std::size_t> lost(interleave);
    for (std::size_t i = 0; i < (187 + rows) * interleave; ++i) lost[i % interleave] += path.loses(rng);
    for (const std::size_t n : lost) misses += n > rows;
  }
  EXPECT_LT(misses, kCodewords / 500) << rate << " x " << burst_packets << " rows " << rows;
}

TEST(loss_meter, a_codeword_of_one_frame_survives_random_loss) {
  expect_misses_few(0.001, 1.0001, 1, 6);
  expect_misses_few(0.01, 1.0001, 1, 14);
  expect_misses_few(0.02, 1.0001, 1, 22);
}

TEST(loss_meter, codewords_in_turns_survive_bursts) {
  expect_misses_few(0.01, 10, 8, 30);
  expect_misses_few(0.02, 8, 8, 30);
}

}  // namespace
}  // namespace dwcp
