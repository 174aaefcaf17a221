// SPDX-License-Identifier: Apache-2.0
// The frames that are on their way in one direction.  In-order frames lie packed in one byte ring, mapped twice in a
// row so that none is ever split; the few that may overtake or fall behind lie in a heap of their own.  All memory is
// reserved and touched by the constructor, since a first touch can cost milliseconds.  One owner thread.
//
// Use:  if (auto* p = line.append(due, n)) copy the frame to p;  ...
//       n = line.gather(now, batch);  send batch.frames[0..n);  line.release();
#pragma once

#include <sys/uio.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "drivers/impair/due_queue.h"

namespace dwcp::wan {

struct DueBatch {
  static constexpr std::size_t kFramesMax = 64;
  std::array<iovec, kFramesMax> frames;
  std::array<std::uint64_t, kFramesMax> due_ns;
};

class DelayLine {
 public:
  // Throws std::system_error when the memory cannot be had.
  explicit DelayLine(std::size_t bytes);
  ~DelayLine();
  DelayLine(const DelayLine&) = delete;
  DelayLine& operator=(const DelayLine&) = delete;

  // Room for an in-order frame; due_ns never falls from call to call.  nullptr when the ring is full.
  [[nodiscard]] std::uint8_t* append(std::uint64_t due_ns, std::size_t length) noexcept;

  // Room for a frame that need not come out in order.  nullptr when there are too many.
  [[nodiscard]] std::uint8_t* append_straggler(std::uint64_t due_ns, std::size_t length);

  [[nodiscard]] std::uint64_t next_due_ns() const noexcept;

  // The frames due by now_ns, in order of time, as many as fit.  They stay valid until release().
  [[nodiscard]] std::size_t gather(std::uint64_t now_ns, DueBatch& batch) noexcept;
  void release() noexcept;

  [[nodiscard]] bool empty() const noexcept { return next_due_ns() == kNever; }

 private:
  struct Record {  // stands in front of each frame in the ring
    std::uint64_t due_ns;
    std::uint64_t length;
  };
  static constexpr std::size_t kStragglersMax = 65536;

  [[nodiscard]] Record* record(std::uint64_t position) const noexcept {
    return reinterpret_cast<Record*>(memory_ + (position & (bytes_ - 1)));
  }
  static std::size_t footprint(std::size_t length) noexcept {
    return (sizeof(Record) + length + 15) & ~std::size_t{15};
  }

  std::uint8_t* memory_ = nullptr;
  std::size_t bytes_ = 0;       // a power of two
  std::uint64_t head_ = 0;      // positions only grow; the next frame goes here
  std::uint64_t tail_ = 0;      // the oldest frame
  std::uint64_t gathered_ = 0;  // up to here the frames are lent
  DueQueue<std::uint32_t> stragglers_{kStragglersMax};
  std::vector<std::vector<std::uint8_t>> slots_;
  std::vector<std::uint32_t> free_slots_;
  std::vector<std::uint32_t> lent_slots_;
};

}  // namespace dwcp::wan
