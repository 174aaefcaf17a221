// SPDX-License-Identifier: Apache-2.0
// The pacer spreads a group's packets, on all its streams, over time at the rate congestion control names.  A loop that wakes
// late may catch up for at most kCatchUpNs, so that a sleep does not cost throughput and a stall does not become a burst.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/time.h"

namespace dwcp {

class Pacer {
 public:
  static constexpr std::uint64_t kCatchUpNs = kNsPerMs;

  // 0 = not paced.
  void set_rate(std::uint64_t bytes_per_sec) noexcept { bytes_per_sec_ = bytes_per_sec; }

  [[nodiscard]] bool may_send(std::uint64_t now_ns) const noexcept { return next_ns_ <= now_ns; }

  void on_sent(std::uint64_t now_ns, std::uint64_t bytes) noexcept {
    // Probes and pings do not wait for the pacer; nor do they make others wait longer, or a blackout would end in silence.
    if (bytes_per_sec_ == 0 || next_ns_ > now_ns) return;
    next_ns_ = std::max(next_ns_, now_ns - std::min(now_ns, kCatchUpNs));
    const std::uint64_t scaled = bytes * kNsPerSec + remainder_;
    next_ns_ += scaled / bytes_per_sec_;
    remainder_ = scaled % bytes_per_sec_;
  }

  [[nodiscard]] std::uint64_t next_ns() const noexcept { return next_ns_; }

 private:
  std::uint64_t bytes_per_sec_ = 0;
  std::uint64_t next_ns_ = 0;
  std::uint64_t remainder_ = 0;  // of the last division, so that no rate drifts
};

}  // namespace dwcp
