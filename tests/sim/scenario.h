// SPDX-License-Identifier: Apache-2.0
// A random life of a pair of lanes, whole from one seed: path, impairments, arenas, flows, resets, restarts.  run()
// throws when a property fails; the seed replays it.
//
// Properties
//  1. Every frame of a flow nobody reset arrives exactly once and intact, both directions, and is acknowledged.
//  2. Every body lent comes back exactly once; no event follows a flow's end.
//  3. It ends: whatever credit, arena, consumer and path, all is delivered within a time that follows from them.
//  4. Afterwards nothing is held: cells, slots, records, bytes in flight.  No honest peer ever breaks a rule.
//  5. Counters add up: packets sent = settled + not tracked; received + dropped = what the path delivered; bytes
//  likewise.
//  6. ECN counts are never found wrong on a path that leaves the marks alone, and count no more than was sent or marked.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tests/sim/lane_pair.h"

namespace dwcp::sim {

struct ScenarioFlow {
  std::size_t opener = 0;                 // side
  std::array<std::uint64_t, 2> frames{};  // by sending side; the opener sends at least one
  std::uint32_t bytes_min = 1;
  std::uint32_t bytes_max = 1;
  std::uint64_t tail_from = kNever;  // frames from this number on are a last window
  std::uint64_t reset_ns = kNever;  // after the start
  std::size_t reset_side = 0;
};

// The direction's MTU becomes another: LinkProfile::mtu, bytes of IP packet.
struct MtuChange {
  std::uint64_t at_ns = 0;  // after the start
  std::size_t direction = 0;
  std::uint32_t mtu = 0;
};

struct Scenario {
  PairSetup setup;
  std::vector<ScenarioFlow> flows;
  std::uint64_t restart_ns = kNever;  // after the start: both sides lose the session and begin the flows again
  std::vector<MtuChange> mtu_changes;     // by rising at_ns
  std::uint64_t forged_reports_ns = 0;    // somebody says so often that packets are too big; 0 = nobody

  std::uint64_t streams_change_ns = kNever;  // after the start: both sides are told to send on `streams_to` streams
  std::uint32_t streams_to = 0;

  [[nodiscard]] std::uint64_t bytes_max() const noexcept;
  // Time that must suffice, generously.
  [[nodiscard]] std::uint64_t time_max_ns() const noexcept;
  [[nodiscard]] std::string describe() const;
};

[[nodiscard]] Scenario make_scenario(std::uint64_t seed);

// Throws std::runtime_error saying what failed.
void run_scenario(const Scenario& scenario);

}  // namespace dwcp::sim
