// SPDX-License-Identifier: Apache-2.0
// CUBIC as RFC 9438 has it, with HyStart's delay test (Ha and Rhee, 2011; on by default in Linux) and proportional rate
// reduction (RFC 6937): the loss-based TCP that our lanes meet.  Not paced, as Linux without fq.
#pragma once

#include "tests/sim/tcp_control.h"

namespace dwcp::sim {

class TcpCubic final : public TcpControl {
 public:
  explicit TcpCubic(bool hystart = true) : hystart_(hystart) {}

  void on_ack(const TcpAck& ack) override;
  void on_timeout(std::uint64_t now_ns) override;
  [[nodiscard]] std::uint64_t window_packets() const override;
  [[nodiscard]] double packets_per_ns() const override { return 0; }

 private:
  void reduce();
  void recover(const TcpAck& ack);
  void slow_start(const TcpAck& ack);
  void avoid_congestion(const TcpAck& ack);

  bool hystart_;
  double window_ = 10;  // RFC 6928
  double threshold_ = 1e18;
  double smoothed_rtt_ns_ = 0;

  // The cubic in force.
  std::uint64_t epoch_ns_ = 0;  // 0 = begins with the next ACK
  double window_max_ = 0;
  double estimate_ = 0;  // what Reno would have, RFC 9438 §4.3
  double origin_s_ = 0;  // K

  // HyStart: the least of a round's first eight samples against the least ever.
  std::uint64_t rtt_min_ns_ = ~std::uint64_t{0};
  std::uint64_t round_end_ = 0;
  std::uint64_t round_rtt_ns_ = ~std::uint64_t{0};
  int round_samples_ = 0;

  // Proportional rate reduction.
  double recover_in_flight_ = 0;
  double recover_delivered_ = 0;
  double recover_sent_ = 0;
  double recover_window_ = 0;  // 0 = not recovering
  std::uint64_t recover_last_in_flight_ = 0;
};

}  // namespace dwcp::sim
