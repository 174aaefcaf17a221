// SPDX-License-Identifier: Apache-2.0
#include "config/address.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <optional>

namespace dwcp {
namespace {

using Why = unexpected<std::string>;

// Decimal digits only, no sign, no leading zero.
std::optional<unsigned> parse_number(std::string_view text, unsigned max) {
  if (text.empty() || text.size() > 5 || (text.size() > 1 && text[0] == '0')) return std::nullopt;
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value > max) return std::nullopt;
  return value;
}

expected<std::uint16_t, std::string> parse_port(std::string_view text) {
  const auto port = parse_number(text, 65535);
  if (!port || *port == 0) return Why(text.empty() ? "the port is missing" : "the port is not a number 1..65535");
  return static_cast<std::uint16_t>(*port);
}

// HOST:PORT, [V6]:PORT, or with no port when `port` stays empty.
struct HostPort {
  std::string_view host;
  std::optional<std::string_view> port;
};

expected<HostPort, std::string> split_host_port(std::string_view text) {
  if (text.starts_with('[')) {
    const auto close = text.find(']');
    if (close == std::string_view::npos) return Why("'[' without ']'");
    const auto rest = text.substr(close + 1);
    if (text.substr(1, close - 1).find(':') == std::string_view::npos) return Why("only IPv6 addresses go in brackets");
    if (rest.empty()) return HostPort{text.substr(1, close - 1), std::nullopt};
    if (rest[0] != ':') return Why("only :PORT may follow ']'");
    return HostPort{text.substr(1, close - 1), rest.substr(1)};
  }
  const auto colon = text.find(':');
  if (colon == std::string_view::npos) return HostPort{text, std::nullopt};
  if (text.find(':', colon + 1) != std::string_view::npos) return HostPort{text, std::nullopt};  // a bare IPv6 address
  return HostPort{text.substr(0, colon), text.substr(colon + 1)};
}

}  // namespace

expected<IpAddress, std::string> parse_ip(std::string_view text) {
  const std::string copy(text);
  IpAddress ip;
  if (copy.find('\0') == std::string::npos && copy.find(':') == std::string::npos &&
      inet_pton(AF_INET, copy.c_str(), ip.bytes.data()) == 1) {
    return ip;
  }
  ip.v6 = true;
  if (copy.find('\0') == std::string::npos && inet_pton(AF_INET6, copy.c_str(), ip.bytes.data()) == 1) return ip;
  if (text.empty()) return Why("the address is missing");
  return Why("not an IPv4 or IPv6 address (host names are not looked up)");
}

expected<IpPrefix, std::string> parse_prefix(std::string_view text) {
  const auto slash = text.find('/');
  if (slash == std::string_view::npos) return Why("the prefix length is missing");
  const auto ip = parse_ip(text.substr(0, slash));
  if (!ip) return Why(ip.error());
  const unsigned max = ip->v6 ? 128 : 32;
  const auto length = parse_number(text.substr(slash + 1), max);
  if (!length || *length == 0) return Why("the prefix length is not a number 1.." + std::to_string(max));
  return IpPrefix{*ip, static_cast<std::uint8_t>(*length)};
}

expected<PeerEndpoint, std::string> parse_peer_endpoint(std::string_view text, std::uint16_t default_port) {
  const auto parts = split_host_port(text);
  if (!parts) return Why(parts.error());
  const auto ip = parse_ip(parts->host);
  if (!ip) return Why(ip.error());
  if (!parts->port) return PeerEndpoint{*ip, default_port};
  const auto port = parse_port(*parts->port);
  if (!port) return Why(port.error());
  return PeerEndpoint{*ip, *port};
}

expected<LocalSocket, std::string> parse_local_socket(std::string_view text) {
  LocalSocket socket;
  if (text.starts_with("unix:")) {
    socket.kind = LocalSocket::Kind::kUnix;
    socket.path = text.substr(5);
    if (!socket.path.starts_with('/')) return Why("the socket path is not absolute");
    if (socket.path.size() > kUnixPathMax) return Why("the socket path is longer than " + std::to_string(kUnixPathMax));
    if (socket.path.find('\0') != std::string::npos) return Why("the socket path holds a zero byte");
    return socket;
  }
  if (!text.starts_with("tcp:")) return Why("it begins with neither tcp: nor unix:");
  const auto parts = split_host_port(text.substr(4));
  if (!parts) return Why(parts.error());
  const auto ip = parse_ip(parts->host);
  if (!ip) return Why(ip.error());
  if (!parts->port) return Why(ip->v6 ? "the port is missing (write tcp:[ADDRESS]:PORT)" : "the port is missing");
  const auto port = parse_port(*parts->port);
  if (!port) return Why(port.error());
  socket.ip = *ip;
  socket.port = *port;
  return socket;
}

std::string IpAddress::to_string() const {
  char text[INET6_ADDRSTRLEN];
  return inet_ntop(v6 ? AF_INET6 : AF_INET, bytes.data(), text, sizeof text) != nullptr ? text : "";
}

bool IpAddress::unspecified() const noexcept {
  return std::all_of(bytes.begin(), bytes.end(), [](std::uint8_t byte) { return byte == 0; });
}

bool IpAddress::multicast() const noexcept {
  return v6 ? bytes[0] == 0xff : (bytes[0] & 0xf0U) == 0xe0;
}

bool IpAddress::loopback() const noexcept {
  if (!v6) return bytes[0] == 127;
  return std::all_of(bytes.begin(), bytes.end() - 1, [](std::uint8_t byte) { return byte == 0; }) && bytes[15] == 1;
}

bool IpAddress::link_local() const noexcept {
  return v6 ? bytes[0] == 0xfe && (bytes[1] & 0xc0U) == 0x80 : bytes[0] == 169 && bytes[1] == 254;
}

std::string IpPrefix::to_string() const {
  return address.to_string() + '/' + std::to_string(length);
}

bool IpPrefix::contains(const IpAddress& other) const noexcept {
  if (address.v6 != other.v6) return false;
  const std::size_t whole = length / 8U;
  if (!std::equal(address.bytes.begin(), address.bytes.begin() + static_cast<std::ptrdiff_t>(whole),
                  other.bytes.begin())) {
    return false;
  }
  const unsigned rest = length % 8U;
  if (rest == 0) return true;
  return ((address.bytes[whole] ^ other.bytes[whole]) >> (8 - rest)) == 0;
}

std::string PeerEndpoint::to_string() const {
  return (ip.v6 ? '[' + ip.to_string() + ']' : ip.to_string()) + ':' + std::to_string(port);
}

std::string LocalSocket::to_string() const {
  if (kind == Kind::kUnix) return "unix:" + path;
  return "tcp:" + PeerEndpoint{ip, port}.to_string();
}

bool LocalSocket::overlaps(const LocalSocket& other) const noexcept {
  if (kind != other.kind) return false;
  if (kind == Kind::kUnix) return path == other.path;
  if (port != other.port) return false;
  // [::] takes IPv4 too unless IPV6_V6ONLY is set; treating it as an overlap is right for either.
  return ip == other.ip || ip.unspecified() || other.ip.unspecified();
}

}  // namespace dwcp
