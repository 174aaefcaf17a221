// SPDX-License-Identifier: Apache-2.0
// The headers of Ethernet, 802.1Q, ARP, IPv4, IPv6, UDP, ICMP, ICMPv6 and neighbour discovery as they lie on the wire.
// Pure layout: alignment 1, explicit endianness, asserted sizes, so a header may be laid over any byte of a frame that
// has been checked to be long enough.  Any thread.
//
// Use: check the length, then `const auto& ip = header_at<Ipv4Header>(frame + offset)`.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "base/byte_order.h"
#include "drivers/port.h"

namespace dwcp::inet {

inline constexpr std::uint16_t kEthertypeIpv4 = 0x0800;
inline constexpr std::uint16_t kEthertypeArp = 0x0806;
inline constexpr std::uint16_t kEthertypeVlan = 0x8100;
inline constexpr std::uint16_t kEthertypeIpv6 = 0x86dd;

inline constexpr std::uint8_t kProtocolIcmp = 1;
inline constexpr std::uint8_t kProtocolUdp = 17;
inline constexpr std::uint8_t kProtocolIcmpv6 = 58;

inline constexpr MacAddress kBroadcastMac = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
inline constexpr std::size_t kEthernetMinBytes = 60;  // of a frame without FCS; shorter ones are padded by the port

struct EthernetHeader {
  MacAddress destination;
  MacAddress source;
  be16 ethertype;
};
static_assert(sizeof(EthernetHeader) == 14 && alignof(EthernetHeader) == 1);

// IEEE 802.1Q: stands behind the source address, its own ethertype before it being 0x8100.
struct VlanTag {
  be16 control;    // 3 bits priority, 1 bit drop eligible, 12 bits VLAN id
  be16 ethertype;  // of what follows
};
static_assert(sizeof(VlanTag) == 4 && alignof(VlanTag) == 1);
inline constexpr std::uint16_t kVlanIdMask = 0x0fff;

// RFC 826 over Ethernet and IPv4.
struct ArpPacket {
  be16 hardware_type;  // 1: Ethernet
  be16 protocol_type;  // 0x0800
  std::uint8_t hardware_length;
  std::uint8_t protocol_length;
  be16 operation;
  MacAddress sender_mac;
  std::array<std::uint8_t, 4> sender_ip;
  MacAddress target_mac;
  std::array<std::uint8_t, 4> target_ip;
};
static_assert(sizeof(ArpPacket) == 28 && alignof(ArpPacket) == 1);
static_assert(offsetof(ArpPacket, sender_ip) == 14 && offsetof(ArpPacket, target_ip) == 24);
inline constexpr std::uint16_t kArpRequest = 1;
inline constexpr std::uint16_t kArpReply = 2;

// RFC 791.
struct Ipv4Header {
  std::uint8_t version_ihl;    // 4 bits version, 4 bits header length in 32-bit words
  std::uint8_t traffic_class;  // 6 bits DSCP, 2 bits ECN (RFC 3168)
  be16 total_length;           // bytes, header included
  be16 id;
  be16 fragment;  // reserved, DF, MF, 13 bits offset in 8-byte units
  std::uint8_t ttl;
  std::uint8_t protocol;
  be16 checksum;
  std::array<std::uint8_t, 4> source;
  std::array<std::uint8_t, 4> destination;
};
static_assert(sizeof(Ipv4Header) == 20 && alignof(Ipv4Header) == 1);
static_assert(offsetof(Ipv4Header, checksum) == 10 && offsetof(Ipv4Header, source) == 12);
inline constexpr std::uint16_t kIpv4DontFragment = 0x4000;
inline constexpr std::uint16_t kIpv4MoreFragments = 0x2000;
inline constexpr std::uint16_t kIpv4OffsetMask = 0x1fff;

// RFC 8200.
struct Ipv6Header {
  be32 version_class_flow;  // 4 bits version, 8 bits traffic class (low two ECN), 20 bits flow label
  be16 payload_length;      // bytes behind this header
  std::uint8_t next_header;
  std::uint8_t hop_limit;
  std::array<std::uint8_t, 16> source;
  std::array<std::uint8_t, 16> destination;
};
static_assert(sizeof(Ipv6Header) == 40 && alignof(Ipv6Header) == 1);
static_assert(offsetof(Ipv6Header, source) == 8 && offsetof(Ipv6Header, destination) == 24);

// RFC 768.
struct UdpHeader {
  be16 source_port;
  be16 destination_port;
  be16 length;    // bytes, header included
  be16 checksum;  // 0: none (IPv4 only)
};
static_assert(sizeof(UdpHeader) == 8 && alignof(UdpHeader) == 1);

// RFC 792 and RFC 4443: the same eight bytes.
struct IcmpHeader {
  std::uint8_t type;
  std::uint8_t code;
  be16 checksum;
  be32 rest;  // echo: id and sequence; too big: the MTU (IPv4: low 16 bits); neighbour advertisement: flags
};
static_assert(sizeof(IcmpHeader) == 8 && alignof(IcmpHeader) == 1);
inline constexpr std::uint8_t kIcmpEchoReply = 0;
inline constexpr std::uint8_t kIcmpUnreachable = 3;
inline constexpr std::uint8_t kIcmpCodeFragmentationNeeded = 4;
inline constexpr std::uint8_t kIcmpEchoRequest = 8;
inline constexpr std::uint8_t kIcmpv6PacketTooBig = 2;
inline constexpr std::uint8_t kIcmpv6EchoRequest = 128;
inline constexpr std::uint8_t kIcmpv6EchoReply = 129;
inline constexpr std::uint8_t kIcmpv6NeighbourSolicitation = 135;
inline constexpr std::uint8_t kIcmpv6NeighbourAdvertisement = 136;

// RFC 4861 §4.3 and §4.4: solicitation and advertisement, options behind.
struct NeighbourMessage {
  IcmpHeader icmp;
  std::array<std::uint8_t, 16> target;
};
static_assert(sizeof(NeighbourMessage) == 24 && alignof(NeighbourMessage) == 1);
inline constexpr std::uint32_t kNaSolicited = 0x40000000;
inline constexpr std::uint32_t kNaOverride = 0x20000000;

// RFC 4861 §4.6.1, for Ethernet (RFC 2464 §6).
struct LinkAddressOption {
  std::uint8_t type;
  std::uint8_t length_8;  // in units of 8 bytes
  MacAddress mac;
};
static_assert(sizeof(LinkAddressOption) == 8 && alignof(LinkAddressOption) == 1);
inline constexpr std::uint8_t kOptionSourceLinkAddress = 1;
inline constexpr std::uint8_t kOptionTargetLinkAddress = 2;

template <typename Header>
[[nodiscard]] inline const Header& header_at(const std::uint8_t* at) noexcept {
  static_assert(alignof(Header) == 1 && std::is_trivially_copyable_v<Header>);
  return *reinterpret_cast<const Header*>(at);
}

template <typename Header>
[[nodiscard]] inline Header& header_at(std::uint8_t* at) noexcept {
  static_assert(alignof(Header) == 1 && std::is_trivially_copyable_v<Header>);
  return *reinterpret_cast<Header*>(at);
}

[[nodiscard]] constexpr bool is_multicast(const MacAddress& mac) noexcept {
  return (mac[0] & 1) != 0;
}

// A station's own address: neither a group's nor all zero.
[[nodiscard]] constexpr bool is_station(const MacAddress& mac) noexcept {
  return !is_multicast(mac) && (mac[0] | mac[1] | mac[2] | mac[3] | mac[4] | mac[5]) != 0;
}

}  // namespace dwcp::inet
