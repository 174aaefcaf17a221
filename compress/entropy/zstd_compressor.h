// SPDX-License-Identifier: Apache-2.0
// zstd, compressing side: one frame per block, fed in pieces, flushed per slice so that no single call does more than a
// slice of work.  zstd stands behind this file and its twin.  Codec lcore.
//
// Invariant: all memory is one workspace sized at construction for the costliest level allowed; zstd is told that there
// is no other, so it cannot allocate.
//
// Use:
//   z.begin(level, out);
//   z.write(piece) ... z.flush()      per slice; false: out is full, the frame is abandoned
//   z.finish(); z.produced()
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

struct ZSTD_CCtx_s;

namespace dwcp {

inline constexpr int kZstdLevelMin = 1;
inline constexpr int kZstdLevelMax = 19;

class ZstdCompressor {
 public:
  explicit ZstdCompressor(int level_max);

  // A new frame into `out`, at a level in 1..level_max.
  void begin(int level, std::span<std::uint8_t> out) noexcept;
  [[nodiscard]] bool write(std::span<const std::uint8_t> bytes) noexcept;
  [[nodiscard]] bool flush() noexcept;
  [[nodiscard]] bool finish() noexcept;
  [[nodiscard]] std::size_t produced() const noexcept { return produced_; }

  [[nodiscard]] int level_max() const noexcept { return level_max_; }
  [[nodiscard]] std::size_t workspace_bytes() const noexcept { return workspace_bytes_; }

 private:
  [[nodiscard]] bool run(std::span<const std::uint8_t> bytes, int directive) noexcept;
  void set_level(int level) noexcept;

  int level_max_;
  int level_ = 0;  // 0: not set yet
  std::size_t workspace_bytes_;
  std::unique_ptr<std::uint64_t[]> workspace_;
  ZSTD_CCtx_s* context_;  // lies in workspace_
  std::span<std::uint8_t> out_;
  std::size_t produced_ = 0;
};

}  // namespace dwcp
