// SPDX-License-Identifier: Apache-2.0
#include "tools/dwcp-gateway/convert.h"

#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "dataplane/rings/block.h"
#include "dataplane/rings/control_message.h"
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

inet::IpAddress address(const IpAddress& ip) {
  if (ip.v6) return inet::IpAddress::v6(ip.bytes);
  return inet::IpAddress::v4({ip.bytes[0], ip.bytes[1], ip.bytes[2], ip.bytes[3]});
}

inet::Prefix prefix(const std::optional<IpPrefix>& from) {
  return from ? inet::Prefix{address(from->address), from->length} : inet::Prefix{};
}

}  // namespace

inet::HostConfig host_config(const Config& config, const PortInfo& port) {
  inet::HostConfig host;
  host.mac = port.mac;
  host.vlan = config.port.vlan;
  host.v4 = prefix(config.port.ipv4);
  if (config.port.ipv4_gateway) host.v4_gateway = address(*config.port.ipv4_gateway);
  host.v6 = prefix(config.port.ipv6);
  if (config.port.ipv6_gateway) host.v6_gateway = address(*config.port.ipv6_gateway);
  host.mtu = config.port.mtu_bytes;
  return host;
}

inet::SocketAddress socket_address(const PeerEndpoint& endpoint) { return {address(endpoint.ip), endpoint.port}; }

std::uint32_t header_bytes(const PeerConfig& peer) {
  return (peer.address.ip.v6 ? sizeof(inet::Ipv6Header) : sizeof(inet::Ipv4Header)) + sizeof(inet::UdpHeader);
}

namespace {

// UDP payload of an IP packet of `mtu_bytes`, to whichever peer has the larger headers.
std::uint32_t payload_bytes(const Config& config, std::uint32_t mtu_bytes) {
  std::uint32_t headers = sizeof(inet::Ipv4Header) + sizeof(inet::UdpHeader);
  for (const PeerConfig& peer : config.peers) headers = std::max(headers, header_bytes(peer));
  return std::min<std::uint32_t>(mtu_bytes - headers, wire::kDatagramBytesMax);
}

}  // namespace

std::uint32_t datagram_bytes(const Config& config) { return payload_bytes(config, config.port.mtu_bytes); }

LaneConfig lane_config(const Config& config) {
  const std::size_t peers = std::max<std::size_t>(config.peers.size(), 1);
  LaneConfig lane;
  lane.datagram_bytes = datagram_bytes(config);
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

std::vector<std::string> unsupported(const Config& config) {
  std::vector<std::string> lines;
  if (config.peers.size() > kLanesMax) {
    lines.push_back("peer: " + std::to_string(config.peers.size()) + " are more than the " + std::to_string(kLanesMax) +
                    " this version serves");
    return lines;
  }
  const LaneConfig lane = lane_config(config);
  const std::size_t least_bytes = Lane::flow_places(lane) * Lane::window_initial(lane);
  if (lane.rx_arena_bytes < least_bytes) {
    const std::size_t peers = std::max<std::size_t>(config.peers.size(), 1);
    lines.push_back("memory.rx_mib: " + std::to_string(config.memory.rx_mib) + " is too little for memory.migrations_max = " +
                    std::to_string(config.memory.migrations_max) + " and " + std::to_string(peers) +
                    " peers; set it to at least " + std::to_string(((least_bytes * peers) >> 20) + 1) +
                    ", or allow fewer migrations");
  }
  const std::size_t codecs = std::max<std::size_t>(config.lcores.codec_count, 1);
  const std::size_t least_blocks = 2 * codecs * config.memory.migrations_max;
  if ((std::size_t{config.memory.blocks_mib} << 20) / kBlockBytes < least_blocks) {
    lines.push_back("memory.blocks_mib: " + std::to_string(config.memory.blocks_mib) +
                    " is too little for a block each way for memory.migrations_max = " +
                    std::to_string(config.memory.migrations_max) + "; set it to at least " +
                    std::to_string((least_blocks * kBlockBytes + (1U << 20) - 1) >> 20));
  }
  const std::uint64_t asked_mib = std::uint64_t{config.memory.tx_mib} + config.memory.rx_mib + config.memory.blocks_mib;
  const auto machine_mib =
      (static_cast<std::uint64_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE))) >> 20;
  if (asked_mib > machine_mib) {
    lines.push_back("memory: tx_mib + rx_mib + blocks_mib are " + std::to_string(asked_mib) + " MiB, this machine has " +
                    std::to_string(machine_mib));
  }
  return lines;
}

EdgeOptions edge_options(const Config& config, std::size_t ingress_blocks, std::size_t blocks_per_migration) {
  EdgeOptions edge;
  edge.ingress_blocks = ingress_blocks;
  edge.ingress_blocks_per_migration = std::min(blocks_per_migration, ingress_blocks);
  for (std::uint16_t i = 0; i < config.listeners.size(); ++i) {
    const ListenerConfig& listener = config.listeners[i];
    const auto peer = std::find_if(config.peers.begin(), config.peers.end(),
                                   [&](const PeerConfig& candidate) { return candidate.name == listener.peer; });
    edge.listeners.push_back({.index = i,
                              .peer = static_cast<std::uint16_t>(peer - config.peers.begin()),
                              .name = listener.name,
                              .endpoint = listener.listen.to_string()});
  }
  for (std::uint16_t i = 0; i < config.services.size(); ++i) {
    const ServiceConfig& service = config.services[i];
    edge.services.push_back({.index = i,
                             .name = service.name,
                             .endpoint = service.connect.to_string(),
                             .connect_timeout_ns = service.connect_timeout_ms * kNsPerMs});
  }
  return edge;
}

int zstd_level(CodecLevel level) {
  switch (level) {
    case CodecLevel::kNone: return 0;
    case CodecLevel::kFast: return 1;
    case CodecLevel::kBalanced: return 3;
    case CodecLevel::kMax: return 9;
  }
  return 1;
}

}  // namespace dwcp
