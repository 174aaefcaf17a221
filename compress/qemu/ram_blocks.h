// SPDX-License-Identifier: Apache-2.0
// The RAM blocks a QEMU stream has announced: name to index and size.  Bounded in count and in bytes of names, filled
// once per migration, looked up when a page record names its block.  Codec lcore; no allocation after construction.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace dwcp {

class RamBlocks {
 public:
  // QEMU allows 256 memory slots and a guest has some dozen ROM and device blocks beside them.
  static constexpr std::size_t kBlocksMax = 512;

  void clear() noexcept;

  // False when the table is full or the name is there already.
  [[nodiscard]] bool add(std::span<const std::uint8_t> name, std::uint64_t bytes) noexcept;

  [[nodiscard]] std::optional<std::uint16_t> find(std::span<const std::uint8_t> name) const noexcept;
  [[nodiscard]] std::uint64_t bytes(std::uint16_t block) const noexcept { return blocks_[block].bytes; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

 private:
  // Names are told apart by their 128-bit hash: a collision could only mislabel a hint.
  struct Block {
    std::uint64_t name_low = 0;
    std::uint64_t name_high = 0;
    std::uint64_t bytes = 0;
  };
  static constexpr std::size_t kSlots = 2 * kBlocksMax;  // open addressing, at most half full

  [[nodiscard]] static Block key(std::span<const std::uint8_t> name) noexcept;
  [[nodiscard]] std::size_t slot_of(const Block& wanted) const noexcept;

  std::size_t size_ = 0;
  std::array<Block, kBlocksMax> blocks_{};
  std::array<std::uint16_t, kSlots> slots_{};  // index + 1; 0: empty
};

}  // namespace dwcp
