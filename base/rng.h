// SPDX-License-Identifier: Apache-2.0
// A small seeded random source for simulation, jitter and ids that need not be secret: xoshiro256** seeded by
// splitmix64 (Blackman & Vigna, https://prng.di.unimi.it).  Same seed, same sequence, on every machine.
// One owner; not for keys.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <cmath>

namespace dwcp {

class Rng {
 public:
  explicit Rng(std::uint64_t seed) noexcept {
    for (auto& word : state_) {
      seed += 0x9e3779b97f4a7c15U;
      std::uint64_t z = seed;
      z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
      z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
      word = z ^ (z >> 31);
    }
  }

  std::uint64_t next() noexcept {
    const std::uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
    const std::uint64_t t = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= t;
    state_[3] = std::rotl(state_[3], 45);
    return result;
  }

  // Uniform in [0, bound); 0 when bound is 0.
  std::uint64_t below(std::uint64_t bound) noexcept {
    return static_cast<std::uint64_t>((static_cast<Wide>(next()) * bound) >> 64);
  }

  // Uniform in [0, 1).
  double uniform() noexcept { return static_cast<double>(next() >> 11) * 0x1.0p-53; }

  bool chance(double probability) noexcept { return probability > 0 && uniform() < probability; }

  // Exponential with the given mean.
  double exponential(double mean) noexcept { return -mean * std::log1p(-uniform()); }

 private:
  __extension__ typedef unsigned __int128 Wide;

  std::array<std::uint64_t, 4> state_{};
};

}  // namespace dwcp
