// SPDX-License-Identifier: Apache-2.0
// What the Host does with a frame: ARP (RFC 826), neighbour discovery (RFC 4861 §7), echo and too-big reports.
#include <algorithm>
#include <span>

#include "dataplane/inet/checksum.h"
#include "dataplane/inet/headers.h"
#include "dataplane/inet/host.h"
#include "dataplane/inet/host_frames.h"

namespace dwcp::inet {
namespace {

// The MAC of the first link-address option of that type.  False when the options are malformed (RFC 4861 §7.1: none
// may have length zero, and none may reach past the end).
bool find_link_address(std::span<const std::uint8_t> options, std::uint8_t type,
                       std::optional<MacAddress>& mac) noexcept {
  while (!options.empty()) {
    if (options.size() < 2) return false;
    const std::size_t length = options[1] * std::size_t{8};
    if (length == 0 || length > options.size()) return false;
    if (options[0] == type && length == sizeof(LinkAddressOption) && !mac) {
      const MacAddress& found = header_at<LinkAddressOption>(options.data()).mac;
      if (!is_station(found)) return false;
      mac = found;
    }
    options = options.subspan(length);
  }
  return true;
}

bool icmp_checksum_good(const IpPacket& ip) noexcept {
  ChecksumSum sum;
  if (ip.source.is_v6()) {
    sum = pseudo_header(ip.source.bytes, ip.destination.bytes, kProtocolIcmpv6, ip.payload_length);
  }
  return verifies(add(sum, ip.payload, ip.payload_length));
}

// The UDP packet quoted in a too-big report.
struct Quoted {
  SocketAddress source;
  SocketAddress destination;
  std::uint32_t bytes = 0;  // of the IP packet
};

std::optional<Quoted> quoted_udp(std::span<const std::uint8_t> quote, bool v4) noexcept {
  Quoted quoted;
  std::size_t header_bytes = sizeof(Ipv6Header);
  if (v4) {
    if (quote.size() < sizeof(Ipv4Header)) return std::nullopt;
    const auto& ip = header_at<Ipv4Header>(quote.data());
    header_bytes = (ip.version_ihl & 0x0fU) * 4U;
    // We set DF on all we send, so a quote without it is not of ours.
    const bool ours = ip.version_ihl >> 4 == 4 && header_bytes == sizeof(Ipv4Header) && ip.protocol == kProtocolUdp &&
                      (ip.fragment & (kIpv4DontFragment | kIpv4OffsetMask)) == kIpv4DontFragment;
    if (!ours) return std::nullopt;
    quoted.source.ip = IpAddress::v4(ip.source);
    quoted.destination.ip = IpAddress::v4(ip.destination);
    quoted.bytes = ip.total_length;
  } else {
    if (quote.size() < sizeof(Ipv6Header)) return std::nullopt;
    const auto& ip = header_at<Ipv6Header>(quote.data());
    if (ip.version_class_flow >> 28 != 6 || ip.next_header != kProtocolUdp) return std::nullopt;
    quoted.source.ip = IpAddress::v6(ip.source);
    quoted.destination.ip = IpAddress::v6(ip.destination);
    quoted.bytes = ip.payload_length + std::uint32_t{sizeof(Ipv6Header)};
  }
  if (quote.size() < header_bytes + sizeof(UdpHeader)) return std::nullopt;
  const auto& udp = header_at<UdpHeader>(quote.data() + header_bytes);
  quoted.source.port = udp.source_port;
  quoted.destination.port = udp.destination_port;
  return quoted;
}

}  // namespace

std::optional<PathMtuReport> Host::on_frame(std::uint64_t now_ns, const RxPacket& frame, TxBatch& out) noexcept {
  std::optional<PathMtuReport> report;
  const Parsed parsed = parser_.parse(frame);
  DropReason reason = parsed.reason;
  switch (parsed.kind) {
    case Parsed::Kind::kDrop:
      break;
    case Parsed::Kind::kUdp:
      reason = DropReason::kUnasked;
      break;
    case Parsed::Kind::kArp:
      reason = on_arp(now_ns, parsed, out);
      break;
    case Parsed::Kind::kNeighbour:
      reason = on_neighbour(now_ns, frame, parsed, out);
      break;
    case Parsed::Kind::kIcmp:
      reason = on_icmp(now_ns, frame, parsed, out, report);
      break;
  }
  if (reason != DropReason::kNone) counters_.drops.count(reason);
  return report;
}

DropReason Host::on_arp(std::uint64_t now_ns, const Parsed& parsed, TxBatch& out) noexcept {
  const auto& arp = header_at<ArpPacket>(parsed.payload);
  if (arp.hardware_type != 1 || arp.protocol_type != kEthertypeIpv4 || arp.hardware_length != 6 ||
      arp.protocol_length != 4 || !is_station(arp.sender_mac)) {
    return DropReason::kBadArp;
  }
  const IpAddress sender = IpAddress::v4(arp.sender_ip);
  const IpAddress target = IpAddress::v4(arp.target_ip);
  if (!sender.is_host() && !sender.is_unspecified()) return DropReason::kBadArp;  // 0.0.0.0 probes (RFC 5227 §2.1)
  if (parser_.is_ours(sender)) return DropReason::kAddressConflict;
  const bool for_us = parser_.is_ours(target);
  // RFC 826 merges the sender's addresses into an entry it has, before looking at the operation.
  Neighbour* entry = sender.is_host() ? neighbours_.find(sender) : nullptr;
  if (entry != nullptr) {
    const bool answer = arp.operation == kArpReply && for_us && arp.target_mac == config_.mac;
    if (answer) {
      neighbours_.confirm(*entry, arp.sender_mac, now_ns);
    } else {
      neighbours_.suggest(*entry, arp.sender_mac);
    }
  }
  if (arp.operation != kArpRequest || !for_us) return entry != nullptr ? DropReason::kNone : DropReason::kUnasked;
  if (!write_arp(out, local(), arp.sender_mac, {kArpReply, target, arp.sender_mac, sender})) {
    return DropReason::kNoBuffer;
  }
  ++counters_.advertisements;
  return DropReason::kNone;
}

DropReason Host::on_neighbour(std::uint64_t now_ns, const RxPacket& frame, const Parsed& parsed,
                              TxBatch& out) noexcept {
  const std::uint8_t type = parsed.ip.payload[0];
  if (type != kIcmpv6NeighbourSolicitation && type != kIcmpv6NeighbourAdvertisement) return DropReason::kUnasked;
  if (!icmp_checksum_good(parsed.ip)) return DropReason::kBadIcmpChecksum;
  // RFC 4861 §7.1: a hop limit of 255 cannot have crossed a router.
  if (parsed.ip.payload_length < sizeof(NeighbourMessage) || parsed.ip.ttl != 255 || parsed.ip.payload[1] != 0) {
    return DropReason::kBadNeighbourMessage;
  }
  if (type == kIcmpv6NeighbourAdvertisement) return on_advertisement(now_ns, parsed);
  return on_solicitation(header_at<EthernetHeader>(frame.data).source, parsed, out);
}

// RFC 4861 §7.1.1, §7.2.3, §7.2.4.
DropReason Host::on_solicitation(const MacAddress& sender, const Parsed& parsed, TxBatch& out) noexcept {
  const IpPacket& ip = parsed.ip;
  const IpAddress target = IpAddress::v6(header_at<NeighbourMessage>(ip.payload).target);
  std::optional<MacAddress> option;
  const std::span<const std::uint8_t> options(ip.payload + sizeof(NeighbourMessage),
                                              ip.payload_length - sizeof(NeighbourMessage));
  if (!find_link_address(options, kOptionSourceLinkAddress, option) || target.is_group()) {
    return DropReason::kBadNeighbourMessage;
  }
  const bool detection = ip.source.is_unspecified();
  if (detection && (option || ip.destination != solicited_node_of(target))) return DropReason::kBadNeighbourMessage;
  if (!parser_.is_ours(target)) return DropReason::kUnasked;
  if (!detection && option) {
    if (Neighbour* entry = neighbours_.find(ip.source); entry != nullptr) neighbours_.suggest(*entry, *option);
  }
  const MacAddress to_mac = detection ? multicast_mac_of(all_nodes()) : option.value_or(sender);
  const std::uint32_t flags = detection ? kNaOverride : kNaOverride | kNaSolicited;
  if (!write_neighbour_message(
          out, local(), to_mac,
          {kIcmpv6NeighbourAdvertisement, flags, target, detection ? all_nodes() : ip.source, target})) {
    return DropReason::kNoBuffer;
  }
  ++counters_.advertisements;
  return DropReason::kNone;
}

// RFC 4861 §7.1.2, §7.2.5.
DropReason Host::on_advertisement(std::uint64_t now_ns, const Parsed& parsed) noexcept {
  const IpPacket& ip = parsed.ip;
  const auto& message = header_at<NeighbourMessage>(ip.payload);
  const IpAddress target = IpAddress::v6(message.target);
  const bool solicited = (message.icmp.rest & kNaSolicited) != 0;
  const bool overrides = (message.icmp.rest & kNaOverride) != 0;
  std::optional<MacAddress> option;
  const std::span<const std::uint8_t> options(ip.payload + sizeof(NeighbourMessage),
                                              ip.payload_length - sizeof(NeighbourMessage));
  if (!find_link_address(options, kOptionTargetLinkAddress, option) || target.is_group() ||
      ip.source.is_unspecified() || (solicited && ip.destination.is_group())) {
    return DropReason::kBadNeighbourMessage;
  }
  if (parser_.is_ours(target)) return DropReason::kAddressConflict;
  Neighbour* entry = neighbours_.find(target);
  if (entry == nullptr) return DropReason::kUnasked;
  if (!entry->resolved() && !option) return DropReason::kUnasked;
  const MacAddress mac = option.value_or(entry->mac);
  if (entry->resolved() && mac != entry->mac && !overrides) {
    neighbours_.doubt(*entry);
    return DropReason::kNone;
  }
  if (solicited) {
    neighbours_.confirm(*entry, mac, now_ns);
  } else {
    neighbours_.suggest(*entry, mac);
  }
  return DropReason::kNone;
}

DropReason Host::on_icmp(std::uint64_t now_ns, const RxPacket& frame, const Parsed& parsed, TxBatch& out,
                         std::optional<PathMtuReport>& report) noexcept {
  const IpPacket& ip = parsed.ip;
  const auto& icmp = header_at<IcmpHeader>(ip.payload);
  const bool v4 = ip.source.is_v4();
  const bool echo = icmp.type == (v4 ? kIcmpEchoRequest : kIcmpv6EchoRequest) && icmp.code == 0;
  const bool too_big = v4 ? icmp.type == kIcmpUnreachable && icmp.code == kIcmpCodeFragmentationNeeded
                          : icmp.type == kIcmpv6PacketTooBig;
  // Multicast pings would let one packet draw an answer from every host (RFC 1122 §3.2.2.6).
  if ((!echo && !too_big) || ip.destination.is_group()) return DropReason::kUnasked;
  if (!ip.source.is_host()) return DropReason::kBadSource;
  if (!icmp_checksum_good(ip)) return DropReason::kBadIcmpChecksum;
  if (too_big) return on_too_big(ip, report);
  return on_echo(now_ns, header_at<EthernetHeader>(frame.data).source, ip, out);
}

DropReason Host::on_echo(std::uint64_t now_ns, const MacAddress& sender, const IpPacket& ip, TxBatch& out) noexcept {
  const std::size_t header_bytes = ip.source.is_v4() ? sizeof(Ipv4Header) : sizeof(Ipv6Header);
  if (header_bytes + ip.payload_length > config_.mtu) return DropReason::kBadIcmp;
  // A bucket kept as the time when it is full again.
  const std::uint64_t from = std::max(echo_due_ns_, now_ns);
  if (from - now_ns >= kEchoBurst * kEchoIntervalNs) return DropReason::kRateLimited;
  // Back to the station it came from: no table has to be asked, so a stranger's ping leaves no state behind.
  if (!write_echo_reply(out, local(), sender, ip.destination, ip.source, {ip.payload, ip.payload_length})) {
    return DropReason::kNoBuffer;
  }
  echo_due_ns_ = from + kEchoIntervalNs;
  ++counters_.echo_replies;
  return DropReason::kNone;
}

DropReason Host::on_too_big(const IpPacket& ip, std::optional<PathMtuReport>& report) noexcept {
  const bool v4 = ip.source.is_v4();
  const std::uint32_t rest = header_at<IcmpHeader>(ip.payload).rest;
  const std::uint32_t mtu = v4 ? rest & 0xffff : rest;  // RFC 1191 §4, RFC 4443 §3.2
  const std::span<const std::uint8_t> quote(ip.payload + sizeof(IcmpHeader), ip.payload_length - sizeof(IcmpHeader));
  const std::optional<Quoted> quoted = quoted_udp(quote, v4);
  const bool ours = quoted && parser_.is_ours(quoted->source.ip) && quoted->destination.ip.is_host() &&
                    quoted->source.port >= config_.udp_port_min && quoted->source.port <= config_.udp_port_max;
  if (!ours || mtu < kIpv6MtuMin || mtu >= quoted->bytes || mtu >= config_.mtu || quoted->bytes > config_.mtu) {
    return DropReason::kUntrustedMtu;
  }
  report = PathMtuReport{quoted->source, quoted->destination, static_cast<std::uint16_t>(mtu)};
  ++counters_.path_mtu_reports;
  return DropReason::kNone;
}

}  // namespace dwcp::inet
