// SPDX-License-Identifier: Apache-2.0
// IP addresses: one type for both families, so that the code above asks for the family only where the wire differs.
// Values; any thread.
//
// Use:
//   auto ip = IpAddress::parse("2001:db8::1");        an error text on anything else
//   SocketAddress peer{*ip, 4700};   peer.text() == "[2001:db8::1]:4700"
//   auto net = Prefix::parse("192.0.2.10/24");        the address is kept: net->address, net->contains(other)
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "base/expected.h"
#include "drivers/port.h"

namespace dwcp::inet {

enum class IpFamily : std::uint8_t {
  kNone,  // no address: "not configured"
  kV4,
  kV6,
};

struct IpAddress {
  std::array<std::uint8_t, 16> bytes{};  // network order; IPv4 in the first four, zeros behind
  IpFamily family = IpFamily::kNone;

  [[nodiscard]] static IpAddress v4(const std::array<std::uint8_t, 4>& octets) noexcept {
    IpAddress ip;
    std::memcpy(ip.bytes.data(), octets.data(), 4);
    ip.family = IpFamily::kV4;
    return ip;
  }
  [[nodiscard]] static IpAddress v6(const std::array<std::uint8_t, 16>& octets) noexcept {
    return {octets, IpFamily::kV6};
  }
  [[nodiscard]] static expected<IpAddress, std::string> parse(std::string_view text);
  [[nodiscard]] std::string text() const;  // "none" for kNone

  [[nodiscard]] bool set() const noexcept { return family != IpFamily::kNone; }
  [[nodiscard]] bool is_v4() const noexcept { return family == IpFamily::kV4; }
  [[nodiscard]] bool is_v6() const noexcept { return family == IpFamily::kV6; }
  [[nodiscard]] std::array<std::uint8_t, 4> v4_octets() const noexcept {
    return {bytes[0], bytes[1], bytes[2], bytes[3]};
  }

  // The address as two words, in no order that means anything: comparing them is what every packet pays for.
  [[nodiscard]] std::array<std::uint64_t, 2> words() const noexcept {
    std::array<std::uint64_t, 2> result;
    std::memcpy(result.data(), bytes.data(), 16);
    return result;
  }
  [[nodiscard]] bool is_unspecified() const noexcept {
    const auto w = words();
    return (w[0] | w[1]) == 0;
  }
  // Multicast, and for IPv4 the limited broadcast too.
  [[nodiscard]] bool is_group() const noexcept;
  [[nodiscard]] bool is_loopback() const noexcept;
  [[nodiscard]] bool is_link_local() const noexcept;  // fe80::/10
  // An address one host may own: it may stand as the source of a packet.
  [[nodiscard]] bool is_host() const noexcept { return set() && !is_unspecified() && !is_group() && !is_loopback(); }

  // For hash tables; not proof against chosen inputs.
  [[nodiscard]] std::uint64_t hash() const noexcept;

  friend bool operator==(const IpAddress& a, const IpAddress& b) noexcept {
    const auto x = a.words();
    const auto y = b.words();
    return ((x[0] ^ y[0]) | (x[1] ^ y[1])) == 0 && a.family == b.family;
  }
  friend auto operator<=>(const IpAddress&, const IpAddress&) = default;
};

struct SocketAddress {
  IpAddress ip;
  std::uint16_t port = 0;

  [[nodiscard]] static expected<SocketAddress, std::string> parse(std::string_view text);  // "ip:port", "[ip6]:port"
  [[nodiscard]] std::string text() const;
  friend auto operator<=>(const SocketAddress&, const SocketAddress&) = default;
};

// An address with the length of its network: an interface's address, or a network when the host bits are zero.
struct Prefix {
  IpAddress address;
  std::uint8_t length = 0;  // bits, at most 32 or 128

  [[nodiscard]] static expected<Prefix, std::string> parse(std::string_view text);
  [[nodiscard]] std::string text() const;
  [[nodiscard]] bool contains(const IpAddress& ip) const noexcept;
  // The directed broadcast address of an IPv4 network with room for one.
  [[nodiscard]] bool is_broadcast(const IpAddress& ip) const noexcept;
  friend auto operator<=>(const Prefix&, const Prefix&) = default;
};

// fe80::/64 with the modified EUI-64 of the MAC (RFC 4291 §2.5.1 and appendix A).
[[nodiscard]] IpAddress link_local_of(const MacAddress& mac) noexcept;
// ff02::1:ffXX:XXXX (RFC 4291 §2.7.1).
[[nodiscard]] IpAddress solicited_node_of(const IpAddress& ip) noexcept;
// ff02::1.
[[nodiscard]] IpAddress all_nodes() noexcept;
// 33:33 and the last four bytes (RFC 2464 §7).
[[nodiscard]] MacAddress multicast_mac_of(const IpAddress& group) noexcept;

[[nodiscard]] std::string mac_text(const MacAddress& mac);
[[nodiscard]] expected<MacAddress, std::string> parse_mac(std::string_view text);

}  // namespace dwcp::inet
