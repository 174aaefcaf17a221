// SPDX-License-Identifier: Apache-2.0
// The packets two gateways exchange, version 3: one UDP datagram is one packet.  Prose twin: docs/WIRE.md.
//
//   data packet        PacketHeader | chunk ... chunk | tag      the chunks encrypted, the header authenticated too
//   handshake packet   HandshakeHeader | data                    (dataplane/wire/handshake.h)
//
// All integers are big-endian.  The first byte says version and type, so that a packet of another version is told from
// damage.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/byte_order.h"

namespace dwcp::wire {

inline constexpr std::uint8_t kVersion = 3;

enum class PacketType : std::uint8_t {
  kData = 1,       // chunks of one stream of an established session
  kHandshake = 2,  // the exchange that establishes a session or gives it new keys
};

[[nodiscard]] constexpr std::uint8_t type_byte(PacketType type) noexcept {
  return static_cast<std::uint8_t>(kVersion << 4 | static_cast<std::uint8_t>(type));
}
[[nodiscard]] constexpr std::uint8_t version_of(std::uint8_t byte) noexcept { return byte >> 4; }
[[nodiscard]] constexpr std::uint8_t type_of(std::uint8_t byte) noexcept { return byte & 0x0f; }

// Closes every data packet: the tag of the AEAD.
inline constexpr std::size_t kSealBytes = 16;

// Opens every data packet.  `session` is the number the receiver chose for the lane in the handshake; `number` is the low 32
// bits of the stream's packet number, which starts at 0, rises with every packet sent and is never used twice.
struct PacketHeader {
  std::uint8_t type;
  std::uint8_t stream;  // low 6 bits: the stream; high 2: the low bits of the epoch whose keys seal the packet
  be32 session;
  be32 number;
};
static_assert(sizeof(PacketHeader) == 10 && alignof(PacketHeader) == 1);
static_assert(offsetof(PacketHeader, session) == 2 && offsetof(PacketHeader, number) == 6);

inline constexpr std::uint32_t kEpochsTold = 4;

[[nodiscard]] constexpr std::uint8_t stream_byte(std::uint8_t stream, std::uint32_t epoch) noexcept {
  return static_cast<std::uint8_t>(epoch % kEpochsTold << 6 | stream);
}
[[nodiscard]] constexpr std::uint8_t stream_of(std::uint8_t byte) noexcept { return byte & 0x3f; }
[[nodiscard]] constexpr std::uint8_t epoch_bits_of(std::uint8_t byte) noexcept { return byte >> 6; }

// The full packet number nearest to expected whose low 32 bits are `low` (RFC 9000 appendix A.3).
[[nodiscard]] constexpr std::uint64_t expand_packet_number(std::uint64_t expected, std::uint32_t low) noexcept {
  constexpr std::uint64_t window = std::uint64_t{1} << 32;
  const std::uint64_t candidate = (expected & ~(window - 1)) | low;
  if (candidate + window / 2 <= expected) return candidate + window;
  if (candidate > expected + window / 2 && candidate >= window) return candidate - window;
  return candidate;
}

}  // namespace dwcp::wire
