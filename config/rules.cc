// SPDX-License-Identifier: Apache-2.0
#include "config/rules.h"

#include "config/hints.h"

namespace dwcp {
namespace {

std::string entry(std::string_view section, std::size_t index, std::string_view key) {
  return std::string(section) + '[' + std::to_string(index) + "]." + std::string(key);
}

// I1
template <typename Entry>
void check_names(Reader& reader, std::string_view section, const std::vector<Entry>& entries) {
  for (std::size_t i = 0; i < entries.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (!reader.usable(entry(section, i, "name")) || !reader.usable(entry(section, j, "name"))) continue;
      if (entries[i].name != entries[j].name) continue;
      reader.fail(entry(section, i, "name"), "duplicate name: " + entry(section, j, "name") + " has it already",
                  "every " + std::string(section) + " needs a name of its own");
      break;
    }
  }
}

// I2
void check_listeners(Reader& reader) {
  const Config& config = reader.config();
  std::vector<std::string_view> names;
  for (const auto& peer : config.peers) names.push_back(peer.name);
  for (std::size_t i = 0; i < config.listeners.size(); ++i) {
    const auto& listener = config.listeners[i];
    if (const auto path = entry("listener", i, "peer");
        reader.usable(path) && config.find_peer(listener.peer) == nullptr) {
      const auto near = nearest(listener.peer, names);
      std::string list;
      for (const auto name : names) list += (list.empty() ? "" : ", ") + std::string(name);
      reader.fail(path, "no [[peer]] has this name",
                  !near.empty()  ? "did you mean \"" + std::string(near) + "\"?"
                  : list.empty() ? "no [[peer]] is defined"
                                 : "defined: " + list);
    }
    for (std::size_t j = 0; j < i; ++j) {
      const auto path = entry("listener", i, "listen");
      if (!reader.usable(path) || !reader.usable(entry("listener", j, "listen"))) continue;
      if (!listener.listen.overlaps(config.listeners[j].listen)) continue;
      reader.fail(path, "overlaps " + entry("listener", j, "listen") + ", " + config.listeners[j].listen.to_string(),
                  "every listener needs an address of its own");
      break;
    }
  }
}

std::string prefix_fault(const IpPrefix& prefix) {
  if (prefix.address.v6 || prefix.length >= 31) return {};  // RFC 3021: both addresses of a /31 are hosts
  const std::uint32_t ip = (std::uint32_t{prefix.address.bytes[0]} << 24) |
                           (std::uint32_t{prefix.address.bytes[1]} << 16) |
                           (std::uint32_t{prefix.address.bytes[2]} << 8) | prefix.address.bytes[3];
  const std::uint32_t hosts = 0xffffffffU >> prefix.length;
  if ((ip & hosts) == 0) return "this is the network's address, not a host's";
  if ((ip & hosts) == hosts) return "this is the subnet's broadcast address, not a host's";
  return {};
}

void check_family(Reader& reader, const std::string& key, const std::optional<IpPrefix>& prefix,
                  const std::optional<IpAddress>& router) {
  const std::string router_key = key + "_gateway";
  if (prefix) {
    if (auto fault = prefix_fault(*prefix); !fault.empty()) {
      reader.fail(key, std::move(fault), "write the host's own address");
      return;
    }
  }
  if (!router || !reader.sound(key)) return;
  if (!prefix) {
    reader.fail(router_key, "set without " + key, "set " + key + " too, or remove this");
  } else if (*router == prefix->address) {
    reader.fail(router_key, "this is the port's own address", "write the router's");
  } else if (!prefix->contains(*router) && !(router->v6 && router->link_local())) {
    reader.fail(router_key, "outside the subnet of " + key + ", " + prefix->to_string(),
                "a router must be on the link");
  }
}

// I3
void check_addresses(Reader& reader) {
  const PortConfig& port = reader.config().port;
  check_family(reader, "port.ipv4", port.ipv4, port.ipv4_gateway);
  check_family(reader, "port.ipv6", port.ipv6, port.ipv6_gateway);
  if (!port.ipv4 && !port.ipv6 && reader.sound("port.ipv4") && reader.sound("port.ipv6")) {
    reader.fail("port", "no address: port.ipv4 and port.ipv6 are both missing",
                "set one, such as ipv4 = \"10.0.0.1/24\"");
    return;
  }
  const auto& peers = reader.config().peers;
  for (std::size_t i = 0; i < peers.size(); ++i) {
    const auto path = entry("peer", i, "address");
    const IpAddress& ip = peers[i].address.ip;
    const std::string family = ip.v6 ? "port.ipv6" : "port.ipv4";
    if (!reader.usable(path) || !reader.sound(family) || !reader.sound(family + "_gateway")) continue;
    const auto& prefix = ip.v6 ? port.ipv6 : port.ipv4;
    const auto& router = ip.v6 ? port.ipv6_gateway : port.ipv4_gateway;
    if (!prefix) {
      reader.fail(path, "the peer is reached by " + family.substr(5) + ", but " + family + " is not set",
                  "set " + family);
    } else if (ip == prefix->address) {
      reader.fail(path, "this is the port's own address", "write the peer's");
    } else if (!prefix->contains(ip) && !(ip.v6 && ip.link_local()) && !router) {
      reader.fail(path, "outside the subnet of " + family + ", " + prefix->to_string() + ", and no router is known",
                  "set " + family + "_gateway");
    }
    for (std::size_t j = 0; j < i; ++j) {
      if (!reader.usable(entry("peer", j, "address")) || peers[j].address != peers[i].address) continue;
      reader.fail(path, "duplicate address: " + entry("peer", j, "address") + " has it already",
                  "two peers cannot be one gateway");
      break;
    }
  }
}

// I4
void check_transport(Reader& reader) {
  const auto& transport = reader.config().transport;
  const auto sound = [&](const char* left, const char* right) { return reader.sound(left) && reader.sound(right); };
  // The complaint goes to the key that was written, if only one was.
  const auto fail_at = [&](const char* first, const char* second, const std::string& problem,
                           const std::string& allowed) {
    reader.fail(reader.usable(first) || !reader.usable(second) ? first : second, problem, allowed);
  };
  if (sound("transport.streams_min", "transport.streams_initial") && transport.streams_min > transport.streams_initial) {
    fail_at("transport.streams_min", "transport.streams_initial", "streams_min is above streams_initial",
            "a lane begins with no fewer streams than its least");
  }
  if (sound("transport.streams_max", "transport.streams_initial") && transport.streams_max < transport.streams_initial) {
    fail_at("transport.streams_max", "transport.streams_initial", "streams_max is below streams_initial",
            "a lane begins with no more streams than its most");
  }
  if (sound("transport.window_mib", "memory.rx_mib") && transport.window_mib > reader.config().memory.rx_mib) {
    fail_at("transport.window_mib", "memory.rx_mib",
            "transport.window_mib, " + std::to_string(transport.window_mib) + ", is above memory.rx_mib, " +
                std::to_string(reader.config().memory.rx_mib),
            "a window cannot be larger than the memory it promises");
  }
  if (sound("transport.keepalive_ms", "transport.session_timeout_ms") &&
      std::uint64_t{transport.keepalive_ms} * 3 > transport.session_timeout_ms) {
    fail_at("transport.keepalive_ms", "transport.session_timeout_ms",
            "session_timeout_ms is less than three times keepalive_ms",
            "one or two lost keepalives must not end a session");
  }
}

// I5
void check_security(Reader& reader) {
  const SecurityConfig& security = reader.config().security;
  const auto& peers = reader.config().peers;
  const auto need = [&](const std::string& key, const std::string& value, const PeerConfig& peer) {
    if (!value.empty() || !reader.sound(key)) return;
    reader.fail(key, "missing, and peer \"" + peer.name + "\" has no psk_file",
                "make certificates with dwcpctl pki, or a key for this peer with dwcpctl pki psk");
  };
  const auto certified = [&](std::size_t i) { return peers[i].psk_file.empty() && reader.sound(entry("peer", i, "psk_file")); };
  for (std::size_t i = 0; i < peers.size(); ++i) {
    if (!certified(i)) continue;
    need("security.certificate", security.certificate, peers[i]);
    need("security.private_key", security.private_key, peers[i]);
    break;
  }
  for (std::size_t i = 0; i < peers.size(); ++i) {
    if (!certified(i) || !peers[i].ca.empty() || !reader.sound(entry("peer", i, "ca"))) continue;
    need("security.ca", security.ca, peers[i]);
    break;
  }
}

}  // namespace

void check_rules(Reader& reader) {
  const Config& config = reader.config();
  check_names(reader, "peer", config.peers);
  check_names(reader, "listener", config.listeners);
  check_names(reader, "service", config.services);
  for (std::size_t i = 0; i < config.peers.size(); ++i) {
    if (!reader.usable(entry("peer", i, "name")) || !reader.usable("gateway.name")) continue;
    if (config.peers[i].name != config.gateway.name) continue;
    reader.fail(entry("peer", i, "name"), "this is the name of this gateway itself", "write the peer's gateway.name");
  }
  check_listeners(reader);
  check_addresses(reader);
  check_transport(reader);
  check_security(reader);
}

}  // namespace dwcp
