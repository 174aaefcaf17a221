// SPDX-License-Identifier: Apache-2.0
#include "compress/entropy/zstd_decompressor.h"

#define ZSTD_STATIC_LINKING_ONLY  // static contexts: the only way to bind zstd to a fixed amount of memory
#include <zstd.h>
#include <zstd_errors.h>

#include <algorithm>

#include "base/assert.h"
#include "compress/block_format.h"

namespace dwcp {
namespace {

DecodeError from_zstd(std::size_t code) noexcept {
  switch (ZSTD_getErrorCode(code)) {
    case ZSTD_error_frameParameter_windowTooLarge:
    case ZSTD_error_memory_allocation:
      return DecodeError::kWindowTooLarge;
    default:
      return DecodeError::kCorruptEntropy;
  }
}

}  // namespace

ZstdDecompressor::ZstdDecompressor()
    : workspace_bytes_((ZSTD_estimateDStreamSize(std::size_t{1} << kZstdWindowLog) + 7) / 8 * 8),
      workspace_(std::make_unique<std::uint64_t[]>(workspace_bytes_ / 8)),  // zeroed, hence touched, here
      context_(ZSTD_initStaticDStream(workspace_.get(), workspace_bytes_)) {
  DWCP_ASSERT(context_ != nullptr);
  DWCP_ASSERT(!ZSTD_isError(ZSTD_DCtx_setParameter(context_, ZSTD_d_windowLogMax, kZstdWindowLog)));
}

void ZstdDecompressor::begin(std::span<const std::uint8_t> frame) noexcept {
  ZSTD_DCtx_reset(context_, ZSTD_reset_session_only);
  frame_ = frame;
  consumed_ = 0;
  frame_ended_ = false;
  error_ = DecodeError::kNone;
}

ZstdDecompressor::Result ZstdDecompressor::fail(DecodeError error) noexcept {
  error_ = error;
  return Result::kError;
}

bool ZstdDecompressor::advance(std::span<std::uint8_t> dst, std::size_t& filled, std::size_t& input_budget) noexcept {
  const std::size_t lent = std::min(input_budget, frame_.size() - consumed_);
  ZSTD_inBuffer in{frame_.data() + consumed_, lent, 0};
  ZSTD_outBuffer out{dst.data(), dst.size(), filled};
  const std::size_t left = ZSTD_decompressStream(context_, &out, &in);
  if (ZSTD_isError(left)) {
    error_ = from_zstd(left);
    return false;
  }
  frame_ended_ = left == 0;
  const bool progress = in.pos > 0 || out.pos > filled || frame_ended_;
  consumed_ += in.pos;
  input_budget -= in.pos;
  filled = out.pos;
  return progress;
}

ZstdDecompressor::Result ZstdDecompressor::read(std::span<std::uint8_t> dst, std::size_t& filled,
                                                std::size_t& input_budget) noexcept {
  while (filled < dst.size()) {
    if (frame_ended_) return fail(DecodeError::kTruncatedBody);
    const bool progress = advance(dst, filled, input_budget);
    if (error_ != DecodeError::kNone) return Result::kError;
    if (progress || filled == dst.size()) continue;
    if (consumed_ == frame_.size()) return fail(DecodeError::kTruncatedBody);
    return Result::kMore;
  }
  return Result::kDone;
}

ZstdDecompressor::Result ZstdDecompressor::finish(std::size_t& input_budget) noexcept {
  while (!frame_ended_) {
    std::uint8_t surplus;
    std::size_t filled = 0;
    const bool progress = advance(std::span(&surplus, 1), filled, input_budget);
    if (error_ != DecodeError::kNone) return Result::kError;
    if (filled > 0) return fail(DecodeError::kTrailingBytes);
    if (progress) continue;
    if (consumed_ == frame_.size()) return fail(DecodeError::kTruncatedBody);
    return Result::kMore;
  }
  return consumed_ == frame_.size() ? Result::kDone : fail(DecodeError::kTrailingBytes);
}

}  // namespace dwcp
