// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "codec_driver.h"

namespace dwcp {
namespace {

Bytes stream_of_kind(Rng& rng, std::uint64_t kind, std::size_t size) {
  switch (kind) {
    case 0:
      return streams::random_bytes(rng, size);
    case 1:
      return streams::zero_heavy_bytes(rng, size);
    case 2:
      return streams::text_bytes(rng, size);
    case 3:
      return Bytes(size);
    case 4: {  // QEMU, damaged: the adapter loses its way
      Bytes stream = streams::qemu_bytes(rng, size / 2000);
      for (int i = 0; i < 3; ++i) stream[rng.below(stream.size())] ^= static_cast<std::uint8_t>(1 + rng.below(255));
      return stream;
    }
    case 5: {  // half random, half text: the gate's sample is mixed
      Bytes stream = streams::random_bytes(rng, size / 2);
      const Bytes text = streams::text_bytes(rng, size / 2);
      stream.insert(stream.end(), text.begin(), text.end());
      return stream;
    }
    default:
      return streams::qemu_bytes(rng, size / 2000);
  }
}

TEST(block_codec, any_stream_any_cut_comes_back) {
  for (std::uint64_t seed = 1; seed <= 120; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Rng rng(seed);
    const Bytes stream = stream_of_kind(rng, seed % 7, 1 + rng.below(900'000));
    const int level = static_cast<int>(rng.below(5));
    BlockEncoder encoder({.zstd_level = level, .adapter = rng.chance(0.7)});
    BlockEncoder twin({.zstd_level = level, .zstd_level_max = 4, .adapter = true});
    BlockDecoder decoder;
    std::uint64_t encoded_bytes = 0;
    for (const auto raw : cut(rng, stream, rng.chance(0.2) ? 5000 : kRawBlockMax)) {
      const Bytes encoded = encode_block(encoder, raw);
      encoded_bytes += encoded.size();
      const Decoded decoded = decode_block(decoder, encoded);
      ASSERT_EQ(decoded.error, DecodeError::kNone) << name(decoded.error);
      ASSERT_TRUE(std::equal(raw.begin(), raw.end(), decoded.raw.begin(), decoded.raw.end()));
      ASSERT_EQ(encoder.digest(), decoder.digest());
    }
    EXPECT_EQ(encoder.counters().raw_bytes, stream.size());
    EXPECT_EQ(encoder.counters().encoded_bytes, encoded_bytes);
    EXPECT_EQ(decoder.counters().raw_bytes, stream.size());
    EXPECT_EQ(decoder.counters().encoded_bytes, encoded_bytes);
    EXPECT_EQ(decoder.counters().blocks, encoder.counters().blocks);
  }
}

TEST(block_codec, same_input_same_bytes_also_after_reset) {
  for (std::uint64_t seed = 1; seed <= 14; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Rng rng(seed);
    const Bytes stream = stream_of_kind(rng, seed % 7, 700'000);
    const auto blocks = cut(rng, stream);
    BlockEncoder first({.zstd_level = 3});
    BlockEncoder second({.zstd_level = 3});
    std::vector<Bytes> encoded;
    for (const auto raw : blocks) {
      encoded.push_back(encode_block(first, raw));
      ASSERT_EQ(encoded.back(), encode_block(second, raw));
    }
    first.set_level(1);
    first.reset();
    for (std::size_t i = 0; i < blocks.size(); ++i) ASSERT_EQ(encoded[i], encode_block(first, blocks[i]));
    EXPECT_EQ(first.counters().raw_bytes, stream.size());
  }
}

TEST(block_codec, levels_change_between_blocks) {
  Rng rng(5);
  const Bytes text = streams::text_bytes(rng, kRawBlockMax);
  BlockEncoder encoder({.zstd_level = 1, .zstd_level_max = 19});
  BlockDecoder decoder;
  std::size_t size_at[20] = {};
  for (int level : {1, 19, 0, 9, 3, 19, 1}) {
    encoder.set_level(level);
    const Bytes encoded = encode_block(encoder, text);
    const Decoded decoded = decode_block(decoder, encoded);
    ASSERT_EQ(decoded.error, DecodeError::kNone) << level;
    ASSERT_EQ(decoded.raw, text);
    size_at[level] = encoded.size();
  }
  EXPECT_GT(size_at[0], text.size());
  EXPECT_LT(size_at[1], text.size() / 2);
  EXPECT_LT(size_at[19], size_at[1]);
  encoder.set_level(99);
  EXPECT_EQ(encoder.level(), 19);
}

TEST(block_codec, zero_blocks_cost_a_few_bytes) {
  BlockEncoder encoder({.zstd_level = 1});
  BlockDecoder decoder;
  const Bytes zeros(kRawBlockMax);
  const Bytes encoded = encode_block(encoder, zeros);
  EXPECT_LE(encoded.size(), 100U);
  EXPECT_EQ(decode_block(decoder, encoded).raw, zeros);
}

TEST(block_codec, an_empty_block_carries_the_digest) {
  BlockEncoder encoder({});
  BlockDecoder decoder;
  const Bytes some{1, 2, 3};
  EXPECT_EQ(decode_block(decoder, encode_block(encoder, some)).raw, some);
  const Bytes encoded = encode_block(encoder, {});
  EXPECT_EQ(encoded.size(), kBlockHeaderBytes);
  EXPECT_EQ(decode_block(decoder, encoded).error, DecodeError::kNone);
}

TEST(block_codec, random_bytes_are_stored_without_trying) {
  Rng rng(11);
  BlockEncoder encoder({.zstd_level = 1});
  for (int i = 0; i < 50; ++i) encode_block(encoder, streams::random_bytes(rng, kRawBlockMax));
  EXPECT_EQ(encoder.counters().stored_blocks, 50U);
  EXPECT_EQ(encoder.counters().fallback_blocks, 0U);
}

// One value a little too frequent: the sample cannot tell, zstd finds 2 % and it does not pay.  The block is stored
// after all, long zero runs in it are still not sent, and the next ones are not tried at once.
TEST(block_codec, a_block_that_does_not_shrink_falls_back) {
  Rng rng(12);
  Bytes raw = streams::random_bytes(rng, kRawBlockMax);
  for (auto& byte : raw) {
    if (rng.chance(0.04)) byte = 7;
  }
  std::fill(raw.begin() + 100'000, raw.begin() + 110'000, std::uint8_t{0});
  BlockEncoder encoder({.zstd_level = 1});
  BlockDecoder decoder;
  for (int migration = 0; migration < 2; ++migration) {
    for (int i = 0; i < 5; ++i) {
      const Bytes encoded = encode_block(encoder, raw);
      EXPECT_LT(encoded.size(), raw.size() - 9'000);
      EXPECT_EQ(decode_block(decoder, encoded).raw, raw);
    }
    EXPECT_EQ(encoder.counters().fallback_blocks, 2U);
    EXPECT_EQ(encoder.counters().stored_blocks, 3U);
    encoder.reset();
    decoder.reset();
  }
}

TEST(block_codec, counts_pages_by_kind_whatever_the_cut) {
  Rng rng(3);
  streams::QemuStream s;
  s.setup();
  s.part();
  s.page(0, Bytes(4096), "pc.ram");
  s.page(4096, streams::text_bytes(rng, 4096));
  Bytes last_byte_set(4096);
  last_byte_set.back() = 1;
  s.page(8192, last_byte_set);
  Bytes first_byte_set(4096);
  first_byte_set.front() = 1;
  s.page(12288, first_byte_set);
  s.record(16384, qemu::kFlagFill);
  s.u8(0);
  s.end_of_section();
  BlockEncoder encoder({});
  for (const std::size_t block_max : {10, 100, 700, 5000, 100'000}) {
    encoder.reset();
    for (const auto raw : cut(rng, s.bytes, block_max)) encode_block(encoder, raw);
    EXPECT_EQ(encoder.counters().zero_pages, 1U);
    EXPECT_EQ(encoder.counters().normal_pages, 3U);
    EXPECT_EQ(encoder.counters().opaque_bytes, s.bytes.size() - 4 * 4096);
    EXPECT_EQ(encoder.adapter_counters().fill_pages, 1U);
    EXPECT_EQ(encoder.adapter_counters().sync_losses, 0U);
  }
}

}  // namespace
}  // namespace dwcp
