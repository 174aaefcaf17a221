// SPDX-License-Identifier: Apache-2.0
#include "dataplane/transport/erasure.h"

#include <isa-l/erasure_code.h>

#include "base/assert.h"

namespace dwcp {
namespace {

constexpr std::size_t kTableBytes = 32;  // ISA-L's, of one coefficient

std::uint8_t coefficient(std::size_t row, std::size_t symbol) noexcept {
  return gf_inv(static_cast<unsigned char>(symbol ^ (wire::kCodewordMax - row)));
}

}  // namespace

void accumulate(std::span<const std::uint8_t> data, std::size_t symbol, std::span<const std::uint8_t> rows,
                std::uint8_t* const* parity) noexcept {
  DWCP_DCHECK(rows.size() <= wire::kParityRowsMax);
  if (rows.empty() || data.empty()) return;
  std::array<std::uint8_t, wire::kParityRowsMax> column;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    DWCP_DCHECK(symbol + rows[i] < wire::kCodewordMax);
    column[i] = coefficient(rows[i], symbol);
  }
  // Made anew each time, 15 ns a row: kept for all symbols and rows they would be half a megabyte to miss the cache with.
  alignas(64) std::array<std::uint8_t, kTableBytes * wire::kParityRowsMax> tables;
  const int count = static_cast<int>(rows.size());
  ec_init_tables(1, count, column.data(), tables.data());
  // ISA-L takes what it only reads as pointers to non-const.
  ec_encode_data_update(static_cast<int>(data.size()), 1, count, 0, tables.data(), const_cast<std::uint8_t*>(data.data()),
                        const_cast<std::uint8_t**>(parity));
}

bool ErasureDecoder::prepare(std::span<const std::uint8_t> missing, std::span<const std::uint8_t> rows) noexcept {
  DWCP_DCHECK(missing.size() == rows.size() && rows.size() <= wire::kParityRowsMax);
  size_ = missing.size();
  for (std::size_t i = 0; i < size_; ++i) {
    for (std::size_t j = 0; j < size_; ++j) matrix_[i * size_ + j] = coefficient(rows[i], missing[j]);
  }
  return gf_invert_matrix(matrix_.data(), inverse_.data(), static_cast<int>(size_)) == 0;
}

void ErasureDecoder::solve(std::size_t index, std::uint8_t* const* rest, std::size_t bytes, std::uint8_t* out) noexcept {
  alignas(64) std::array<std::uint8_t, kTableBytes * wire::kParityRowsMax> tables;
  const int count = static_cast<int>(size_);
  ec_init_tables(count, 1, inverse_.data() + index * size_, tables.data());
  ec_encode_data(static_cast<int>(bytes), count, 1, tables.data(), const_cast<std::uint8_t**>(rest), &out);
}

}  // namespace dwcp
