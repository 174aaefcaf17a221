// SPDX-License-Identifier: Apache-2.0
// Contract: any bytes, taken as encoded blocks one after the other, end in raw bytes or in an error with a name, in
// bounded steps; and the raw bytes, taken as a stream, come back from the encoder and decoder unchanged.
//
// Input: blocks, each preceded by its length (be16); the last may be cut off.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <span>
#include <vector>

#include "base/byte_order.h"
#include "compress/block_decoder.h"
#include "compress/block_encoder.h"

namespace {

using namespace dwcp;

void require(bool condition) {
  if (!condition) std::abort();
}

struct Codec {
  BlockDecoder decoder;
  BlockDecoder second;
  BlockEncoder encoder{{.zstd_level = 1, .zstd_level_max = 1}};
  std::vector<std::uint8_t> encoded = std::vector<std::uint8_t>(encoded_bound(kRawBlockMax));
};

bool run(BlockDecoder& decoder, std::span<const std::uint8_t> block, std::vector<std::uint8_t>& raw) {
  const auto raw_bytes = decoder.begin(block);
  if (!raw_bytes) {
    require(raw_bytes.error() != DecodeError::kNone && !name(raw_bytes.error()).empty());
    return false;
  }
  require(*raw_bytes <= kRawBlockMax);
  raw.resize(*raw_bytes);
  const std::size_t steps_max = raw.size() + block.size() / kStepInputMax + 2;
  for (std::size_t steps = 0; steps < steps_max; ++steps) {
    switch (decoder.step(raw)) {
      case BlockDecoder::StepResult::kMore:
        continue;
      case BlockDecoder::StepResult::kDone:
        return true;
      case BlockDecoder::StepResult::kError:
        require(decoder.error() != DecodeError::kNone);
        return false;
    }
  }
  std::abort();
}

void round_trip(Codec& codec, std::span<const std::uint8_t> raw) {
  codec.encoder.begin(raw, codec.encoded);
  while (!codec.encoder.step()) {
  }
  require(codec.encoder.size() <= encoded_bound(raw.size()));
  std::vector<std::uint8_t> back;
  require(run(codec.second, std::span(codec.encoded).first(codec.encoder.size()), back));
  require(back.size() == raw.size() && std::equal(back.begin(), back.end(), raw.begin()));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto codec = std::make_unique<Codec>();
  codec->decoder.reset();
  codec->second.reset();
  codec->encoder.reset();
  std::span<const std::uint8_t> input(data, size);
  std::vector<std::uint8_t> raw;
  while (input.size() > 2) {
    const std::size_t claimed = dwcp::load_be<dwcp::be16>(input.data());
    const std::vector<std::uint8_t> block(
        input.begin() + 2, input.begin() + 2 + static_cast<std::ptrdiff_t>(std::min(claimed, input.size() - 2)));
    if (!run(codec->decoder, block, raw)) break;
    round_trip(*codec, raw);
    input = input.subspan(2 + block.size());
  }
  round_trip(*codec, std::span(data, std::min(size, dwcp::kRawBlockMax)));
  return 0;
}
