// SPDX-License-Identifier: Apache-2.0
#include "tools/dwcp-gateway/lane_options.h"

#include <algorithm>

#include "dataplane/inet/headers.h"
#include "dataplane/wire/limits.h"

namespace dwcp {
namespace {

constexpr std::uint32_t kEthernetMtuBytes = 1500;

CongestionKind congestion_kind(Congestion congestion) {
  switch (congestion) {
    case Congestion::kBbr: return CongestionKind::kBbr;
    case Congestion::kCubic: return CongestionKind::kCubic;
    case Congestion::kNewReno: return CongestionKind::kNewReno;
  }
  return CongestionKind::kBbr;
}

// UDP payload of an IP packet of `mtu_bytes`, to whichever peer has the larger headers.
std::uint32_t payload_bytes(const Config& config, std::uint32_t mtu_bytes) {
  std::uint32_t headers = sizeof(inet::Ipv4Header) + sizeof(inet::UdpHeader);
  for (const PeerConfig& peer : config.peers) headers = std::max(headers, header_bytes(peer));
  return std::min<std::uint32_t>(mtu_bytes - headers, wire::kDatagramBytesMax);
}

}  // namespace

std::uint32_t header_bytes(const PeerConfig& peer) {
  return (peer.address.ip.v6 ? sizeof(inet::Ipv6Header) : sizeof(inet::Ipv4Header)) + sizeof(inet::UdpHeader);
}

LaneConfig lane_config(const Config& config) {
  const std::size_t peers = std::max<std::size_t>(config.peers.size(), 1);
  LaneConfig lane;
  lane.datagram_bytes = payload_bytes(config, config.port.mtu_bytes);
  lane.datagram_bytes_start = payload_bytes(config, std::min<std::uint32_t>(config.port.mtu_bytes, kEthernetMtuBytes));
  lane.streams = config.transport.streams_initial;
  lane.streams_min = config.transport.streams_min;
  lane.streams_max = config.transport.streams_max;
  lane.coupling = config.transport.coupling == StreamCoupling::kLink ? Coupling::kLink : Coupling::kNone;
  lane.ecn = config.transport.ecn;
  lane.congestion = congestion_kind(config.transport.congestion);
  lane.flows_max = config.memory.migrations_max;
  lane.rx_arena_bytes = (std::size_t{config.memory.rx_mib} << 20) / peers;
  lane.window_max_bytes = std::uint64_t{config.transport.window_mib} << 20;
  lane.tx_frames_max = kBodiesMax;
  // Records for what the frame memory can keep in flight, twice over: acknowledged ones leave late after losses.
  lane.packets_max = std::max<std::size_t>(65536, 2 * (std::size_t{config.memory.tx_mib} << 20) / wire::kDatagramBytesMin);
  lane.keepalive_ns = config.transport.keepalive_ms * kNsPerMs;
  lane.tail_parity_max_percent = config.transport.tail_parity_max_percent;
  lane.rate_max_bytes_per_sec = config.transport.rate_max_mbps * std::uint64_t{1'000'000} / 8;
  return lane;
}

}  // namespace dwcp
