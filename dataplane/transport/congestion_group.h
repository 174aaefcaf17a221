// SPDX-License-Identifier: Apache-2.0
// A congestion group: streams that are taken to share one bottleneck, and therefore one model of it, one window and one
// pacer.  With coupling = "link" all streams of a lane are one group, so that the link takes the share of one flow however
// many 5-tuples it spreads over; with "none" each stream is a group of its own and takes its own share.
//
// Shared by its streams on their lane's thread.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>

#include "dataplane/transport/congestion_control.h"
#include "dataplane/transport/pacer.h"
#include "dataplane/transport/rate_sampler.h"
#include "dataplane/transport/sent_map.h"

namespace dwcp {

class CongestionGroup {
 public:
  explicit CongestionGroup(std::unique_ptr<CongestionControl> control) : control_(std::move(control)) {
    pacer_.set_rate(control_->pacing_bytes_per_sec());
  }

  [[nodiscard]] bool window_open() const noexcept { return in_flight_bytes_ < control_->window_bytes(); }
  [[nodiscard]] bool may_send(std::uint64_t now_ns) const noexcept { return window_open() && pacer_.may_send(now_ns); }
  [[nodiscard]] std::uint64_t pacing_next_ns() const noexcept { return pacer_.next_ns(); }

  // `packet` is in flight from now on.
  void on_sent(SentPacket& packet) noexcept {
    sampler_.on_sent(packet, in_flight_bytes_);
    in_flight_bytes_ += packet.bytes;
    packet.in_flight_bytes = static_cast<std::uint32_t>(std::min<std::uint64_t>(in_flight_bytes_, 0xffffffffU));
    pacer_.on_sent(packet.sent_ns, packet.bytes);
  }
  // It is not any more.
  void on_settled(std::uint64_t bytes) noexcept { in_flight_bytes_ -= bytes; }
  void on_acked(std::uint64_t now_ns, const SentPacket& packet) noexcept {
    last_acked_ns_ = now_ns;
    if (packet.app_limited) limited_bytes_ += packet.bytes;
    sampler_.on_acked(now_ns, packet);
  }
  // One ACK of one stream has been taken apart.
  void on_ack(AckSample& sample, std::uint64_t min_rtt_ns) noexcept {
    sample.in_flight_bytes = in_flight_bytes_;
    sampler_.take(sample, min_rtt_ns);
    control_->on_ack(sample);
    pacer_.set_rate(control_->pacing_bytes_per_sec());
  }
  // Losses found by time.
  void on_lost(AckSample& sample) noexcept {
    sample.in_flight_bytes = in_flight_bytes_;
    control_->on_lost(sample);
    pacer_.set_rate(control_->pacing_bytes_per_sec());
  }
  void on_app_limited() noexcept { sampler_.on_app_limited(in_flight_bytes_); }

  [[nodiscard]] CongestionControl& control() noexcept { return *control_; }
  [[nodiscard]] const CongestionControl& control() const noexcept { return *control_; }
  [[nodiscard]] std::uint64_t in_flight_bytes() const noexcept { return in_flight_bytes_; }
  [[nodiscard]] std::uint64_t acked_bytes() const noexcept { return sampler_.delivered_bytes(); }
  // Of these, sent while there was too little to send.
  [[nodiscard]] std::uint64_t limited_bytes() const noexcept { return limited_bytes_; }
  // When any stream of the group last had something acknowledged.
  [[nodiscard]] std::uint64_t last_acked_ns() const noexcept { return last_acked_ns_; }

 private:
  std::unique_ptr<CongestionControl> control_;
  RateSampler sampler_;
  Pacer pacer_;
  std::uint64_t in_flight_bytes_ = 0;
  std::uint64_t last_acked_ns_ = 0;
  std::uint64_t limited_bytes_ = 0;
};

}  // namespace dwcp
