// SPDX-License-Identifier: Apache-2.0
// Neither side allocates after construction.  malloc and its kin are interposed, so zstd's and xxHash's calls count
// too.
#include <gtest/gtest.h>


#include "codec_driver.h"
#include "counted_allocations.h"

namespace dwcp {
namespace {

TEST(allocation, none_after_construction) {
#ifdef DWCP_SANITIZED
  GTEST_SKIP() << "SKIPPED: the sanitizer owns malloc";
#endif
  Rng rng(6);
  Bytes stream = streams::qemu_bytes(rng, 300);
  const Bytes text = streams::text_bytes(rng, 400'000);
  stream.insert(stream.end(), text.begin(), text.end());
  const auto blocks = cut(rng, stream);
  Bytes encoded(encoded_bound(kRawBlockMax));
  Bytes raw_out(kRawBlockMax);

  const std::uint64_t before_construction = allocations;
  BlockEncoder encoder({.zstd_level = 1, .zstd_level_max = 19});
  BlockDecoder decoder;
  ASSERT_GT(allocations, before_construction) << "the count does not work";

  const std::uint64_t before = allocations;
  bool good = true;
  for (const int level : {1, 0, 19, 7, 3, 12, 1}) {
    encoder.reset();
    decoder.reset();
    encoder.set_level(level);
    for (const auto raw : blocks) {
      encoder.begin(raw, encoded);
      while (!encoder.step()) {
      }
      good = good && decoder.begin(std::span(encoded).first(encoder.size())).has_value();
      auto result = BlockDecoder::StepResult::kMore;
      while (good && result == BlockDecoder::StepResult::kMore) result = decoder.step(raw_out);
      good = good && result == BlockDecoder::StepResult::kDone;
    }
  }
  EXPECT_EQ(allocations, before);
  EXPECT_TRUE(good);
}

}  // namespace
}  // namespace dwcp
