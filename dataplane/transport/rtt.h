// SPDX-License-Identifier: Apache-2.0
// Round-trip time of one stream: latest, smoothed, variation and minimum (RFC 9002 §5).  All in nanoseconds.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/time.h"

namespace dwcp {

class RttEstimator {
 public:
  // RFC 9002 §6.2.2: before a sample, 333 ms.
  static constexpr std::uint64_t kInitialNs = 333 * kNsPerMs;
  // RFC 9002 §6.1.2.
  static constexpr std::uint64_t kGranularityNs = kNsPerMs;

  // `ack_delay_ns` is what the peer says it held the packet back for; it is believed only as far as the sample stays at or
  // above the minimum (§5.3).
  void on_sample(std::uint64_t sample_ns, std::uint64_t ack_delay_ns) noexcept {
    latest_ns_ = sample_ns;
    if (!sampled_) {
      sampled_ = true;
      min_ns_ = smoothed_ns_ = sample_ns;
      variation_ns_ = sample_ns / 2;
      return;
    }
    min_ns_ = std::min(min_ns_, sample_ns);
    const std::uint64_t adjusted = sample_ns >= min_ns_ + ack_delay_ns ? sample_ns - ack_delay_ns : sample_ns;
    const std::uint64_t deviation = smoothed_ns_ > adjusted ? smoothed_ns_ - adjusted : adjusted - smoothed_ns_;
    variation_ns_ = (3 * variation_ns_ + deviation) / 4;
    smoothed_ns_ = (7 * smoothed_ns_ + adjusted) / 8;
  }

  // After persistent congestion the path may be another one (§5.2).
  void forget_min() noexcept { min_ns_ = latest_ns_; }

  [[nodiscard]] bool sampled() const noexcept { return sampled_; }
  [[nodiscard]] std::uint64_t latest_ns() const noexcept { return latest_ns_; }
  [[nodiscard]] std::uint64_t smoothed_ns() const noexcept { return smoothed_ns_; }
  [[nodiscard]] std::uint64_t variation_ns() const noexcept { return variation_ns_; }
  [[nodiscard]] std::uint64_t min_ns() const noexcept { return min_ns_; }

  // §6.2.1, without backoff.
  [[nodiscard]] std::uint64_t pto_ns(std::uint64_t ack_delay_max_ns) const noexcept {
    return smoothed_ns_ + std::max(4 * variation_ns_, kGranularityNs) + ack_delay_max_ns;
  }

 private:
  std::uint64_t latest_ns_ = kInitialNs;
  std::uint64_t smoothed_ns_ = kInitialNs;
  std::uint64_t variation_ns_ = kInitialNs / 2;
  std::uint64_t min_ns_ = kInitialNs;
  bool sampled_ = false;
};

}  // namespace dwcp
