// SPDX-License-Identifier: Apache-2.0
#include "dataplane/inet/datagram_header.h"

#include <cstring>

#include "base/assert.h"

namespace dwcp::inet {

UdpTemplate::UdpTemplate(const MacAddress& source_mac, std::uint16_t vlan, const SocketAddress& local,
                         const SocketAddress& remote) noexcept {
  DWCP_ASSERT(local.ip.set() && local.ip.family == remote.ip.family);
  ipv6_ = local.ip.is_v6();
  auto& ethernet = header_at<EthernetHeader>(bytes_.data());
  ethernet.source = source_mac;
  ethernet.ethertype = ipv6_ ? kEthertypeIpv6 : kEthertypeIpv4;
  l2_length_ = sizeof(EthernetHeader);
  if (vlan != 0) {
    auto& tag = header_at<VlanTag>(bytes_.data() + l2_length_);
    tag.control = vlan & kVlanIdMask;
    tag.ethertype = ethernet.ethertype;
    ethernet.ethertype = kEthertypeVlan;
    l2_length_ += sizeof(VlanTag);
  }
  std::uint8_t* at = bytes_.data() + l2_length_;
  if (ipv6_) {
    auto& ip = header_at<Ipv6Header>(at);
    ip.version_class_flow = 6U << 28;
    ip.next_header = kProtocolUdp;
    ip.hop_limit = kHopLimit;
    ip.source = local.ip.bytes;
    ip.destination = remote.ip.bytes;
    udp_sum_ = pseudo_header(ip.source, ip.destination, kProtocolUdp, 0);
    udp_at_ = static_cast<std::uint8_t>(l2_length_ + sizeof(Ipv6Header));
  } else {
    auto& ip = header_at<Ipv4Header>(at);
    ip.version_ihl = 0x45;
    ip.id = 0;  // means nothing with DF set (RFC 6864 §4.1)
    ip.fragment = kIpv4DontFragment;
    ip.ttl = kHopLimit;
    ip.protocol = kProtocolUdp;
    ip.source = local.ip.v4_octets();
    ip.destination = remote.ip.v4_octets();
    ip_sum_ = add(ChecksumSum{}, at, sizeof(Ipv4Header));
    udp_sum_ = pseudo_header(ip.source, ip.destination, kProtocolUdp, 0);
    udp_at_ = static_cast<std::uint8_t>(l2_length_ + sizeof(Ipv4Header));
  }
  auto& udp = header_at<UdpHeader>(bytes_.data() + udp_at_);
  udp.source_port = local.port;
  udp.destination_port = remote.port;
  ports_sum_ = add(ChecksumSum{}, bytes_.data() + udp_at_, 4);
  size_ = static_cast<std::uint8_t>(udp_at_ + sizeof(UdpHeader));
}

std::uint16_t UdpTemplate::payload_max(std::uint16_t mtu) const noexcept {
  const std::size_t headers = size_ - l2_length_;
  return mtu > headers ? static_cast<std::uint16_t>(mtu - headers) : std::uint16_t{0};
}

void UdpTemplate::set_destination_mac(const MacAddress& mac) noexcept {
  header_at<EthernetHeader>(bytes_.data()).destination = mac;
}

void UdpTemplate::write(std::uint8_t* at, std::uint16_t payload_length, std::uint8_t ecn,
                        ChecksumMode mode) const noexcept {
  std::memcpy(at, bytes_.data(), size_);
  const auto udp_length = static_cast<std::uint16_t>(payload_length + sizeof(UdpHeader));
  if (ipv6_) {
    auto& ip = header_at<Ipv6Header>(at + l2_length_);
    ip.version_class_flow = (6U << 28) | (std::uint32_t{ecn} & 3U) << 20;
    ip.payload_length = udp_length;
  } else {
    auto& ip = header_at<Ipv4Header>(at + l2_length_);
    const be16 total = static_cast<std::uint16_t>(udp_length + sizeof(Ipv4Header));
    ip.traffic_class = ecn & 3;
    ip.total_length = total;
    // The version byte shares its 16-bit word with the traffic class and is in the prepared sum already.
    if (mode == ChecksumMode::kSoftware) ip.checksum = finish(add(add(ip_sum_, total), be16(ecn & 3)));
  }
  auto& udp = header_at<UdpHeader>(at + udp_at_);
  udp.length = udp_length;
  ChecksumSum sum = add(udp_sum_, be16(udp_length));  // of the pseudo-header
  if (mode == ChecksumMode::kOffload) {
    udp.checksum = fold(sum);
    return;
  }
  sum = add(sum, be16(udp_length));  // of the UDP header
  sum.value += ports_sum_.value;
  udp.checksum = finish_udp(add(sum, at + size_, payload_length));
}

}  // namespace dwcp::inet
