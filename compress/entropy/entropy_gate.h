// SPDX-License-Identifier: Apache-2.0
// Decides per block, from a few KiB of it, whether the entropy coder is worth running (level L4, raw, is the other
// answer).  Trying would cost zstd speed on bytes that cannot shrink; a sample costs a few microseconds per 256 KiB.
//
// The sample counts two things: collisions of byte values (the sum of squared counts, which is Rényi's entropy of order
// 2 and integer arithmetic throughout) and repeated 4-byte strings.  Random bytes have neither.  What blocks turned out
// to be corrects the sample: after a block that did not shrink, doubtful samples are taken for raw, for 1, 2, 4 .. 16
// blocks.
//
// Codec lcore; deterministic: the same blocks since reset() give the same answers.
//
// Use, per block:
//   if (gate.worth_coding(raw)) { ... code ...; gate.learn(shrank); }
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace dwcp {

class EntropyGate {
 public:
  void reset() noexcept;
  [[nodiscard]] bool worth_coding(std::span<const std::uint8_t> raw) noexcept;

  // What came of a block for which worth_coding() said yes.
  void learn(bool shrank) noexcept;

 private:
  enum class Verdict : std::uint8_t { kRandom, kDoubtful, kCompressible };

  [[nodiscard]] Verdict sample(std::span<const std::uint8_t> raw) noexcept;

  static constexpr std::size_t kTableBits = 11;

  std::uint32_t jitter_ = 1;         // spreads sample positions, so that they do not fall in step with pages
  std::uint32_t distrust_ = 0;       // blocks for which a doubtful sample still means raw
  std::uint32_t distrust_next_ = 1;  // how many after the next block that does not shrink
  std::array<std::uint16_t, 256> counts_{};
  std::array<std::uint32_t, std::size_t{1} << kTableBits> seen_{};
};

}  // namespace dwcp
