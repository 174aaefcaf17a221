// SPDX-License-Identifier: Apache-2.0
// A block is up to 256 KiB of a hypervisor's stream, the unit that crosses between edge and codec.  Blocks are made at
// start, touched, and lent from thread to thread by message; a BlockPool is its owner thread's free list.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <vector>

#include "dataplane/rings/read_times.h"

namespace dwcp {

inline constexpr std::size_t kBlockBytes = 256 * 1024;

struct Block {
  std::uint8_t* data = nullptr;  // kBlockBytes, owned by the pool
  std::uint32_t length = 0;      // bytes in use
  std::uint64_t written_ns = 0;  // egress, when it comes back: when the kernel had all of it for the hypervisor; 0: never
  ReadTimes read_times;          // ingress
};

// Owner thread only.  take() == nullptr is backpressure: stop and come back when a block has been put.
class BlockPool {
 public:
  explicit BlockPool(std::size_t blocks) : blocks_(blocks), bytes_(blocks * kBlockBytes) {
    void* memory = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    memory_ = static_cast<std::uint8_t*>(memory);
    free_.reserve(blocks);
    for (std::size_t i = 0; i < blocks; ++i) {
      blocks_[i].data = memory_ + i * kBlockBytes;
      free_.push_back(&blocks_[i]);
    }
  }
  ~BlockPool() { munmap(memory_, bytes_); }
  BlockPool(const BlockPool&) = delete;
  BlockPool& operator=(const BlockPool&) = delete;

  [[nodiscard]] Block* take() noexcept {
    if (free_.empty()) return nullptr;
    Block* block = free_.back();
    free_.pop_back();
    block->length = 0;
    block->written_ns = 0;
    block->read_times.clear();
    return block;
  }
  void put(Block* block) noexcept { free_.push_back(block); }

  [[nodiscard]] std::size_t available() const noexcept { return free_.size(); }
  [[nodiscard]] std::size_t size() const noexcept { return blocks_.size(); }

 private:
  std::vector<Block> blocks_;
  std::size_t bytes_;
  std::uint8_t* memory_ = nullptr;
  std::vector<Block*> free_;
};

}  // namespace dwcp
