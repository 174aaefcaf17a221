// SPDX-License-Identifier: Apache-2.0
// The seal closes every packet and covers all bytes before it.  It is a CRC-32C (Castagnoli, RFC 3720
// appendix B.4) and finds damage that UDP's 16-bit checksum misses; it does not authenticate.  Room is kept for a 16-byte
// AEAD tag, so that sizes measured now hold when the seal becomes one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace dwcp::wire {

inline constexpr std::size_t kSealBytes = 16;

// Writes the seal behind packet[0, length).  The buffer holds length + kSealBytes.
void seal(std::uint8_t* packet, std::size_t length) noexcept;

// True when the last kSealBytes of `packet` are the seal of the rest.  False for anything shorter than a seal.
[[nodiscard]] bool unseal(std::span<const std::uint8_t> packet) noexcept;

}  // namespace dwcp::wire
