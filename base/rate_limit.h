// SPDX-License-Identifier: Apache-2.0
// RateLimit: so many a second, and bursts of so many (the generic cell rate algorithm: ITU-T I.371, appendix A).  Values; one
// thread.
#pragma once

#include <algorithm>
#include <cstdint>

namespace dwcp {

class RateLimit {
 public:
  constexpr RateLimit(std::uint64_t spacing_ns, std::uint64_t burst) noexcept : spacing_ns_(spacing_ns), burst_ns_(spacing_ns * burst) {}

  [[nodiscard]] bool admit(std::uint64_t now_ns) noexcept {
    const std::uint64_t due_ns = std::max(due_ns_, now_ns);
    if (due_ns - now_ns > burst_ns_ - spacing_ns_) return false;
    due_ns_ = due_ns + spacing_ns_;
    return true;
  }

 private:
  std::uint64_t spacing_ns_;
  std::uint64_t burst_ns_;
  std::uint64_t due_ns_ = 0;  // when one would be due at the even rate
};

}  // namespace dwcp
