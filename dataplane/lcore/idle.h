// SPDX-License-Identifier: Apache-2.0
// Adaptive idling: an lcore with nothing to do must not burn a core, and must wake to full speed at once.
//
//   work            poll again at once
//   no work         after kEmptyPolls rounds sleep, first for kStepNs, then twice as long each time, up to sleep_max_ns,
//                   but not past the roles' deadline
//
// A deadline nearer than kStepNs is slept through by at most that: pacing catches up (see Pacer), and a core shared with
// others is not burnt for microseconds.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/time.h"

namespace dwcp {

class Idle {
 public:
  static constexpr std::uint32_t kEmptyPolls = 8;
  static constexpr std::uint64_t kStepNs = 50 * kNsPerUs;

  // 0: never sleep.
  explicit Idle(std::uint64_t sleep_max_ns) noexcept : sleep_max_ns_(sleep_max_ns) {}

  void on_work() noexcept {
    empty_polls_ = 0;
    step_ns_ = kStepNs;
  }

  // How long to sleep after a round without work; 0 = poll again.
  [[nodiscard]] std::uint64_t on_empty(std::uint64_t now_ns, std::uint64_t deadline_ns) noexcept {
    if (sleep_max_ns_ == 0 || ++empty_polls_ < kEmptyPolls) return 0;
    const std::uint64_t until = deadline_ns > now_ns ? deadline_ns - now_ns : 0;
    const std::uint64_t sleep = std::min({step_ns_, sleep_max_ns_, std::max(until, kStepNs)});
    step_ns_ = std::min(2 * step_ns_, sleep_max_ns_);
    return sleep;
  }

 private:
  std::uint64_t sleep_max_ns_;
  std::uint64_t step_ns_ = kStepNs;
  std::uint32_t empty_polls_ = 0;
};

}  // namespace dwcp
