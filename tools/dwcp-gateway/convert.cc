// SPDX-License-Identifier: Apache-2.0
#include "tools/dwcp-gateway/convert.h"

#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "dataplane/rings/block.h"
#include "dataplane/rings/control_message.h"

namespace dwcp {
namespace {

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
