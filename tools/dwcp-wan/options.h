// SPDX-License-Identifier: Apache-2.0
// The command line of dwcp-wan.  Start-up only.
#pragma once

#include <cstdint>
#include <string>

#include "base/expected.h"
#include "drivers/impair/profile.h"

namespace dwcp::wan {

struct Options {
  std::string iface_a;
  std::string iface_b;
  LinkProfile a_to_b;
  LinkProfile b_to_a;
  std::uint64_t seed = 1;
  std::string counters_path;  // empty = none
  std::string ready_path;     // empty = none
  std::string control_path;   // empty = none
  std::uint64_t tick_ns = 0;  // shortest sleep while frames flow
  bool realtime = true;       // run as SCHED_FIFO if allowed
};

// What to print and the exit code, when the program should not go on.
struct Stop {
  int exit_code = 0;
  std::string text;
};

[[nodiscard]] expected<Options, Stop> parse_options(int argc, const char* const* argv);

}  // namespace dwcp::wan
