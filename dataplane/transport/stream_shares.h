// SPDX-License-Identifier: Apache-2.0
// How much each stream of a congestion group should carry.  The group knows one rate; where routers or policers treat every
// 5-tuple by itself, its streams' paths do not bear equal parts of it.  A stream that loses or queues more than the best of
// the group, beyond chance, is at its path's limit: it is capped at what was delivered, and the cap rises again, slowly at
// first, for as long as the path bears it.  The group's rate is spread evenly over the streams as far as their caps allow
// (max-min fairness), so that streams of one clean bottleneck are even, and what a policed one cannot carry goes on the others.
//
// A stream whose losses stand out is called limited: they are its path's, and no sign of the group's congestion.
//
// Called by the lane's net lcore, once a round trip.  Use: update(...), then share(i) and limited(i) of each.
//
// Invariants
//  1. kShareMin <= share <= 1, so that every path goes on being tried; the greatest share of the active streams is 1.
//  2. A cap that binds and stands out in nothing rises each round.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <memory>
#include <span>

#include "base/time.h"
#include "dataplane/transport/stream.h"
#include "dataplane/wire/limits.h"

namespace dwcp {

class StreamShares {
 public:
  // Of the stream that carries most: on a path that carries nothing, 1/64 is lost and repaired, as with a little random loss.
  static constexpr double kShareMin = 1.0 / 64;
  // The path of a stream that joins others at work is unknown: it begins at this part of an even share, and doubles each clean
  // round.  A part, not a rate: the group may be doubling its own.  Those that are there before anything was delivered begin
  // even, since the group's start-up is careful for all of them.
  static constexpr double kNewPart = 1.0 / 4;
  // The least round trip is the least of this time, so that a path that became longer is not taken for a queue for good.  It is
  // taken anew of all streams when one joins: were they of different times, one that joined behind a queue all share would
  // seem to have none, and the others' would stand out.
  static constexpr std::uint64_t kMinRttWindowNs = 10 * kNsPerSec;

  void begin() noexcept { *this = {}; }
  void update(std::uint64_t now_ns, std::span<const std::unique_ptr<Stream>> streams) noexcept;

  [[nodiscard]] double share(std::size_t stream) const noexcept { return places_[stream].share; }
  [[nodiscard]] bool limited(std::size_t stream) const noexcept { return places_[stream].limited; }

 private:
  static constexpr double kUncapped = HUGE_VAL;
  static constexpr double kWhole = 1;

  struct Place {
    bool active = false;
    bool limited = false;
    bool judged = false;  // enough was settled since the last time
    double part = kWhole;  // of an even share: less while its path is new
    std::uint8_t path = 0;
    std::uint32_t clean = 0;  // rounds since its path's limit was met
    double share = 1;
    double cap = kUncapped;  // packets per second
    double rate = 0;         // packets settled per second, when last judged
    std::uint64_t since_ns = 0;      // of the last judgement
    std::uint64_t acked_before = 0;  // packets, then
    std::uint64_t lost_before = 0;
    double settled = 0;   // packets since
    double lost = 0;
    double queue_ns = 0;  // round trip beyond the path's least
    double rtt_ns = 0;
    std::array<std::uint64_t, 2> min_rtt_ns{kNever, kNever};  // of this window and the one before
  };

  [[nodiscard]] bool renew(std::uint64_t now_ns, Place& place, const Stream& stream) const noexcept;
  static void look(Place& place, const Stream& stream) noexcept;
  static void judge(std::uint64_t now_ns, Place& place, double loss_base, double queue_base_ns) noexcept;
  void spread() noexcept;
  [[nodiscard]] double level(std::size_t active) const noexcept;

  std::array<Place, wire::kStreamsMax> places_{};
  std::size_t count_ = 0;  // places in use
  double total_ = 0;       // packets settled per second, of all
  std::uint64_t window_start_ns_ = 0;
};

}  // namespace dwcp
