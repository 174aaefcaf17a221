// SPDX-License-Identifier: Apache-2.0
// The rte_telemetry adapter: answers /dwcp/... on DPDK's control socket, so that dwcpctl, dpdk-telemetry.py and the
// stock exporters can ask.  The only file of control/ that knows rte_telemetry.
//
//   /dwcp/status            the gateway             /dwcp/lcores      ids
//   /dwcp/peers             names                   /dwcp/lcore,ID    one
//   /dwcp/peer,NAME         one                     /dwcp/drops       reason -> count
//   /dwcp/migrations        ids                     /dwcp/port        the port
//   /dwcp/migration,ID      one                     /dwcp/adjacency   columns: address, mac, state, age_ms
//   /dwcp/streams,NAME      columns: id, state, path_mtu_bytes, ... of the streams to that peer
//
// A name or id that is not there, or a missing one, answers null.  DPDK calls the handlers on its own thread, one for
// each client; they touch nothing but a snapshot they took (snapshot.h).  start() and stop(): control thread, after
// EAL's start.
//
// DPDK 22.11's limits, kept to here: strings of 127 bytes (longer ones end in "..."), 256 entries in a dict, 512 in an
// array (the newest migrations are listed), no quotes or control characters in strings (replaced by '?' and '\''), 16
// KiB an answer.  It can neither pass a handler its object nor forget a command, hence the one static pointer in
// telemetry.cc; at most one Telemetry runs in a process.
#pragma once

#include "control/component.h"
#include "control/snapshot.h"

namespace dwcp {

class Telemetry final : public Component {
 public:
  // The source must outlive this object.
  explicit Telemetry(const TelemetrySource& source) noexcept : source_(source) {}
  ~Telemetry() override;

  [[nodiscard]] std::string_view name() const noexcept override { return "telemetry"; }
  [[nodiscard]] expected<void, Error> start() override;
  // After it returns no handler reads the source.
  [[nodiscard]] expected<void, Error> stop(std::uint64_t deadline_ns) override;
  [[nodiscard]] Health health() const override;
  void metrics(const MetricSink& sink) const override;

 private:
  const TelemetrySource& source_;
  bool running_ = false;
};

}  // namespace dwcp
