// SPDX-License-Identifier: Apache-2.0
// Delivery-rate samples of one congestion group (draft-cheng-iccrg-delivery-rate-estimation §3): how fast data reached the
// peer between a packet's sending and its acknowledgement, taken over the longer of the send and the ACK interval, so that
// neither bursts out nor ACKs compressed on the way back look like bandwidth.
//
//   on_sent(packet) per packet;  on_acked(packet) per packet newly acknowledged;  take(...) once per ACK.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/time.h"
#include "dataplane/transport/congestion_control.h"
#include "dataplane/transport/sent_map.h"

namespace dwcp {

class RateSampler {
 public:
  // `in_flight_before` is 0 when the group was idle: its clocks start anew.
  void on_sent(SentPacket& packet, std::uint64_t in_flight_before) noexcept {
    if (in_flight_before == 0) first_sent_ns_ = delivered_ns_ = packet.sent_ns;
    packet.first_sent_ns = first_sent_ns_;
    packet.delivered_ns = delivered_ns_;
    packet.delivered_bytes = delivered_bytes_;
    packet.app_limited = app_limited_until_ != 0;
  }

  // Too little to send: samples are lower bounds until what is in flight now has been delivered.
  void on_app_limited(std::uint64_t in_flight_bytes) noexcept {
    app_limited_until_ = std::max<std::uint64_t>(delivered_bytes_ + in_flight_bytes, 1);
  }

  void on_acked(std::uint64_t now_ns, const SentPacket& packet) noexcept {
    delivered_bytes_ += packet.bytes;
    delivered_ns_ = now_ns;
    if (have_ && packet.delivered_bytes < prior_delivered_bytes_) return;
    if (have_ && packet.delivered_bytes == prior_delivered_bytes_ && packet.sent_ns < newest_sent_ns_) return;
    have_ = true;
    prior_delivered_bytes_ = packet.delivered_bytes;
    prior_delivered_ns_ = packet.delivered_ns;
    send_elapsed_ns_ = packet.sent_ns - packet.first_sent_ns;
    newest_sent_ns_ = packet.sent_ns;
    sent_in_flight_bytes_ = packet.in_flight_bytes;
    sample_app_limited_ = packet.app_limited;
    first_sent_ns_ = packet.sent_ns;
  }

  // Fills the sample's rate fields from the packets acknowledged since the last call.
  void take(AckSample& sample, std::uint64_t min_rtt_ns) noexcept {
    sample.delivered_bytes = delivered_bytes_;
    if (app_limited_until_ != 0 && delivered_bytes_ > app_limited_until_) app_limited_until_ = 0;
    if (!have_) return;
    have_ = false;
    sample.packet_delivered_bytes = prior_delivered_bytes_;
    sample.sent_in_flight_bytes = sent_in_flight_bytes_;
    sample.app_limited = sample_app_limited_;
    const std::uint64_t interval_ns = std::max(send_elapsed_ns_, delivered_ns_ - prior_delivered_ns_);
    // Shorter than the shortest round trip: not a measurement of the path (§3.3).
    if (interval_ns == 0 || interval_ns < min_rtt_ns) return;
    const double bytes = static_cast<double>(delivered_bytes_ - prior_delivered_bytes_);
    sample.delivery_bytes_per_sec = static_cast<std::uint64_t>(bytes * 1e9 / static_cast<double>(interval_ns));
  }

  [[nodiscard]] std::uint64_t delivered_bytes() const noexcept { return delivered_bytes_; }

 private:
  std::uint64_t delivered_bytes_ = 0;
  std::uint64_t delivered_ns_ = 0;
  std::uint64_t first_sent_ns_ = 0;
  std::uint64_t app_limited_until_ = 0;  // 0 = not limited
  // The sample in the making.
  std::uint64_t prior_delivered_bytes_ = 0;
  std::uint64_t prior_delivered_ns_ = 0;
  std::uint64_t send_elapsed_ns_ = 0;
  std::uint64_t newest_sent_ns_ = 0;
  std::uint64_t sent_in_flight_bytes_ = 0;
  bool sample_app_limited_ = false;
  bool have_ = false;
};

}  // namespace dwcp
