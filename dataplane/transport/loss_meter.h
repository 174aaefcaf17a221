// SPDX-License-Identifier: Apache-2.0
// How much a lane loses, and in what lumps, for one question: how many parity symbols a frame of the tail needs.
//
// The rate is the greater of two moving averages, over about 8192 packets and over 1024, so that loss that has just risen
// counts at once and loss that has just fallen is not forgotten.  Packets lost that were sent at the same moment, or nearly,
// are one burst; its mean length is taken over the last 256 losses or so.
//
// The need follows from a model: bursts begin at random (Poisson) and have geometric lengths, which is the Gilbert model
// seen from a codeword.  The number of symbols lost then has the Pólya-Aeppli distribution, whose terms follow from the two
// before (Johnson, Kotz and Kemp, Univariate Discrete Distributions, §9.7); with bursts of one it is Poisson's.
//
// Owned by a lane, on its thread.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>

namespace dwcp {

class LossMeter {
 public:
  // A frame that parity fails to mend costs the migration a round trip.  A tail has tens of frames: this keeps the tail's
  // own chance below one in a hundred.
  static constexpr double kMissMax = 1e-4;
  // The mean is over 256 losses, so it can tell of none longer; an outage, one burst without end, would drive it beyond all
  // bounds.
  static constexpr double kBurstMax = 256;

  void on_acked() noexcept { note(0.0); }
  // Sent at `sent_ns`; less than `burst_gap_ns` from the last loss, it belongs to the same burst.
  void on_lost(std::uint64_t sent_ns, std::uint64_t burst_gap_ns) noexcept {
    note(1.0);
    const std::uint64_t apart_ns = sent_ns > last_lost_ns_ ? sent_ns - last_lost_ns_ : last_lost_ns_ - sent_ns;
    const bool begins = last_lost_ns_ == 0 || apart_ns > burst_gap_ns;
    last_lost_ns_ = sent_ns;
    losses_ += 1.0 - losses_ * kBurstShare;
    bursts_ += (begins ? 1.0 : 0.0) - bursts_ * kBurstShare;
  }

  // Packets lost of packets sent, 0 .. 1.
  [[nodiscard]] double loss() const noexcept { return std::max(slow_, fast_); }
  // Packets, 1 .. kBurstMax.
  [[nodiscard]] double burst() const noexcept { return std::clamp(losses_ / bursts_, 1.0, kBurstMax); }

  // The parity symbols, 1 + `ragged` .. `most`, that a codeword needs when `symbols` of its data symbols may be lost; it is sent
  // in turns with others, `interleave` together, so that each has only its share of a burst.  `ragged` is 1 when packets do
  // not begin and end with symbols: a burst then takes a symbol more.
  [[nodiscard]] std::size_t parity_symbols(std::size_t symbols, std::size_t interleave, std::size_t ragged,
                                           std::size_t most) const noexcept {
    // Parity is lost as data is: the second round counts that of the first.
    const std::size_t once = lost_at_most(symbols, interleave, ragged, most);
    return lost_at_most(symbols + once, interleave, ragged, most);
  }

 private:
  static constexpr double kSlowShare = 1.0 / 8192;
  static constexpr double kFastShare = 1.0 / 1024;
  static constexpr double kBurstShare = 1.0 / 256;

  void note(double lost) noexcept {
    slow_ += (lost - slow_) * kSlowShare;
    fast_ += (lost - fast_) * kFastShare;
  }

  // The least count >= 1 + ragged that losses of `packets` exceed with a chance below kMissMax; `most` when that is less.
  [[nodiscard]] std::size_t lost_at_most(std::size_t packets, std::size_t interleave, std::size_t ragged,
                                         std::size_t most) const noexcept {
    const double length = std::max(1.0, burst() / static_cast<double>(interleave));
    const double begins = static_cast<double>(packets) * loss() / length;  // bursts expected
    const double ends = 1.0 / (length + static_cast<double>(ragged));      // chance that a burst ends with this symbol
    double before = 0;
    double term = std::exp(-begins);
    double sum = term;
    for (std::size_t n = 1; n < most; ++n) {
      const double count = static_cast<double>(n);
      const double next = ((begins * ends + 2 * (1 - ends) * (count - 1)) * term -
                           (1 - ends) * (1 - ends) * (count - 2) * before) / count;
      before = term;
      term = std::max(next, 0.0);
      sum += term;
      if (n > ragged && 1 - sum < kMissMax) return n;
    }
    return most;
  }

  double slow_ = 0;
  double fast_ = 0;
  double losses_ = 8;  // the first few losses say little about bursts
  double bursts_ = 8;
  std::uint64_t last_lost_ns_ = 0;
};

}  // namespace dwcp
