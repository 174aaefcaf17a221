// SPDX-License-Identifier: Apache-2.0
// From the operator's words (Config) to each part's own options; a lane's are lane_options.h.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "config/config.h"
#include "dataplane/edge/edge_options.h"
#include "dataplane/inet/host.h"
#include "drivers/port.h"
#include "tools/dwcp-gateway/lane_options.h"

namespace dwcp {

[[nodiscard]] inet::HostConfig host_config(const Config& config, const PortInfo& port);
[[nodiscard]] inet::SocketAddress socket_address(const PeerEndpoint& endpoint);

[[nodiscard]] EdgeOptions edge_options(const Config& config, std::size_t ingress_blocks, std::size_t blocks_per_migration);

// What this program cannot do of a valid configuration, or what the machine has too little memory for: one line each that
// names the key; empty when all is well.
[[nodiscard]] std::vector<std::string> unsupported(const Config& config);

// Fast is where zstd costs least per byte saved; max is the last level before it slows below a fast WAN by far.
[[nodiscard]] int zstd_level(CodecLevel level);

}  // namespace dwcp
