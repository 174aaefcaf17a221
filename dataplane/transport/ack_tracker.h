// SPDX-License-Identifier: Apache-2.0
// The receiving half of a stream: which packet numbers have come, and when to say so (RFC 9000 §13.2, RFC 9002 §6.1).
//
// An ACK is due after ack_every() ack-eliciting packets, at once when a packet shows a new gap, or kDelayMaxNs after the
// first one not yet acknowledged.  ack_every() follows the arrival rate, so that a fast stream is acknowledged about once
// per interval (a millisecond, or an eighth of the RTT when that is less) and a slow one every second packet; the lane joins
// the ACKs of its streams.  The first of
// a run of CE marks is told at once (RFC 9000 §13.2.1, and RFC 8257 §3.2 for a run), for it is congestion as it begins.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "base/ecn.h"
#include "base/interval_set.h"
#include "base/time.h"
#include "dataplane/transport/ids.h"
#include "dataplane/wire/chunk.h"
#include "dataplane/wire/drop_reason.h"

namespace dwcp {

class AckTracker {
 public:
  // Holes remembered: beyond them the oldest numbers count as received, so that late packets are dropped, not taken twice.
  static constexpr std::size_t kIntervalsMax = 256;
  static constexpr std::uint64_t kDelayMaxNs = 2 * kNsPerMs;
  static constexpr std::uint32_t kEveryMax = 128;
  static constexpr std::size_t kNewsAcks = 4;

  using Received = IntervalSet<PacketNumber, kIntervalsMax>;

  // The number to expand a header's low 32 bits against.
  [[nodiscard]] PacketNumber expected() const noexcept { return any_ ? largest_ + 1 : 0; }

  // kNone: new, go on with it.  kDuplicate or kTooOld: drop the packet.
  [[nodiscard]] wire::DropReason admit(PacketNumber number) const noexcept {
    if (number < floor_) return wire::DropReason::kTooOld;
    return received_.contains(number) ? wire::DropReason::kDuplicate : wire::DropReason::kNone;
  }

  // Records an admitted packet.
  void on_received(std::uint64_t now_ns, PacketNumber number, bool ack_eliciting, std::uint64_t rtt_ns,
                   Ecn ecn = Ecn::kNotEct) noexcept {
    ecn_.add(ecn);
    const bool run_begins = ecn == Ecn::kCe && !ce_run_;
    ce_run_ = ecn == Ecn::kCe;
    PacketNumber added = 0;
    if (received_.insert(number, number + 1, added) == Received::Inserted::kFull) {
      floor_ = received_.intervals().front().end;
      received_.pop_front();
      if (number < floor_) return;
      received_.insert(number, number + 1, added);
    }
    news_low_[0] = std::min(news_low_[0], number);
    const bool in_order = number == expected();
    if (!any_ || number > largest_) {
      largest_ = number;
      largest_ns_ = now_ns;
      any_ = true;
    }
    if (!ack_eliciting) return;
    if (unacked_ == 0) first_unacked_ns_ = now_ns;
    ++unacked_;
    if (!in_order || run_begins) now_due_ = true;
    measure_rate(now_ns, rtt_ns);
  }

  [[nodiscard]] bool due(std::uint64_t now_ns) const noexcept {
    return unacked_ != 0 && (now_due_ || unacked_ >= every_ || now_ns >= first_unacked_ns_ + delay_ns_);
  }
  // It is due for what it says: a new gap, or the first of a run of CE marks.
  [[nodiscard]] bool urgent() const noexcept { return unacked_ != 0 && now_due_; }
  // Something ack-eliciting is unacknowledged: ride along on any packet that goes out.
  [[nodiscard]] bool wanted() const noexcept { return unacked_ != 0; }
  [[nodiscard]] std::uint64_t deadline_ns() const noexcept {
    if (unacked_ == 0) return kNever;
    return now_due_ || unacked_ >= every_ ? 0 : first_unacked_ns_ + delay_ns_;
  }

  void on_ack_sent() noexcept {
    unacked_ = 0;
    now_due_ = false;
    std::shift_right(news_low_.begin(), news_low_.end(), 1);
    news_low_[0] = kNothing;
  }

  // The lowest number received since kNewsAcks ACKs ago.  An ACK that reaches down to it says every arrival kNewsAcks times:
  // a packet that was overtaken by thousands is as sure to be heard of as one in order.
  [[nodiscard]] PacketNumber news_low() const noexcept { return *std::min_element(news_low_.begin(), news_low_.end()); }

  [[nodiscard]] const Received& received() const noexcept { return received_; }
  [[nodiscard]] PacketNumber largest() const noexcept { return largest_; }
  [[nodiscard]] std::uint64_t largest_ns() const noexcept { return largest_ns_; }
  [[nodiscard]] std::uint32_t ack_every() const noexcept { return every_; }
  // What the packets received came with: to be told once any() came.
  [[nodiscard]] const EcnCounts& ecn() const noexcept { return ecn_; }

 private:
  void measure_rate(std::uint64_t now_ns, std::uint64_t rtt_ns) noexcept {
    ++window_packets_;
    const std::uint64_t interval = std::clamp(rtt_ns / 8, 50 * kNsPerUs, kNsPerMs);
    const std::uint64_t elapsed = now_ns - window_start_ns_;
    if (elapsed < 4 * interval) return;
    const std::uint64_t per_interval = window_packets_ * interval / elapsed;
    every_ = static_cast<std::uint32_t>(std::clamp<std::uint64_t>(per_interval, 2, kEveryMax));
    delay_ns_ = std::min(kDelayMaxNs, 2 * interval);
    window_start_ns_ = now_ns;
    window_packets_ = 0;
  }

  static constexpr PacketNumber kNothing = ~PacketNumber{0};

  Received received_;
  std::array<PacketNumber, kNewsAcks> news_low_ = {kNothing, kNothing, kNothing, kNothing};  // [0]: since the last ACK
  PacketNumber floor_ = 0;    // numbers below count as received
  PacketNumber largest_ = 0;  // valid when any_
  std::uint64_t largest_ns_ = 0;
  std::uint64_t first_unacked_ns_ = 0;
  std::uint64_t window_start_ns_ = 0;
  std::uint64_t window_packets_ = 0;
  std::uint64_t delay_ns_ = kDelayMaxNs;
  std::uint32_t unacked_ = 0;
  std::uint32_t every_ = 2;
  EcnCounts ecn_;
  bool ce_run_ = false;  // the last packet came marked
  bool now_due_ = false;
  bool any_ = false;
};

}  // namespace dwcp
