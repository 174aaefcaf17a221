// SPDX-License-Identifier: Apache-2.0
// The ordered chain of levels that a piece of the stream goes through, cheapest first (DESIGN §5).  Each level either
// takes the piece, by adding instructions for all of it to the segment, or passes it on; the last takes everything.
// What is left as literals goes on to the entropy coder of the block.
//
//   page   -> L0 whole piece zero -> zero runs and literals
//   opaque ----------------------> zero runs and literals
//
// Codec lcore; no allocation.
#pragma once

#include <cstdint>
#include <span>

#include "compress/segment.h"
#include "compress/span.h"

namespace dwcp {

enum class Level : std::uint8_t {
  kZero,      // L0
  kLiterals,  // carried as literals, long zero runs cut out
};

// Adds instructions for exactly bytes.size() raw bytes and says which level took them.
Level encode_piece(const Span& span, std::span<const std::uint8_t> bytes, SegmentWriter& segment) noexcept;

}  // namespace dwcp
