// SPDX-License-Identifier: Apache-2.0
// A bounded set of equal buffers in one allocation, as a NIC's mempool is.  One owner thread.  Every index from take()
// goes back once through give().
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace dwcp {

class BufferPool {
 public:
  BufferPool(std::uint32_t count, std::uint32_t buffer_bytes)
      : buffer_bytes_(buffer_bytes), memory_(std::size_t{count} * buffer_bytes) {
    free_.reserve(count);
    for (std::uint32_t i = count; i > 0; --i) free_.push_back(i - 1);
  }

  [[nodiscard]] std::optional<std::uint32_t> take() noexcept {
    if (free_.empty()) return std::nullopt;
    const std::uint32_t index = free_.back();
    free_.pop_back();
    return index;
  }

  void give(std::uint32_t index) noexcept { free_.push_back(index); }

  [[nodiscard]] std::uint8_t* data(std::uint32_t index) noexcept {
    return memory_.data() + std::size_t{index} * buffer_bytes_;
  }
  [[nodiscard]] std::uint32_t buffer_bytes() const noexcept { return buffer_bytes_; }
  [[nodiscard]] std::size_t available() const noexcept { return free_.size(); }

 private:
  std::uint32_t buffer_bytes_;
  std::vector<std::uint8_t> memory_;
  std::vector<std::uint32_t> free_;
};

}  // namespace dwcp
