// SPDX-License-Identifier: Apache-2.0
// Ranges of frames that were declared lost and wait to be sent again, first come first served.  Nothing new is sent while
// any wait, so their number follows what was in flight: the ring holds twice what all records of a lane can carry.  Ranges
// split when packets become smaller, so a full ring is thinkable, and push() says so.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/assert.h"
#include "dataplane/transport/sent_map.h"

namespace dwcp {

class RepairQueue {
 public:
  explicit RepairQueue(std::size_t packets_max)
      : ring_(std::bit_ceil(2 * SentPacket::kRangesMax * packets_max)), mask_(ring_.size() - 1) {}

  [[nodiscard]] bool empty() const noexcept { return head_ == tail_; }
  [[nodiscard]] bool full() const noexcept { return tail_ - head_ > mask_; }
  [[nodiscard]] std::uint64_t bytes() const noexcept { return bytes_; }
  [[nodiscard]] SentRange& front() noexcept { return ring_[head_ & mask_]; }

  [[nodiscard]] bool push(const SentRange& range) noexcept {
    if (full()) return false;
    ring_[tail_++ & mask_] = range;
    bytes_ += range.length;
    return true;
  }
  void clear() noexcept {
    head_ = tail_ = 0;
    bytes_ = 0;
  }
  void pop() noexcept {
    bytes_ -= front().length;
    ++head_;
  }
  // Takes `length` bytes off the front of the first range.
  void trim_front(std::uint32_t length) noexcept {
    front().offset += length;
    front().length = static_cast<std::uint16_t>(front().length - length);
    bytes_ -= length;
  }

 private:
  std::vector<SentRange> ring_;
  std::size_t mask_;
  std::size_t head_ = 0;
  std::size_t tail_ = 0;
  std::uint64_t bytes_ = 0;
};

}  // namespace dwcp
