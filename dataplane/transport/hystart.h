// SPDX-License-Identifier: Apache-2.0
// HyStart++ (RFC 9406): slow start leaves before it fills the buffer, when a round's least RTT has risen by an eighth; and
// grows at a quarter of the speed for five rounds first, in case the rise was no queue of ours.
//
// Told of every ACK while in slow start; says how fast to grow.  L of §4.3 is infinite, since all that is sent is paced.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/time.h"
#include "dataplane/transport/congestion_control.h"

namespace dwcp {

class HyStart {
 public:
  enum class Growth : std::uint8_t {
    kSlowStart,     // by all that is acknowledged
    kConservative,  // by a quarter of it (CSS_GROWTH_DIVISOR)
    kLeave,         // no more: congestion avoidance begins
  };
  static constexpr std::uint64_t kGrowthDivisor = 4;
  static constexpr std::uint32_t kConservativeRounds = 5;
  static constexpr std::uint32_t kRttSamples = 8;
  static constexpr std::uint64_t kThresholdMinNs = 4 * kNsPerMs;
  static constexpr std::uint64_t kThresholdMaxNs = 16 * kNsPerMs;
  static constexpr std::uint64_t kRttDivisor = 8;

  Growth on_ack(const AckSample& sample) noexcept {
    if (sample.acked_bytes != 0 && sample.acked_sent_ns >= round_start_ns_) {
      round_start_ns_ = sample.now_ns;
      last_round_ns_ = this_round_ns_;
      this_round_ns_ = kNever;
      samples_ = 0;
      // The round in which it began counts (§4.2).
      if (conservative_ && ++conservative_rounds_ >= kConservativeRounds) return Growth::kLeave;
    }
    if (sample.rtt_ns != 0) {
      this_round_ns_ = std::min(this_round_ns_, sample.rtt_ns);
      ++samples_;
    }
    if (samples_ >= kRttSamples) judge();
    return conservative_ ? Growth::kConservative : Growth::kSlowStart;
  }

 private:
  void judge() noexcept {
    if (conservative_) {
      // Lower again: the rise was not ours.
      if (this_round_ns_ < baseline_ns_) conservative_ = false;
      return;
    }
    if (last_round_ns_ == kNever) return;
    const std::uint64_t threshold_ns = std::clamp(last_round_ns_ / kRttDivisor, kThresholdMinNs, kThresholdMaxNs);
    if (this_round_ns_ < last_round_ns_ + threshold_ns) return;
    conservative_ = true;
    conservative_rounds_ = 0;
    baseline_ns_ = this_round_ns_;
  }

  std::uint64_t round_start_ns_ = 0;  // the round ends when something sent since is acknowledged
  std::uint64_t last_round_ns_ = kNever;
  std::uint64_t this_round_ns_ = kNever;
  std::uint64_t baseline_ns_ = kNever;
  std::uint32_t samples_ = 0;
  std::uint32_t conservative_rounds_ = 0;
  bool conservative_ = false;
};

}  // namespace dwcp
