// SPDX-License-Identifier: Apache-2.0
// A path that has become longer, told from a queue: packets sent one after the other whose round trips differ by a step.  A
// queue grows by what is sent into it, so between two packets sent a moment apart it can hardly grow by a quarter of a round
// trip; a new route adds that at once, and keeps it.  A stall on the way looks the same at first, but its queue drains.
//
//   if (const std::uint64_t step_ns = step.on_ack(sample.now_ns, sample.rtt_ns, min_rtt_ns, round_begins)) min_rtt_ns += step_ns;
//
// Owned by a Bbr, on its thread.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>

#include "base/time.h"

namespace dwcp {

class PathStep {
 public:
  // Of the least round trip, and in any case: smaller ones do not matter, or are a host's own delays.
  static constexpr std::uint64_t kLeastDivisor = 4;
  static constexpr std::uint64_t kLeastNs = 5 * kNsPerMs;
  // A queue that grew so would be fed at more than as many times the rate of its link.
  static constexpr std::uint64_t kSteepness = 16;
  // The step must stand for so many rounds, to at least three quarters.
  static constexpr std::uint32_t kRounds = 6;

  // Of each ACK with a round trip.  The step, in ns, once it is certain; 0 else.
  std::uint64_t on_ack(std::uint64_t now_ns, std::uint64_t rtt_ns, std::uint64_t min_rtt_ns, bool round_begins) noexcept {
    const std::uint64_t sent_ns = now_ns - std::min(now_ns, rtt_ns);
    const std::uint64_t jump_ns = rtt_ns - std::min(rtt_ns, last_rtt_ns_);
    const std::uint64_t apart_ns = sent_ns - std::min(sent_ns, last_sent_ns_);
    const bool known = last_rtt_ns_ != 0;
    if (pending() && rtt_ns < before_ns_ + step_ns_ * 3 / 4) step_ns_ = 0;
    // Both directions may have become longer, one seen after the other.
    if (known && jump_ns >= std::max(min_rtt_ns / kLeastDivisor, kLeastNs) && jump_ns >= kSteepness * apart_ns) {
      if (!pending()) before_ns_ = last_rtt_ns_;
      step_ns_ += jump_ns;
      rounds_ = 0;
    } else if (pending() && round_begins) {
      ++rounds_;
    }
    last_rtt_ns_ = rtt_ns;
    last_sent_ns_ = sent_ns;
    if (!pending() || rounds_ < kRounds) return 0;
    return std::exchange(step_ns_, 0);
  }

  // One was seen and has stood so far.
  [[nodiscard]] bool pending() const noexcept { return step_ns_ != 0; }

 private:
  std::uint64_t last_rtt_ns_ = 0;
  std::uint64_t last_sent_ns_ = 0;
  std::uint64_t before_ns_ = 0;
  std::uint64_t step_ns_ = 0;
  std::uint32_t rounds_ = 0;
};

}  // namespace dwcp
