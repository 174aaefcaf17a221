// SPDX-License-Identifier: Apache-2.0
// What the operator's words (Config) mean for a lane.  Apart from convert.h so that dwcp-core, which has no edge and no
// control thread, measures the lane that a gateway runs.
#pragma once

#include <cstddef>
#include <cstdint>

#include "config/config.h"
#include "dataplane/transport/lane.h"

namespace dwcp {

// Frames that may be submitted and not acknowledged, all codec lcores together.
inline constexpr std::size_t kBodiesMax = 4096;

[[nodiscard]] LaneConfig lane_config(const Config& config);

// The bytes of IP packet around a UDP payload to this peer.
[[nodiscard]] std::uint32_t header_bytes(const PeerConfig& peer);

}  // namespace dwcp
