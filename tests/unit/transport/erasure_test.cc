// SPDX-License-Identifier: Apache-2.0
#include "dataplane/transport/erasure.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <vector>

#include "base/rng.h"

namespace dwcp {
namespace {

using Symbol = std::vector<std::uint8_t>;

// The field's own arithmetic, bit by bit, for comparison.
std::uint8_t multiply(std::uint8_t a, std::uint8_t b) {
  unsigned product = 0;
  for (unsigned bit = 0, x = a; bit < 8; ++bit) {
    if ((b >> bit & 1) != 0) product ^= x;
    x = x << 1 ^ ((x & 0x80) != 0 ? 0x11dU : 0U);
  }
  return static_cast<std::uint8_t>(product);
}

struct Codeword {
  Codeword(std::size_t symbols, std::size_t rows, std::size_t symbol_bytes, std::size_t last_bytes, std::uint64_t seed)
      : bytes(symbol_bytes), data(symbols), parity(rows, Symbol(symbol_bytes)) {
    Rng rng(seed);
    for (std::size_t i = 0; i < symbols; ++i) {
      data[i].resize(i + 1 == symbols ? last_bytes : symbol_bytes);
      for (auto& byte : data[i]) byte = static_cast<std::uint8_t>(rng.next());
    }
    std::vector<std::uint8_t> numbers(rows);
    std::iota(numbers.begin(), numbers.end(), std::uint8_t{0});
    std::vector<std::uint8_t*> into;
    for (Symbol& row : parity) into.push_back(row.data());
    for (std::size_t i = 0; i < symbols; ++i) accumulate(data[i], i, numbers, into.data());
  }

  // Whether the data symbols `missing` come back from the rows given.
  [[nodiscard]] bool mends(const std::vector<std::uint8_t>& missing, const std::vector<std::uint8_t>& rows) const {
    std::vector<Symbol> rest;
    std::vector<std::uint8_t*> into;
    for (const std::uint8_t row : rows) rest.push_back(parity[row]);
    for (Symbol& row : rest) into.push_back(row.data());
    for (std::size_t i = 0; i < data.size(); ++i) {
      if (std::find(missing.begin(), missing.end(), i) == missing.end()) accumulate(data[i], i, rows, into.data());
    }
    const auto decoder = std::make_unique<ErasureDecoder>();
    if (!decoder->prepare(missing, rows)) return false;
    for (std::size_t i = 0; i < missing.size(); ++i) {
      Symbol out(bytes, 0xee);
      decoder->solve(i, into.data(), bytes, out.data());
      const Symbol& want = data[missing[i]];
      if (!std::equal(want.begin(), want.end(), out.begin())) return false;
      if (std::any_of(out.begin() + static_cast<std::ptrdiff_t>(want.size()), out.end(), [](auto b) { return b != 0; })) return false;
    }
    return true;
  }

  std::size_t bytes;
  std::vector<Symbol> data;
  std::vector<Symbol> parity;
};

std::vector<std::uint8_t> members(unsigned mask) {
  std::vector<std::uint8_t> all;
  for (std::uint8_t i = 0; mask >> i != 0; ++i) {
    if ((mask >> i & 1) != 0) all.push_back(i);
  }
  return all;
}

TEST(erasure, is_the_matrix_that_is_written_down) {
  const Codeword word(5, 7, 3, 3, 1);
  for (std::size_t row = 0; row < 7; ++row) {
    for (std::size_t at = 0; at < 3; ++at) {
      std::uint8_t sum = 0;
      for (std::size_t j = 0; j < 5; ++j) {
        const auto label = static_cast<std::uint8_t>(j ^ (255 - row));
        std::uint8_t inverse = 1;
        while (multiply(inverse, label) != 1) ++inverse;
        sum ^= multiply(inverse, word.data[j][at]);
      }
      EXPECT_EQ(word.parity[row][at], sum) << row << " " << at;
    }
  }
}

TEST(erasure, every_loss_of_small_codewords_is_mended_from_every_choice_of_rows) {
  for (std::size_t k = 1; k <= 6; ++k) {
    const Codeword word(k, 4, 40, 17, k);
    for (unsigned lost = 1; lost < 1U << k; ++lost) {
      for (unsigned rows = 1; rows < 16; ++rows) {
        if (members(lost).size() != members(rows).size()) continue;
        EXPECT_TRUE(word.mends(members(lost), members(rows))) << k << " lost " << lost << " rows " << rows;
      }
    }
  }
}

TEST(erasure, random_losses_of_large_codewords_are_mended) {
  Rng rng(20261124);
  for (int round = 0; round < 60; ++round) {
    const std::size_t rows = 1 + rng.below(wire::kParityRowsMax);
    const std::size_t k = 1 + rng.below(wire::kCodewordMax - rows);
    const Codeword word(k, rows, 100, 1 + rng.below(100), rng.next());
    const std::size_t lost = 1 + rng.below(std::min(rows, k));
    const auto choose = [&](std::size_t of) {
      std::vector<std::uint8_t> all(of);
      std::iota(all.begin(), all.end(), std::uint8_t{0});
      for (std::size_t i = 0; i < lost; ++i) std::swap(all[i], all[i + rng.below(of - i)]);
      all.resize(lost);
      return all;
    };
    EXPECT_TRUE(word.mends(choose(k), choose(rows))) << "k " << k << " rows " << rows << " lost " << lost;
  }
}

TEST(erasure, the_most_that_fits) {
  const Codeword word(wire::kCodewordMax - wire::kParityRowsMax, wire::kParityRowsMax, 1430, 1, 3);
  std::vector<std::uint8_t> lost(wire::kParityRowsMax);
  std::iota(lost.begin(), lost.end(), std::uint8_t{127});  // the last symbol is among them
  std::vector<std::uint8_t> rows(wire::kParityRowsMax);
  std::iota(rows.begin(), rows.end(), std::uint8_t{0});
  EXPECT_TRUE(word.mends(lost, rows));
}

}  // namespace
}  // namespace dwcp
