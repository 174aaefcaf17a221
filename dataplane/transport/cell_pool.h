// SPDX-License-Identifier: Apache-2.0
// Frames are kept in cells of 4 KiB from one arena that is sized, reserved and touched at start, so that memory is bounded
// exactly and never fragments.  A CellPool is its owner thread's free list; a FrameBody is a frame's cells in order.
//
// The owner allocates and frees; another thread may read or fill the cells of a body it was lent.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

#include "base/assert.h"
#include "dataplane/wire/limits.h"

namespace dwcp {

struct FrameBody {
  std::uint32_t bytes = 0;
  std::uint16_t owner = 0;  // the submitter's own mark: which codec lcore
  bool tail = false;        // of the migration's last window: see parity.h
  std::array<std::uint8_t*, wire::kCellsPerFrameMax> cells;  // the first cell_count(bytes) are valid

  [[nodiscard]] static constexpr std::size_t cell_count(std::size_t bytes) noexcept {
    return (bytes + wire::kCellBytes - 1) / wire::kCellBytes;
  }
  [[nodiscard]] std::size_t charge() const noexcept { return wire::frame_charge(bytes); }

  // Copies `from` to [offset, offset + from.size()), which lies within the body.
  void write(std::size_t offset, std::span<const std::uint8_t> from) noexcept {
    DWCP_DCHECK(offset + from.size() <= bytes);
    for (std::size_t done = 0; done < from.size();) {
      const std::size_t at = (offset + done) % wire::kCellBytes;
      const std::size_t n = std::min(from.size() - done, wire::kCellBytes - at);
      std::memcpy(cells[(offset + done) / wire::kCellBytes] + at, from.data() + done, n);
      done += n;
    }
  }

  // Copies [offset, offset + to.size()), which lies within the body, to `to`.
  void read(std::size_t offset, std::span<std::uint8_t> to) const noexcept {
    DWCP_DCHECK(offset + to.size() <= bytes);
    for (std::size_t done = 0; done < to.size();) {
      const std::size_t at = (offset + done) % wire::kCellBytes;
      const std::size_t n = std::min(to.size() - done, wire::kCellBytes - at);
      std::memcpy(to.data() + done, cells[(offset + done) / wire::kCellBytes] + at, n);
      done += n;
    }
  }
};

class CellPool {
 public:
  // The whole arena is touched here: memory used for the first time on the data path would cost milliseconds.
  explicit CellPool(std::size_t arena_bytes)
      : cells_(arena_bytes / wire::kCellBytes), arena_(std::make_unique<std::uint8_t[]>(cells_ * wire::kCellBytes)) {
    free_.reserve(cells_);
    for (std::size_t i = cells_; i-- > 0;) free_.push_back(arena_.get() + i * wire::kCellBytes);
  }

  // Gives `body` the cells for `bytes` (1 .. kFrameBytesMax); false, nothing taken, when the arena has too few.
  [[nodiscard]] bool allocate(FrameBody& body, std::size_t bytes) noexcept {
    DWCP_DCHECK(bytes != 0 && bytes <= wire::kFrameBytesMax);
    const std::size_t count = FrameBody::cell_count(bytes);
    if (free_.size() < count) return false;
    body.bytes = static_cast<std::uint32_t>(bytes);
    for (std::size_t i = 0; i < count; ++i) {
      body.cells[i] = free_.back();
      free_.pop_back();
    }
    return true;
  }

  void release(FrameBody& body) noexcept {
    for (std::size_t i = 0; i < FrameBody::cell_count(body.bytes); ++i) free_.push_back(body.cells[i]);
    body.bytes = 0;
  }

  [[nodiscard]] std::size_t free_bytes() const noexcept { return free_.size() * wire::kCellBytes; }
  [[nodiscard]] std::size_t arena_bytes() const noexcept { return cells_ * wire::kCellBytes; }

 private:
  std::size_t cells_;
  std::unique_ptr<std::uint8_t[]> arena_;  // zeroed, so touched
  std::vector<std::uint8_t*> free_;
};

}  // namespace dwcp
