// SPDX-License-Identifier: Apache-2.0
// Every way for a block to be wrong has its own error, is reachable, and ends the direction until reset().
#include <gtest/gtest.h>
#include <zstd.h>

#include <set>

#include "codec_driver.h"

namespace dwcp {
namespace {

Bytes block_of(Entropy entropy, std::size_t raw_bytes, const Bytes& body, std::uint64_t digest = 0) {
  Bytes block(kBlockHeaderBytes);
  write_header({.entropy = entropy, .raw_bytes = raw_bytes, .digest_low = digest}, block);
  block.insert(block.end(), body.begin(), body.end());
  return block;
}

Bytes stored(std::size_t raw_bytes, const Bytes& body) {
  return block_of(Entropy::kStored, raw_bytes, body);
}

Bytes zstd_of(const Bytes& segments, int window_log = kZstdWindowLog) {
  ZSTD_CCtx* context = ZSTD_createCCtx();
  ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, window_log);
  ZSTD_CCtx_setParameter(context, ZSTD_c_contentSizeFlag, 0);
  Bytes out(ZSTD_compressBound(segments.size()) + 64);
  ZSTD_inBuffer in{segments.data(), segments.size(), 0};
  ZSTD_outBuffer buffer{out.data(), out.size(), 0};
  // Streamed, so that the frame does not know its size and has to state its window.
  ZSTD_compressStream2(context, &buffer, &in, ZSTD_e_continue);
  ZSTD_compressStream2(context, &buffer, &in, ZSTD_e_end);
  ZSTD_freeCCtx(context);
  out.resize(buffer.pos);
  return out;
}

DecodeError error_of(const Bytes& block) {
  BlockDecoder decoder;
  const DecodeError error = decode_block(decoder, block).error;
  EXPECT_EQ(decoder.counters().errors, error == DecodeError::kNone ? 0U : 1U);
  if (error != DecodeError::kNone) {
    // Final, whatever comes next.
    EXPECT_EQ(decode_block(decoder, block_of(Entropy::kStored, 0, {}, 0)).error, error);
    decoder.reset();
    BlockEncoder encoder({});
    const Bytes good{1, 2, 3};
    EXPECT_EQ(decode_block(decoder, encode_block(encoder, good)).raw, good);
  }
  return error;
}

constexpr std::uint8_t kLit = static_cast<std::uint8_t>(Instruction::kLiteral);
constexpr std::uint8_t kZer = static_cast<std::uint8_t>(Instruction::kZero);

TEST(decoder_errors, header) {
  EXPECT_EQ(error_of({}), DecodeError::kTruncatedHeader);
  EXPECT_EQ(error_of(Bytes(kBlockHeaderBytes - 1, 1)), DecodeError::kTruncatedHeader);
  Bytes block = stored(1, {0, 1, 4 << 0 | kZer});
  block[0] = 2;
  EXPECT_EQ(error_of(block), DecodeError::kBadVersion);
  block[0] = 1;
  for (int flags = 2; flags < 256; ++flags) {
    block[1] = static_cast<std::uint8_t>(flags);
    ASSERT_EQ(error_of(block), DecodeError::kBadFlags);
  }
  block[1] = 0;
  block[3] = 1;
  EXPECT_EQ(error_of(block), DecodeError::kReservedNotZero);
  EXPECT_EQ(error_of(stored(kRawBlockMax + 1, {})), DecodeError::kRawTooLarge);
  EXPECT_EQ(error_of(stored(0xffffffff, {})), DecodeError::kRawTooLarge);
  EXPECT_EQ(error_of(stored(10, Bytes(10 + kBlockGrowthMax))), DecodeError::kEncodedTooLarge);
}

TEST(decoder_errors, instructions) {
  EXPECT_EQ(error_of(stored(1, {})), DecodeError::kTruncatedBody);
  EXPECT_EQ(error_of(stored(1, {0})), DecodeError::kTruncatedBody);
  EXPECT_EQ(error_of(stored(1, {0, 1})), DecodeError::kTruncatedBody);
  EXPECT_EQ(error_of(stored(2, {0, 1, 2 << 2 | kLit, 'x'})), DecodeError::kTruncatedBody);
  EXPECT_EQ(error_of(stored(2, {0, 1, 1 << 2 | kZer})), DecodeError::kTruncatedBody);  // one of two bytes
  EXPECT_EQ(error_of(stored(1, {0, 0, 0})), DecodeError::kBadInstructionBytes);
  EXPECT_EQ(error_of(stored(1, {0x10, 0x01, 0})), DecodeError::kBadInstructionBytes);
  EXPECT_EQ(error_of(stored(1, {0, 1, 0 << 2 | kZer})), DecodeError::kBadLength);
  EXPECT_EQ(error_of(stored(1, {0, 1, 0x85})), DecodeError::kBadLength);                    // cut off
  EXPECT_EQ(error_of(stored(1, {0, 2, 0x85, 0x00})), DecodeError::kBadLength);              // padded
  EXPECT_EQ(error_of(stored(1, {0, 4, 0x85, 0x80, 0x80, 0x01})), DecodeError::kBadLength);  // too long
  EXPECT_EQ(error_of(stored(1, {0, 1, 1 << 2 | 2})), DecodeError::kUnknownInstruction);
  EXPECT_EQ(error_of(stored(1, {0, 1, 1 << 2 | 3})), DecodeError::kUnknownInstruction);
  EXPECT_EQ(error_of(stored(1, {0, 1, 2 << 2 | kZer})), DecodeError::kOutputOverrun);
  EXPECT_EQ(error_of(stored(2, {0, 2, 2 << 2 | kZer, 1 << 2 | kZer})), DecodeError::kOutputOverrun);
  // A slice more than kSliceBytes, though the block would have room: 32769 << 2 | 1 = 0x20005.
  EXPECT_EQ(error_of(stored(40'000, {0, 3, 0x85, 0x80, 0x08})), DecodeError::kOutputOverrun);
  EXPECT_EQ(error_of(stored(1, {0, 1, 1 << 2 | kZer, 0})), DecodeError::kTrailingBytes);
  EXPECT_EQ(error_of(stored(0, {0})), DecodeError::kTrailingBytes);
}

TEST(decoder_errors, zstd_frames) {
  const Bytes segments{0, 1, 4 << 2 | kLit, 'a', 'b', 'c', 'd'};
  const auto coded = [](std::size_t raw_bytes, const Bytes& body) { return block_of(Entropy::kZstd, raw_bytes, body); };
  Bytes frame = zstd_of(segments);
  EXPECT_EQ(error_of(coded(4, frame)), DecodeError::kDigestMismatch);  // all well but for the digest
  EXPECT_EQ(error_of(coded(4, Bytes(40, 0xa5))), DecodeError::kCorruptEntropy);
  EXPECT_EQ(error_of(coded(4, {})), DecodeError::kTruncatedBody);
  EXPECT_EQ(error_of(coded(5, frame)), DecodeError::kTruncatedBody);
  for (std::size_t size = 1; size < frame.size(); ++size) {
    ASSERT_EQ(error_of(coded(4, Bytes(frame.begin(), frame.begin() + static_cast<std::ptrdiff_t>(size)))),
              DecodeError::kTruncatedBody)
        << size;
  }
  EXPECT_EQ(error_of(coded(3, zstd_of({0, 1, 3 << 2 | kLit, 'a', 'b', 'c', 'd'}))), DecodeError::kTrailingBytes);
  Bytes twice = frame;
  twice.insert(twice.end(), frame.begin(), frame.end());
  EXPECT_EQ(error_of(coded(4, twice)), DecodeError::kTrailingBytes);
  EXPECT_EQ(error_of(coded(4, zstd_of(segments, 27))), DecodeError::kWindowTooLarge);
  EXPECT_EQ(error_of(coded(4, zstd_of(segments, kZstdWindowLog + 1))), DecodeError::kWindowTooLarge);
  // Pre-1.0 frames and skippable ones are no frames of ours.
  EXPECT_NE(error_of(coded(4, {0x25, 0xb5, 0x2f, 0xfd, 0, 0, 0, 0, 0, 0})), DecodeError::kNone);
  EXPECT_NE(error_of(coded(4, {0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0})), DecodeError::kNone);
}

// A frame of nothing but empty zstd blocks is worked off in bounded steps and then refused.
TEST(decoder_errors, empty_zstd_blocks_cost_bounded_steps) {
  Bytes frame{0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x40};  // window 2^18, no size, no checksum
  while (frame.size() + 3 < kRawBlockMax) frame.insert(frame.end(), {0, 0, 0});
  BlockDecoder decoder;
  const Bytes block = block_of(Entropy::kZstd, kRawBlockMax, frame);
  ASSERT_TRUE(decoder.begin(block));
  Bytes out(kRawBlockMax);
  std::size_t steps = 1;
  while (decoder.step(out) == BlockDecoder::StepResult::kMore) ++steps;
  EXPECT_EQ(decoder.error(), DecodeError::kTruncatedBody);
  EXPECT_GE(steps, frame.size() / kStepInputMax);
}

TEST(decoder_errors, lost_repeated_and_swapped_blocks_are_found) {
  Rng rng(1);
  BlockEncoder encoder({});
  Bytes blocks[3];
  for (auto& block : blocks) block = encode_block(encoder, streams::text_bytes(rng, 5000));
  for (const auto& order : {std::vector{0, 2}, {0, 0}, {1, 0}}) {
    BlockDecoder decoder;
    DecodeError last = DecodeError::kNone;
    for (const int index : order) last = decode_block(decoder, blocks[index]).error;
    EXPECT_EQ(last, DecodeError::kDigestMismatch);
  }
}

TEST(decoder_errors, mutated_and_truncated_blocks_never_give_wrong_bytes) {
  std::set<DecodeError> seen;
  for (std::uint64_t seed = 1; seed <= 3000; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Rng rng(seed);
    const Bytes raw = seed % 3 == 0 ? streams::random_bytes(rng, 1 + rng.below(3000))
                                    : streams::zero_heavy_bytes(rng, 1 + rng.below(70'000));
    BlockEncoder encoder({.zstd_level = static_cast<int>(seed % 2), .zstd_level_max = 1});
    BlockDecoder decoder;
    Bytes encoded = encode_block(encoder, raw);
    if (rng.chance(0.2)) encoded.resize(rng.below(encoded.size() + 1));
    for (std::uint64_t n = rng.below(4); n > 0 && !encoded.empty(); --n) {
      const std::size_t near = rng.chance(0.5) ? std::min<std::size_t>(40, encoded.size()) : encoded.size();
      encoded[rng.below(near)] ^= static_cast<std::uint8_t>(1U << rng.below(8));
    }
    const Decoded decoded = decode_block(decoder, encoded);
    seen.insert(decoded.error);
    if (decoded.error == DecodeError::kNone) {
      ASSERT_EQ(decoded.raw, raw);
    }
  }
  EXPECT_GE(seen.size(), 10U);
}

TEST(decoder_errors, names_are_distinct) {
  std::set<std::string_view> names;
  std::set<std::string_view> texts;
  for (int i = 0; i < kDecodeErrorCount; ++i) {
    names.insert(name(static_cast<DecodeError>(i)));
    texts.insert(text(static_cast<DecodeError>(i)));
  }
  EXPECT_EQ(names.size(), static_cast<std::size_t>(kDecodeErrorCount));
  EXPECT_EQ(texts.size(), static_cast<std::size_t>(kDecodeErrorCount));
}

}  // namespace
}  // namespace dwcp
