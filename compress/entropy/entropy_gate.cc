// SPDX-License-Identifier: Apache-2.0
#include "compress/entropy/entropy_gate.h"

#include <algorithm>
#include <cstring>

namespace dwcp {
namespace {

constexpr std::size_t kChunkBytes = 256;
constexpr std::size_t kChunks = 16;
constexpr std::uint32_t kDistrustMax = 16;

bool chunk_is_zero(const std::uint8_t* chunk) noexcept {
  return chunk[0] == 0 && std::memcmp(chunk, chunk + 1, kChunkBytes - 1) == 0;
}

}  // namespace

void EntropyGate::reset() noexcept {
  jitter_ = 1;
  distrust_ = 0;
  distrust_next_ = 1;
}

bool EntropyGate::worth_coding(std::span<const std::uint8_t> raw) noexcept {
  // A block smaller than the sample is cheaper coded than asked about.
  const Verdict verdict = raw.size() < kChunks * kChunkBytes ? Verdict::kCompressible : sample(raw);
  if (verdict == Verdict::kDoubtful && distrust_ > 0) {
    --distrust_;
    return false;
  }
  return verdict != Verdict::kRandom;
}

void EntropyGate::learn(bool shrank) noexcept {
  if (shrank) {
    distrust_ = 0;
    distrust_next_ = 1;
  } else {
    distrust_ = distrust_next_;
    distrust_next_ = std::min(distrust_next_ * 2, kDistrustMax);
  }
}

EntropyGate::Verdict EntropyGate::sample(std::span<const std::uint8_t> raw) noexcept {
  counts_.fill(0);
  seen_.fill(0);
  const std::size_t stride = raw.size() / kChunks;
  std::uint64_t sampled = 0;
  std::uint64_t repeats = 0;
  for (std::size_t i = 0; i < kChunks; ++i) {
    jitter_ = jitter_ * 1664525U + 1013904223U;
    const std::size_t offset = i * stride + (jitter_ >> 8) % (stride - kChunkBytes + 1);
    const std::uint8_t* chunk = raw.data() + offset;
    if (chunk_is_zero(chunk)) continue;  // level L0 has taken it
    for (std::size_t at = 0; at < kChunkBytes; ++at) ++counts_[chunk[at]];
    for (std::size_t at = 0; at + sizeof(std::uint32_t) <= kChunkBytes; at += 2) {
      std::uint32_t word;
      std::memcpy(&word, chunk + at, sizeof word);
      std::uint32_t& slot = seen_[word * 2654435761U >> (32 - kTableBits)];
      repeats += slot == word;
      slot = word;
    }
    sampled += kChunkBytes;
  }
  if (sampled < 4 * kChunkBytes) return Verdict::kCompressible;

  std::uint64_t squares = 0;
  for (const std::uint64_t count : counts_) squares += count * count;
  // n uniform random bytes are expected to give n + n (n - 1) / 256, with a deviation below 1 % for the n sampled here.
  const std::uint64_t uniform = sampled + sampled * (sampled - 1) / 256;
  const bool repeats_few = repeats * 64 < sampled;
  if (squares * 100 < uniform * 108 && repeats_few) return Verdict::kRandom;
  if (squares * 100 < uniform * 160 && repeats_few) return Verdict::kDoubtful;
  return Verdict::kCompressible;
}

}  // namespace dwcp
