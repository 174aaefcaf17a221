// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "base/rng.h"
#include "compress/levels/level_chain.h"
#include "compress/levels/zero_runs.h"
#include "streams.h"

namespace dwcp {
namespace {

using streams::Bytes;

std::vector<Run> read_back(SegmentWriter& writer, std::size_t raw_bytes) {
  const auto head = writer.serialise();
  SegmentReader reader;
  EXPECT_EQ(load_be<be16>(head.data()), head.size() - kSegmentHeadBytes);
  EXPECT_EQ(reader.open(head.subspan(kSegmentHeadBytes), raw_bytes), DecodeError::kNone);
  std::vector<Run> runs;
  for (Run run; reader.next(run);) runs.push_back(run);
  return runs;
}

TEST(segment, merges_neighbours_and_reads_back) {
  SegmentWriter writer;
  writer.clear();
  writer.literal(1);
  writer.literal(31);
  writer.zero(127);
  writer.zero(0);
  writer.zero(1000);
  writer.literal(kSliceBytes - 1159);
  const auto runs = read_back(writer, kSliceBytes);
  ASSERT_EQ(runs.size(), 3U);
  EXPECT_EQ(runs[0].length, 32U);
  EXPECT_EQ(runs[1].code, Instruction::kZero);
  EXPECT_EQ(runs[1].length, 1127U);
  EXPECT_EQ(runs[2].length, kSliceBytes - 1159);
}

// Whatever the bytes, the runs cover them exactly, zero runs are zero, and no long one is missed.
TEST(zero_runs, cover_the_bytes_exactly) {
  for (std::uint64_t seed = 1; seed <= 400; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Rng rng(seed);
    const Bytes bytes = streams::zero_heavy_bytes(rng, 1 + rng.below(kSliceBytes));
    SegmentWriter writer;
    writer.clear();
    encode_zero_runs(bytes, writer);
    std::size_t at = 0;
    for (const dwcp::Run& run : read_back(writer, bytes.size())) {
      std::size_t zeros = 0;
      std::size_t longest = 0;
      for (std::size_t i = 0; i < run.length; ++i) {
        zeros = bytes[at + i] == 0 ? zeros + 1 : 0;
        longest = std::max(longest, zeros);
      }
      if (run.code == Instruction::kZero) {
        EXPECT_EQ(longest, run.length);
        EXPECT_GE(run.length, kZeroRunMin);
      } else {
        EXPECT_LT(longest, kZeroRunMin + 8);
      }
      at += run.length;
    }
    ASSERT_EQ(at, bytes.size());
  }
}

// Bytes made to give the most runs still fit, and what no longer fits becomes literals.
TEST(zero_runs, the_most_runs_possible_fit) {
  Bytes slice(kSliceBytes);
  for (std::size_t at = kZeroRunMin; at < slice.size(); at += kZeroRunMin + 1) slice[at] = 1;
  SegmentWriter writer;
  writer.clear();
  encode_zero_runs(slice, writer);
  EXPECT_GT(writer.runs().size(), 120U);
  writer.clear();
  for (int i = 0; i < 1000; ++i) {
    if (!encode_if_zero(std::span(slice).first(64), writer)) writer.literal(64);
    writer.literal(1);
  }
  EXPECT_LE(writer.serialise().size(), kSegmentHeadBytes + kInstructionBytesMax);
}

TEST(level_chain, zero_pages_are_taken_by_the_first_level) {
  SegmentWriter writer;
  writer.clear();
  const Bytes page(4096);
  const Span span{.kind = SpanKind::kPage, .length = 4096, .page_bytes = 4096};
  EXPECT_EQ(encode_piece(span, page, writer), Level::kZero);
  Bytes other(4096);
  other[4095] = 1;
  EXPECT_EQ(encode_piece(span, other, writer), Level::kLiterals);
  EXPECT_EQ(encode_piece({.length = 4096}, page, writer), Level::kLiterals);
}

}  // namespace
}  // namespace dwcp
