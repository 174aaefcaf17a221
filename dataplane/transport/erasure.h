// SPDX-License-Identifier: Apache-2.0
// Reed-Solomon parity over GF(2^8) (polynomial 0x11d, as in ISA-L, which does the arithmetic): from any k of a codeword's
// k data and m parity symbols the data follows.  Prose twin: docs/WIRE.md, PARITY.
//
// The matrix is one for all codewords: the coefficient of data symbol j in parity row i is 1 / (j xor (255 - i)), a Cauchy
// matrix, each square part of which can be inverted.  So a row depends on neither k nor m: a sender may make as many as it
// likes, data symbols are added as they come, and a receiver need not be told how many rows there are.
//
// Sender:    zero the rows;  accumulate(each data symbol, its number, {0, 1, ..}, rows).
// Receiver:  accumulate(each data symbol it has, ..) into as many rows as symbols are missing: what remains in them is the
//            missing symbols' share;  decoder.prepare(missing, rows);  decoder.solve(i, ..) for each missing symbol.
// Pure functions but for the decoder's own memory; nothing allocates.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "dataplane/wire/limits.h"

namespace dwcp {

// parity[i] += coefficient(rows[i], symbol) * data, over data.size() bytes: a symbol shorter than the others counts as if
// filled up with zeros.  Requires rows.size() <= kParityRowsMax and symbol + each row < kCodewordMax.
void accumulate(std::span<const std::uint8_t> data, std::size_t symbol, std::span<const std::uint8_t> rows,
                std::uint8_t* const* parity) noexcept;

class ErasureDecoder {
 public:
  // `missing` data symbols, each number once, and as many parity rows, likewise.  False never happens with such numbers;
  // it is the library's word that the matrix cannot be inverted.
  [[nodiscard]] bool prepare(std::span<const std::uint8_t> missing, std::span<const std::uint8_t> rows) noexcept;
  // Writes the `index`th missing symbol to out[0, bytes).  `rest` are the rows given, less all that is known.
  void solve(std::size_t index, std::uint8_t* const* rest, std::size_t bytes, std::uint8_t* out) noexcept;

 private:
  static constexpr std::size_t kSquare = wire::kParityRowsMax * wire::kParityRowsMax;

  std::size_t size_ = 0;
  std::array<std::uint8_t, kSquare> matrix_;
  std::array<std::uint8_t, kSquare> inverse_;
};

}  // namespace dwcp
