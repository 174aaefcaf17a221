// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/matrix_cells.h"

#include <algorithm>
#include <array>

namespace dwcp::sim {
namespace {

constexpr std::array kKinds = {"random",   "burst", "reorder",   "duplicate", "corrupt",
                               "blackhole", "ack path", "route", "far route", "rate drop", "rate low"};
constexpr std::array kRttsMs = {10.0, 40.0, 80.0, 160.0, 320.0};
constexpr std::array kRatesMbps = {100.0, 1000.0, 10000.0};
constexpr std::array kLosses = {0.0, 0.001, 0.005, 0.01, 0.02, 0.05};

constexpr std::uint64_t kFarther = 4;  // times as long
constexpr double kLossOfManyStreams = 0.005;
constexpr std::uint64_t kClockStartNs = kNsPerSec;  // of LanePair

bool has_event(const std::string& kind) {
  return kind == "route" || kind == "far route" || kind == "rate drop" || kind == "rate low" || kind == "blackhole";
}

// What the mean must reach of the link: 1 less what the path loses, twice where losses come twice, less some per cent.
double goodput_bound(const std::string& kind, double loss) {
  const double lost = kind == "corrupt" ? loss + 0.005 : loss;
  double bound = 0.95 - 1.4 * lost;
  if (kind == "route") bound -= 0.06;  // half a round trip of reordering costs, however well it is borne
  return bound;
}

// Mean over time, of a queue that holds one BDP.
double queue_bound(const std::string& kind, double mbps, double rtt_ms) {
  if (kind == "rate low") return 1.5;  // the old path's queue is ten of the new one's
  return mbps * rtt_ms <= 1000 ? 0.9 : 0.5;  // 85 packets are soon a queue
}

Tier tier_of(const std::string& kind, double mbps, double rtt_ms, double loss) {
  const double bdp_mb = mbps / 8 * rtt_ms * 1e-3;
  if (mbps > 1000) return bdp_mb > (kind == "far route" ? 200.0 / kFarther : 200.0) ? Tier::kHuge : rtt_ms == 10 && loss == 0.01 && kind == "random" ? Tier::kCi : Tier::kAll;
  if (kind == "random") return Tier::kCi;
  if (loss != 0.005) return Tier::kAll;
  return (mbps == 100) == (rtt_ms == 10 || rtt_ms == 80 || rtt_ms == 320) ? Tier::kCi : Tier::kAll;
}

// Where one run turns on single draws.  With 85 packets in flight, a change of path or a starved way back: of 24 runs, five or
// more fall below the bound.  After a blackout on a short path, whether what was in flight is sent again by probes that were
// not needed: a third of 12 runs, 0.05 of what is measured.  Medians keep all bounds.
std::uint32_t seeds_of(const std::string& kind, double mbps, double rtt_ms) {
  const bool few_packets = (kind == "route" || kind == "ack path") && mbps * rtt_ms <= 1000;
  return few_packets || (kind == "blackhole" && rtt_ms <= 40) ? 7 : 1;
}

}  // namespace

std::vector<Cell> matrix_cells() {
  std::vector<Cell> all;
  for (const std::string kind : kKinds) {
    for (const double mbps : kRatesMbps) {
      for (const double rtt_ms : kRttsMs) {
        for (const double loss : kLosses) {
          // Nine packets fill the pipe there, and four stay in flight when its round trip is looked for.
          const bool tiny = kind == "rate low" && mbps * rtt_ms <= 1000;
          const double bound = goodput_bound(kind, loss) - (tiny ? 0.05 : 0);
          all.push_back({.kind = kind,
                         .mbps = mbps,
                         .rtt_ms = rtt_ms,
                         .loss = loss,
                         .goodput_min = bound,
                         .p90_min = bound - (kind == "route" ? 0.5 : 0.15),
                         .queue_max = queue_bound(kind, mbps, rtt_ms),
                         .seeds = seeds_of(kind, mbps, rtt_ms),
                         .tier = tier_of(kind, mbps, rtt_ms, loss)});
        }
      }
    }
  }
  return all;
}

CellTimes matrix_times(const Cell& cell) {
  const auto rtt_ns = static_cast<std::uint64_t>(cell.rtt_ms * 1e6);
  const std::uint64_t warm_ns = std::max(3 * kNsPerSec / 2, 30 * rtt_ns);
  CellTimes times{.event_ns = warm_ns, .warm_ns = warm_ns, .total_ns = 0};
  // The transfer has half a warm-up's time, 15 round trips or more, to recover.
  if (has_event(cell.kind)) times.warm_ns += cell.kind == "far route" ? 5 * warm_ns : warm_ns;
  times.total_ns = times.warm_ns + std::max(kNsPerSec * 3 / 2, 20 * rtt_ns);
  // Where virtual time is cheap, with what comes every ten seconds.
  if (cell.mbps <= 100) times.total_ns = std::max(times.total_ns, times.warm_ns + 12 * kNsPerSec);
  return times;
}

PairSetup matrix_setup(const Cell& cell, const CellTimes& times, std::uint64_t seed) {
  PairSetup setup;
  setup.seed = seed;
  setup.contents = false;
  setup.share_slots = true;
  setup.forward = path(cell.mbps, cell.rtt_ms, cell.loss);
  setup.backward = path(cell.mbps, cell.rtt_ms, cell.loss);
  const double bdp = cell.mbps * 1e6 / 8 * cell.rtt_ms * 1e-3 * (cell.kind == "far route" ? kFarther : 1);
  // Half the arena is kept for flows yet to open; frames with losses take two or three round trips.
  setup.lane.flows_max = kMatrixFlows;
  setup.lane.rx_arena_bytes = std::max<std::size_t>(32U << 20, static_cast<std::size_t>(8 * bdp));
  setup.lane.rx_frames_max = std::max<std::size_t>(2048, setup.lane.rx_arena_bytes / (128 * 1024));
  setup.tx_arena_bytes = std::max<std::size_t>(32U << 20, static_cast<std::size_t>(6 * bdp));
  setup.lane.tx_frames_max = setup.tx_arena_bytes / (256 * 1024);
  setup.lane.packets_max = std::max<std::size_t>(65536, static_cast<std::size_t>(6 * bdp / 1400));
  // As the gateway's by default; one stream in the other cells.
  if (cell.loss == kLossOfManyStreams) {
    setup.lane.streams_min = 1;
    setup.lane.streams = 4;
    setup.lane.streams_max = 32;
  }
  LinkProfile& there = setup.forward;
  LinkProfile& back = setup.backward;
  const std::uint64_t event_ns = kClockStartNs + times.event_ns;
  const std::uint64_t recover_ns = kClockStartNs + times.event_ns + (times.warm_ns - times.event_ns) / 2;
  if (cell.kind == "burst") there.loss = 0, there.burst_loss = {.rate = cell.loss, .mean_length = 20};
  if (cell.kind == "reorder") there.reorder = 0.02, there.reorder_extra_ns = there.delay_ns / 2;
  if (cell.kind == "duplicate") there.duplicate = back.duplicate = 0.05;
  if (cell.kind == "corrupt") there.corrupt = back.corrupt = 0.005;
  if (cell.kind == "ack path") back = path(cell.mbps / 20, cell.rtt_ms, 0.1);
  if (cell.kind == "blackhole") {
    const std::uint64_t end_ns = event_ns + std::min(recover_ns - event_ns, 2 * kNsPerSec);
    there.blackholes = back.blackholes = {{.start_ns = event_ns, .end_ns = end_ns}};
  }
  if (cell.kind == "rate drop" || cell.kind == "rate low") {
    there.changes.push_back({.at_ns = event_ns, .rate_bps = there.rate_bps / 10});
    if (cell.kind == "rate drop") there.changes.push_back({.at_ns = recover_ns, .rate_bps = there.rate_bps});
  }
  // Much longer, and only now lossy.
  if (cell.kind == "far route") {
    there.loss = back.loss = 0;
    for (LinkProfile* p : {&there, &back}) p->changes.push_back({.at_ns = event_ns, .delay_ns = p->delay_ns * kFarther, .loss = cell.loss});
  }
  if (cell.kind == "route") {
    for (LinkProfile* p : {&there, &back}) {
      p->changes.push_back({.at_ns = event_ns, .delay_ns = p->delay_ns * 3 / 2});
      p->delay_fall_reorders = true;
    }
  }
  return setup;
}

}  // namespace dwcp::sim
