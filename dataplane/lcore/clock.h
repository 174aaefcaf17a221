// SPDX-License-Identifier: Apache-2.0
// The lcores' clock: the CPU's time-stamp counter, which costs nanoseconds to read and needs no system call.
#pragma once

#include <rte_cycles.h>

#include <cstdint>

namespace dwcp {

class TscClock {
 public:
  TscClock() noexcept : hz_(rte_get_tsc_hz()), ns_per_cycle_(static_cast<std::uint64_t>(1e9 * 4294967296.0 / static_cast<double>(hz_))) {}

  [[nodiscard]] static std::uint64_t cycles() noexcept { return rte_rdtsc(); }

  [[nodiscard]] std::uint64_t to_ns(std::uint64_t cycles) const noexcept {
    return static_cast<std::uint64_t>((static_cast<Wide>(cycles) * ns_per_cycle_) >> 32);
  }
  [[nodiscard]] std::uint64_t now_ns() const noexcept { return to_ns(cycles()); }
  [[nodiscard]] std::uint64_t hz() const noexcept { return hz_; }

 private:
  __extension__ typedef unsigned __int128 Wide;

  std::uint64_t hz_;
  std::uint64_t ns_per_cycle_;  // 32.32 fixed point
};

}  // namespace dwcp
