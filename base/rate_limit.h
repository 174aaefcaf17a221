// SPDX-License-Identifier: Apache-2.0
// RateLimit: one each `spacing_ns` in the long run, and bursts of so many (the generic cell rate algorithm, virtual
// scheduling: ITU-T I.371).  Values; one thread.
#pragma once

#include <algorithm>
#include <cstdint>

namespace dwcp {

class RateLimit {
 public:
  // `burst` is 1 at least.
  constexpr RateLimit(std::uint64_t spacing_ns, std::uint64_t burst) noexcept
      : spacing_ns_(spacing_ns), ahead_max_ns_(spacing_ns * (burst - 1)) {}

  [[nodiscard]] bool admit(std::uint64_t now_ns) noexcept {
    const std::uint64_t due_ns = std::max(due_ns_, now_ns);
    if (due_ns - now_ns > ahead_max_ns_) return false;
    due_ns_ = due_ns + spacing_ns_;
    return true;
  }

 private:
  std::uint64_t spacing_ns_;
  std::uint64_t ahead_max_ns_;
  std::uint64_t due_ns_ = 0;  // when one would be due at the even rate
};

}  // namespace dwcp
