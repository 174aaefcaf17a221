// SPDX-License-Identifier: Apache-2.0
// BBR version 1 as Linux ships it (net/ipv4/tcp_bbr.c describes the constants; draft-cardwell-iccrg-bbr-congestion-
// control-00): the other TCP that our lanes meet.  Without its policer detection: no link here polices.
#pragma once

#include <array>

#include "tests/sim/tcp_control.h"

namespace dwcp::sim {

class TcpBbr final : public TcpControl {
 public:
  explicit TcpBbr(std::uint64_t seed) : seed_(seed) {}

  void on_ack(const TcpAck& ack) override;
  void on_timeout(std::uint64_t now_ns) override;
  [[nodiscard]] std::uint64_t window_packets() const override;
  [[nodiscard]] double packets_per_ns() const override { return pace_; }

 private:
  enum class Mode { kStartup, kDrain, kProbeBw, kProbeRtt };
  static constexpr std::size_t kRounds = 10;

  void update_model(const TcpAck& ack);
  void update_extra_acked(const TcpAck& ack);
  void update_mode(const TcpAck& ack);
  void update_cycle(const TcpAck& ack);
  void update_min_rtt(const TcpAck& ack);
  void update_window(const TcpAck& ack);
  [[nodiscard]] double target(double gain) const;
  [[nodiscard]] double gain() const;

  std::uint64_t seed_;
  Mode mode_ = Mode::kStartup;
  std::array<double, kRounds> round_rates_{};
  double rate_ = 0;  // packets per ns
  std::uint64_t round_ = 0;
  std::uint64_t round_end_ = 0;
  bool round_began_ = false;
  std::uint64_t min_rtt_ns_ = 0;
  std::uint64_t min_rtt_seen_ns_ = 0;

  double full_rate_ = 0;
  int full_rounds_ = 0;
  bool full_ = false;
  std::size_t phase_ = 0;
  std::uint64_t phase_began_ns_ = 0;
  bool phase_lossy_ = false;
  std::uint64_t probe_done_ns_ = 0;
  std::uint64_t probe_round_ = 0;

  std::uint64_t epoch_ns_ = 0;
  double epoch_acked_ = 0;
  std::array<double, 2> extra_{};
  std::uint64_t extra_round_ = 0;

  bool recovering_ = false;
  std::uint64_t conserve_round_ = 0;  // packet conservation until this round begins
  double window_ = 10;
  double window_before_ = 0;
  double pace_ = 0;
};

}  // namespace dwcp::sim
