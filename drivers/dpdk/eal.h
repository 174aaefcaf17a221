// SPDX-License-Identifier: Apache-2.0
// Starting DPDK's environment (EAL).  Called once by the composition root, from the thread that becomes the main lcore,
// before any port is opened and before rights are dropped.
//
// What the operator gives on the command line wins.  Added where he says nothing: a file prefix, a quiet log, and, when
// the machine has no free hugepages, --no-huge with ordinary memory, which is reported as a warning because such
// memory may be paged and costs more TLB misses.
//
// Use:
//   auto eal = start_eal(argc, argv, {});              argv: program, EAL arguments, "--", the program's own
//   if (!eal) fail(eal.error());
//   if (!eal->warning.empty()) warn(eal->warning);
//   parse_own(argc - eal->consumed, argv + eal->consumed);
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/expected.h"

namespace dwcp {

struct EalDefaults {
  std::string file_prefix = "dwcp";  // names the runtime files and the telemetry socket; one per process on a machine
  std::string lcores = {};           // as --lcores takes them; empty: EAL's choice, every core we may run on
  std::uint32_t memory_mb = 512;     // with --no-huge: all memory DPDK will ever have
};

// What the machine offers.
struct Hugepages {
  std::uint64_t free_bytes = 0;
  bool mounted = false;  // a hugetlbfs is
  [[nodiscard]] bool usable() const noexcept { return free_bytes > 0 && mounted; }
};
[[nodiscard]] Hugepages read_hugepages(const std::string& sysfs = "/sys/kernel/mm/hugepages",
                                       const std::string& mounts = "/proc/mounts");

// The arguments for EAL, split from the program's own.
struct EalArgs {
  std::vector<std::string> args;  // program name first
  int consumed = 0;               // index in argv of the program's first own argument; argc when it has none
  std::string warning;            // one line, empty when there is nothing to say

  [[nodiscard]] static EalArgs parse(int argc, const char* const* argv);
  // True when an option was given as "--name", "--name=value", "-n" or "-nvalue".
  [[nodiscard]] bool has(const std::string& option) const;
  void add_defaults(const EalDefaults& defaults, const Hugepages& hugepages);
};

struct EalStarted {
  int consumed = 0;
  std::string warning;
};
[[nodiscard]] expected<EalStarted, std::string> start_eal(int argc, const char* const* argv,
                                                          const EalDefaults& defaults);
// The folder of this process's runtime files and telemetry socket, which EAL made with mode 0700.  After start_eal().
[[nodiscard]] std::string eal_runtime_dir();
// After every port is closed.
void stop_eal();

}  // namespace dwcp
