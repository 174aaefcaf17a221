// SPDX-License-Identifier: Apache-2.0
// Careful resume (draft-ietf-tsvwg-careful-resume): a sender that remembers what the path gave last time goes there in one
// jump instead of doubling its way up, once the round trip says that it is the same path, and goes back at the first sign
// that it no longer gives as much.
//
//            offer()           same round trip                 of the jump acknowledged
//   kNormal ─────────▶ kRecon ─────────────────▶ kUnvalidated ────────────────────────▶ kValidating
//     ▲ ▲                │ another path              │    ▲  hardly used, all acknowledged │   │   │
//     │ └────────────────┘                           │    └────────────────────────────────┘   │   │
//     │                                     trouble  ▼                          trouble        │   │
//     │                                           kSafeRetreat ◀───────────────────────────────┘   │
//     │                       the jump is settled    │                       all acknowledged      │
//     └──────────────────────────────────────────────┴─────────────────────────────────────────────┘
//
// From anywhere an outage (persistent congestion) leads to kNormal: it may be another path that follows.
//
// Trouble is loss beyond what the owner tolerates, round trips that show a queue sample after sample, or congestion that
// the owner is told of (ECN).  The draft jumps to half the saved window, a window being up to twice the pipe when the buffer
// is full.  What is remembered here is a delivery rate, which no queue inflates; so the jump is that rate for one round
// trip, the pipe as it was: the same half.  It is paced at that rate, and no more is in flight unconfirmed than was
// confirmed before.
//
// Owned by a congestion control, which asks on every ACK what has changed and follows phase(), rate and jump.
#pragma once

#include <cstdint>

#include "base/time.h"
#include "dataplane/transport/congestion_control.h"

namespace dwcp {

// What a path gave at its best not long ago.
struct ResumePoint {
  std::uint64_t bandwidth_bytes_per_sec = 0;  // delivered; 0 = nothing is known
  std::uint64_t min_rtt_ns = 0;
};

// How long a memory is good for: whole for an hour, half until tomorrow, since links between sites change by the season but
// what others do on them changes by the hour.
[[nodiscard]] ResumePoint aged(const ResumePoint& point, std::uint64_t age_ns) noexcept;

enum class ResumePhase : std::uint8_t {
  kNormal,       // nothing to resume, or done
  kRecon,        // something is remembered; whether this is the same path is not known yet
  kUnvalidated,  // may send at the remembered rate, and nothing of that is acknowledged yet
  kValidating,   // the jump is being acknowledged
  kSafeRetreat,  // it was too much: what it left in flight is being settled
};
inline constexpr std::size_t kResumePhases = 5;

enum class ResumeEvent : std::uint8_t {
  kNone,
  kOffered,
  kConfirmed,   // the round trip is that of the path remembered
  kRefuted,     // it is not, or there is nothing to gain
  kFirstAcked,  // the first packet of the jump arrived
  kUnderused,   // the jump is acknowledged, but it was none: there was little to send
  kLastAcked,   // the jump is acknowledged: the path gives what it gave
  kTrouble,
  kSettled,     // what the jump left in flight is acknowledged or lost
};
inline constexpr std::size_t kResumeEvents = 9;

// The diagram above as a table: the phase after `event` in `phase`.
[[nodiscard]] constexpr ResumePhase next_phase(ResumePhase phase, ResumeEvent event) noexcept {
  using enum ResumePhase;
  constexpr ResumePhase table[kResumePhases][kResumeEvents] = {
      // in the order of the events
      {kNormal, kRecon, kNormal, kNormal, kNormal, kNormal, kNormal, kNormal, kNormal},  // kNormal
      {kRecon, kRecon, kUnvalidated, kNormal, kRecon, kRecon, kRecon, kNormal, kRecon},  // kRecon
      {kUnvalidated, kRecon, kUnvalidated, kNormal, kValidating, kUnvalidated, kUnvalidated, kSafeRetreat, kUnvalidated},  // kUnvalidated
      {kValidating, kRecon, kValidating, kNormal, kValidating, kUnvalidated, kNormal, kSafeRetreat, kValidating},  // kValidating
      {kSafeRetreat, kRecon, kSafeRetreat, kNormal, kSafeRetreat, kSafeRetreat, kSafeRetreat, kSafeRetreat, kNormal},  // kSafeRetreat
  };
  return table[static_cast<std::size_t>(phase)][static_cast<std::size_t>(event)];
}

class CarefulResume {
 public:
  // The draft's bounds on the round trip, §4.2: less than half means another path, more than ten times likewise.
  static constexpr std::uint64_t kRttLowDivisor = 2;
  static constexpr std::uint64_t kRttHighFactor = 10;
  // Round trips that show a queue, in a row; RFC 9406's count and bounds.
  static constexpr std::uint32_t kQueueSamples = 8;
  static constexpr std::uint64_t kQueueMinNs = 4 * kNsPerMs;
  static constexpr std::uint64_t kQueueMaxNs = 16 * kNsPerMs;
  static constexpr std::uint64_t kQueueRttDivisor = 8;
  // Idle for so long, a sender no longer trusts what it measured itself, and resumes from it.
  static constexpr std::uint64_t kIdleTrustNs = 3 * 60 * kNsPerSec;

  // `loss_tolerated` of what the jump sent is no trouble.
  CarefulResume(std::uint32_t datagram_bytes, double loss_tolerated) noexcept
      : datagram_bytes_(datagram_bytes), loss_tolerated_(loss_tolerated) {}

  // Begins anew with `point`; `window_bytes` is what may be in flight without it.  Nothing known: nothing happens.
  void offer(const ResumePoint& point, std::uint64_t window_bytes) noexcept;
  // One ACK; `min_rtt_ns` is the least seen in this session, 0 = none.
  ResumeEvent on_ack(const AckSample& sample, std::uint64_t min_rtt_ns) noexcept;
  // Losses found by time.
  void on_lost(std::uint64_t bytes) noexcept { lost_bytes_ += in_use_ ? bytes : 0; }
  // The owner saw congestion otherwise: kTrouble when it ended a jump, else kNone.
  ResumeEvent on_congestion(const AckSample& sample) noexcept;
  // Nothing gets through: whatever was remembered is not this path.
  void refute(std::uint64_t now_ns) noexcept { (void)apply(ResumeEvent::kRefuted, now_ns); }

  [[nodiscard]] ResumePhase phase() const noexcept { return phase_; }
  // The remembered rate is in force.
  [[nodiscard]] bool jumping() const noexcept {
    return phase_ == ResumePhase::kUnvalidated || phase_ == ResumePhase::kValidating;
  }
  [[nodiscard]] bool retreating() const noexcept { return phase_ == ResumePhase::kSafeRetreat; }
  [[nodiscard]] std::uint64_t rate_bytes_per_sec() const noexcept { return point_.bandwidth_bytes_per_sec; }
  [[nodiscard]] std::uint64_t jump_bytes() const noexcept { return jump_bytes_; }
  // Acknowledged of the jump (the draft's PipeSize), and the rate at which it was: what the path gives.
  [[nodiscard]] std::uint64_t pipe_bytes() const noexcept { return pipe_bytes_; }
  [[nodiscard]] std::uint64_t pipe_bytes_per_sec(std::uint64_t now_ns) const noexcept;
  // nullptr while there is nothing to say beside the owner's own state.
  [[nodiscard]] const char* phase_name() const noexcept;

 private:
  ResumeEvent apply(ResumeEvent event, std::uint64_t now_ns) noexcept;
  ResumeEvent judge_path(const AckSample& sample, std::uint64_t min_rtt_ns) noexcept;
  void measure(const AckSample& sample, std::uint64_t min_rtt_ns) noexcept;
  void begin_measuring() noexcept;
  [[nodiscard]] bool in_trouble() const noexcept;

  std::uint32_t datagram_bytes_;
  double loss_tolerated_;
  ResumePhase phase_ = ResumePhase::kNormal;
  ResumePoint point_;
  std::uint64_t window_bytes_ = 0;  // without the jump
  std::uint64_t jump_bytes_ = 0;

  bool in_use_ = false;              // more than pings is being acknowledged
  std::uint64_t first_acked_ns_ = 0;
  std::uint64_t pipe_bytes_ = 0;
  std::uint64_t lost_bytes_ = 0;
  std::uint64_t in_flight_most_ = 0;
  std::uint32_t queue_samples_ = 0;
  std::uint64_t mark_ns_ = 0;  // what was sent later is not of the jump
};

}  // namespace dwcp
