// SPDX-License-Identifier: Apache-2.0
// The internet checksum (RFC 1071).  A ChecksumSum is a running ones'-complement sum of 16-bit words in memory order:
// by RFC 1071 §2(B) it may be taken in the host's byte order and stored as it is, so nothing is swapped per word.
// Any thread; pure.
//
// Use:
//   ChecksumSum sum = pseudo_header(source, destination, kProtocolUdp, length);
//   sum = add(sum, udp, length);                            pieces but the last must have an even length
//   verifies(sum)                                           on receive, the checksum field in place
//   header.checksum = finish(sum)                           on send, the field having been 0 in the sum
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "base/byte_order.h"

namespace dwcp::inet {

struct ChecksumSum {
  std::uint64_t value = 0;  // at most 2^48 or so: folded by fold()
};

[[nodiscard]] ChecksumSum add(ChecksumSum sum, const std::uint8_t* data, std::size_t length) noexcept;

// One 16-bit field.
[[nodiscard]] inline ChecksumSum add(ChecksumSum sum, be16 field) noexcept {
  std::uint16_t raw;
  std::memcpy(&raw, field.bytes, 2);
  return {sum.value + raw};
}

// The sum in 16 bits, not complemented: what a port that fills checksums wants to find in the UDP checksum field.
[[nodiscard]] inline be16 fold(ChecksumSum sum) noexcept {
  std::uint64_t v = sum.value;
  v = (v & 0xffffffff) + (v >> 32);
  v = (v & 0xffffffff) + (v >> 32);
  v = (v & 0xffff) + (v >> 16);
  v = (v & 0xffff) + (v >> 16);
  const auto raw = static_cast<std::uint16_t>(v);
  be16 result;
  std::memcpy(result.bytes, &raw, 2);
  return result;
}

[[nodiscard]] inline be16 finish(ChecksumSum sum) noexcept {
  return be16(static_cast<std::uint16_t>(~fold(sum).value() & 0xffff));
}

// RFC 768: a computed zero goes out as all ones, zero meaning none.
[[nodiscard]] inline be16 finish_udp(ChecksumSum sum) noexcept {
  const be16 checksum = finish(sum);
  return checksum == 0 ? be16(0xffff) : checksum;
}

// True when the sum covers a checksum field that is right.
[[nodiscard]] inline bool verifies(ChecksumSum sum) noexcept {
  return fold(sum) == 0xffff;
}

// The pseudo-headers of RFC 768 and RFC 8200 §8.1; `length` is that of the UDP or ICMPv6 message.
[[nodiscard]] inline ChecksumSum pseudo_header(const std::array<std::uint8_t, 4>& source,
                                               const std::array<std::uint8_t, 4>& destination, std::uint8_t protocol,
                                               std::uint32_t length) noexcept {
  std::uint32_t words[2];
  std::memcpy(&words[0], source.data(), 4);
  std::memcpy(&words[1], destination.data(), 4);
  ChecksumSum sum{std::uint64_t{words[0]} + words[1]};
  sum = add(sum, be16(protocol));
  return add(sum, be16(static_cast<std::uint16_t>(length)));
}

[[nodiscard]] inline ChecksumSum pseudo_header(const std::array<std::uint8_t, 16>& source,
                                               const std::array<std::uint8_t, 16>& destination, std::uint8_t protocol,
                                               std::uint32_t length) noexcept {
  std::uint32_t words[8];
  std::memcpy(&words[0], source.data(), 16);
  std::memcpy(&words[4], destination.data(), 16);
  ChecksumSum sum;
  for (const std::uint32_t word : words) sum.value += word;
  sum = add(sum, be16(protocol));
  sum = add(sum, be16(static_cast<std::uint16_t>(length >> 16)));
  return add(sum, be16(static_cast<std::uint16_t>(length & 0xffff)));
}

// The checksum after one of the words it covers changed (RFC 1624 eqn. 3).
[[nodiscard]] inline be16 update(be16 checksum, be16 before, be16 after) noexcept {
  ChecksumSum sum;
  sum = add(sum, be16(static_cast<std::uint16_t>(~checksum.value() & 0xffff)));
  sum = add(sum, be16(static_cast<std::uint16_t>(~before.value() & 0xffff)));
  return finish(add(sum, after));
}

}  // namespace dwcp::inet
