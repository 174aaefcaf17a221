// SPDX-License-Identifier: Apache-2.0
#include "dataplane/inet/checksum.h"

namespace dwcp::inet {
namespace {

// 128 bits hold the carries of any number of 64-bit words, at one add and one add-with-carry a word.
__extension__ typedef unsigned __int128 Accumulator;

[[nodiscard]] std::uint64_t load_word(const std::uint8_t* at) noexcept {
  std::uint64_t word;
  std::memcpy(&word, at, 8);
  return word;
}

// Ones'-complement: 2^32 counts as 1, since 2^16 does.
[[nodiscard]] std::uint64_t reduce(Accumulator sum) noexcept {
  const auto low = static_cast<std::uint64_t>(sum);
  const auto high = static_cast<std::uint64_t>(sum >> 64);
  return (low & 0xffffffff) + (low >> 32) + (high & 0xffffffff) + (high >> 32);
}

}  // namespace

ChecksumSum add(ChecksumSum sum, const std::uint8_t* data, std::size_t length) noexcept {
  // Independent chains, so that the carry of one does not wait for the other's.
  Accumulator a = 0, b = 0, c = 0, d = 0;
  while (length >= 32) {
    a += load_word(data);
    b += load_word(data + 8);
    c += load_word(data + 16);
    d += load_word(data + 24);
    data += 32;
    length -= 32;
  }
  while (length >= 8) {
    a += load_word(data);
    data += 8;
    length -= 8;
  }
  if (length > 0) {
    std::uint64_t tail = 0;  // an odd last byte counts as if a zero followed it, in either byte order
    std::memcpy(&tail, data, length);
    b += tail;
  }
  return {sum.value + reduce(a) + reduce(b) + reduce(c) + reduce(d)};
}

}  // namespace dwcp::inet
