// SPDX-License-Identifier: Apache-2.0
// How much of a hypervisor's stream the edge may hold for one migration: in blocks of what size, and how many.  What waits
// there is added to the pause like all backlog, so on a slow path it must be less than all blocks full: eight of 256 KiB
// are 5 ms at 3 Gb/s, but 840 ms at 20 Mb/s.
//
// The codec, which knows the path's drain rate and what encoding makes of the stream, says how many raw bytes
// (MigrationSlot::ingress_limit_bytes); the edge takes fewer blocks first, down to three, and then smaller ones, since every
// block is a frame and a receiver keeps only so many.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "dataplane/rings/block.h"

namespace dwcp {

struct IngressLimit {
  std::size_t blocks = 1;
  std::uint32_t block_bytes = kBlockBytes;

  // One to encode, one to wait for that, one to fill.
  static constexpr std::size_t kBlocksMin = 3;
  // zstd finds less in less: 64 KiB are still sixteen pages and their headers.
  static constexpr std::uint32_t kBlockBytesMin = 64 * 1024;
  static_assert(kBlockBytesMin <= kBlockBytes);

  // `limit_bytes`: 0 when the codec does not know yet.  Below what the smallest three blocks hold, two of them, if there are.
  [[nodiscard]] static IngressLimit of(std::uint64_t limit_bytes, std::size_t blocks_max) noexcept {
    if (limit_bytes == 0 || blocks_max == 0) return {.blocks = blocks_max};
    IngressLimit limit;
    limit.block_bytes = static_cast<std::uint32_t>(std::clamp<std::uint64_t>(limit_bytes / kBlocksMin, kBlockBytesMin, kBlockBytes));
    limit.blocks = static_cast<std::size_t>(
        std::clamp<std::uint64_t>(limit_bytes / limit.block_bytes, std::min<std::size_t>(2, blocks_max), blocks_max));
    return limit;
  }
};

}  // namespace dwcp
