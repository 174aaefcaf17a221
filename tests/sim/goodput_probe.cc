// SPDX-License-Identifier: Apache-2.0
// goodput_probe MBPS RTT_MS LOSS SECONDS [SEED] [STREAMS] [FLOWS]: one simulated bulk transfer, a line per second.  For
// finding out, not a test.  Anywhere among them:
//   --congestion bbr|cubic|newreno
//   --resume-mbps N     the session remembers this rate (of UDP payload) of an earlier one
//   --resume-rtt-ms N   and this round trip; RTT_MS when not given
//   --arena-bdp N       the receiver's memory, 8 when not given; a flow's first credit is 1 / 96 of it with two flows
//   --idle-ms N         the session is up for so long before the transfer begins
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "tests/sim/lane_pair.h"

namespace {

struct Flags {
  std::vector<char*> positional;
  dwcp::CongestionKind congestion = dwcp::CongestionKind::kBbr;
  double resume_mbps = 0;
  double resume_rtt_ms = 0;
  double arena_bdp = 8;
  double idle_ms = 0;
};

// False when a flag is unknown, or its value.
bool parse(int argc, char** argv, Flags& flags) {
  for (int i = 1; i < argc; ++i) {
    const std::string arg = argv[i];
    if (arg.rfind("--", 0) != 0) {
      flags.positional.push_back(argv[i]);
      continue;
    }
    if (++i == argc) return false;
    const std::string value = argv[i];
    if (arg == "--congestion" && value == "bbr") {
      flags.congestion = dwcp::CongestionKind::kBbr;
    } else if (arg == "--congestion" && value == "cubic") {
      flags.congestion = dwcp::CongestionKind::kCubic;
    } else if (arg == "--congestion" && value == "newreno") {
      flags.congestion = dwcp::CongestionKind::kNewReno;
    } else if (arg == "--resume-mbps") {
      flags.resume_mbps = std::atof(argv[i]);
    } else if (arg == "--resume-rtt-ms") {
      flags.resume_rtt_ms = std::atof(argv[i]);
    } else if (arg == "--arena-bdp") {
      flags.arena_bdp = std::atof(argv[i]);
    } else if (arg == "--idle-ms") {
      flags.idle_ms = std::atof(argv[i]);
    } else {
      return false;
    }
  }
  return flags.positional.size() >= 4;
}

}  // namespace

int main(int argc, char** argv_all) {
  using namespace dwcp;
  Flags flags;
  if (!parse(argc, argv_all, flags)) {
    return std::fprintf(stderr,
                        "usage: goodput_probe MBPS RTT_MS LOSS SECONDS [SEED] [STREAMS] [FLOWS] [--congestion "
                        "bbr|cubic|newreno] [--resume-mbps N] [--resume-rtt-ms N] [--arena-bdp N] [--idle-ms N]\n"),
           2;
  }
  flags.positional.insert(flags.positional.begin(), argv_all[0]);
  char** argv = flags.positional.data();
  argc = static_cast<int>(flags.positional.size());
  const double mbps = std::atof(argv[1]);
  sim::PairSetup setup;
  setup.forward = setup.backward = sim::path(mbps, std::atof(argv[2]), std::atof(argv[3]));
  setup.seed = argc > 5 ? std::strtoull(argv[5], nullptr, 10) : 1;
  setup.lane.streams = argc > 6 ? static_cast<std::uint32_t>(std::atoi(argv[6])) : 1;
  const double bdp = mbps * 1e6 / 8 * std::atof(argv[2]) * 1e-3;
  setup.lane.rx_arena_bytes = std::max<std::size_t>(64U << 20, static_cast<std::size_t>(flags.arena_bdp * bdp));
  setup.tx_arena_bytes = std::max<std::size_t>(64U << 20, static_cast<std::size_t>(3 * bdp));
  setup.lane.packets_max = std::max<std::size_t>(262144, static_cast<std::size_t>(6 * bdp / 1400));
  const int flows = argc > 7 ? std::atoi(argv[7]) : 2;
  setup.lane.flows_max = static_cast<std::uint32_t>(flows);
  setup.lane.rx_frames_max = std::max<std::size_t>(2048, setup.lane.rx_arena_bytes / (128 * 1024));
  setup.contents = false;
  setup.lane.congestion = flags.congestion;
  const double resume_rtt_ms = flags.resume_rtt_ms != 0 ? flags.resume_rtt_ms : std::atof(argv[2]);
  setup.resume = {.bandwidth_bytes_per_sec = static_cast<std::uint64_t>(flags.resume_mbps * 1e6 / 8),
                  .min_rtt_ns = static_cast<std::uint64_t>(resume_rtt_ms * 1e6)};
  sim::LanePair world(setup);
  world.run_until(world.now_ns() + static_cast<std::uint64_t>(flags.idle_ms * 1e6));
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
