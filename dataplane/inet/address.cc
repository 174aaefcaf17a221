// SPDX-License-Identifier: Apache-2.0
#include "dataplane/inet/address.h"

#include <arpa/inet.h>

#include <charconv>
#include <cstdio>

namespace dwcp::inet {
namespace {

unexpected<std::string> bad(std::string_view text, std::string_view wanted) {
  return unexpected<std::string>("\"" + std::string(text.substr(0, 80)) + "\" is not " + std::string(wanted));
}

template <typename Int>
bool parse_number(std::string_view text, Int limit, Int& out) {
  if (text.empty() || text.size() > 5) return false;
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value > limit) return false;
  out = static_cast<Int>(value);
  return true;
}

}  // namespace

expected<IpAddress, std::string> IpAddress::parse(std::string_view text) {
  const std::string terminated(text.substr(0, INET6_ADDRSTRLEN + 1));
  IpAddress ip;
  // A NUL inside would hide what follows it from inet_pton.
  if (terminated.find('\0') == std::string::npos) {
    if (::inet_pton(AF_INET, terminated.c_str(), ip.bytes.data()) == 1) {
      ip.family = IpFamily::kV4;
      return ip;
    }
    ip.bytes.fill(0);
    if (::inet_pton(AF_INET6, terminated.c_str(), ip.bytes.data()) == 1) {
      ip.family = IpFamily::kV6;
      return ip;
    }
  }
  return bad(text, "an IPv4 or IPv6 address");
}

std::string IpAddress::text() const {
  if (!set()) return "none";
  char buffer[INET6_ADDRSTRLEN] = {};
  ::inet_ntop(is_v4() ? AF_INET : AF_INET6, bytes.data(), buffer, sizeof(buffer));
  return buffer;
}

bool IpAddress::is_group() const noexcept {
  if (is_v6()) return bytes[0] == 0xff;
  return is_v4() && bytes[0] >= 224 &&
         (bytes[0] < 240 || v4_octets() == std::array<std::uint8_t, 4>{255, 255, 255, 255});
}

bool IpAddress::is_loopback() const noexcept {
  if (is_v4()) return bytes[0] == 127;
  static constexpr std::array<std::uint8_t, 16> kOne = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  return is_v6() && bytes == kOne;
}

bool IpAddress::is_link_local() const noexcept {
  return is_v6() && bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80;
}

std::uint64_t IpAddress::hash() const noexcept {
  std::uint64_t words[2];
  std::memcpy(words, bytes.data(), 16);
  std::uint64_t h = (words[0] ^ 0x9e3779b97f4a7c15U) * 0xbf58476d1ce4e5b9U;
  h = (h ^ (h >> 29) ^ words[1]) * 0x94d049bb133111ebU;
  return h ^ (h >> 32) ^ static_cast<std::uint64_t>(family);
}

expected<SocketAddress, std::string> SocketAddress::parse(std::string_view text) {
  constexpr std::string_view kWanted = "an address and port such as 192.0.2.1:4700 or [2001:db8::1]:4700";
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return bad(text, kWanted);
  std::string_view host = text.substr(0, colon);
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  SocketAddress result;
  const auto ip = IpAddress::parse(host);
  if (!ip || ip->is_v6() != bracketed) return bad(text, kWanted);
  result.ip = *ip;
  if (!parse_number<std::uint16_t>(text.substr(colon + 1), 65535, result.port)) return bad(text, kWanted);
  return result;
}

std::string SocketAddress::text() const {
  const std::string host = ip.is_v6() ? "[" + ip.text() + "]" : ip.text();
  return host + ":" + std::to_string(port);
}

expected<Prefix, std::string> Prefix::parse(std::string_view text) {
  constexpr std::string_view kWanted = "an address with prefix length such as 192.0.2.10/24 or 2001:db8::10/64";
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) return bad(text, kWanted);
  const auto ip = IpAddress::parse(text.substr(0, slash));
  Prefix result;
  if (!ip) return bad(text, kWanted);
  result.address = *ip;
  const std::uint8_t limit = ip->is_v4() ? 32 : 128;
  if (!parse_number<std::uint8_t>(text.substr(slash + 1), limit, result.length)) return bad(text, kWanted);
  return result;
}

std::string Prefix::text() const {
  return address.text() + "/" + std::to_string(length);
}

bool Prefix::contains(const IpAddress& ip) const noexcept {
  if (!ip.set() || ip.family != address.family) return false;
  const std::size_t whole = length / 8;
  if (whole > 0 && std::memcmp(ip.bytes.data(), address.bytes.data(), whole) != 0) return false;
  if (length % 8 == 0) return true;
  const auto mask = static_cast<std::uint8_t>(0xff << (8 - length % 8));
  return ((ip.bytes[whole] ^ address.bytes[whole]) & mask) == 0;
}

bool Prefix::is_broadcast(const IpAddress& ip) const noexcept {
  if (!ip.is_v4() || length > 30 || !contains(ip)) return false;  // /31 and /32 have none (RFC 3021)
  const std::uint32_t host_mask = length == 0 ? 0xffffffffU : (1U << (32 - length)) - 1;
  std::uint32_t value = 0;
  for (int i = 0; i < 4; ++i) value = (value << 8) | ip.bytes[static_cast<std::size_t>(i)];
  return (value & host_mask) == host_mask;
}

IpAddress link_local_of(const MacAddress& mac) noexcept {
  IpAddress ip;
  ip.family = IpFamily::kV6;
  ip.bytes = {0xfe,   0x80,   0,    0,    0,      0,      0,     0, static_cast<std::uint8_t>(mac[0] ^ 0x02),
              mac[1], mac[2], 0xff, 0xfe, mac[3], mac[4], mac[5]};
  return ip;
}

IpAddress solicited_node_of(const IpAddress& ip) noexcept {
  return IpAddress::v6({0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x01, 0xff, ip.bytes[13], ip.bytes[14], ip.bytes[15]});
}

IpAddress all_nodes() noexcept {
  return IpAddress::v6({0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x01});
}

MacAddress multicast_mac_of(const IpAddress& group) noexcept {
  return {0x33, 0x33, group.bytes[12], group.bytes[13], group.bytes[14], group.bytes[15]};
}

std::string mac_text(const MacAddress& mac) {
  char buffer[18];
  std::snprintf(buffer, sizeof(buffer), "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4],
                mac[5]);
  return buffer;
}

expected<MacAddress, std::string> parse_mac(std::string_view text) {
  constexpr std::string_view kWanted = "a MAC address such as 02:00:00:00:00:01";
  MacAddress mac{};
  if (text.size() != 17) return bad(text, kWanted);
  for (std::size_t i = 0; i < 6; ++i) {
    const char* at = text.data() + 3 * i;
    const auto [end, error] = std::from_chars(at, at + 2, mac[i], 16);
    if (error != std::errc{} || end != at + 2 || (i < 5 && *end != ':')) return bad(text, kWanted);
  }
  return mac;
}

}  // namespace dwcp::inet
