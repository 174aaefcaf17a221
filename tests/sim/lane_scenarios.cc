// SPDX-License-Identifier: Apache-2.0
// lane_scenarios [--seed N] [--count M] [--verbose]: M random lives of a pair of lanes from seed N on (scenario.h).
// DWCP_SIM_SEED and DWCP_SIM_COUNT do the same.  On failure: what failed, the scenario, and the command that replays
// it; exit code 1.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>

#include "tests/sim/scenario.h"

namespace {

constexpr std::uint64_t kCountDefault = 4000;
constexpr int kFailuresMax = 5;  // then stop: the rest is likely the same

std::uint64_t number_from(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text != nullptr ? std::strtoull(text, nullptr, 10) : otherwise;
}

}  // namespace

int main(int argc, char** argv) {
  using namespace dwcp::sim;
  std::uint64_t seed = number_from("DWCP_SIM_SEED", 1);
  std::uint64_t count = number_from("DWCP_SIM_COUNT", std::getenv("DWCP_SIM_SEED") != nullptr ? 1 : kCountDefault);
  bool verbose = false;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--seed") == 0 && i + 1 < argc) {
      seed = std::strtoull(argv[++i], nullptr, 10);
      if (std::getenv("DWCP_SIM_COUNT") == nullptr) count = 1;
    } else if (std::strcmp(argv[i], "--count") == 0 && i + 1 < argc) {
      count = std::strtoull(argv[++i], nullptr, 10);
    } else if (std::strcmp(argv[i], "--verbose") == 0) {
      verbose = true;
    } else {
      return std::fprintf(stderr, "usage: lane_scenarios [--seed N] [--count M] [--verbose]\n"), 2;
    }
  }
  int failures = 0;
  for (std::uint64_t i = 0; i < count && failures < kFailuresMax; ++i) {
    const Scenario scenario = make_scenario(seed + i);
    if (verbose) std::printf("seed %lu\n%s", seed + i, scenario.describe().c_str()), std::fflush(stdout);
    try {
      run_scenario(scenario);
    } catch (const std::exception& error) {
      ++failures;
      std::printf("FAILED, seed %lu: %s\n%sreplay: %s --seed %lu\n", seed + i, error.what(),
                  scenario.describe().c_str(), argv[0], seed + i);
      std::fflush(stdout);
    }
  }
  if (failures == 0) std::printf("%lu scenarios from seed %lu: all properties hold\n", count, seed);
  return failures == 0 ? 0 : 1;
}
