// SPDX-License-Identifier: Apache-2.0
// The ACKs of a path that carries whatever the window allows: drives a congestion control by round trips.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/time.h"
#include "dataplane/transport/congestion_control.h"

namespace dwcp {

struct AckClock {
  CongestionControl& control;
  std::uint64_t rtt_ns = 100 * kNsPerMs;
  double use = 1;             // of the window that is in flight
  bool app_limited = false;
  std::uint64_t now_ns = 10 * kNsPerSec;
  std::uint64_t delivered = 0;

  [[nodiscard]] AckSample sample(std::uint64_t bytes) {
    const auto in_flight = static_cast<std::uint64_t>(use * static_cast<double>(control.window_bytes()));
    AckSample s;
    s.now_ns = now_ns;
    s.acked_bytes = bytes;
    s.acked_sent_ns = bytes == 0 ? 0 : now_ns - rtt_ns;
    s.sent_in_flight_bytes = in_flight;
    s.in_flight_bytes = in_flight - std::min(in_flight, bytes);
    s.packet_delivered_bytes = delivered - std::min(delivered, in_flight);
    delivered += bytes;
    s.delivered_bytes = delivered;
    s.delivery_bytes_per_sec = in_flight * kNsPerSec / rtt_ns;
    s.rtt_ns = s.smoothed_rtt_ns = rtt_ns;
    s.app_limited = app_limited;
    return s;
  }

  void ack(std::uint64_t bytes) { control.on_ack(sample(bytes)); }

  // All that is in flight is acknowledged within one round trip.
  void round(std::uint64_t pieces = 20) {
    const auto in_flight = static_cast<std::uint64_t>(use * static_cast<double>(control.window_bytes()));
    for (std::uint64_t i = 0; i < pieces; ++i) {
      now_ns += rtt_ns / pieces;
      ack(in_flight / pieces);
    }
  }

  void rounds_for(std::uint64_t span_ns) {
    for (const std::uint64_t end_ns = now_ns + span_ns; now_ns < end_ns;) round();
  }

  // Bytes sent half a round trip ago are found lost, with an ACK of nothing else.
  void lose(std::uint64_t bytes) { lose(bytes, now_ns - rtt_ns / 2); }
  void lose(std::uint64_t bytes, std::uint64_t sent_ns) {
    AckSample s = sample(0);
    s.lost_bytes = bytes;
    s.lost_sent_ns = sent_ns;
    control.on_ack(s);
  }
};

}  // namespace dwcp
