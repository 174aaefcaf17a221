// SPDX-License-Identifier: Apache-2.0
// Sends frames from one interface, over and over, at a rate, past the queueing discipline.  One thread, which sleeps between
// batches.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "dwcp-flood/pcap_file.h"

namespace dwcp::flood {

struct FloodPlan {
  std::string interface;
  double packets_per_s = 0;     // 0: as fast as it goes
  double seconds = 0;           // 0: until `ended`
  std::uint64_t packets = 0;    // 0: no limit
};

struct FloodReport {
  std::uint64_t packets = 0;
  std::uint64_t bytes = 0;      // of frames, without FCS
  std::uint64_t refused = 0;    // that the interface did not take
  double seconds = 0;
  double cpu_s = 0;             // of this process; on a veth pair this holds the receiver's interrupt work too
};

// Throws std::system_error when the interface cannot be sent from.
[[nodiscard]] FloodReport flood(const FloodPlan& plan, std::span<Frame> frames, const std::function<bool()>& ended);

}  // namespace dwcp::flood
