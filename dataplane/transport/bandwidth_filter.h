// SPDX-License-Identifier: Apache-2.0
// The most that was delivered in any of the last ten rounds in which there was enough to send.  A round with too little to
// send says nothing of the path: it neither ages what was measured nor replaces it, so that an idle hour forgets nothing.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

namespace dwcp {

class BandwidthFilter {
 public:
  static constexpr std::size_t kRounds = 10;

  void begin_round(bool app_limited) noexcept {
    if (app_limited) return;
    at_ = (at_ + 1) % kRounds;
    best_[at_] = 0;
  }

  // A sample limited by the application is a lower bound: it counts when it is above all others.
  void add(std::uint64_t bytes_per_sec, bool app_limited) noexcept {
    if (app_limited && bytes_per_sec <= max_) return;
    best_[at_] = std::max(best_[at_], bytes_per_sec);
    max_ = *std::max_element(best_.begin(), best_.end());
  }

  // Forgets what was measured for what is known otherwise.
  void assume(std::uint64_t bytes_per_sec) noexcept {
    best_.fill(0);
    best_[at_] = max_ = bytes_per_sec;
  }

  [[nodiscard]] std::uint64_t max() const noexcept { return max_; }

 private:
  std::array<std::uint64_t, kRounds> best_{};
  std::size_t at_ = 0;
  std::uint64_t max_ = 0;
};

}  // namespace dwcp
