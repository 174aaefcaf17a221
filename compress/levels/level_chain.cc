// SPDX-License-Identifier: Apache-2.0
#include "compress/levels/level_chain.h"

#include "compress/levels/zero_runs.h"

namespace dwcp {

Level encode_piece(const Span& span, std::span<const std::uint8_t> bytes, SegmentWriter& segment) noexcept {
  if (span.kind == SpanKind::kPage && encode_if_zero(bytes, segment)) return Level::kZero;
  encode_zero_runs(bytes, segment);
  return Level::kLiterals;
}

}  // namespace dwcp
