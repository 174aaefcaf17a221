// SPDX-License-Identifier: Apache-2.0
// goodput_matrix [--only KIND] [--all [--shard I/N]]: steady bulk transfers over simulated links, in virtual time, so that
// the figures are the same on every machine.  A line per cell; exit code 1 when a cell falls below its bound.  --all runs
// the whole matrix, --shard every N-th cell of it.
//
// goodput: fraction of what the link can carry of frame bytes, 1 - loss not taken off.  p90: what nine of ten intervals
// of one round trip (at least 50 ms) reach.  queue: delay added by the bottleneck's queue, in BDP, mean and p90 over
// time.  extra: frame bytes sent again beyond the bytes the path lost.  "rate low" is measured after a fall to a tenth of
// the rate and against that tenth; "rate drop", "route" and "blackhole" after the event is over.
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "tests/sim/matrix_cells.h"
#include "tests/sim/statistics.h"

namespace dwcp::sim {
namespace {

struct Figures {
  double goodput = 0;
  double goodput_p90 = 0;
  double queue_mean = 0;
  double queue_p90 = 0;
  double extra = 0;
};

Figures measure(const Cell& cell, std::uint64_t seed) {
  const CellTimes t = matrix_times(cell);
  LanePair world(matrix_setup(cell, t, seed));
  Side& from = world.side(0);
  Side& to = world.side(1);
  for (std::uint32_t i = 0; i < kMatrixFlows; ++i)
    from.offer(*from.lane().open_flow(), kNever, 256 * 1024, 256 * 1024);
  const std::uint64_t start_ns = world.now_ns();
  world.run_until(start_ns + t.warm_ns);

  const std::uint64_t datagram = from.lane().datagram_bytes();
  const double payload_share = static_cast<double>(datagram - 10 - 16 - 17) /
                               static_cast<double>(datagram + DatagramPipe::kUdpIpv4OverheadBytes);
  const double bytes_per_ns = cell.measured_mbps() * 1e6 / 8 * 1e-9;
  const auto interval_ns = std::max<std::uint64_t>(50 * kNsPerMs, static_cast<std::uint64_t>(cell.rtt_ms * 1e6));
  std::vector<double> rates;
  std::vector<double> queues;
  std::uint64_t sample_ns = world.now_ns();
  const auto sample = [&] {
    if (world.now_ns() < sample_ns) return false;
    sample_ns += kNsPerMs;
    queues.push_back(static_cast<double>(world.pipe(0).link().queue_bytes(world.now_ns())) /
                     (bytes_per_ns * cell.rtt_ms * 1e6));
    return false;
  };
  const LaneCounters before = from.lane().counters();
  const LinkCounters link_before = world.pipe(0).counters();
  // Frames complete in lumps, packets do not: frame bytes that came for the first time.
  const auto arrived = [&] {
    std::uint64_t bytes = 0;
    for (const auto& stream : to.lane().streams()) bytes += stream->counters().bytes_received;
    return static_cast<double>(bytes) * static_cast<double>(datagram - 10 - 16 - 17) / static_cast<double>(datagram) -
           static_cast<double>(to.lane().counters().data_bytes_duplicate);
  };
  for (std::uint64_t at = t.warm_ns; at < t.total_ns; at += interval_ns) {
    const double bytes = arrived();
    world.run_until(start_ns + at + interval_ns, sample);
    rates.push_back((arrived() - bytes) / (static_cast<double>(interval_ns) * bytes_per_ns * payload_share));
  }
  const LaneCounters& after = from.lane().counters();
  const LinkCounters link = world.pipe(0).counters();
  const double sent = static_cast<double>(after.data_bytes_sent - before.data_bytes_sent);
  const double repaired = static_cast<double>(after.repair_bytes_sent - before.repair_bytes_sent) / sent;
  const double lost =
      static_cast<double>(link.dropped() + link.corrupted - link_before.dropped() - link_before.corrupted) /
      static_cast<double>(link.offered - link_before.offered);
  return {mean(rates), percentile(rates, 0.1), mean(queues), percentile(queues, 0.9), repaired - lost};
}

Figures medians(const Cell& cell) {
  std::vector<Figures> runs;
  for (std::uint32_t seed = 1; seed <= cell.seeds; ++seed) runs.push_back(measure(cell, seed));
  const auto median = [&](double Figures::* figure) {
    std::vector<double> values;
    for (const Figures& f : runs) values.push_back(f.*figure);
    return percentile(values, 0.5);
  };
  return {median(&Figures::goodput), median(&Figures::goodput_p90), median(&Figures::queue_mean), median(&Figures::queue_p90),
          median(&Figures::extra)};
}

bool run(const Cell& cell) {
  const Figures f = medians(cell);
  std::string fault;
  if (f.goodput < cell.goodput_min) fault += "  goodput below " + std::to_string(cell.goodput_min);
  if (f.goodput_p90 < cell.p90_min) fault += "  p90 below " + std::to_string(cell.p90_min);
  if (f.queue_mean > cell.queue_max) fault += "  queue above " + std::to_string(cell.queue_max);
  if (f.extra > cell.extra_max) fault += "  extra above " + std::to_string(cell.extra_max);
  std::printf("%-9s %6.0f Mb/s %4.0f ms %5.1f %%  goodput %.3f p90 %.3f  queue %.3f p90 %.3f BDP  extra %+.4f%s\n",
              cell.kind.c_str(), cell.mbps, cell.rtt_ms, cell.loss * 100, f.goodput, f.goodput_p90, f.queue_mean,
              f.queue_p90, f.extra, fault.c_str());
  std::fflush(stdout);
  return fault.empty();
}

}  // namespace
}  // namespace dwcp::sim

int main(int argc, char** argv) {
  std::string only;
  bool all = false;
  std::size_t shard = 0;
  std::size_t shards = 1;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--only") == 0 && i + 1 < argc) {
      only = argv[++i];
    } else if (std::strcmp(argv[i], "--all") == 0) {
      all = true;
    } else if (std::strcmp(argv[i], "--shard") == 0 && i + 1 < argc &&
               std::sscanf(argv[++i], "%zu/%zu", &shard, &shards) == 2 && shard < shards) {
      continue;
    } else {
      return std::fprintf(stderr, "usage: goodput_matrix [--only KIND] [--all] [--shard I/N]\n"), 2;
    }
  }
  bool good = true;
  std::size_t place = 0;
  for (const auto& cell : dwcp::sim::matrix_cells()) {
    if ((!only.empty() && cell.kind != only) || (!all && cell.tier != dwcp::sim::Tier::kCi)) continue;
    if (place++ % shards == shard) good = dwcp::sim::run(cell) && good;
  }
  return good ? 0 : 1;
}
