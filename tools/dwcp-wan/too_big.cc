// SPDX-License-Identifier: Apache-2.0
#include "dwcp-wan/too_big.h"

#include <algorithm>
#include <cstring>

#include "dataplane/inet/checksum.h"
#include "dataplane/inet/headers.h"

namespace dwcp::wan {
namespace {

using namespace dwcp::inet;

constexpr std::size_t kQuoteBytesV4 = 20 + 8;  // RFC 792: the header and 64 bits
constexpr std::uint8_t kTtl = 64;

void write_ethernet(std::uint8_t* at, const EthernetHeader& asked) noexcept {
  auto& ethernet = header_at<EthernetHeader>(at);
  ethernet.destination = asked.source;
  ethernet.source = asked.destination;
  ethernet.ethertype = asked.ethertype;
}

std::size_t answer_v4(std::span<const std::uint8_t> frame, std::uint32_t mtu, std::uint8_t* out) noexcept {
  const std::span<const std::uint8_t> packet = frame.subspan(sizeof(EthernetHeader));
  if (packet.size() < kQuoteBytesV4) return 0;
  const auto& asked = header_at<Ipv4Header>(packet.data());
  if ((asked.fragment & kIpv4DontFragment) == 0 || asked.protocol == kProtocolIcmp) return 0;
  auto& ip = header_at<Ipv4Header>(out + sizeof(EthernetHeader));
  constexpr std::size_t bytes = sizeof(Ipv4Header) + sizeof(IcmpHeader) + kQuoteBytesV4;
  ip = {};
  ip.version_ihl = 0x45;
  ip.total_length = static_cast<std::uint16_t>(bytes);
  ip.ttl = kTtl;
  ip.protocol = kProtocolIcmp;
  ip.source = asked.destination;
  ip.destination = asked.source;
  ip.checksum = finish(add({}, reinterpret_cast<const std::uint8_t*>(&ip), sizeof(ip)));
  std::uint8_t* message = out + sizeof(EthernetHeader) + sizeof(Ipv4Header);
  auto& icmp = header_at<IcmpHeader>(message);
  icmp = {};
  icmp.type = kIcmpUnreachable;
  icmp.code = kIcmpCodeFragmentationNeeded;
  icmp.rest = mtu;
  std::memcpy(message + sizeof(IcmpHeader), packet.data(), kQuoteBytesV4);
  icmp.checksum = finish(add({}, message, sizeof(IcmpHeader) + kQuoteBytesV4));
  return sizeof(EthernetHeader) + bytes;
}

std::size_t answer_v6(std::span<const std::uint8_t> frame, std::uint32_t mtu, std::uint8_t* out) noexcept {
  const std::span<const std::uint8_t> packet = frame.subspan(sizeof(EthernetHeader));
  if (packet.size() < sizeof(Ipv6Header)) return 0;
  const auto& asked = header_at<Ipv6Header>(packet.data());
  if (asked.next_header == kProtocolIcmpv6 || asked.destination[0] == 0xff) return 0;
  // As much of the packet as fits into the least MTU.
  const std::size_t quote = std::min(packet.size(), kTooBigBytesMax - sizeof(EthernetHeader) - sizeof(Ipv6Header) - sizeof(IcmpHeader));
  auto& ip = header_at<Ipv6Header>(out + sizeof(EthernetHeader));
  ip = {};
  ip.version_class_flow = 0x60000000U;
  ip.payload_length = static_cast<std::uint16_t>(sizeof(IcmpHeader) + quote);
  ip.next_header = kProtocolIcmpv6;
  ip.hop_limit = kTtl;
  ip.source = asked.destination;
  ip.destination = asked.source;
  std::uint8_t* message = out + sizeof(EthernetHeader) + sizeof(Ipv6Header);
  auto& icmp = header_at<IcmpHeader>(message);
  icmp = {};
  icmp.type = kIcmpv6PacketTooBig;
  icmp.rest = mtu;
  std::memcpy(message + sizeof(IcmpHeader), packet.data(), quote);
  const auto length = static_cast<std::uint32_t>(sizeof(IcmpHeader) + quote);
  icmp.checksum = finish(add(pseudo_header(ip.source, ip.destination, kProtocolIcmpv6, length), message, length));
  return sizeof(EthernetHeader) + sizeof(Ipv6Header) + length;
}

}  // namespace

std::size_t write_too_big(std::span<const std::uint8_t> frame, std::uint32_t mtu, TooBigFrame& out) noexcept {
  if (frame.size() < sizeof(EthernetHeader)) return 0;
  const auto& ethernet = header_at<EthernetHeader>(frame.data());
  if (!is_station(ethernet.source) || is_multicast(ethernet.destination)) return 0;
  write_ethernet(out.data(), ethernet);
  switch (ethernet.ethertype.value()) {
    case kEthertypeIpv4: return answer_v4(frame, mtu, out.data());
    case kEthertypeIpv6: return answer_v6(frame, mtu, out.data());
    default: return 0;
  }
}

}  // namespace dwcp::wan
