// SPDX-License-Identifier: Apache-2.0
#include "dataplane/inet/checksum.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

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

ChecksumSum add_portable(ChecksumSum sum, const std::uint8_t* data, std::size_t length) noexcept {
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

#if defined(__x86_64__)

// The same with 32-bit words in 64-bit lanes, which no datagram can overflow: a third of the cycles for a whole packet.
// What is left over after the last 64 bytes is the portable code's.
__attribute__((target("avx2"))) ChecksumSum add_avx2(ChecksumSum sum, const std::uint8_t* data, std::size_t length) noexcept {
  const __m256i low_mask = _mm256_set1_epi64x(0xffffffff);
  __m256i low_a = _mm256_setzero_si256(), high_a = low_a, low_b = low_a, high_b = low_a;
  for (; length >= 64; data += 64, length -= 64) {
    const __m256i a = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(data));
    const __m256i b = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(data + 32));
    low_a = _mm256_add_epi64(low_a, _mm256_and_si256(a, low_mask));
    high_a = _mm256_add_epi64(high_a, _mm256_srli_epi64(a, 32));
    low_b = _mm256_add_epi64(low_b, _mm256_and_si256(b, low_mask));
    high_b = _mm256_add_epi64(high_b, _mm256_srli_epi64(b, 32));
  }
  const __m256i lanes = _mm256_add_epi64(_mm256_add_epi64(low_a, low_b), _mm256_add_epi64(high_a, high_b));
  std::uint64_t words[4];
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(words), lanes);
  return add_portable({sum.value + words[0] + words[1] + words[2] + words[3]}, data, length);
}

const bool kHasAvx2 = __builtin_cpu_supports("avx2") != 0;
// Below, setting up and folding the lanes costs what they save.
constexpr std::size_t kVectorBytesMin = 256;

#endif

}  // namespace

ChecksumSum add(ChecksumSum sum, const std::uint8_t* data, std::size_t length) noexcept {
#if defined(__x86_64__)
  if (length >= kVectorBytesMin && kHasAvx2) return add_avx2(sum, data, length);
#endif
  return add_portable(sum, data, length);
}

}  // namespace dwcp::inet
