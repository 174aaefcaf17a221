// SPDX-License-Identifier: Apache-2.0
#include "compress/entropy/entropy_gate.h"

#include <gtest/gtest.h>

#include "compress/block_format.h"
#include "streams.h"

namespace dwcp {
namespace {

using streams::Bytes;

TEST(entropy_gate, tells_random_from_the_rest) {
  EntropyGate gate;
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Rng rng(seed);
    const std::size_t size = 4096 + rng.below(kRawBlockMax - 4096);
    EXPECT_FALSE(gate.worth_coding(streams::random_bytes(rng, size)));
    EXPECT_TRUE(gate.worth_coding(streams::text_bytes(rng, size)));
    EXPECT_TRUE(gate.worth_coding(Bytes(size)));
    Bytes mixed = streams::random_bytes(rng, size);
    const Bytes text = streams::text_bytes(rng, size / 2);
    std::copy(text.begin(), text.end(), mixed.begin());
    EXPECT_TRUE(gate.worth_coding(mixed));
  }
}

// Random bytes that repeat: the values alone would not tell.
TEST(entropy_gate, sees_repeats_in_high_entropy_bytes) {
  Rng rng(9);
  const Bytes record = streams::random_bytes(rng, 4000);
  Bytes bytes;
  while (bytes.size() < kRawBlockMax) bytes.insert(bytes.end(), record.begin(), record.end());
  bytes.resize(kRawBlockMax);
  EntropyGate gate;
  EXPECT_TRUE(gate.worth_coding(bytes));
}

TEST(entropy_gate, doubtful_blocks_wait_after_failures) {
  Rng rng(10);
  Bytes doubtful = streams::random_bytes(rng, kRawBlockMax);
  for (auto& byte : doubtful) {
    if (rng.chance(0.04)) byte = 7;
  }
  EntropyGate gate;
  std::vector<int> skipped;
  for (int round = 0; round < 6; ++round) {
    int blocks = 0;
    while (!gate.worth_coding(doubtful)) ++blocks;
    skipped.push_back(blocks);
    gate.learn(false);
  }
  EXPECT_EQ(skipped, (std::vector{0, 1, 2, 4, 8, 16}));
  gate.learn(true);
  EXPECT_TRUE(gate.worth_coding(doubtful));
}

}  // namespace
}  // namespace dwcp
