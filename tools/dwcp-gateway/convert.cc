// SPDX-License-Identifier: Apache-2.0
#include "tools/dwcp-gateway/convert.h"

#include <algorithm>
#include <cstring>

#include "dataplane/wire/limits.h"

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

std::uint32_t datagram_bytes(const Config& config) {
  const bool v6 = std::any_of(config.peers.begin(), config.peers.end(), [](const PeerConfig& peer) { return peer.address.ip.v6; });
  const std::size_t headers = (v6 ? sizeof(inet::Ipv6Header) : sizeof(inet::Ipv4Header)) + sizeof(inet::UdpHeader);
  return static_cast<std::uint32_t>(std::min<std::size_t>(config.port.mtu_bytes - headers, wire::kDatagramBytesMax));
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
