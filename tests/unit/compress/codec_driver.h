// SPDX-License-Identifier: Apache-2.0
// Runs encoder and decoder over whole streams, the way a codec lcore does.
#pragma once

#include <gtest/gtest.h>

#include <span>
#include <vector>

#include "compress/block_decoder.h"
#include "compress/block_encoder.h"
#include "streams.h"

namespace dwcp {

using streams::Bytes;

inline Bytes encode_block(BlockEncoder& encoder, std::span<const std::uint8_t> raw) {
  Bytes out(encoded_bound(raw.size()));
  encoder.begin(raw, out);
  // A slice each, and as many again if the block is stored after all.
  std::size_t steps_left = 2 * (raw.size() / kSliceBytes + 2);
  while (!encoder.step()) {
    if (--steps_left == 0) {
      ADD_FAILURE() << "encoder does not end";
      break;
    }
  }
  EXPECT_LE(encoder.size(), encoded_bound(raw.size()));
  out.resize(encoder.size());
  return out;
}

struct Decoded {
  DecodeError error = DecodeError::kNone;
  Bytes raw;
};

inline Decoded decode_block(BlockDecoder& decoder, std::span<const std::uint8_t> encoded) {
  // An exact copy on the heap: a read past the end is a sanitizer's find.
  const Bytes exact(encoded.begin(), encoded.end());
  const auto raw_bytes = decoder.begin(exact);
  if (!raw_bytes) return {.error = raw_bytes.error(), .raw = {}};
  EXPECT_LE(*raw_bytes, kRawBlockMax);
  Decoded decoded;
  decoded.raw.resize(*raw_bytes);
  for (std::size_t steps = 0;; ++steps) {
    EXPECT_LE(steps, 2 * kRawBlockMax) << "decoder does not end";
    switch (decoder.step(decoded.raw)) {
      case BlockDecoder::StepResult::kMore:
        continue;
      case BlockDecoder::StepResult::kDone:
        return decoded;
      case BlockDecoder::StepResult::kError:
        return {.error = decoder.error(), .raw = {}};
    }
  }
}

// Cuts a stream into blocks of random sizes.
inline std::vector<std::span<const std::uint8_t>> cut(Rng& rng, std::span<const std::uint8_t> stream,
                                                      std::size_t block_max = kRawBlockMax) {
  std::vector<std::span<const std::uint8_t>> blocks;
  while (!stream.empty()) {
    const std::size_t most = std::min(stream.size(), block_max);
    const std::size_t size = rng.chance(0.3) ? most : 1 + rng.below(most);
    blocks.push_back(stream.first(size));
    stream = stream.subspan(size);
  }
  return blocks;
}

}  // namespace dwcp
