// SPDX-License-Identifier: Apache-2.0
// Turns encoded blocks of one direction back into the raw stream, a slice at a time.  What it reads comes from a peer:
// every number is checked before it is used, and a block counts only once the running digest agrees.
//
// Called from one codec lcore.  Nothing allocates, blocks or throws after construction.  One step() makes at most
// kSliceBytes of raw output out of at most kStepInputMax bytes of input.
//
// An error is final until reset(): the digest cannot go on over a missing block.
//
// Use:
//   auto raw_bytes = decoder.begin(encoded);     encoded stays valid until the block is done
//   if (!raw_bytes) ... raw_bytes.error() ...    a buffer of *raw_bytes (<= kRawBlockMax) is what step() wants
//   do result = decoder.step(out); while (result == kMore);
//   kDone: out.first(*raw_bytes) is good and may go out.  kError: decoder.error(); nothing of out may be used.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/expected.h"
#include "compress/block_format.h"
#include "compress/decode_error.h"
#include "compress/digest.h"
#include "compress/entropy/zstd_decompressor.h"
#include "compress/segment.h"

namespace dwcp {

// Encoded bytes taken in one step at most.  A slice that zstd could not shrink takes a little over kSliceBytes; a frame
// made of empty zstd blocks must not hold the lcore for longer.
inline constexpr std::size_t kStepInputMax = 48 * 1024;

struct DecoderCounters {
  std::uint64_t blocks = 0;
  std::uint64_t raw_bytes = 0;      // of blocks done
  std::uint64_t encoded_bytes = 0;  // of blocks done
  std::uint64_t stored_blocks = 0;
  std::uint64_t errors = 0;  // 0 or 1: an error is final
};

class BlockDecoder {
 public:
  enum class StepResult : std::uint8_t { kMore, kDone, kError };

  BlockDecoder() = default;

  // Ready for a new migration: digest, counters and error back to the start.
  void reset() noexcept;

  // The raw bytes the block claims; nothing has been written yet.  No block may be under way.
  [[nodiscard]] expected<std::size_t, DecodeError> begin(std::span<const std::uint8_t> encoded) noexcept;

  // `out` is the same buffer in every step of a block, at least as large as begin() said.
  [[nodiscard]] StepResult step(std::span<std::uint8_t> out) noexcept;

  [[nodiscard]] DecodeError error() const noexcept { return error_; }
  [[nodiscard]] const DecoderCounters& counters() const noexcept { return counters_; }
  [[nodiscard]] Digest digest() const noexcept { return digest_.value(); }

 private:
  // kHead -> kInstructions -> kRuns -> kHead ... -> kEnd
  enum class Stage : std::uint8_t {
    kHead,          // the size of the next segment's instruction part
    kInstructions,  // the instruction part
    kRuns,          // carrying the instructions out
    kEnd,           // all raw bytes made: the body must end here
  };
  using Read = ZstdDecompressor::Result;

  // Fills dst from filled_ on with body bytes.
  [[nodiscard]] Read read(std::span<std::uint8_t> dst) noexcept;
  [[nodiscard]] Read read_head() noexcept;
  [[nodiscard]] Read read_instructions() noexcept;
  [[nodiscard]] Read carry_out(std::span<std::uint8_t> out) noexcept;
  [[nodiscard]] Read read_end() noexcept;
  [[nodiscard]] StepResult complete() noexcept;
  Read refuse(DecodeError error) noexcept;

  ZstdDecompressor zstd_;
  RunningDigest digest_;
  SegmentReader segment_;
  DecoderCounters counters_;

  BlockInfo info_;
  std::span<const std::uint8_t> body_;
  std::size_t encoded_bytes_ = 0;
  std::size_t consumed_ = 0;      // stored body: bytes read
  std::size_t input_budget_ = 0;  // bytes this step may still take
  std::size_t produced_ = 0;      // raw bytes in out
  std::size_t slice_begin_ = 0;   // where the current segment's raw bytes begin
  std::size_t filled_ = 0;        // of what the current stage reads
  std::size_t instruction_bytes_ = 0;
  Run run_;  // the literal run under way, length 0: none
  Stage stage_ = Stage::kHead;
  bool under_way_ = false;
  DecodeError error_ = DecodeError::kNone;
  std::array<std::uint8_t, kSegmentHeadBytes> head_{};
  std::array<std::uint8_t, kInstructionBytesMax> instructions_{};
};

}  // namespace dwcp
