// SPDX-License-Identifier: Apache-2.0
// Addresses as a config file writes them: plain values with a strict reader and one canonical spelling.
//
//   IpAddress      10.0.0.1 | 2001:db8::1
//   IpPrefix       10.0.0.1/24 | 2001:db8::1/64      the host's own address and the length of its subnet
//   PeerEndpoint   10.0.0.2 | 10.0.0.2:4000 | [2001:db8::2]:4000
//   LocalSocket    tcp:127.0.0.1:4444 | tcp:[::1]:4444 | unix:/run/vm/migrate.sock
//
// Hosts are addresses, never names: a look-up is a wait nobody has bounded, and its answer may differ tomorrow.
// Readers return the value, or one phrase that says what is wrong with the text.  Any thread; no shared state.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/expected.h"

namespace dwcp {

struct IpAddress {
  bool v6 = false;
  std::array<std::uint8_t, 16> bytes{};  // network order; IPv4 uses the first four, the others are zero

  [[nodiscard]] std::string to_string() const;
  [[nodiscard]] bool unspecified() const noexcept;  // 0.0.0.0 or ::
  [[nodiscard]] bool multicast() const noexcept;
  [[nodiscard]] bool loopback() const noexcept;
  [[nodiscard]] bool link_local() const noexcept;  // 169.254/16 or fe80::/10
  bool operator==(const IpAddress&) const = default;
};

struct IpPrefix {
  IpAddress address;        // the host's, not the network's
  std::uint8_t length = 0;  // bits

  [[nodiscard]] std::string to_string() const;
  [[nodiscard]] bool contains(const IpAddress& other) const noexcept;  // false across families
  bool operator==(const IpPrefix&) const = default;
};

struct PeerEndpoint {
  IpAddress ip;
  std::uint16_t port = 0;  // UDP

  [[nodiscard]] std::string to_string() const;
  bool operator==(const PeerEndpoint&) const = default;
};

struct LocalSocket {
  enum class Kind : std::uint8_t {
    kTcp,   // ip and port are set
    kUnix,  // path is set
  };
  Kind kind = Kind::kTcp;
  IpAddress ip;
  std::uint16_t port = 0;
  std::string path;  // absolute, at most kUnixPathMax bytes

  [[nodiscard]] std::string to_string() const;
  // True when binding both would fail or shadow one: same path, or same port with equal or wildcard addresses.
  [[nodiscard]] bool overlaps(const LocalSocket& other) const noexcept;
  bool operator==(const LocalSocket&) const = default;
};

// sizeof(sockaddr_un::sun_path) less the terminating zero.
inline constexpr std::size_t kUnixPathMax = 107;

[[nodiscard]] expected<IpAddress, std::string> parse_ip(std::string_view text);
[[nodiscard]] expected<IpPrefix, std::string> parse_prefix(std::string_view text);
[[nodiscard]] expected<PeerEndpoint, std::string> parse_peer_endpoint(std::string_view text,
                                                                      std::uint16_t default_port);
[[nodiscard]] expected<LocalSocket, std::string> parse_local_socket(std::string_view text);

}  // namespace dwcp
