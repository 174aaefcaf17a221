// SPDX-License-Identifier: Apache-2.0
// The congestion control of a model TCP flow (tcp_flow.h): told of every ACK and every loss, asked for a window and a
// pace.  Windows are in packets of one size, as in the kernels modelled.
#pragma once

#include <cstdint>

namespace dwcp::sim {

// What one ACK said.
struct TcpAck {
  std::uint64_t now_ns = 0;
  std::uint64_t acked = 0;             // packets newly acknowledged
  std::uint64_t lost = 0;              // newly declared lost
  std::uint64_t in_flight = 0;         // after this ACK
  std::uint64_t in_flight_before = 0;  // before it
  std::uint64_t delivered = 0;         // packets acknowledged so far
  std::uint64_t prior_delivered = 0;   // the same when the newest packet acknowledged was sent
  double packets_per_ns = 0;           // delivery rate; 0 = no sample
  std::uint64_t rtt_ns = 0;            // of the newest packet acknowledged
  bool recovering = false;             // a packet sent before the last loss was noticed is still outstanding
  bool recovery_began = false;         // with this ACK
};

class TcpControl {
 public:
  virtual ~TcpControl() = default;

  virtual void on_ack(const TcpAck& ack) = 0;
  // The retransmission timer fired: all that was in flight counts as lost.
  virtual void on_timeout(std::uint64_t now_ns) = 0;

  [[nodiscard]] virtual std::uint64_t window_packets() const = 0;
  // 0 = not paced.
  [[nodiscard]] virtual double packets_per_ns() const = 0;
};

}  // namespace dwcp::sim
