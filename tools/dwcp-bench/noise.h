// SPDX-License-Identifier: Apache-2.0
// Bytes no codec can shrink, which both ends can make: flow F of seed S is one xoshiro sequence that never repeats, so
// the far end checks every byte by making it again.  About 5 GB/s a core.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "base/rng.h"

namespace dwcp::bench {

class Noise {
 public:
  static constexpr std::size_t kBlockBytes = 256 * 1024;

  Noise(std::uint64_t seed, std::uint64_t flow) noexcept : rng_(seed * 0x9e3779b97f4a7c15U + flow) {}

  // The next kBlockBytes of the sequence.
  void fill(std::span<std::byte, kBlockBytes> block) noexcept {
    for (std::size_t at = 0; at < block.size(); at += sizeof(std::uint64_t)) {
      const std::uint64_t word = rng_.next();
      std::memcpy(block.data() + at, &word, sizeof word);
    }
  }

 private:
  Rng rng_;
};

}  // namespace dwcp::bench
