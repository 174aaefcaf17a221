// SPDX-License-Identifier: Apache-2.0
// A recovery epoch: from a reduction of the window until something sent after it is acknowledged (RFC 9002 §7.3.2).  Losses
// of one flight are one event, so they reduce the window once; and when every one of them turns out to have arrived, there
// was no event at all (RFC 9438 §4.9) and the state before it comes back.
//
// Called by the loss-based congestion controls:
//   if (epoch.covers(sent_ns)) epoch.add(lost); else { save; epoch.begin(now, lost); reduce; }
//   if (epoch.all_spurious(bytes, sent_ns)) restore;
#pragma once

#include <cstdint>

namespace dwcp {

class RecoveryEpoch {
 public:
  // A packet sent then belongs to the epoch, or to an earlier one: its loss is not a new event.
  [[nodiscard]] bool covers(std::uint64_t sent_ns) const noexcept { return sent_ns <= start_ns_; }

  // No `lost_bytes`: an event that cannot turn out spurious.
  void begin(std::uint64_t now_ns, std::uint64_t lost_bytes) noexcept {
    previous_start_ns_ = start_ns_;
    start_ns_ = now_ns;
    lost_bytes_ = lost_bytes;
    spurious_bytes_ = 0;
    undoable_ = lost_bytes != 0;
  }

  // The epoch's flight has lost more; again, no `lost_bytes` is an event that cannot turn out spurious.
  void add(std::uint64_t lost_bytes) noexcept {
    lost_bytes_ += lost_bytes;
    undoable_ = undoable_ && lost_bytes != 0;
  }

  // A packet sent then and declared lost has arrived.  True when it was the last of the epoch's losses: the epoch has never
  // been, and a loss of its flight that is found later begins another.
  [[nodiscard]] bool all_spurious(std::uint64_t bytes, std::uint64_t sent_ns) noexcept {
    if (!undoable_ || sent_ns > start_ns_ || sent_ns <= previous_start_ns_) return false;
    spurious_bytes_ += bytes;
    if (spurious_bytes_ < lost_bytes_) return false;
    start_ns_ = previous_start_ns_;
    undoable_ = false;
    return true;
  }

  // Persistent congestion: recovery starts from nothing (RFC 9002 §7.6.2), and is not undone.
  void forget() noexcept { *this = RecoveryEpoch{}; }

 private:
  std::uint64_t start_ns_ = 0;  // 0 = none yet
  std::uint64_t previous_start_ns_ = 0;
  std::uint64_t lost_bytes_ = 0;
  std::uint64_t spurious_bytes_ = 0;
  bool undoable_ = false;
};

}  // namespace dwcp
