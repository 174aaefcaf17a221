// SPDX-License-Identifier: Apache-2.0
// One segment of a block: the instructions for up to kSliceBytes raw bytes.  SegmentWriter collects and serialises
// them, SegmentReader checks and yields them.  Literal bytes stay where they are: the writer only says how many.
// Codec lcore; no allocation.
//
// Invariants: neighbouring runs differ in code; every run has length >= 1; a written segment always reads back.
//
// Use (writer):                                  Use (reader):
//   writer.clear();                                SegmentReader reader;
//   writer.literal(n); writer.zero(n); ...         error = reader.open(instructions, raw_bytes_max);
//   head = writer.serialise();                     while (reader.next(run)) ... run.code, run.length ...
//   for (run : writer.runs()) ...
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "compress/block_format.h"
#include "compress/decode_error.h"

namespace dwcp {

struct Run {
  Instruction code = Instruction::kLiteral;
  std::uint32_t length = 0;  // raw bytes, 1 to kSliceBytes
};

class SegmentWriter {
 public:
  void clear() noexcept { run_count_ = 0; }

  void literal(std::size_t length) noexcept { append(Instruction::kLiteral, length); }

  // Whether another zero run may follow: the literals around it need room too.
  [[nodiscard]] bool has_room() const noexcept { return run_count_ + 2 <= kRunsMax; }
  void zero(std::size_t length) noexcept { append(Instruction::kZero, length); }

  [[nodiscard]] std::span<const Run> runs() const noexcept { return std::span(runs_).first(run_count_); }

  // Segment head and instructions; valid until the next call of any member.
  [[nodiscard]] std::span<const std::uint8_t> serialise() noexcept;

 private:
  static constexpr std::size_t kRunsMax = 256;
  static_assert(kRunsMax * kVarintBytesMax <= kInstructionBytesMax);

  void append(Instruction code, std::size_t length) noexcept;

  std::size_t run_count_ = 0;
  std::array<Run, kRunsMax> runs_;
  std::array<std::uint8_t, kSegmentHeadBytes + kRunsMax * kVarintBytesMax> bytes_;
};

class SegmentReader {
 public:
  // Checks all of a segment's instructions against each other and against the raw bytes still due.  `instructions`
  // must outlive the reading.
  [[nodiscard]] DecodeError open(std::span<const std::uint8_t> instructions, std::size_t raw_bytes_max) noexcept;

  // The next run; false at the end.
  [[nodiscard]] bool next(Run& run) noexcept;

 private:
  [[nodiscard]] DecodeError parse(Run& run) noexcept;

  std::span<const std::uint8_t> instructions_;
  std::size_t position_ = 0;
};

}  // namespace dwcp
