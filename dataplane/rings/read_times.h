// SPDX-License-Identifier: Apache-2.0
// When the bytes of a block were read from their hypervisor.  The edge notes each read as it fills the block; the codec,
// to whom the block is lent, asks.  A block may stay half full for long while the codec is behind, so that one time for
// all of it would not do.
//
// Reads less than kResolutionNs apart are told as one, at the time of the first.  When all places are used the newest read
// takes the last one: what is asked for is the end of a burst, the guest having been stopped, and stands near the end.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/time.h"

namespace dwcp {

class ReadTimes {
 public:
  static constexpr std::size_t kPlaces = 8;
  static constexpr std::uint64_t kResolutionNs = 500 * kNsPerUs;

  void clear() noexcept { used_ = 0; }

  // The bytes from `begin` on, and to the block's end as it is now, were read at `at_ns`.
  void note(std::uint32_t begin, std::uint64_t at_ns) noexcept {
    last_ns_ = at_ns;
    if (used_ != 0 && at_ns < reads_[used_ - 1].at_ns + kResolutionNs) return;
    if (used_ < kPlaces) ++used_;
    reads_[used_ - 1] = {.at_ns = at_ns, .begin = begin};
  }

  // Of the byte at `offset`; 0 when nothing was noted.
  [[nodiscard]] std::uint64_t of(std::uint32_t offset) const noexcept {
    std::uint64_t at_ns = used_ != 0 ? reads_[0].at_ns : 0;
    for (std::size_t i = 1; i < used_ && reads_[i].begin <= offset; ++i) at_ns = reads_[i].at_ns;
    return at_ns;
  }

  // Of the block's last byte.
  [[nodiscard]] std::uint64_t last_ns() const noexcept { return used_ != 0 ? last_ns_ : 0; }

 private:
  struct Read {
    std::uint64_t at_ns = 0;
    std::uint32_t begin = 0;
  };
  std::array<Read, kPlaces> reads_;
  std::size_t used_ = 0;
  std::uint64_t last_ns_ = 0;
};

}  // namespace dwcp
