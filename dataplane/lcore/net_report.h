// SPDX-License-Identifier: Apache-2.0
// What a net lcore tells about itself ten times a second: plain numbers, copied whole through Published.
#pragma once

#include <array>
#include <cstdint>

#include "dataplane/inet/drop_reason.h"
#include "dataplane/inet/neighbour_cache.h"
#include "dataplane/rings/control_message.h"
#include "dataplane/transport/lane.h"
#include "dataplane/wire/drop_reason.h"
#include "drivers/port.h"

namespace dwcp {

inline constexpr std::size_t kReportNeighbours = 64;

struct StreamReport {
  StreamState state{};
  std::uint8_t path = 0;  // which of its 5-tuples: see Stream::path()
  MtuState mtu_state{};
  std::uint32_t datagram_bytes = 0;  // UDP payload that its path is known, or at first taken, to carry
  std::uint64_t rtt_smoothed_ns = 0;  // 0: no sample yet
  StreamCounters packets{};
  MtuCounters mtu{};
};

struct LaneReport {
  bool active = false;
  std::uint32_t session = 0;
  std::uint32_t epoch = 0;           // whose keys seal
  std::uint64_t key_bytes = 0;       // the larger direction under the newest keys
  std::uint64_t forgeries = 0;       // packets that did not open, this session
  std::uint32_t streams = 0;         // that carry data
  std::uint32_t streams_target = 0;  // that there are to be
  ScalerCounters scaler{};
  std::uint64_t rtt_smoothed_ns = 0;  // the least of the active streams
  std::uint64_t rtt_min_ns = 0;
  const char* congestion = "";        // name and state of the first group's control; static storage
  const char* congestion_state = "";
  bool bandwidth_known = false;       // see Lane::bandwidth_known()
  std::uint64_t bandwidth_bytes_per_sec = 0;
  std::uint64_t window_bytes = 0;
  std::uint64_t in_flight_bytes = 0;
  StreamCounters packets{};  // summed over streams
  EcnCounts ecn_received{};  // likewise
  std::array<std::uint32_t, kEcnStates> ecn_streams{};  // active streams by EcnState
  std::uint32_t streams_sending = 0;  // [0, streams_sending) of stream are valid, those never opened among them
  std::array<StreamReport, wire::kStreamsMax> stream{};
  LaneCounters lane{};

  // Mean UDP payload of the packets sent so far; 0 before the first.
  [[nodiscard]] std::uint64_t packet_bytes_mean() const noexcept {
    return packets.packets_sent == 0 ? 0 : packets.bytes_sent / packets.packets_sent;
  }
};

struct NeighbourReport {
  inet::IpAddress address{};
  MacAddress mac{};
  bool resolved = false;
  inet::Neighbour::State state{};
};

struct NetReport {
  std::uint64_t now_ns = 0;
  bool link_up = false;
  PortCounters port{};
  std::uint64_t tx_given_up = 0;  // packets the port did not take for so long that they were dropped
  std::uint64_t seals_failed = 0;  // packets the AEAD device did not seal
  inet::DropCounters inet_drops{};
  wire::DropCounters wire_drops{};  // lanes' included
  std::uint64_t control_ring_full = 0;
  std::uint32_t lanes = 0;
  std::uint32_t neighbours = 0;
  std::array<LaneReport, kLanesMax> lane{};
  std::array<NeighbourReport, kReportNeighbours> neighbour{};
};

}  // namespace dwcp
