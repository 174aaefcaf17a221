// SPDX-License-Identifier: Apache-2.0
#include "compress/segment.h"

#include <algorithm>

#include "base/assert.h"
#include "base/byte_order.h"

namespace dwcp {

void SegmentWriter::append(Instruction code, std::size_t length) noexcept {
  if (length == 0) return;
  if (run_count_ > 0 && runs_[run_count_ - 1].code == code) {
    runs_[run_count_ - 1].length += static_cast<std::uint32_t>(length);
    return;
  }
  DWCP_ASSERT(run_count_ < kRunsMax);
  runs_[run_count_++] = {.code = code, .length = static_cast<std::uint32_t>(length)};
}

std::span<const std::uint8_t> SegmentWriter::serialise() noexcept {
  std::size_t position = kSegmentHeadBytes;
  for (const Run& run : runs()) {
    std::uint32_t value = run.length << kInstructionBits | static_cast<std::uint32_t>(run.code);
    for (; value >= 0x80; value >>= 7) bytes_[position++] = static_cast<std::uint8_t>(value | 0x80);
    bytes_[position++] = static_cast<std::uint8_t>(value);
  }
  store_be<be16>(bytes_.data(), position - kSegmentHeadBytes);
  return std::span(bytes_).first(position);
}

DecodeError SegmentReader::open(std::span<const std::uint8_t> instructions, std::size_t raw_bytes_max) noexcept {
  instructions_ = instructions;
  position_ = 0;
  std::size_t room = std::min(raw_bytes_max, kSliceBytes);
  while (position_ < instructions_.size()) {
    Run run;
    if (const DecodeError error = parse(run); error != DecodeError::kNone) return error;
    if (run.length > room) return DecodeError::kOutputOverrun;
    room -= run.length;
  }
  position_ = 0;
  return DecodeError::kNone;
}

bool SegmentReader::next(Run& run) noexcept {
  return position_ < instructions_.size() && parse(run) == DecodeError::kNone;
}

DecodeError SegmentReader::parse(Run& run) noexcept {
  std::uint32_t value = 0;
  for (std::size_t i = 0;; ++i) {
    if (i == kVarintBytesMax || position_ == instructions_.size()) return DecodeError::kBadLength;
    const std::uint8_t byte = instructions_[position_++];
    value |= static_cast<std::uint32_t>(byte & 0x7f) << (7 * i);
    if (byte < 0x80) {
      // A last byte of zero is padding: one value, one spelling.
      if (i > 0 && byte == 0) return DecodeError::kBadLength;
      break;
    }
  }
  const std::uint32_t code = value & ((1U << kInstructionBits) - 1);
  if (code > static_cast<std::uint32_t>(Instruction::kZero)) return DecodeError::kUnknownInstruction;
  run = {.code = static_cast<Instruction>(code), .length = value >> kInstructionBits};
  return run.length == 0 ? DecodeError::kBadLength : DecodeError::kNone;
}

}  // namespace dwcp
