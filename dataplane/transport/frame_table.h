// SPDX-License-Identifier: Apache-2.0
// Frames in transit on a lane: a fixed table for each direction, slots linked into free and queue lists by index, so that
// nothing allocates after start.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/assert.h"
#include "base/interval_set.h"
#include "dataplane/transport/cell_pool.h"
#include "dataplane/transport/ids.h"
#include "dataplane/wire/limits.h"

namespace dwcp {

inline constexpr std::uint32_t kNoSlot = 0xffffffffU;

// Disjoint pieces of one frame that can be known at once: every second packet of the largest frame in the smallest datagram.
inline constexpr std::size_t kFramePieces = 116;
static_assert(kFramePieces * 2 * (wire::chunk_room(wire::kDatagramBytesMin) - sizeof(wire::DataChunk)) >= wire::kFrameBytesMax);

using FrameRanges = IntervalSet<std::uint32_t, kFramePieces>;

// A frame being sent.  The body is the submitter's until the frame is acknowledged whole or its flow ends.
struct TxFrame {
  FrameBody* body = nullptr;
  FlowId flow{};
  FrameSeq seq{};
  std::uint32_t generation = 0;   // of the slot: a late ACK for an earlier tenant is told apart
  std::uint32_t next = kNoSlot;   // in the flow's queue, or the free list
  std::uint32_t sent_bytes = 0;   // [0, sent_bytes) has been sent at least once
  std::uint32_t acked_bytes = 0;
  std::uint32_t parity = kNoSlot; // of the lane's TxParity table, when the frame is protected
  bool guarded = false;           // parity was decided on, once
  FrameRanges acked;
};

// A frame being received.
struct RxFrame {
  FrameBody body;
  FlowId flow{};
  FrameSeq seq{};
  std::uint32_t next = kNoSlot;   // in the free list
  std::uint32_t received_bytes = 0;
  std::uint32_t parity = kNoSlot; // of the lane's RxParity table, when any came
  bool lent = false;              // complete and handed up: freed by consume() only
  FrameRanges received;
};

template <typename Frame>
class FrameTable {
 public:
  explicit FrameTable(std::size_t slots) : frames_(slots) {
    for (std::size_t i = 0; i < slots; ++i) frames_[i].next = i + 1 < slots ? static_cast<std::uint32_t>(i + 1) : kNoSlot;
    free_ = slots != 0 ? 0 : kNoSlot;
    free_count_ = slots;
  }

  // kNoSlot when all are in use.
  [[nodiscard]] std::uint32_t take() noexcept {
    const std::uint32_t slot = free_;
    if (slot == kNoSlot) return slot;
    free_ = frames_[slot].next;
    frames_[slot].next = kNoSlot;
    --free_count_;
    return slot;
  }
  void put(std::uint32_t slot) noexcept {
    frames_[slot].next = free_;
    free_ = slot;
    ++free_count_;
  }

  [[nodiscard]] Frame& operator[](std::uint32_t slot) noexcept { return frames_[slot]; }
  [[nodiscard]] const Frame& operator[](std::uint32_t slot) const noexcept { return frames_[slot]; }
  [[nodiscard]] std::size_t size() const noexcept { return frames_.size(); }
  [[nodiscard]] std::size_t free_count() const noexcept { return free_count_; }

 private:
  std::vector<Frame> frames_;
  std::uint32_t free_ = kNoSlot;
  std::size_t free_count_ = 0;
};

}  // namespace dwcp
