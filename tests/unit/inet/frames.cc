// SPDX-License-Identifier: Apache-2.0
#include "frames.h"

#include "dataplane/inet/checksum.h"
#include "dataplane/inet/headers.h"

namespace dwcp::inet::test {

void fix_icmpv6(Bytes& frame) {
  std::uint8_t* at = frame.data() + sizeof(EthernetHeader);
  const auto& ip = header_at<Ipv6Header>(at);
  auto& icmp = header_at<IcmpHeader>(at + sizeof(Ipv6Header));
  icmp.checksum = 0;
  const std::size_t length = ip.payload_length;
  const ChecksumSum sum = pseudo_header(ip.source, ip.destination, kProtocolIcmpv6, ip.payload_length);
  icmp.checksum = finish(add(sum, at + sizeof(Ipv6Header), length));
}

Bytes advertisement(const IpAddress& target, const MacAddress& mac, std::uint32_t flags, bool option) {
  const std::size_t message = sizeof(NeighbourMessage) + (option ? sizeof(LinkAddressOption) : 0);
  Bytes frame(sizeof(EthernetHeader) + sizeof(Ipv6Header) + message);
  auto& ethernet = header_at<EthernetHeader>(frame.data());
  ethernet = {kOurMac, mac, be16(kEthertypeIpv6)};
  auto& ip = header_at<Ipv6Header>(frame.data() + sizeof(EthernetHeader));
  ip.version_class_flow = 6U << 28;
  ip.payload_length = static_cast<std::uint16_t>(message);
  ip.next_header = kProtocolIcmpv6;
  ip.hop_limit = 255;
  ip.source = target.bytes;
  ip.destination = our_config().v6.address.bytes;
  std::uint8_t* at = frame.data() + sizeof(EthernetHeader) + sizeof(Ipv6Header);
  auto& body = header_at<NeighbourMessage>(at);
  body.icmp.type = kIcmpv6NeighbourAdvertisement;
  body.icmp.rest = flags;
  body.target = target.bytes;
  if (option) header_at<LinkAddressOption>(at + sizeof(NeighbourMessage)) = {kOptionTargetLinkAddress, 1, mac};
  fix_icmpv6(frame);
  return frame;
}

Bytes arp(std::uint16_t operation, const IpAddress& sender, const MacAddress& sender_mac, const IpAddress& target,
          const MacAddress& target_mac) {
  Bytes frame(sizeof(EthernetHeader) + sizeof(ArpPacket));
  header_at<EthernetHeader>(frame.data()) = {kOurMac, sender_mac, be16(kEthertypeArp)};
  auto& body = header_at<ArpPacket>(frame.data() + sizeof(EthernetHeader));
  body = {be16(1),    be16(kEthertypeIpv4), 6, 4, be16(operation), sender_mac, sender.v4_octets(),
          target_mac, target.v4_octets()};
  return frame;
}

}  // namespace dwcp::inet::test
