// SPDX-License-Identifier: Apache-2.0
// Why a block was refused: one value per way in which an encoded block can be wrong.  Any of them ends the direction,
// since the running digest cannot go on over a missing block.
#pragma once

#include <cstdint>
#include <string_view>

namespace dwcp {

enum class DecodeError : std::uint8_t {
  kNone,
  kTruncatedHeader,      // fewer bytes than a block header
  kBadVersion,           // a block format version this build does not read
  kBadFlags,             // an entropy kind or flag bit that version 1 does not define
  kReservedNotZero,      // the reserved field of the header is set
  kRawTooLarge,          // claims more than kRawBlockMax raw bytes
  kEncodedTooLarge,      // longer than encoded_bound() of the raw bytes it claims
  kTruncatedBody,        // the body ends before the claimed raw bytes are there
  kBadInstructionBytes,  // a segment's instruction part is empty or longer than kInstructionBytesMax
  kBadLength,            // an instruction's length is zero, overlong, or cut by the end of the instruction part
  kUnknownInstruction,   // an instruction code that version 1 does not define
  kOutputOverrun,        // instructions make more than a slice, or more than the raw bytes claimed
  kCorruptEntropy,       // the zstd frame does not decode
  kWindowTooLarge,       // the zstd frame asks for more memory than the decoder has
  kTrailingBytes,        // the body goes on after the claimed raw bytes
  kDigestMismatch,       // decoded bytes are not those that were encoded, or blocks are missing or out of order
};

inline constexpr int kDecodeErrorCount = static_cast<int>(DecodeError::kDigestMismatch) + 1;

// A stable snake_case name for counters, and a sentence for people.
[[nodiscard]] std::string_view name(DecodeError error) noexcept;
[[nodiscard]] std::string_view text(DecodeError error) noexcept;

}  // namespace dwcp
