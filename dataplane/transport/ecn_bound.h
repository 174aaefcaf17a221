// SPDX-License-Identifier: Apache-2.0
// BBR's answer to congestion-experienced marks (after BBRv3's inflight_lo and ecn_alpha, draft-ietf-ccwg-bbr §5.5.10; the
// moving average is DCTCP's, RFC 8257 §3.3): an upper bound on what is in flight, lowered each round trip that brought
// marks in proportion to how many packets they usually strike, lifted when the next probe for bandwidth begins.
//
// A router that marks every packet above a threshold is answered by small steps that keep the queue near it.  One that
// marks few packets of many (CoDel, PIE) wants one answer per round trip whatever their number (RFC 3168 §6.1.2), hence
// the least step.
//
// Use:  on_ack() per ACK;  end_round() per round trip;  lift() at a probe;  bytes() whenever the window is set.
#pragma once

#include <algorithm>
#include <cstdint>

namespace dwcp {

class EcnBound {
 public:
  static constexpr double kAlphaGain = 1.0 / 16;
  static constexpr double kFactor = 1.0 / 3;   // of alpha, per round: BBRv3's
  static constexpr double kStepMin = 0.05;
  // More than this share of a round's packets marked is a queue of our own making: BBRv3's ecn_thresh.
  static constexpr double kManyMarks = 0.5;

  void on_ack(std::uint64_t ce_packets, std::uint64_t ect_packets) noexcept {
    round_ce_ += ce_packets;
    round_ect_ += ect_packets;
  }

  // `reached_bytes`: the most that was in flight.  Whether more than kManyMarks of the round's packets were marked.
  bool end_round(std::uint64_t reached_bytes, std::uint64_t least_bytes) noexcept {
    if (round_ect_ == 0) return false;
    const double marked = std::min(static_cast<double>(round_ce_) / static_cast<double>(round_ect_), 1.0);
    alpha_ += (marked - alpha_) * kAlphaGain;
    if (round_ce_ != 0) {
      const double keep = 1 - std::max(alpha_ * kFactor, kStepMin);
      const auto from = static_cast<double>(std::min(bytes_, reached_bytes));
      bytes_ = std::max(static_cast<std::uint64_t>(from * keep), least_bytes);
    }
    round_ce_ = round_ect_ = 0;
    return marked > kManyMarks;
  }

  void lift() noexcept { bytes_ = kNone; }
  [[nodiscard]] std::uint64_t bytes() const noexcept { return bytes_; }
  [[nodiscard]] bool marked() const noexcept { return round_ce_ != 0; }  // in this round
  [[nodiscard]] double alpha() const noexcept { return alpha_; }

 private:
  static constexpr std::uint64_t kNone = ~std::uint64_t{0};

  std::uint64_t bytes_ = kNone;
  std::uint64_t round_ce_ = 0;
  std::uint64_t round_ect_ = 0;
  double alpha_ = 1;  // of a path not known yet, the first marks count in full
};

}  // namespace dwcp
