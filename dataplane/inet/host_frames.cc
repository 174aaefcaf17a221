// SPDX-License-Identifier: Apache-2.0
#include "dataplane/inet/host_frames.h"

#include <algorithm>
#include <cstring>

#include "dataplane/inet/checksum.h"
#include "dataplane/inet/headers.h"

namespace dwcp::inet {
namespace {

constexpr std::uint8_t kHopLimit = 64;

// Writes the Ethernet header, zeroes the rest up to the least frame, and returns where the L3 packet goes; null when
// there is no room.
std::uint8_t* begin_frame(TxBatch& out, const LocalAddresses& local, const MacAddress& destination,
                          std::uint16_t ethertype, std::size_t l3_bytes) noexcept {
  TxPacket* packet = out.slot();
  if (packet == nullptr) return nullptr;
  const std::size_t l2_bytes = sizeof(EthernetHeader) + (local.vlan != 0 ? sizeof(VlanTag) : 0);
  const std::size_t length = std::max(l2_bytes + l3_bytes, kEthernetMinBytes);
  if (packet->capacity < length) return nullptr;
  std::memset(packet->data, 0, kEthernetMinBytes);
  auto& ethernet = header_at<EthernetHeader>(packet->data);
  ethernet.destination = destination;
  ethernet.source = local.mac;
  ethernet.ethertype = ethertype;
  if (local.vlan != 0) {
    ethernet.ethertype = kEthertypeVlan;
    auto& tag = header_at<VlanTag>(packet->data + sizeof(EthernetHeader));
    tag.control = local.vlan;
    tag.ethertype = ethertype;
  }
  packet->length = static_cast<std::uint32_t>(length);
  packet->offload = false;
  return packet->data + l2_bytes;
}

void fill_ipv6(Ipv6Header& ip, const IpAddress& source, const IpAddress& destination, std::size_t payload,
               std::uint8_t hop_limit) noexcept {
  ip.version_class_flow = 6U << 28;
  ip.payload_length = static_cast<std::uint16_t>(payload);
  ip.next_header = kProtocolIcmpv6;
  ip.hop_limit = hop_limit;
  ip.source = source.bytes;
  ip.destination = destination.bytes;
}

}  // namespace

bool write_arp(TxBatch& out, const LocalAddresses& local, const MacAddress& destination,
               const ArpFields& fields) noexcept {
  std::uint8_t* at = begin_frame(out, local, destination, kEthertypeArp, sizeof(ArpPacket));
  if (at == nullptr) return false;
  auto& arp = header_at<ArpPacket>(at);
  arp.hardware_type = 1;
  arp.protocol_type = kEthertypeIpv4;
  arp.hardware_length = 6;
  arp.protocol_length = 4;
  arp.operation = fields.operation;
  arp.sender_mac = local.mac;
  arp.sender_ip = fields.sender.v4_octets();
  arp.target_mac = fields.target_mac;
  arp.target_ip = fields.target.v4_octets();
  out.taken();
  return true;
}

bool write_neighbour_message(TxBatch& out, const LocalAddresses& local, const MacAddress& destination,
                             const NeighbourFields& fields) noexcept {
  constexpr std::size_t kMessage = sizeof(NeighbourMessage) + sizeof(LinkAddressOption);
  std::uint8_t* at = begin_frame(out, local, destination, kEthertypeIpv6, sizeof(Ipv6Header) + kMessage);
  if (at == nullptr) return false;
  auto& ip = header_at<Ipv6Header>(at);
  fill_ipv6(ip, fields.source, fields.destination, kMessage, 255);  // RFC 4861 §7.1: proof of being on-link
  auto& message = header_at<NeighbourMessage>(at + sizeof(Ipv6Header));
  message.icmp.type = fields.type;
  message.icmp.code = 0;
  message.icmp.checksum = 0;
  message.icmp.rest = fields.flags;
  message.target = fields.target.bytes;
  auto& option = header_at<LinkAddressOption>(at + sizeof(Ipv6Header) + sizeof(NeighbourMessage));
  option.type = fields.type == kIcmpv6NeighbourSolicitation ? kOptionSourceLinkAddress : kOptionTargetLinkAddress;
  option.length_8 = 1;
  option.mac = local.mac;
  const ChecksumSum sum = pseudo_header(ip.source, ip.destination, kProtocolIcmpv6, kMessage);
  message.icmp.checksum = finish(add(sum, at + sizeof(Ipv6Header), kMessage));
  out.taken();
  return true;
}

bool write_echo_reply(TxBatch& out, const LocalAddresses& local, const MacAddress& destination_mac,
                      const IpAddress& source, const IpAddress& destination,
                      std::span<const std::uint8_t> message) noexcept {
  const bool v4 = source.is_v4();
  const std::size_t header_bytes = v4 ? sizeof(Ipv4Header) : sizeof(Ipv6Header);
  std::uint8_t* at =
      begin_frame(out, local, destination_mac, v4 ? kEthertypeIpv4 : kEthertypeIpv6, header_bytes + message.size());
  if (at == nullptr) return false;
  if (v4) {
    auto& ip = header_at<Ipv4Header>(at);
    ip.version_ihl = 0x45;
    ip.traffic_class = 0;
    ip.total_length = static_cast<std::uint16_t>(header_bytes + message.size());
    ip.id = 0;
    ip.fragment = kIpv4DontFragment;
    ip.ttl = kHopLimit;
    ip.protocol = kProtocolIcmp;
    ip.checksum = 0;
    ip.source = source.v4_octets();
    ip.destination = destination.v4_octets();
    ip.checksum = finish(add(ChecksumSum{}, at, sizeof(Ipv4Header)));
  } else {
    fill_ipv6(header_at<Ipv6Header>(at), source, destination, message.size(), kHopLimit);
  }
  std::memcpy(at + header_bytes, message.data(), message.size());
  auto& icmp = header_at<IcmpHeader>(at + header_bytes);
  const be16 before = static_cast<std::uint16_t>(icmp.type << 8 | icmp.code);
  icmp.type = v4 ? kIcmpEchoReply : kIcmpv6EchoReply;
  const be16 after = static_cast<std::uint16_t>(icmp.type << 8 | icmp.code);
  // Swapping the addresses leaves ICMPv6's pseudo-header sum as it was.
  icmp.checksum = update(icmp.checksum, before, after);
  out.taken();
  return true;
}

}  // namespace dwcp::inet
