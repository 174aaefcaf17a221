// SPDX-License-Identifier: Apache-2.0
// What a router says of a packet that its link does not carry: fragmentation needed (RFC 1191) or packet too big (RFC 4443
// §3.2).  The emulator is no station, so the answer comes in the name of the packet's destination, which hosts must take
// from anyone on the path.  Pure.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace dwcp::wan {

// Ethernet, IPv6 and ICMPv6 headers, and no more of the packet than every host's MTU leaves room for.
inline constexpr std::size_t kTooBigBytesMax = 14 + 1280;
using TooBigFrame = std::array<std::uint8_t, kTooBigBytesMax>;

// Writes the answer to `frame`; returns its length, or 0 where none is due: not IP, tagged, an ICMP error itself, IPv4 that
// may be cut up, or to a group.
[[nodiscard]] std::size_t write_too_big(std::span<const std::uint8_t> frame, std::uint32_t mtu, TooBigFrame& out) noexcept;

}  // namespace dwcp::wan
