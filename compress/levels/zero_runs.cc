// SPDX-License-Identifier: Apache-2.0
#include "compress/levels/zero_runs.h"

#include <isa-l/mem_routines.h>

#include <cstring>

namespace dwcp {
namespace {

constexpr std::size_t kProbeStride = 256;
static_assert(kZeroRunMin >= 2 * kProbeStride, "a run worth cutting out covers a whole probed stride");

bool all_zero(std::span<const std::uint8_t> bytes) noexcept {
  // ISA-L's signature lacks const; it only reads.
  return isal_zero_detect(const_cast<std::uint8_t*>(bytes.data()), bytes.size()) == 0;
}

std::size_t zero_run_end(std::span<const std::uint8_t> bytes, std::size_t from) noexcept {
  std::size_t end = from;
  while (end + kProbeStride <= bytes.size() && all_zero(bytes.subspan(end, kProbeStride))) end += kProbeStride;
  while (end < bytes.size() && bytes[end] == 0) ++end;
  return end;
}

}  // namespace

bool encode_if_zero(std::span<const std::uint8_t> bytes, SegmentWriter& segment) noexcept {
  if (bytes.size() < kZeroPieceMin || !segment.has_room() || !all_zero(bytes)) return false;
  segment.zero(bytes.size());
  return true;
}

void encode_zero_runs(std::span<const std::uint8_t> bytes, SegmentWriter& segment) noexcept {
  std::size_t done = 0;  // bytes already described
  for (std::size_t at = 0; at + kProbeStride <= bytes.size();) {
    std::uint64_t word;
    std::memcpy(&word, bytes.data() + at, sizeof word);
    if (word != 0 || !all_zero(bytes.subspan(at, kProbeStride))) {
      at += kProbeStride;
      continue;
    }
    std::size_t begin = at;
    while (begin > done && bytes[begin - 1] == 0) --begin;
    const std::size_t end = zero_run_end(bytes, at + kProbeStride);
    if (end - begin >= kZeroRunMin && segment.has_room()) {
      segment.literal(begin - done);
      segment.zero(end - begin);
      done = end;
    }
    at += (end - at + kProbeStride - 1) / kProbeStride * kProbeStride;
  }
  segment.literal(bytes.size() - done);
}

}  // namespace dwcp
