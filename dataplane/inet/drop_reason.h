// SPDX-License-Identifier: Apache-2.0
// Why a received frame was not taken: one table, one counter each.  The owner of a DropCounters is the one thread that
// receives; others read copies that it publishes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace dwcp::inet {

enum class DropReason : std::uint8_t {
  kNone,
  kTruncated,
  kBadEthertype,
  kWrongVlan,
  kNotForUs,
  kBadSource,
  kBadIpHeader,
  kBadIpChecksum,
  kFragment,
  kExtensionHeader,
  kUnknownProtocol,
  kBadUdpLength,
  kBadUdpChecksum,
  kWrongPort,
  kBadArp,
  kBadIcmp,
  kBadIcmpChecksum,
  kBadNeighbourMessage,
  kUnasked,
  kRateLimited,
  kNoBuffer,
  kAddressConflict,
  kUntrustedMtu,
  kCount,
};

inline constexpr std::size_t kDropReasons = static_cast<std::size_t>(DropReason::kCount);

struct DropReasonInfo {
  std::string_view name;  // of the counter
  std::string_view text;  // for a person
};

// In the order of DropReason.
inline constexpr std::array<DropReasonInfo, kDropReasons> kDropReasonTable = {{
    {"none", "taken"},
    {"truncated", "the frame ends before its headers or lengths say"},
    {"bad_ethertype", "neither IPv4, IPv6 nor ARP"},
    {"wrong_vlan", "another VLAN, a missing tag, or more than one"},
    {"not_for_us", "destination MAC or IP address is not ours"},
    {"bad_source", "a source address no host may have, or our own"},
    {"bad_ip_header", "IP version, header length or total length is wrong"},
    {"bad_ip_checksum", "IPv4 header checksum is wrong"},
    {"fragment", "an IP fragment; we send none and reassemble none"},
    {"extension_header", "IPv6 extension headers are not taken"},
    {"unknown_protocol", "neither UDP nor ICMP"},
    {"bad_udp_length", "UDP length disagrees with the IP length"},
    {"bad_udp_checksum", "UDP checksum is wrong, or absent over IPv6"},
    {"wrong_port", "UDP to a port that is not ours"},
    {"bad_arp", "not ARP for Ethernet and IPv4, or impossible addresses"},
    {"bad_icmp", "an ICMP message too short for its type"},
    {"bad_icmp_checksum", "ICMP checksum is wrong"},
    {"bad_neighbour_message", "fails the checks of RFC 4861 section 7.1"},
    {"unasked", "well-formed, but nothing we answer or asked for"},
    {"rate_limited", "an echo request above the rate we answer"},
    {"no_buffer", "no room to write the answer"},
    {"address_conflict", "another station claims our address"},
    {"untrusted_mtu", "a too-big report that quotes no packet of ours or an impossible MTU"},
}};
static_assert(!kDropReasonTable.back().name.empty(), "one row per reason");

[[nodiscard]] constexpr const DropReasonInfo& info_of(DropReason reason) noexcept {
  return kDropReasonTable[static_cast<std::size_t>(reason)];
}

struct DropCounters {
  std::array<std::uint64_t, kDropReasons> counts{};

  void count(DropReason reason) noexcept { ++counts[static_cast<std::size_t>(reason)]; }
  [[nodiscard]] std::uint64_t of(DropReason reason) const noexcept { return counts[static_cast<std::size_t>(reason)]; }
};

}  // namespace dwcp::inet
