// SPDX-License-Identifier: Apache-2.0
// zstd, decompressing side: one frame per block, read in the pieces the decoder asks for.  Codec lcore.
//
// Invariants: all memory is one workspace sized at construction, and zstd cannot allocate beyond it (a frame that asks
// for a larger window, or is of a pre-1.0 format, is refused); one read() takes no more than the input budget it is
// given, whatever the frame is made of.
//
// Use:
//   z.begin(frame);
//   z.read(dst, &filled, &input_budget)    until filled == dst.size(); kMore: the budget is spent, go on in the next
//   step z.finish(&input_budget)                kDone: the frame ended exactly here
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "compress/decode_error.h"

struct ZSTD_DCtx_s;

namespace dwcp {

class ZstdDecompressor {
 public:
  enum class Result : std::uint8_t { kDone, kMore, kError };

  ZstdDecompressor();

  void begin(std::span<const std::uint8_t> frame) noexcept;
  [[nodiscard]] Result read(std::span<std::uint8_t> dst, std::size_t& filled, std::size_t& input_budget) noexcept;
  [[nodiscard]] Result finish(std::size_t& input_budget) noexcept;
  [[nodiscard]] DecodeError error() const noexcept { return error_; }

 private:
  Result fail(DecodeError error) noexcept;
  // One call of zstd; true if it made progress.  Sets frame_ended_ and error_.
  [[nodiscard]] bool advance(std::span<std::uint8_t> dst, std::size_t& filled, std::size_t& input_budget) noexcept;

  std::size_t workspace_bytes_;
  std::unique_ptr<std::uint64_t[]> workspace_;
  ZSTD_DCtx_s* context_;  // lies in workspace_
  std::span<const std::uint8_t> frame_;
  std::size_t consumed_ = 0;
  bool frame_ended_ = false;
  DecodeError error_ = DecodeError::kNone;
};

}  // namespace dwcp
