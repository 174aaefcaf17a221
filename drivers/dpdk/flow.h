// SPDX-License-Identifier: Apache-2.0
// Flow rules: asking the NIC to bring a UDP port to one queue, so that a stream's packets arrive on the lcore of its
// lane.  Called by the control thread while the port is open.  Where the device has no such rules the answer says so
// and the caller relies on RSS.
//
// Use:
//   auto rule = steer_udp_port(port, {.queue = 3, .family = SteerFamily::kV4, .destination_port = 4711});
//   if (!rule && rule.error().unsupported) ...          never an error by itself
//   keep *rule: its destruction removes it from the device
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "base/expected.h"
#include "drivers/dpdk/dpdk_port.h"

struct rte_flow;

namespace dwcp {

enum class SteerFamily : std::uint8_t { kV4, kV6 };

struct UdpSteering {
  std::uint16_t queue = 0;
  SteerFamily family = SteerFamily::kV4;
  bool vlan = false;  // the frames carry a tag
  std::optional<std::uint16_t> source_port = {};
  std::optional<std::uint16_t> destination_port = {};
};

struct SteerError {
  bool unsupported = false;  // the device has no rules of that kind, as opposed to having refused this one
  std::string text;
};

class FlowRule {
 public:
  FlowRule(std::uint16_t port_id, rte_flow* flow) noexcept : port_id_(port_id), flow_(flow) {}
  ~FlowRule();
  FlowRule(FlowRule&& other) noexcept : port_id_(other.port_id_), flow_(std::exchange(other.flow_, nullptr)) {}
  FlowRule& operator=(FlowRule&& other) noexcept {
    std::swap(port_id_, other.port_id_);
    std::swap(flow_, other.flow_);
    return *this;
  }

 private:
  std::uint16_t port_id_;
  rte_flow* flow_;
};

[[nodiscard]] expected<FlowRule, SteerError> steer_udp_port(const DpdkPort& port, const UdpSteering& steering);

}  // namespace dwcp
