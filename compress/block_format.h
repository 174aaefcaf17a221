// SPDX-License-Identifier: Apache-2.0
// The encoded block, version 1: sizes, header and instruction codes.  docs/CODEC.md is the prose twin.
//
//   block   = header, body                                   body = segments, as they are or as one zstd frame
//   segment = instruction_bytes (be16), instructions, literals       up to kSliceBytes raw bytes, at least one
//   instruction = varint of (length << 2 | code)
//
// Any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/byte_order.h"
#include "base/expected.h"
#include "compress/decode_error.h"

namespace dwcp {

inline constexpr std::uint8_t kBlockVersion = 1;

// Raw bytes in one block at most: the frame the transport carries (DESIGN §3), large enough for zstd to find its
// matches, small enough that a block is decoded long before a WAN round trip ends.
inline constexpr std::size_t kRawBlockMax = 256 * 1024;

// Raw bytes handled per step(): about 70 µs of zstd -1, 3 µs of copying.
inline constexpr std::size_t kSliceBytes = 32 * 1024;
static_assert(kRawBlockMax % kSliceBytes == 0);

inline constexpr std::size_t kBlockGrowthMax = 64;

// The most bytes that `raw_bytes` raw bytes can become.
[[nodiscard]] constexpr std::size_t encoded_bound(std::size_t raw_bytes) noexcept {
  return raw_bytes + kBlockGrowthMax;
}

// Flags, bits 0-1: how the body is coded.  Bits 2-7 are zero in version 1.
enum class Entropy : std::uint8_t {
  kStored = 0,  // segments as they are
  kZstd = 1,    // one zstd frame per block, window at most kZstdWindowLog
};

// 2^18 = kRawBlockMax: a frame never reaches back further than its own block.
inline constexpr int kZstdWindowLog = 18;
static_assert((std::size_t{1} << kZstdWindowLog) == kRawBlockMax);

enum class Instruction : std::uint8_t {
  kLiteral = 0,  // copy `length` bytes from the segment's literals
  kZero = 1,     // `length` zero bytes
};
inline constexpr int kInstructionBits = 2;

inline constexpr std::size_t kSegmentHeadBytes = 2;
inline constexpr std::size_t kInstructionBytesMax = 4096;
inline constexpr std::size_t kVarintBytesMax = 3;  // length <= kSliceBytes, so length << 2 < 2^18 < 2^21
static_assert((kSliceBytes << kInstructionBits) < (std::size_t{1} << (7 * kVarintBytesMax)));

struct BlockHeader {
  std::uint8_t version;
  std::uint8_t flags;
  be16 reserved;   // 0
  be32 raw_bytes;  // 0 to kRawBlockMax; a block of 0 has no body and carries only the digest
  be64 digest;     // Digest::low over all raw bytes of the direction up to the end of this block
};
static_assert(sizeof(BlockHeader) == 16 && alignof(BlockHeader) == 1);
static_assert(offsetof(BlockHeader, raw_bytes) == 4 && offsetof(BlockHeader, digest) == 8);
inline constexpr std::size_t kBlockHeaderBytes = sizeof(BlockHeader);

// A stored block of one literal instruction per segment is the worst case, and it keeps the promise of encoded_bound.
static_assert(kBlockHeaderBytes + kRawBlockMax / kSliceBytes * (kSegmentHeadBytes + kVarintBytesMax) <=
              kBlockGrowthMax);

struct BlockInfo {
  Entropy entropy = Entropy::kStored;
  std::size_t raw_bytes = 0;
  std::uint64_t digest_low = 0;
};

// Writes the header to out[0..kBlockHeaderBytes).
void write_header(const BlockInfo& info, std::span<std::uint8_t> out) noexcept;

// Reads and checks the header of a whole encoded block; no body byte is looked at.
[[nodiscard]] expected<BlockInfo, DecodeError> read_header(std::span<const std::uint8_t> encoded) noexcept;

}  // namespace dwcp
