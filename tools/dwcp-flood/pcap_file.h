// SPDX-License-Identifier: Apache-2.0
// The Ethernet frames of a pcap file, read at once.  Little-endian, microseconds: what tools/lab/capture.py writes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace dwcp::flood {

using Frame = std::vector<std::uint8_t>;

// Throws std::runtime_error, naming the file, when it holds anything else or no frame.
[[nodiscard]] std::vector<Frame> read_pcap(const std::string& path);

}  // namespace dwcp::flood
