// SPDX-License-Identifier: Apache-2.0
// PathMemory: what the link to each peer gave when it last was in use, kept from one session to the next, so that a link
// that was lost and is back, or whose peer restarted, need not find its rate again (careful_resume.h).  Control thread.
//
//   every report of the lane:    memory.learn(now, lane, observed)
//   when a session is agreed:    session.resume = memory.recall(now, lane)
//
// Kept is the best of the last half to whole minute of use, so that the last seconds before a link broke do not count for
// more than the minutes before; time without use does not count.  Only this process remembers.
#pragma once

#include <cstdint>
#include <vector>

#include "base/time.h"
#include "dataplane/transport/careful_resume.h"

namespace dwcp {

// One report of a lane.
struct PathObserved {
  std::uint32_t session = 0;  // totals are of it
  bool bandwidth_known = false;
  std::uint64_t bandwidth_bytes_per_sec = 0;
  std::uint64_t min_rtt_ns = 0;
  // Totals of the session.
  std::uint64_t packets_acked = 0;
  std::uint64_t packets_sent = 0;
  std::uint64_t bytes_sent = 0;
};

class PathMemory {
 public:
  // Beyond these a report is not believed: no link is slower or faster, and no path on Earth is longer or shorter.
  static constexpr std::uint64_t kBandwidthMin = 100'000;
  static constexpr std::uint64_t kBandwidthMax = 50'000'000'000;
  static constexpr std::uint64_t kRttMinNs = 10 * kNsPerUs;
  static constexpr std::uint64_t kRttMaxNs = 5 * kNsPerSec;
  static constexpr std::uint64_t kSpanNs = 30 * kNsPerSec;
  // A report counts when at least this part of the bandwidth it claims was acknowledged since the one before.
  static constexpr std::uint64_t kUseDivisor = 4;

  explicit PathMemory(std::size_t lanes) : paths_(lanes) {}

  void learn(std::uint64_t now_ns, std::size_t lane, const PathObserved& observed);
  // Nothing (all zero) when nothing is known, or it is too old.
  [[nodiscard]] ResumePoint recall(std::uint64_t now_ns, std::size_t lane) const;

 private:
  struct Span {
    std::uint64_t bandwidth_bytes_per_sec = 0;
    std::uint64_t min_rtt_ns = kNever;
  };
  struct Path {
    std::uint32_t session = 0;
    std::uint64_t packets_acked = 0;
    std::uint64_t packets_sent = 0;
    std::uint64_t bytes_sent = 0;
    std::uint64_t reported_ns = 0;  // 0 = not in this session
    std::uint64_t learned_ns = 0;   // 0 = never
    std::uint64_t used_ns = 0;      // of the span being filled
    Span filling;
    Span filled;
  };

  std::vector<Path> paths_;
};

}  // namespace dwcp
