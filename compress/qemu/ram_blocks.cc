// SPDX-License-Identifier: Apache-2.0
#include "compress/qemu/ram_blocks.h"

#include <xxhash.h>

namespace dwcp {

void RamBlocks::clear() noexcept {
  size_ = 0;
  slots_.fill(0);
}

RamBlocks::Block RamBlocks::key(std::span<const std::uint8_t> name) noexcept {
  const XXH128_hash_t hash = XXH3_128bits(name.data(), name.size());
  return {.name_low = hash.low64, .name_high = hash.high64, .bytes = 0};
}

// The slot that holds `wanted`, or the empty one where it belongs.  There is always an empty one.
std::size_t RamBlocks::slot_of(const Block& wanted) const noexcept {
  std::size_t slot = wanted.name_low % kSlots;
  while (slots_[slot] != 0) {
    const Block& block = blocks_[slots_[slot] - 1U];
    if (block.name_low == wanted.name_low && block.name_high == wanted.name_high) break;
    slot = (slot + 1) % kSlots;
  }
  return slot;
}

bool RamBlocks::add(std::span<const std::uint8_t> name, std::uint64_t bytes) noexcept {
  if (size_ == kBlocksMax) return false;
  Block block = key(name);
  const std::size_t slot = slot_of(block);
  if (slots_[slot] != 0) return false;
  block.bytes = bytes;
  blocks_[size_++] = block;
  slots_[slot] = static_cast<std::uint16_t>(size_);
  return true;
}

std::optional<std::uint16_t> RamBlocks::find(std::span<const std::uint8_t> name) const noexcept {
  const std::uint16_t found = slots_[slot_of(key(name))];
  if (found == 0) return std::nullopt;
  return static_cast<std::uint16_t>(found - 1U);
}

}  // namespace dwcp
