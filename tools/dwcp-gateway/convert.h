// SPDX-License-Identifier: Apache-2.0
// From the operator's words (Config) to each part's own options.
#pragma once

#include <cstdint>

#include "config/config.h"
#include "dataplane/edge/edge_options.h"
#include "dataplane/inet/host.h"
#include "drivers/port.h"

namespace dwcp {

[[nodiscard]] inet::HostConfig host_config(const Config& config, const PortInfo& port);
[[nodiscard]] inet::SocketAddress socket_address(const PeerEndpoint& endpoint);

// The UDP payload that fits the MTU with the larger of the IP headers in use.
[[nodiscard]] std::uint32_t datagram_bytes(const Config& config);

[[nodiscard]] EdgeOptions edge_options(const Config& config, std::size_t ingress_blocks, std::size_t blocks_per_migration);

// Fast is where zstd costs least per byte saved; max is the last level before it slows below a fast WAN by far.
[[nodiscard]] int zstd_level(CodecLevel level);

}  // namespace dwcp
