// SPDX-License-Identifier: Apache-2.0
// How far packets may overtake one another on a stream's path before one is declared lost: RFC 9002 §6.1's thresholds, widened
// by losses that prove spurious and narrowed again, as RFC 8985 §6.2 does with its window.
//
// Late packets of one round trip tell of one event, a spike of delay perhaps, so they widen the threshold in time by one step;
// the threshold in packets becomes the extent seen.  Once kPersistRecoveries loss episodes have ended without a spurious loss
// both are what they were at first.
//
// Owned by a stream, on its thread:
//   window.on_spurious(number, largest_acked, next, too_short)   a packet declared lost has arrived
//   window.on_lost(newest, next)                                 packets were declared lost
//   window.reset()                                               another path
#pragma once

#include <algorithm>
#include <cstdint>

#include "dataplane/transport/ids.h"

namespace dwcp {

class ReorderWindow {
 public:
  static constexpr std::uint64_t kPacketsMin = 3;      // kPacketThreshold
  static constexpr std::uint64_t kPacketsMax = 4096;
  static constexpr std::uint64_t kRttEighthsMin = 9;   // kTimeThreshold = 9/8
  static constexpr std::uint64_t kRttEighthsMax = 16;  // two round trips
  static constexpr std::uint32_t kPersistRecoveries = 16;

  [[nodiscard]] std::uint64_t packets() const noexcept { return packets_; }
  [[nodiscard]] std::uint64_t rtt_eighths() const noexcept { return rtt_eighths_; }
  // Of late; a count alone convicts nobody then.
  [[nodiscard]] bool seen() const noexcept { return persist_ != 0; }

  // Packet `number`, declared lost, was acknowledged after all; `next` is the next to be sent.  `too_short`: the threshold in
  // time was.
  void on_spurious(PacketNumber number, PacketNumber largest_acked, PacketNumber next, bool too_short) noexcept {
    persist_ = kPersistRecoveries;
    packets_ = std::clamp(largest_acked - number + 1, packets_, kPacketsMax);
    // What was sent before the last step was judged by what held before it.
    if (!too_short || number < step_end_) return;
    rtt_eighths_ = std::min(rtt_eighths_ + 1, kRttEighthsMax);
    step_end_ = next;
  }

  // `newest` of the losses found now.  One of what was sent after the last episode began begins another.
  void on_lost(PacketNumber newest, PacketNumber next) noexcept {
    if (newest < episode_end_) return;
    episode_end_ = next;
    if (persist_ != 0 && --persist_ == 0) reset();
  }

  void reset() noexcept {
    packets_ = kPacketsMin;
    rtt_eighths_ = kRttEighthsMin;
    persist_ = 0;
  }

 private:
  std::uint64_t packets_ = kPacketsMin;
  std::uint64_t rtt_eighths_ = kRttEighthsMin;
  std::uint32_t persist_ = 0;     // episodes without a spurious loss until all is as at first; 0: it is
  PacketNumber step_end_ = 0;     // packets below were sent before the last step
  PacketNumber episode_end_ = 0;  // and these before the last loss episode began
};

}  // namespace dwcp
