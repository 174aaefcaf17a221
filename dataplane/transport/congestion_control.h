// SPDX-License-Identifier: Apache-2.0
// The congestion-control seam: one object per congestion group, told of every ACK and loss in order, asked for a window and
// a rate.  Called per ACK, not per packet, so a virtual call is cheap enough.
#pragma once

#include <cstddef>
#include <cstdint>

namespace dwcp {

// What one ACK settled (draft-cheng-iccrg-delivery-rate-estimation; draft-ietf-ccwg-bbr §2).
struct AckSample {
  std::uint64_t now_ns = 0;
  std::uint64_t acked_bytes = 0;             // newly acknowledged
  std::uint64_t acked_sent_ns = 0;           // when the newest of them was sent; 0 = none
  std::uint64_t lost_bytes = 0;              // newly declared lost, with this ACK
  std::uint64_t lost_sent_ns = 0;            // when the newest of them was sent; 0 = none
  std::uint64_t ecn_acked_packets = 0;       // newly acknowledged, sent as ECT(0)
  std::uint64_t ecn_ce_packets = 0;          // newly reported to have met congestion (RFC 9002 §7.1)
  std::uint64_t in_flight_bytes = 0;         // after this ACK
  std::uint64_t sent_in_flight_bytes = 0;    // when the newest packet acknowledged was sent
  std::uint64_t delivered_bytes = 0;         // total so far
  std::uint64_t packet_delivered_bytes = 0;  // total when the newest packet acknowledged was sent
  std::uint64_t delivery_bytes_per_sec = 0;  // 0 = no sample
  std::uint64_t rtt_ns = 0;                  // 0 = no sample
  std::uint64_t smoothed_rtt_ns = 0;
  bool app_limited = false;                  // the sample was taken while there was too little to send
};

class CongestionControl {
 public:
  virtual ~CongestionControl() = default;

  virtual void on_ack(const AckSample& sample) noexcept = 0;

  // Losses found by time, without an ACK.  Of the sample only now_ns, lost_* and in_flight_bytes are set.
  virtual void on_lost(const AckSample& sample) noexcept = 0;

  // RFC 9002 §7.6: nothing came through for a persistent-congestion period.
  virtual void on_persistent_congestion(std::uint64_t now_ns) noexcept = 0;

  // A packet declared lost turned out to have arrived.
  virtual void on_spurious_loss(std::uint64_t bytes, std::uint64_t sent_ns) noexcept = 0;

  // The group sends on more streams now: where paths are limited each by itself there is more to be had, and sooner found
  // than by the next ordinary probe.  A hint; nothing need be there.
  virtual void on_streams_added(std::uint64_t now_ns) noexcept { (void)now_ns; }

  [[nodiscard]] virtual std::uint64_t window_bytes() const noexcept = 0;
  [[nodiscard]] virtual std::uint64_t pacing_bytes_per_sec() const noexcept = 0;

  // What the path delivers, as far as is known; 0 before the first sample.
  [[nodiscard]] virtual std::uint64_t bandwidth_bytes_per_sec() const noexcept = 0;
  // True until the path's bandwidth is known: the window, not the bandwidth, says how much may be under way.
  [[nodiscard]] virtual bool starting_up() const noexcept = 0;
  [[nodiscard]] virtual const char* name() const noexcept = 0;
  [[nodiscard]] virtual const char* state_name() const noexcept = 0;
};

}  // namespace dwcp
