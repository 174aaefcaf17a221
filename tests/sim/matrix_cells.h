// SPDX-License-Identifier: Apache-2.0
// The cells of the goodput matrix: rates, round trips, losses and what else befalls the path, with what each must reach.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tests/sim/lane_pair.h"

namespace dwcp::sim {

// How often a cell is run.
enum class Tier : std::uint8_t {
  kCi,    // every time
  kAll,   // by --all: hours of a core
  kHuge,  // by --all too, but it takes 8 GB of memory
};

struct Cell {
  std::string kind;
  double mbps;
  double rtt_ms;
  double loss;
  double goodput_min;    // asserted of the mean
  double p90_min;        // asserted: what nine intervals of ten reach
  double queue_max = 1;  // asserted, of the mean, BDP
  double extra_max = 0.01;
  std::uint32_t seeds = 1;  // the figures are medians over runs from so many
  Tier tier = Tier::kAll;

  // The rate while it is measured.
  [[nodiscard]] double measured_mbps() const noexcept { return kind == "rate low" ? mbps / 10 : mbps; }
};

[[nodiscard]] std::vector<Cell> matrix_cells();

// When a cell's transfer is measured, from its beginning; an event, when the kind has one, is at event_ns.
struct CellTimes {
  std::uint64_t event_ns = 0;
  std::uint64_t warm_ns = 0;
  std::uint64_t total_ns = 0;
};

[[nodiscard]] CellTimes matrix_times(const Cell& cell);

[[nodiscard]] PairSetup matrix_setup(const Cell& cell, const CellTimes& times, std::uint64_t seed);

inline constexpr std::uint32_t kMatrixFlows = 2;

}  // namespace dwcp::sim
