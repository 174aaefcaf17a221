// SPDX-License-Identifier: Apache-2.0
// tail_repair [--seeds N] [--only KIND] [--rtt MS] [--loss FRACTION]: the last window of a migration, 4 MB of frames
// marked as tail behind 12 MB of bulk, six times in each of N lives of each simulated 1 Gb/s link, with parity and without,
// in virtual time.  A line per cell; exit code 1 when a bound fails.
//
// whole: from the first byte of the window sent to its last frame complete at the receiver.  late: what of it is left when
// the time from the first byte to the last, each sent for the first time, and the last one's way through the bottleneck's
// queue and the path are taken off: the downtime that losses cost.  parity: bytes of it, for the window and what was in
// flight before it, of the window's bytes.  again: bytes sent again that the receiver had made itself, likewise.
// recovered: frames by parity, of 64.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "tests/sim/lane_pair.h"
#include "tests/sim/statistics.h"

namespace dwcp::sim {
namespace {

constexpr std::uint64_t kFrameBytes = 256 * 1024;
constexpr std::uint64_t kTailFrames = 16;
constexpr std::uint64_t kBulkFrames = 48;
constexpr std::uint64_t kWarmFrames = 512;   // until the path is known
constexpr std::uint64_t kTailsPerSeed = 6;   // one flow: what it may have protected is bounded, ParityConfig::kTailBytesMin
constexpr double kMbps = 1000;

struct Cell {
  const char* kind;
  double rtt_ms;
  double loss;
  double late_p50_max;  // asserted with parity, in round trips: the parity itself has to come as well
  double late_p99_max;  // likewise; 0: no more than without parity
};

struct Figures {
  std::vector<double> whole_ms;
  std::vector<double> late_ms;
  std::uint64_t parity_bytes = 0;
  std::uint64_t again_bytes = 0;
  std::uint64_t recovered = 0;  // frames, by parity
};

PairSetup setup_for(const Cell& cell, bool repair, std::uint64_t seed) {
  PairSetup setup;
  setup.seed = seed;
  setup.contents = false;
  setup.lane.streams = 4;
  if (!repair) setup.lane.tail_parity_max_percent = 0;
  setup.lane.flows_max = 1;
  setup.lane.rx_arena_bytes = 256U << 20;
  setup.tx_arena_bytes = 96U << 20;
  setup.lane.rx_frames_max = Lane::flow_places(setup.lane) * wire::kFramesPerFlowMax;
  setup.forward = path(kMbps, cell.rtt_ms, cell.loss);
  setup.backward = path(kMbps, cell.rtt_ms, cell.loss);
  if (std::strcmp(cell.kind, "burst") == 0) {
    setup.forward.loss = 0;
    setup.forward.burst_loss = {.rate = cell.loss, .mean_length = 10};
  }
  return setup;
}

// Adds the tails of one life of the link; false when one did not arrive.
bool measure(const Cell& cell, bool repair, std::uint64_t seed, Figures& figures) {
  LanePair world(setup_for(cell, repair, seed));
  Side& from = world.side(0);
  Side& to = world.side(1);
  const FlowId flow = *from.lane().open_flow();
  Offer& offer = from.offer(flow, kWarmFrames, kFrameBytes, kFrameBytes);
  const auto all_there = [&] { return to.frames_delivered(flow) == offer.frames; };
  const auto first_sent = [&] {
    const LaneCounters& c = from.lane().counters();
    return c.data_bytes_sent - c.repair_bytes_sent;
  };
  if (!world.run_until(world.now_ns() + 600 * kNsPerSec, all_there)) return false;
  offer.tail_from = kBulkFrames;
  offer.tail_period = kBulkFrames + kTailFrames;
  const LaneCounters before = from.lane().counters();
  const LaneCounters before_to = to.lane().counters();
  for (std::uint64_t i = 0; i < kTailsPerSeed; ++i) {
    const std::uint64_t tail_at = (offer.frames + kBulkFrames) * kFrameBytes;
    offer.frames += kBulkFrames + kTailFrames;
    std::uint64_t begun_ns = 0;
    std::uint64_t due_ns = 0;
    const bool done = world.run_until(world.now_ns() + 60 * kNsPerSec, [&] {
      if (begun_ns == 0 && first_sent() > tail_at) begun_ns = world.now_ns();
      if (due_ns == 0 && first_sent() == offer.frames * kFrameBytes) {
        const auto queued = static_cast<double>(world.pipe(0).link().queue_bytes(world.now_ns()));
        due_ns = world.now_ns() + static_cast<std::uint64_t>(queued * 8e3 / kMbps + cell.rtt_ms / 2 * 1e6);
      }
      return all_there();
    });
    if (!done) return false;
    figures.whole_ms.push_back(static_cast<double>(world.now_ns() - begun_ns) * 1e-6);
    figures.late_ms.push_back((static_cast<double>(world.now_ns()) - static_cast<double>(due_ns)) * 1e-6);
  }
  const LaneCounters& sent = from.lane().counters();
  const LaneCounters& got = to.lane().counters();
  figures.parity_bytes += sent.parity_bytes_sent - before.parity_bytes_sent;
  figures.again_bytes += got.data_bytes_duplicate - before_to.data_bytes_duplicate;
  figures.recovered += got.frames_recovered - before_to.frames_recovered;
  return true;
}

bool run(const Cell& cell, std::uint64_t seeds) {
  Figures with;
  Figures without;
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    if (!measure(cell, true, seed, with) || !measure(cell, false, seed, without)) {
      return std::printf("%s %.0f ms %.1f %% seed %lu: a tail did not arrive\n", cell.kind, cell.rtt_ms, cell.loss * 100, seed), false;
    }
  }
  const auto bytes = static_cast<double>(with.late_ms.size() * kTailFrames * kFrameBytes);
  std::string fault;
  const double late_p50 = percentile(with.late_ms, 0.5) / cell.rtt_ms;
  const double late_p99 = percentile(with.late_ms, 0.99) / cell.rtt_ms;
  if (late_p50 > cell.late_p50_max) fault += "  p50 above " + std::to_string(cell.late_p50_max) + " RTT";
  const double p99_max =
      cell.late_p99_max != 0 ? cell.late_p99_max : percentile(without.late_ms, 0.99) / cell.rtt_ms;
  if (late_p99 > p99_max) fault += "  p99 above " + std::to_string(p99_max) + " RTT";
  // Else the bounds above would be met by a link that loses nothing.
  if (percentile(without.late_ms, 0.99) < 0.7 * cell.rtt_ms) fault += "  nothing to repair";
  std::printf(
      "%-6s %4.0f ms %4.1f %%  without: whole p50 %6.1f p99 %6.1f late p50 %6.1f p99 %6.1f ms  with: whole p50 %6.1f p99 %6.1f "
      "late p50 %6.1f p99 %6.1f ms  parity %.3f again %.3f recovered %.1f%s\n",
      cell.kind, cell.rtt_ms, cell.loss * 100, percentile(without.whole_ms, 0.5), percentile(without.whole_ms, 0.99),
      percentile(without.late_ms, 0.5), percentile(without.late_ms, 0.99), percentile(with.whole_ms, 0.5),
      percentile(with.whole_ms, 0.99), percentile(with.late_ms, 0.5), percentile(with.late_ms, 0.99), 
      static_cast<double>(with.parity_bytes) / bytes, static_cast<double>(with.again_bytes) / bytes,
      static_cast<double>(with.recovered) / static_cast<double>(with.late_ms.size()), fault.c_str());
  std::fflush(stdout);
  return fault.empty();
}

}  // namespace
}  // namespace dwcp::sim

int main(int argc, char** argv) {
  std::uint64_t seeds = 3;
  const char* only = nullptr;
  double only_rtt = 0;
  double only_loss = 0;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--seeds") == 0 && i + 1 < argc) {
      seeds = std::max<std::uint64_t>(std::strtoull(argv[++i], nullptr, 10), 1);
    } else if (std::strcmp(argv[i], "--only") == 0 && i + 1 < argc) {
      only = argv[++i];
    } else if (std::strcmp(argv[i], "--rtt") == 0 && i + 1 < argc) {
      only_rtt = std::atof(argv[++i]);
    } else if (std::strcmp(argv[i], "--loss") == 0 && i + 1 < argc) {
      only_loss = std::atof(argv[++i]);
    } else {
      return std::fprintf(stderr, "usage: tail_repair [--seeds N] [--only KIND] [--rtt MS] [--loss FRACTION]\n"), 2;
    }
  }
  bool good = true;
  for (const char* kind : {"random", "burst"}) {
    if (only != nullptr && std::strcmp(only, kind) != 0) continue;
    for (const double rtt_ms : {50.0, 100.0, 320.0}) {
      if (only_rtt != 0 && rtt_ms != only_rtt) continue;
      for (const double loss : {0.001, 0.01, 0.02}) {
        if (only_loss != 0 && loss != only_loss) continue;
        // A burst of more than a fifth of a frame in flight is beyond the parity allowed, and costs its round trip: at 2 %
        // and 320 ms every second window has one.
        const bool burst = std::strcmp(kind, "burst") == 0;
        good = dwcp::sim::run({kind, rtt_ms, loss, burst && loss > 0.01 ? 0.8 : 0.2, burst ? 0 : 1.05}, seeds) && good;
      }
    }
  }
  return good ? 0 : 1;
}
