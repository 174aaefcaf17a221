// SPDX-License-Identifier: Apache-2.0
// From the operator's words (Config) to each part's own options.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "config/config.h"
#include "dataplane/edge/edge_options.h"
#include "dataplane/inet/host.h"
#include "dataplane/transport/lane.h"
#include "drivers/port.h"

namespace dwcp {

[[nodiscard]] inet::HostConfig host_config(const Config& config, const PortInfo& port);
[[nodiscard]] inet::SocketAddress socket_address(const PeerEndpoint& endpoint);

// The UDP payload that fits the MTU with the larger of the IP headers in use.
[[nodiscard]] std::uint32_t datagram_bytes(const Config& config);
// The bytes of IP packet around a UDP payload to this peer.
[[nodiscard]] std::uint32_t header_bytes(const PeerConfig& peer);

[[nodiscard]] EdgeOptions edge_options(const Config& config, std::size_t ingress_blocks, std::size_t blocks_per_migration);

// What this program cannot do of a valid configuration, or what the machine has too little memory for: one line each that
// names the key; empty when all is well.
[[nodiscard]] std::vector<std::string> unsupported(const Config& config);

[[nodiscard]] LaneConfig lane_config(const Config& config);

// Frames that may be submitted and not acknowledged, all codec lcores together.
inline constexpr std::size_t kBodiesMax = 4096;

// Fast is where zstd costs least per byte saved; max is the last level before it slows below a fast WAN by far.
[[nodiscard]] int zstd_level(CodecLevel level);

}  // namespace dwcp
