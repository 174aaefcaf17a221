// SPDX-License-Identifier: Apache-2.0
// What loss allows to be in flight where others use the bottleneck too.  A Bbr tells it of every ACK and round; it says
// which rounds were congested, and bounds the window.
//
// Loss is congestive when a queue is there and it exceeds the path's ambient loss, which is learned in rounds without a
// queue.  How to answer it depends on whom the queue is shared with, and that shows in how much is lost while we do not
// yield:
//
//                    blocks of contested rounds lost little: others yield
//      unyielding ───────────────────────────────────────────────────────────────▶ yielding
//          ▲                                                                          │
//          └── a block lost more than kUnyieldingAbove, kBlocksYielding are over, or the bound is of no more use ──┘
//
// - unyielding: flows that do not yield to loss (BBRv1) keep a queue full and everyone losing.  Then nothing is in flight
//   in place of what was lost for a round trip, and that is all, as they do.
// - yielding: CUBIC and Reno yield, and we with them: the window follows a cubic of its own (RFC 9438) after each congested
//   round, so that it meets theirs at an even share.
//
// Owned by a Bbr, on its thread.
#pragma once

#include <cstdint>

#include "base/time.h"

namespace dwcp {

class LossBound {
 public:
  static constexpr std::uint64_t kUnbounded = kNever;

  struct Ack {
    std::uint64_t now_ns = 0;
    std::uint64_t rtt_ns = 0;  // smoothed
    std::uint64_t acked_bytes = 0;
    std::uint64_t lost_bytes = 0;
    std::uint64_t in_flight_bytes = 0;
    std::uint64_t bdp_bytes = 0;
    bool queue = false;  // this round trip showed one
  };

  struct Round {
    std::uint64_t now_ns = 0;
    std::uint64_t rtt_ns = 0;      // smoothed
    std::uint64_t min_rtt_ns = 0;  // of the path
    std::uint64_t acked_bytes = 0;
    std::uint64_t lost_bytes = 0;
    std::uint64_t in_flight_bytes = 0;  // the most in this round
    std::uint64_t bdp_bytes = 0;
    bool queue = false;        // its round trips showed one
    bool starting_up = false;  // what start-up overshoots by says nothing about others
    bool probing = false;      // on purpose above the estimate, or below it: not what the path is usually like
  };

  explicit LossBound(std::uint32_t datagram_bytes) noexcept : datagram_bytes_(datagram_bytes) {}

  // Between the end of start-up and the next one.
  void on_ack(const Ack& ack) noexcept;
  // So much had not been lost.
  void on_spurious_loss(std::uint64_t bytes) noexcept {
    round_lost_bytes_ -= bytes < round_lost_bytes_ ? bytes : round_lost_bytes_;
    conserve_until_ns_ = 0;
  }
  // True when the round was congested.
  bool on_round(const Round& round) noexcept;
  // The path may be another one.
  void forget() noexcept { *this = LossBound(datagram_bytes_); }
  // Or there are more of them, as lossy as those before.
  void forget_others() noexcept {
    const double ambient_loss = ambient_loss_;
    forget();
    ambient_loss_ = ambient_loss;
  }

  [[nodiscard]] std::uint64_t in_flight_max(std::uint64_t now_ns) const noexcept {
    return now_ns < conserve_until_ns_ && conserved_ < bound_ ? conserved_ : bound_;
  }
  [[nodiscard]] bool yielding() const noexcept { return yielding_; }
  // Others are seen to use the bottleneck: its queue is not ours to drain.
  [[nodiscard]] bool contested() const noexcept { return contested_rounds_ != 0 || bounded() || crowded(); }
  [[nodiscard]] double ambient_loss() const noexcept { return ambient_loss_; }

 private:
  [[nodiscard]] bool bounded() const noexcept { return bound_ != kUnbounded; }
  [[nodiscard]] bool crowded() const noexcept;
  [[nodiscard]] bool stands_out(std::uint64_t lost_bytes, std::uint64_t bytes) const noexcept;
  [[nodiscard]] bool congested(const Round& round) const noexcept;
  void learn_ambient(const Round& round, bool congested) noexcept;
  void judge_others(const Round& round) noexcept;
  void take_stance(bool yielding) noexcept;
  void yield(const Round& round) noexcept;
  void stop_yielding() noexcept;
  void forget_bound() noexcept;
  void reduce(const Round& round) noexcept;
  void grow(const Round& round) noexcept;

  std::uint32_t datagram_bytes_;
  std::uint64_t bound_ = kUnbounded;
  double ambient_loss_ = 0;
  std::uint64_t min_rtt_ns_ = 0;
  bool was_clear_ = false;  // the last round

  // The stance, and the block of contested rounds by which it is judged.
  bool yielding_ = false;
  std::uint32_t blocks_ = 0;  // since the stance was taken
  std::uint32_t block_rounds_ = 0;
  std::uint64_t block_lost_bytes_ = 0;
  std::uint64_t block_bytes_ = 0;
  std::uint64_t block_flight_bytes_ = 0;  // sum over its rounds
  std::uint32_t sure_blocks_ = 0;         // in a row that are beside those who yield
  std::uint32_t unsure_blocks_ = 0;       // or may be, less those that are not
  bool sure_ = false;                     // that others yield
  double contested_loss_ = 0;  // of the last block
  bool block_stood_out_ = false;  // its loss, from the path's own

  // Unyielding: in flight is kept from growing until then.
  std::uint64_t round_lost_bytes_ = 0;  // in the round in progress
  std::uint64_t conserve_until_ns_ = 0;
  std::uint64_t conserved_ = kUnbounded;

  // Yielding: the cubic in force.
  std::uint64_t yielded_bound_ = kUnbounded;  // when it was last in force, before the stance was put to the test
  std::uint64_t epoch_ns_ = 0;
  double scale_ = 0;        // C, bytes per cubic second
  double origin_s_ = 0;     // K
  double plateau_ = 0;      // W_max, bytes
  double reno_ = 0;         // W_est, bytes
  double reno_step_ = 0;    // alpha, bytes per round
  bool reduced_ = false;    // in the last round: what this one lost was sent before
  std::uint32_t contested_rounds_ = 0;  // for so many to come, others are taken to be there
  std::uint32_t calm_rounds_ = 0;  // in a row without loss and without a queue
};

}  // namespace dwcp
