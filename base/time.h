// SPDX-License-Identifier: Apache-2.0
// Time is an unsigned count of nanoseconds on a monotonic clock whose zero means nothing.  The code that keeps time is
// handed `now_ns`; only loops, tools and tests read a clock.
#pragma once

#include <cstdint>
#include <limits>

namespace dwcp {

inline constexpr std::uint64_t kNsPerUs = 1'000;
inline constexpr std::uint64_t kNsPerMs = 1'000'000;
inline constexpr std::uint64_t kNsPerSec = 1'000'000'000;

// A deadline that never comes.
inline constexpr std::uint64_t kNever = std::numeric_limits<std::uint64_t>::max();

}  // namespace dwcp
