// SPDX-License-Identifier: Apache-2.0
// goodput_probe MBPS RTT_MS LOSS SECONDS [SEED] [STREAMS] [FLOWS]: one simulated bulk transfer, a line per second.  For
// finding out, not a test.
#include <cstdio>
#include <cstdlib>

#include "tests/sim/lane_pair.h"

int main(int argc, char** argv) {
  using namespace dwcp;
  if (argc < 5)
    return std::fprintf(stderr, "usage: goodput_probe MBPS RTT_MS LOSS SECONDS [SEED] [STREAMS] [FLOWS]\n"), 2;
  const double mbps = std::atof(argv[1]);
  sim::PairSetup setup;
  setup.forward = setup.backward = sim::path(mbps, std::atof(argv[2]), std::atof(argv[3]));
  setup.seed = argc > 5 ? std::strtoull(argv[5], nullptr, 10) : 1;
  setup.lane.streams = argc > 6 ? static_cast<std::uint32_t>(std::atoi(argv[6])) : 1;
  const double bdp = mbps * 1e6 / 8 * std::atof(argv[2]) * 1e-3;
  setup.lane.rx_arena_bytes = std::max<std::size_t>(64U << 20, static_cast<std::size_t>(8 * bdp));
  setup.tx_arena_bytes = std::max<std::size_t>(64U << 20, static_cast<std::size_t>(3 * bdp));
  setup.lane.packets_max = std::max<std::size_t>(262144, static_cast<std::size_t>(6 * bdp / 1400));
  const int flows = argc > 7 ? std::atoi(argv[7]) : 2;
  setup.lane.flows_max = static_cast<std::uint32_t>(flows);
  setup.lane.rx_frames_max = std::max<std::size_t>(2048, setup.lane.rx_arena_bytes / (128 * 1024));
  setup.contents = false;
  sim::LanePair world(setup);
  for (int i = 0; i < flows; ++i)
    world.side(0).offer(*world.side(0).lane().open_flow(), kNever, 256 * 1024, 256 * 1024);
  const std::uint64_t start = world.now_ns();
  std::uint64_t before = 0;
  const int seconds = std::atoi(argv[4]);
  for (int s = 1; s <= seconds; ++s) {
    world.run_until(start + static_cast<std::uint64_t>(s) * kNsPerSec);
    const auto bytes = world.side(1).bytes_delivered();
    const auto& stream = *world.side(0).lane().streams()[0];
    const auto& c = stream.counters();
    std::printf(
        "%3d s  %8.1f Mb/s  total %.4f  %s bw %.1f win %lu srtt %.2f min %.2f lost %lu spurious %lu probes %lu pc %lu "
        "queue %.2f ms\n",
        s, static_cast<double>(bytes - before) * 8e-6, static_cast<double>(bytes) * 8e-6 / s / mbps,
        stream.congestion().state_name(), static_cast<double>(stream.congestion().bandwidth_bytes_per_sec()) * 8e-6,
        stream.congestion().window_bytes(), static_cast<double>(stream.rtt().smoothed_ns()) * 1e-6,
        static_cast<double>(stream.rtt().min_ns()) * 1e-6, c.packets_lost, c.losses_spurious, c.probes_sent,
        c.persistent_congestions, 0.0);
    before = bytes;
  }
  const auto& lane = world.side(0).lane().counters();
  std::printf("data sent %lu repaired %lu (%.4f) duplicate at receiver %lu\n", lane.data_bytes_sent,
              lane.repair_bytes_sent,
              static_cast<double>(lane.repair_bytes_sent) / static_cast<double>(lane.data_bytes_sent),
              world.side(1).lane().counters().data_bytes_duplicate);
}
