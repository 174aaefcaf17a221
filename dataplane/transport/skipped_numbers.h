// SPDX-License-Identifier: Apache-2.0
// Packet numbers a stream leaves out, now and then, where its peer cannot foresee it (RFC 9000 §21.4).  A receiver that
// acknowledges what it has not got, to be sent more than the path carries, sooner or later acknowledges one of them, which
// none that speaks the truth ever does.
//
// The first gap comes soon, later ones are rarer: about one packet in 4000, which costs an ACK range.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>

#include "base/rng.h"
#include "dataplane/transport/ids.h"

namespace dwcp {

// Contiguous packet numbers [first, last] from an ACK chunk, highest range first.
struct AckedRange {
  PacketNumber first = 0;
  PacketNumber last = 0;
};

class SkippedNumbers {
 public:
  static constexpr std::uint64_t kGapMin = 16;
  static constexpr std::uint64_t kGapMax = 8192;
  // More packets lie between so many than are ever in flight.
  static constexpr std::size_t kRemembered = 128;

  // Never due before.
  void arm(std::uint64_t seed) noexcept {
    rng_ = Rng(seed);
    armed_ = true;
    draw(0);
  }
  // Number `next` is to be left out.
  [[nodiscard]] bool due(PacketNumber next) const noexcept { return armed_ && next >= next_skip_; }
  void note(PacketNumber skipped) noexcept {
    numbers_[count_++ % kRemembered] = skipped;
    draw(skipped + 1);
  }
  // One of the ranges holds a number that was left out.
  [[nodiscard]] bool claimed_by(std::span<const AckedRange> ranges) const noexcept {
    return std::any_of(ranges.begin(), ranges.end(), [this](const AckedRange& range) { return holds_one(range); });
  }
  [[nodiscard]] std::uint64_t count() const noexcept { return count_; }

 private:
  void draw(PacketNumber from) noexcept {
    next_skip_ = from + kGapMin + rng_.below(std::clamp<std::uint64_t>(2 * from, kGapMin, kGapMax));
  }
  // They rise by age.
  [[nodiscard]] bool holds_one(const AckedRange& range) const noexcept {
    std::uint64_t low = count_ > kRemembered ? count_ - kRemembered : 0;
    std::uint64_t high = count_;
    while (low < high) {
      const std::uint64_t middle = (low + high) / 2;
      if (numbers_[middle % kRemembered] < range.first) low = middle + 1;
      else high = middle;
    }
    return low < count_ && numbers_[low % kRemembered] <= range.last;
  }

  Rng rng_{0};
  std::array<PacketNumber, kRemembered> numbers_{};
  std::uint64_t count_ = 0;
  PacketNumber next_skip_ = 0;
  bool armed_ = false;
};

}  // namespace dwcp
