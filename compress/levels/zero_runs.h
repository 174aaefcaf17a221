// SPDX-License-Identifier: Apache-2.0
// Level L0: bytes that are all zero cost an instruction.  ISA-L stands behind this file.  Codec lcore; stateless.
#pragma once

#include <cstdint>
#include <span>

#include "compress/segment.h"

namespace dwcp {

// Shorter whole pieces are left to the literals around them: an instruction would save nothing.
inline constexpr std::size_t kZeroPieceMin = 64;

// Runs inside other bytes must be this long: below it zstd does as well, and does not split its literals.
inline constexpr std::size_t kZeroRunMin = 512;

// If all of `bytes` is zero and worth it, adds a zero run and returns true; else adds nothing.
[[nodiscard]] bool encode_if_zero(std::span<const std::uint8_t> bytes, SegmentWriter& segment) noexcept;

// Adds `bytes` as literals with the long zero runs cut out.  Looks at one word in 256 bytes and at the places these
// point to, so bytes without zeros pass at memory speed.
void encode_zero_runs(std::span<const std::uint8_t> bytes, SegmentWriter& segment) noexcept;

}  // namespace dwcp
