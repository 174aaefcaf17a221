// SPDX-License-Identifier: Apache-2.0
#include "dataplane/inet/parse.h"

#include "dataplane/inet/checksum.h"

namespace dwcp::inet {

Parser::Parser(const LocalAddresses& local) noexcept : local_(local), link_local_(link_local_of(local.mac)) {}

Parsed Parser::parse(const RxPacket& packet) noexcept {
  Parsed out;
  out.reason = classify(packet, out);
  if (out.reason != DropReason::kNone) {
    out.kind = Parsed::Kind::kDrop;
    drops_.count(out.reason);
  }
  return out;
}

bool Parser::is_ours(const IpAddress& ip) const noexcept {
  if (!ip.set()) return false;
  return ip == local_.v4.address || ip == local_.v6.address || ip == link_local_;
}

bool Parser::is_our_group(const IpAddress& ip) const noexcept {
  if (!ip.is_v6() || ip.bytes[0] != 0xff) return false;
  return ip == all_nodes() || ip == solicited_node_of(link_local_) ||
         (local_.v6.address.set() && ip == solicited_node_of(local_.v6.address));
}

DropReason Parser::classify(const RxPacket& packet, Parsed& out) const noexcept {
  std::uint16_t ethertype = 0;
  if (const DropReason reason = ethernet(packet, out, ethertype); reason != DropReason::kNone) return reason;
  switch (ethertype) {
    case kEthertypeIpv4:
      return ipv4(packet, out);
    case kEthertypeIpv6: {
      if (const DropReason reason = ipv6(out); reason != DropReason::kNone) return reason;
      return transport(packet, out);
    }
    case kEthertypeArp:
      return arp(out);
    default:
      return DropReason::kBadEthertype;
  }
}

DropReason Parser::ethernet(const RxPacket& packet, Parsed& out, std::uint16_t& ethertype) const noexcept {
  if (packet.length < sizeof(EthernetHeader)) return DropReason::kTruncated;
  const auto& header = header_at<EthernetHeader>(packet.data);
  if (header.destination != local_.mac && !is_multicast(header.destination)) return DropReason::kNotForUs;
  if (!is_station(header.source) || header.source == local_.mac) return DropReason::kBadSource;
  ethertype = header.ethertype;
  std::uint8_t length = sizeof(EthernetHeader);
  std::uint16_t vlan = 0;
  if (ethertype == kEthertypeVlan) {
    if (packet.length < length + sizeof(VlanTag)) return DropReason::kTruncated;
    const auto& tag = header_at<VlanTag>(packet.data + length);
    vlan = tag.control & kVlanIdMask;
    ethertype = tag.ethertype;
    length = static_cast<std::uint8_t>(length + sizeof(VlanTag));
  }
  if (vlan != local_.vlan || ethertype == kEthertypeVlan) return DropReason::kWrongVlan;
  out.l2_length = length;
  out.payload = packet.data + length;
  out.payload_length = packet.length - length;
  return DropReason::kNone;
}

DropReason Parser::arp(Parsed& out) const noexcept {
  if (out.payload_length < sizeof(ArpPacket)) return DropReason::kTruncated;
  out.kind = Parsed::Kind::kArp;
  return DropReason::kNone;
}

DropReason Parser::ipv4(const RxPacket& packet, Parsed& out) const noexcept {
  if (out.payload_length < sizeof(Ipv4Header)) return DropReason::kTruncated;
  const auto& header = header_at<Ipv4Header>(out.payload);
  const std::size_t header_bytes = (header.version_ihl & 0x0fU) * 4U;
  const std::size_t total = header.total_length;
  if (header.version_ihl >> 4 != 4 || header_bytes < sizeof(Ipv4Header) || total < header_bytes) {
    return DropReason::kBadIpHeader;
  }
  if (out.payload_length < total) return DropReason::kTruncated;
  if (packet.ip == ChecksumState::kBad) return DropReason::kBadIpChecksum;
  if (packet.ip == ChecksumState::kUnknown && !verifies(add(ChecksumSum{}, out.payload, header_bytes))) {
    return DropReason::kBadIpChecksum;
  }
  out.ip.source = IpAddress::v4(header.source);
  out.ip.destination = IpAddress::v4(header.destination);
  // Directed and limited broadcasts are nothing to us: they are not our address either.
  if (!is_ours(out.ip.destination) || is_multicast(header_at<EthernetHeader>(packet.data).destination)) {
    return DropReason::kNotForUs;
  }
  if (!out.ip.source.is_host() || is_ours(out.ip.source) || local_.v4.is_broadcast(out.ip.source)) {
    return DropReason::kBadSource;
  }
  if ((header.fragment & (kIpv4MoreFragments | kIpv4OffsetMask)) != 0) return DropReason::kFragment;
  out.ip.payload =
      out.payload + header_bytes;  // options are passed over: a host need not act on any (RFC 1122 §3.2.1.8)
  out.ip.payload_length = static_cast<std::uint16_t>(total - header_bytes);
  out.ip.protocol = header.protocol;
  out.ip.traffic_class = header.traffic_class;
  out.ip.ttl = header.ttl;
  return transport(packet, out);
}

DropReason Parser::ipv6(Parsed& out) const noexcept {
  if (out.payload_length < sizeof(Ipv6Header)) return DropReason::kTruncated;
  const auto& header = header_at<Ipv6Header>(out.payload);
  const std::uint32_t first = header.version_class_flow;
  if (first >> 28 != 6) return DropReason::kBadIpHeader;
  if (out.payload_length - sizeof(Ipv6Header) < header.payload_length) return DropReason::kTruncated;
  out.ip.source = IpAddress::v6(header.source);
  out.ip.destination = IpAddress::v6(header.destination);
  if (!is_ours(out.ip.destination) && !(header.next_header == kProtocolIcmpv6 && is_our_group(out.ip.destination))) {
    return DropReason::kNotForUs;
  }
  // Duplicate address detection asks from the unspecified address (RFC 4862 §5.4.2); the Host checks that it is that.
  const bool unspecified = out.ip.source.is_unspecified() && header.next_header == kProtocolIcmpv6;
  if ((!out.ip.source.is_host() && !unspecified) || is_ours(out.ip.source)) return DropReason::kBadSource;
  switch (header.next_header) {
    case 0:    // hop-by-hop
    case 43:   // routing
    case 50:   // ESP
    case 51:   // AH
    case 60:   // destination options
    case 135:  // mobility
      return DropReason::kExtensionHeader;
    case 44:
      return DropReason::kFragment;
    default:
      break;
  }
  out.ip.payload = out.payload + sizeof(Ipv6Header);
  out.ip.payload_length = header.payload_length;
  out.ip.protocol = header.next_header;
  out.ip.traffic_class = static_cast<std::uint8_t>(first >> 20 & 0xff);
  out.ip.ttl = header.hop_limit;
  return DropReason::kNone;
}

DropReason Parser::transport(const RxPacket& packet, Parsed& out) const noexcept {
  if (out.ip.protocol == kProtocolUdp) return udp(packet, out);
  const bool icmp = out.ip.protocol == (out.ip.source.is_v4() ? kProtocolIcmp : kProtocolIcmpv6);
  if (!icmp) return DropReason::kUnknownProtocol;
  if (out.ip.payload_length < sizeof(IcmpHeader)) return DropReason::kBadIcmp;
  const std::uint8_t type = out.ip.payload[0];
  const bool neighbour = out.ip.source.is_v6() && type >= 133 && type <= 137;
  out.kind = neighbour ? Parsed::Kind::kNeighbour : Parsed::Kind::kIcmp;
  return DropReason::kNone;
}

DropReason Parser::udp(const RxPacket& packet, Parsed& out) const noexcept {
  const IpPacket& ip = out.ip;
  if (ip.payload_length < sizeof(UdpHeader)) return DropReason::kBadUdpLength;
  const auto& header = header_at<UdpHeader>(ip.payload);
  const std::uint16_t length = header.length;
  // Exactly the IP payload: room behind it carries UDP options (RFC 9868), which no peer of ours sends.
  if (length != ip.payload_length) return DropReason::kBadUdpLength;
  const std::uint16_t port = header.destination_port;
  if (port < local_.udp_port_min || port > local_.udp_port_max) return DropReason::kWrongPort;
  const bool absent = header.checksum == 0;
  if (absent && ip.source.is_v6()) return DropReason::kBadUdpChecksum;  // RFC 8200 §8.1
  if (!absent && packet.l4 != ChecksumState::kGood) {
    if (packet.l4 == ChecksumState::kBad) return DropReason::kBadUdpChecksum;
    const ChecksumSum pseudo =
        ip.source.is_v4() ? pseudo_header(ip.source.v4_octets(), ip.destination.v4_octets(), kProtocolUdp, length)
                          : pseudo_header(ip.source.bytes, ip.destination.bytes, kProtocolUdp, length);
    if (!verifies(add(pseudo, ip.payload, length))) return DropReason::kBadUdpChecksum;
  }
  out.kind = Parsed::Kind::kUdp;
  out.datagram.source = {ip.source, header.source_port};
  out.datagram.destination = {ip.destination, port};
  out.datagram.payload = ip.payload + sizeof(UdpHeader);
  out.datagram.payload_length = static_cast<std::uint16_t>(length - sizeof(UdpHeader));
  out.datagram.ecn = ip.traffic_class & 3;
  out.datagram.ttl = ip.ttl;
  return DropReason::kNone;
}

}  // namespace dwcp::inet
