// SPDX-License-Identifier: Apache-2.0
// A model of one TCP bulk transfer, packet by packet, that shares the links of a LanePair: what our lanes compete with.
//
// It models what matters for sharing a queue and no more.  Every transmission has a number of its own and is acknowledged
// by itself, which is TCP with SACK, timestamps and no reordering: a packet is lost once three sent after it have arrived,
// is sent again exactly once, and no other is.  There is always data.  The receiver acknowledges what one wake-up of its
// host brought, once that is two packets, as one with receive offload does, or a single packet after 40 ms.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "base/rng.h"
#include "base/time.h"
#include "drivers/impair/link_model.h"
#include "tests/sim/cross_traffic.h"
#include "tests/sim/tcp_control.h"

namespace dwcp::sim {

class TcpFlow {
 public:
  static constexpr std::uint32_t kFrameBytes = 1514;
  static constexpr std::uint32_t kAckBytes = 78;  // with timestamps and a SACK block

  TcpFlow(std::unique_ptr<TcpControl> control, std::uint64_t start_ns) : control_(std::move(control)), start_ns_(start_ns) {}

  // The receiving end takes what has arrived and acknowledges it over `back`.
  void receive(std::uint64_t now_ns, LinkModel& back);
  // The sending end takes what has been acknowledged and sends over `there`.
  void send(std::uint64_t now_ns, LinkModel& there);
  [[nodiscard]] std::uint64_t deadline_ns() const;

  // At the receiver.
  [[nodiscard]] std::uint64_t delivered_bytes() const noexcept { return arrived_ * kFrameBytes; }
  [[nodiscard]] std::uint64_t sent_packets() const noexcept { return first_ + flight_.size(); }
  [[nodiscard]] std::uint64_t lost_packets() const noexcept { return lost_; }
  [[nodiscard]] const TcpControl& control() const noexcept { return *control_; }

 private:
  struct Sent {
    std::uint64_t sent_ns;
    std::uint64_t delivered;        // when it was sent
    std::uint64_t delivered_ns;     // of the newest of those
    std::uint64_t first_sent_ns;    // start of its sending interval
    bool settled = false;
  };
  struct Arriving {
    std::uint64_t due_ns;
    std::uint64_t number;
  };
  struct Ack {
    std::uint64_t due_ns;
    std::size_t count;  // of acked_, oldest first
  };

  void take_acks(std::uint64_t now_ns);
  void take_ack(std::uint64_t now_ns, std::size_t count);
  std::uint64_t find_losses();
  void settle(Sent& sent);
  void transmit(std::uint64_t now_ns, LinkModel& there);
  [[nodiscard]] std::uint64_t timeout_ns() const;

  std::unique_ptr<TcpControl> control_;
  std::uint64_t start_ns_;

  // Sender: transmissions from first_ on.
  std::deque<Sent> flight_;
  std::uint64_t first_ = 0;
  std::uint64_t in_flight_ = 0;
  std::uint64_t loss_scan_ = 0;
  std::uint64_t highest_acked_ = 0;
  std::uint64_t recover_until_ = 0;  // recovering until one sent from here on is acknowledged
  bool recovering_ = false;
  std::uint64_t delivered_ = 0;
  std::uint64_t delivered_ns_ = 0;
  std::uint64_t first_sent_ns_ = 0;
  std::uint64_t lost_ = 0;
  std::uint64_t smoothed_rtt_ns_ = 0;
  std::uint64_t last_progress_ns_ = 0;
  double pace_next_ns_ = 0;

  // On the way, and the receiver.
  std::deque<Arriving> arriving_;
  std::deque<std::uint64_t> acked_;  // numbers that ACKs on the way, and the next one, name
  std::deque<Ack> acks_;
  std::size_t unacked_ = 0;
  std::uint64_t unacked_since_ns_ = 0;
  std::uint64_t arrived_ = 0;
};

// Flows over one pair of links.  Who comes first at a wake-up changes by chance: a full queue must not favour one.
class TcpCrowd final : public CrossTraffic {
 public:
  explicit TcpCrowd(std::uint64_t seed) : rng_(seed) {}

  void add(std::unique_ptr<TcpControl> control, std::uint64_t start_ns) {
    flows_.push_back(std::make_unique<TcpFlow>(std::move(control), start_ns));
    order_.push_back(flows_.size() - 1);
  }
  [[nodiscard]] std::size_t size() const noexcept { return flows_.size(); }
  [[nodiscard]] const TcpFlow& flow(std::size_t i) const noexcept { return *flows_[i]; }

  void pump_before(std::uint64_t now_ns, LinkModel& there, LinkModel& back) override;
  void pump_after(std::uint64_t now_ns, LinkModel& there, LinkModel& back) override;
  [[nodiscard]] std::uint64_t deadline_ns() const override;

 private:
  Rng rng_;
  std::vector<std::unique_ptr<TcpFlow>> flows_;
  std::vector<std::size_t> order_;
  std::size_t turn_ = 0;  // of order_, who is next at this wake-up
};

}  // namespace dwcp::sim
