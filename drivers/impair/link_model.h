// SPDX-License-Identifier: Apache-2.0
// One direction of a link as arithmetic: a frame goes in with the time it was offered, out comes when it arrives, how
// often, how damaged, or why it does not.  Sans-IO: the carrier of the frames (FakeNetwork, DatagramPipe, dwcp-wan)
// owns them and the clock.  One owner thread.  Same profile, seed and calls: same verdicts.
//
// A frame passes, in this order: mtu, blackhole, its flow's policer, tail-drop queue and serialisation, loss, burst loss,
// delay, reorder, corruption, ECN fault, duplication.  So a frame lost by chance has used the bottleneck, as on a real path.
//
// Invariants:
//   1. offered + duplicated == delivered + the sum of all drops.
//   2. Among frames with `in_order` set, deliver_ns never falls; each fits a plain FIFO.
//   3. The serialisation clock carries the fraction of a nanosecond, so a busy link never drifts from its rate.
//
// Use:  v = model.admit(now, {.bytes = n});  if (v.copies) { edit the frame; keep it until v.deliver_ns }
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "base/ecn.h"
#include "base/rng.h"
#include "drivers/impair/profile.h"

namespace dwcp {

inline constexpr std::uint32_t kEthernetHeaderBytes = 14;

enum class DropReason : std::uint8_t {
  kNone,        // delivered
  kMtu,         // larger than the link carries
  kBlackhole,   // offered while the link was dead
  kQueueFull,   // tail drop at the bottleneck
  kRandomLoss,  // lost by itself
  kBurstLoss,   // lost with its neighbours
  kPoliced,     // beyond the rate its flow may have
};
inline constexpr std::size_t kDropReasonCount = 7;
[[nodiscard]] const char* drop_reason_name(DropReason reason) noexcept;

struct FrameInfo {
  std::uint32_t bytes = 0;                               // Ethernet frame without FCS
  std::uint32_t protected_bytes = kEthernetHeaderBytes;  // corruption spares this much at the front
  bool ect = false;                                      // the packet says it understands ECN
  std::uint64_t flow = 0;                                // names its 5-tuple, for LinkProfile::policer
};

struct Verdict {
  DropReason drop = DropReason::kNone;
  std::uint8_t copies = 0;  // 0 = dropped, 2 = duplicated
  std::uint8_t flips = 0;   // bits to invert in all copies
  bool mark_ce = false;                   // a frame that is ECT becomes CE
  EcnFault ecn_fault = EcnFault::kNone;   // then this befalls it
  bool in_order = true;                      // false: may arrive before frames admitted earlier, or after later ones
  std::uint64_t deliver_ns = 0;              // both copies, back to back
  std::array<std::uint32_t, 3> flip_bits{};  // distinct bit offsets in the frame; the first `flips` count

  [[nodiscard]] bool edits() const noexcept { return mark_ce || ecn_fault != EcnFault::kNone || flips != 0; }
  // What a frame that was sent with `ecn` arrives with.
  [[nodiscard]] Ecn ecn_after(Ecn ecn) const noexcept;
};

struct LinkCounters {
  std::uint64_t offered = 0;
  std::uint64_t offered_bytes = 0;
  std::uint64_t delivered = 0;  // copies, given a time of arrival (which may still be to come)
  std::uint64_t delivered_bytes = 0;
  std::array<std::uint64_t, kDropReasonCount> drops{};  // by DropReason; [0] stays 0
  std::uint64_t reordered = 0;
  std::uint64_t duplicated = 0;
  std::uint64_t corrupted = 0;
  std::uint64_t ecn_marked = 0;
  std::uint64_t ecn_faults = 0;
  std::uint64_t queue_bytes_max = 0;
  std::uint64_t queued = 0;              // frames that passed the bottleneck: the divisor for the mean queue delay
  std::uint64_t queue_delay_ns_sum = 0;  // waiting only, without the frame's own sending time
  std::uint64_t queue_delay_ns_max = 0;

  [[nodiscard]] std::uint64_t dropped() const noexcept;
  // Of two links side by side; the maxima are of either.
  LinkCounters& operator+=(const LinkCounters& other) noexcept;
};

class LinkModel {
 public:
  // Asserts that profile_error(profile) is nullptr.  With a policer, a flow's first frame allocates.
  LinkModel(LinkProfile profile, std::uint64_t seed);

  // A now_ns before that of an earlier call counts as the earlier one's.
  [[nodiscard]] Verdict admit(std::uint64_t now_ns, const FrameInfo& frame);

  // New frames meet `profile`; frames admitted before keep their time of arrival, in_order ones stay ahead.
  void reconfigure(LinkProfile profile);

  // Bytes in the bottleneck's queue at now_ns, the frame being sent included as far as it is not yet out.
  [[nodiscard]] std::uint64_t queue_bytes(std::uint64_t now_ns) const noexcept;

  // Whether admit() cares for FrameInfo::ect.
  [[nodiscard]] bool marks_ecn() const noexcept { return profile_.ecn_mark_threshold_bytes != 0; }

  [[nodiscard]] const LinkProfile& profile() const noexcept { return profile_; }
  [[nodiscard]] const LinkCounters& counters() const noexcept { return counters_; }

 private:
  struct Segment {  // values in force from start_ns until the next segment
    std::uint64_t start_ns = 0;
    std::uint64_t rate_bps = 0;
    std::uint64_t delay_ns = 0;
    double loss = 0;
    double bytes_per_ns = 0;
  };

  void lay_segments();
  void enter_segment(std::uint64_t start_ns) noexcept;
  Verdict& drop(Verdict& verdict, DropReason reason) noexcept;
  bool in_blackhole(std::uint64_t now_ns) noexcept;
  void find_blackhole_edge(std::uint64_t now_ns) noexcept;
  bool pass_policer(std::uint64_t now_ns, const FrameInfo& frame);
  bool pass_bottleneck(std::uint64_t now_ns, const FrameInfo& frame, Verdict& verdict) noexcept;
  bool lost_in_burst() noexcept;
  std::uint64_t jitter_ns(std::uint64_t depart_ns) noexcept;
  void schedule(Verdict& verdict, std::uint64_t depart_ns) noexcept;
  void flip(const FrameInfo& frame, Verdict& verdict) noexcept;

  LinkProfile profile_;
  Rng rng_;
  std::vector<Segment> segments_;  // never empty
  std::size_t segment_ = 0;        // the one in which the next frame starts to be sent
  std::uint64_t queue_limit_bytes_ = 0;

  std::uint64_t last_now_ns_ = 0;
  std::uint64_t busy_until_ns_ = 0;      // the bottleneck is free from here ...
  std::uint64_t busy_fraction_ = 0;      // ... plus this / rate_bps nanoseconds
  std::uint64_t last_in_order_ns_ = 0;   // latest deliver_ns of an in_order frame
  std::uint64_t blackhole_edge_ns_ = 0;  // in_blackhole_ holds until here
  bool in_blackhole_ = false;
  bool in_burst_ = false;
  double burst_enter_ = 0;
  double burst_leave_ = 1;

  struct Bucket {
    std::uint64_t filled_ns = 0;
    double bytes = 0;
  };
  std::unordered_map<std::uint64_t, Bucket> buckets_;  // of the policer, by flow

  std::uint64_t jitter_start_ns_ = 0;  // the delay moves in a line from jitter_from_ to jitter_to_ in 2 * jitter_ns
  double jitter_from_ = 0;
  double jitter_to_ = 0;

  LinkCounters counters_;
};

}  // namespace dwcp
