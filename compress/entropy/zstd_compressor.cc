// SPDX-License-Identifier: Apache-2.0
#include "compress/entropy/zstd_compressor.h"

#define ZSTD_STATIC_LINKING_ONLY  // static contexts: the only way to bind zstd to a fixed amount of memory
#include <zstd.h>

#include <algorithm>

#include "base/assert.h"
#include "compress/block_format.h"

namespace dwcp {
namespace {

ZSTD_compressionParameters parameters(int level) noexcept {
  ZSTD_compressionParameters chosen = ZSTD_getCParams(level, kRawBlockMax, 0);
  chosen.windowLog = kZstdWindowLog;
  return chosen;
}

std::size_t workspace_for(int level_max) noexcept {
  std::size_t most = 0;
  for (int level = kZstdLevelMin; level <= level_max; ++level) {
    most = std::max(most, ZSTD_estimateCStreamSize_usingCParams(parameters(level)));
  }
  return (most + 7) / 8 * 8;
}

}  // namespace

ZstdCompressor::ZstdCompressor(int level_max)
    : level_max_(std::clamp(level_max, kZstdLevelMin, kZstdLevelMax)),
      workspace_bytes_(workspace_for(level_max_)),
      workspace_(std::make_unique<std::uint64_t[]>(workspace_bytes_ / 8)),  // zeroed, hence touched, here
      context_(ZSTD_initStaticCCtx(workspace_.get(), workspace_bytes_)) {
  DWCP_ASSERT(context_ != nullptr);
}

void ZstdCompressor::set_level(int level) noexcept {
  const ZSTD_compressionParameters chosen = parameters(level);
  const auto set = [this](ZSTD_cParameter name, unsigned value) {
    DWCP_ASSERT(!ZSTD_isError(ZSTD_CCtx_setParameter(context_, name, static_cast<int>(value))));
  };
  set(ZSTD_c_windowLog, chosen.windowLog);
  set(ZSTD_c_hashLog, chosen.hashLog);
  set(ZSTD_c_chainLog, chosen.chainLog);
  set(ZSTD_c_searchLog, chosen.searchLog);
  set(ZSTD_c_minMatch, chosen.minMatch);
  set(ZSTD_c_targetLength, chosen.targetLength);
  set(ZSTD_c_strategy, chosen.strategy);
  level_ = level;
}

void ZstdCompressor::begin(int level, std::span<std::uint8_t> out) noexcept {
  ZSTD_CCtx_reset(context_, ZSTD_reset_session_only);
  level = std::clamp(level, kZstdLevelMin, level_max_);
  if (level != level_) set_level(level);
  out_ = out;
  produced_ = 0;
}

bool ZstdCompressor::write(std::span<const std::uint8_t> bytes) noexcept {
  return run(bytes, ZSTD_e_continue);
}
bool ZstdCompressor::flush() noexcept {
  return run({}, ZSTD_e_flush);
}
bool ZstdCompressor::finish() noexcept {
  return run({}, ZSTD_e_end);
}

bool ZstdCompressor::run(std::span<const std::uint8_t> bytes, int directive) noexcept {
  ZSTD_inBuffer in{bytes.data(), bytes.size(), 0};
  ZSTD_outBuffer out{out_.data(), out_.size(), produced_};
  for (;;) {
    const std::size_t left = ZSTD_compressStream2(context_, &out, &in, static_cast<ZSTD_EndDirective>(directive));
    if (ZSTD_isError(left)) return false;
    produced_ = out.pos;
    if (in.pos == in.size && (directive == ZSTD_e_continue || left == 0)) return true;
    if (out.pos == out.size) return false;
  }
}

}  // namespace dwcp
