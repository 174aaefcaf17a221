// SPDX-License-Identifier: Apache-2.0
#include "dataplane/inet/host.h"

#include <algorithm>

#include "dataplane/inet/headers.h"
#include "dataplane/inet/host_frames.h"

namespace dwcp::inet {
namespace {

constexpr std::uint8_t kAnnounceV4 = 1;
constexpr std::uint8_t kAnnounceV6 = 2;
constexpr std::uint8_t kAnnounceLinkLocal = 4;

LocalAddresses local_of(const HostConfig& config) noexcept {
  return {config.mac, config.vlan, config.v4, config.v6, config.udp_port_min, config.udp_port_max};
}

std::string check_family(const Prefix& prefix, const IpAddress& gateway, IpFamily family, std::string_view name) {
  const std::string key(name);
  if (!prefix.address.set()) return gateway.set() && family == IpFamily::kV4 ? "gateway set without " + key : "";
  if (prefix.address.family != family) return prefix.text() + " is not an " + key + " address with prefix length";
  if (!prefix.address.is_host()) return prefix.text() + ": no host may have this address";
  if (prefix.is_broadcast(prefix.address)) return prefix.text() + " is the broadcast address of its network";
  if (!gateway.set()) return "";
  if (gateway.family != family || !gateway.is_host()) return "gateway " + gateway.text() + " is no " + key + " host";
  if (gateway == prefix.address) return "gateway " + gateway.text() + " is our own address";
  if (!prefix.contains(gateway) && !gateway.is_link_local()) {
    return "gateway " + gateway.text() + " does not lie in " + prefix.text();
  }
  return "";
}

}  // namespace

expected<void, std::string> validate(const HostConfig& config) {
  std::string error;
  if (!is_station(config.mac)) {
    error = "MAC " + mac_text(config.mac) + " is a group's or zero; a station's is needed";
  } else if (config.vlan > 4094) {
    error = "VLAN id " + std::to_string(config.vlan) + " is not in 1..4094 (0: untagged)";
  } else if (config.mtu < kIpv6MtuMin || config.mtu > 9216) {
    error = "MTU " + std::to_string(config.mtu) + " is not in 1280..9216";
  } else if (config.udp_port_min > config.udp_port_max) {
    error = "UDP ports " + std::to_string(config.udp_port_min) + ".." + std::to_string(config.udp_port_max) +
            " are no range";
  } else {
    error = check_family(config.v4, config.v4_gateway, IpFamily::kV4, "IPv4");
    if (error.empty()) error = check_family(config.v6, config.v6_gateway, IpFamily::kV6, "IPv6");
  }
  if (!error.empty()) return unexpected<std::string>(error);
  return {};
}

Host::Host(const HostConfig& config) noexcept : config_(config), parser_(local_of(config)) {}

IpAddress Host::source_for(const IpAddress& destination) const noexcept {
  if (destination.is_v4()) return config_.v4.address;
  if (!destination.is_v6()) return {};
  return destination.is_link_local() || !config_.v6.address.set() ? parser_.link_local() : config_.v6.address;
}

IpAddress Host::next_hop_of(const IpAddress& destination) const noexcept {
  if (!destination.is_host() || parser_.is_ours(destination)) return {};
  if (destination.is_link_local()) return destination;
  const bool v4 = destination.is_v4();
  const Prefix& prefix = v4 ? config_.v4 : config_.v6;
  if (prefix.is_broadcast(destination)) return {};
  if (prefix.contains(destination)) return destination;
  if (v4 && !prefix.address.set()) return {};
  return v4 ? config_.v4_gateway : config_.v6_gateway;
}

bool Host::pin(const IpAddress& destination) noexcept {
  const IpAddress hop = next_hop_of(destination);
  return hop.set() && neighbours_.pin(hop);
}

void Host::unpin(const IpAddress& destination) noexcept {
  const IpAddress hop = next_hop_of(destination);
  if (hop.set()) neighbours_.unpin(hop);
}

NextHop Host::lookup(const IpAddress& destination) noexcept {
  const IpAddress hop = next_hop_of(destination);
  if (!hop.set()) return {NextHop::State::kNoRoute, {}};
  Neighbour* entry = neighbours_.obtain(hop);
  if (entry == nullptr) return {NextHop::State::kNoRoom, {}};
  neighbours_.use(*entry);
  if (!entry->resolved()) return {NextHop::State::kPending, {}};
  return {NextHop::State::kResolved, entry->mac};
}

void Host::confirm(std::uint64_t now_ns, const IpAddress& destination) noexcept {
  const IpAddress hop = next_hop_of(destination);
  if (!hop.set()) return;
  Neighbour* entry = neighbours_.find(hop);
  if (entry != nullptr && entry->resolved()) neighbours_.confirm(*entry, entry->mac, now_ns);
}

void Host::announce() noexcept {
  announce_rounds_ = kAnnouncements;
  announce_due_ns_ = 0;
}

void Host::poll(std::uint64_t now_ns, TxBatch& out) noexcept {
  poll_announcements(now_ns, out);
  for (Neighbour& entry : neighbours_.entries()) {
    const NeighbourCache::Ask ask = neighbours_.advance(entry, now_ns);
    if (ask == NeighbourCache::Ask::kNothing) continue;
    if (!solicit(entry, ask, out)) return;
    neighbours_.sent(entry, now_ns);
    ++counters_.solicitations;
  }
}

std::uint64_t Host::next_deadline() const noexcept {
  if (announce_pending_ != 0) return 0;
  return std::min(neighbours_.next_deadline(), announce_rounds_ > 0 ? announce_due_ns_ : kNever);
}

// An ARP request for our own address (RFC 5227 §2.3) and unsolicited advertisements (RFC 4861 §7.2.6).
void Host::poll_announcements(std::uint64_t now_ns, TxBatch& out) noexcept {
  if (announce_rounds_ > 0 && now_ns >= announce_due_ns_) {
    --announce_rounds_;
    announce_due_ns_ = now_ns + kAnnounceIntervalNs;
    announce_pending_ = kAnnounceLinkLocal;
    if (config_.v4.address.set()) announce_pending_ |= kAnnounceV4;
    if (config_.v6.address.set()) announce_pending_ |= kAnnounceV6;
  }
  const auto written = [this](std::uint8_t bit) noexcept {
    announce_pending_ = static_cast<std::uint8_t>(announce_pending_ & ~bit);
    ++counters_.announcements;
  };
  if ((announce_pending_ & kAnnounceV4) != 0 &&
      write_arp(out, local(), kBroadcastMac, {kArpRequest, config_.v4.address, {}, config_.v4.address})) {
    written(kAnnounceV4);
  }
  for (const std::uint8_t bit : {kAnnounceV6, kAnnounceLinkLocal}) {
    if ((announce_pending_ & bit) == 0) continue;
    const IpAddress& ip = bit == kAnnounceV6 ? config_.v6.address : parser_.link_local();
    if (write_neighbour_message(out, local(), multicast_mac_of(all_nodes()),
                                {kIcmpv6NeighbourAdvertisement, kNaOverride, ip, all_nodes(), ip})) {
      written(bit);
    }
  }
}

bool Host::solicit(const Neighbour& entry, NeighbourCache::Ask ask, TxBatch& out) noexcept {
  const bool unicast = ask == NeighbourCache::Ask::kUnicast;
  const IpAddress source = source_for(entry.ip);
  if (entry.ip.is_v4()) {
    return write_arp(out, local(), unicast ? entry.mac : kBroadcastMac, {kArpRequest, source, {}, entry.ip});
  }
  const IpAddress group = solicited_node_of(entry.ip);
  return write_neighbour_message(out, local(), unicast ? entry.mac : multicast_mac_of(group),
                                 {kIcmpv6NeighbourSolicitation, 0, source, unicast ? entry.ip : group, entry.ip});
}

}  // namespace dwcp::inet
