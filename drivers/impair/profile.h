// SPDX-License-Identifier: Apache-2.0
// What one direction of a link does to the frames that cross it.  Plain data: fill it, ask profile_error(), hand it to
// a LinkModel (link_model.h).  All times are on the clock that the model's owner passes to admit().
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace dwcp {

// Losses that come in runs: the Gilbert-Elliott chain whose bad state loses every frame, given by the two figures one
// can measure on a path instead of its transition probabilities.
struct BurstLoss {
  double rate = 0;         // long-run fraction of frames lost this way, [0, 0.9]; 0 = off
  double mean_length = 1;  // frames per burst on average, >= 1

  [[nodiscard]] double leave_probability() const noexcept { return 1 / mean_length; }
  [[nodiscard]] double enter_probability() const noexcept { return rate / (1 - rate) / mean_length; }
};

// What a router that mistakes the ECN bits for part of the old type of service does to them, whatever they say.
enum class EcnFault : std::uint8_t {
  kNone,
  kBleach,   // to not-ECT: marks and the readiness for them are lost
  kEct1,     // to ECT(1)
  kCe,       // to CE: congestion that is none
};

// Each flow (FrameInfo::flow) may pass at this rate and no more: what comes faster is dropped, not queued.
struct Policer {
  std::uint64_t rate_bps = 0;     // bits of Ethernet frame per second; 0 = off
  std::uint64_t burst_bytes = 0;  // a flow that paused may send this much at once; at least a frame
};

// Frames offered in [start_ns, end_ns) vanish.  Frames accepted before still arrive.
struct Blackhole {
  std::uint64_t start_ns = 0;
  std::uint64_t end_ns = 0;
  std::uint64_t period_ns = 0;  // 0 = once; else again every period, which is longer than the window
};

// From at_ns on, the given values replace those in force before.
struct LinkChange {
  std::uint64_t at_ns = 0;
  std::optional<std::uint64_t> rate_bps{};
  std::optional<std::uint64_t> delay_ns{};
  std::optional<double> loss{};
};

struct LinkProfile {
  Policer policer{};

  // The bottleneck: frames wait in one tail-drop queue and are sent one after the other.
  std::uint64_t rate_bps = 0;     // bits of Ethernet frame without FCS per second; 0 = unlimited, no queue
  std::uint64_t queue_bytes = 0;  // frame bytes waiting or being sent; 0 = rate * 2 * delay, at least 64 KiB
  std::uint64_t ecn_mark_threshold_bytes = 0;  // ECT frames that find more than this queued leave with CE; 0 = off

  // The wire behind it.
  std::uint64_t delay_ns = 0;  // one way
  std::uint64_t jitter_ns =
      0;            // the delay wanders in [delay, delay + jitter], from one uniform target to the next in 2 * jitter
  double loss = 0;  // probability, each frame by itself; a lost frame has used the bottleneck
  BurstLoss burst_loss{};
  double reorder = 0;  // probability that a frame is held back by reorder_extra_ns and overtaken
  std::uint64_t reorder_extra_ns = 0;
  double duplicate = 0;   // probability that a frame arrives twice
  double corrupt = 0;     // probability that 1 to 3 bits behind the link header flip
  std::uint32_t mtu = 0;  // bytes of L3 packet; larger ones vanish; 0 = any
  EcnFault ecn_fault = EcnFault::kNone;  // behind the bottleneck, so that its marks are struck too
  double ecn_fault_rate = 1;             // of frames, each by itself
  bool mtu_report = false;  // what mtu stops is answered as a router would, by carriers that know IP (dwcp-wan)

  std::vector<Blackhole> blackholes{};
  std::vector<LinkChange> changes{};  // by rising at_ns

  // True: frames sent after a fall of the delay overtake those sent before, as on a real change of route.
  bool delay_fall_reorders = false;
};

// The queue limit that `profile` means, in bytes; 0 when there is no queue (unlimited rate).
[[nodiscard]] std::uint64_t queue_limit_bytes(const LinkProfile& profile) noexcept;

// Why `profile` makes no sense, or nullptr.
[[nodiscard]] const char* profile_error(const LinkProfile& profile) noexcept;

}  // namespace dwcp
