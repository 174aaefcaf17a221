// SPDX-License-Identifier: Apache-2.0
#include "drivers/dpdk/flow.h"

#include <rte_errno.h>
#include <rte_flow.h>

#include <array>

namespace dwcp {

FlowRule::~FlowRule() {
  if (flow_ == nullptr) return;
  rte_flow_error ignored{};
  (void)rte_flow_destroy(port_id_, flow_, &ignored);
}

expected<FlowRule, SteerError> steer_udp_port(const DpdkPort& port, const UdpSteering& steering) {
  const std::string where = "port " + port.name() + ": ";
  const auto fail = [&](bool unsupported, const std::string& text) {
    return unexpected<SteerError>(SteerError{unsupported, where + text});
  };
  if (!steering.source_port && !steering.destination_port) return fail(false, "no UDP port given to steer by");
  if (steering.queue >= port.queue_count()) {
    return fail(false, "queue " + std::to_string(steering.queue) + " asked, allowed are 0.." +
                           std::to_string(port.queue_count() - 1));
  }
  rte_flow_item_udp match{};
  rte_flow_item_udp mask{};
  if (steering.source_port) {
    match.hdr.src_port = rte_cpu_to_be_16(*steering.source_port);
    mask.hdr.src_port = 0xffff;
  }
  if (steering.destination_port) {
    match.hdr.dst_port = rte_cpu_to_be_16(*steering.destination_port);
    mask.hdr.dst_port = 0xffff;
  }
  std::array<rte_flow_item, 5> pattern{};  // an item without spec matches any; zero is the end
  std::size_t n = 0;
  pattern[n++].type = RTE_FLOW_ITEM_TYPE_ETH;
  if (steering.vlan) pattern[n++].type = RTE_FLOW_ITEM_TYPE_VLAN;
  pattern[n++].type = steering.family == SteerFamily::kV4 ? RTE_FLOW_ITEM_TYPE_IPV4 : RTE_FLOW_ITEM_TYPE_IPV6;
  pattern[n].type = RTE_FLOW_ITEM_TYPE_UDP;
  pattern[n].spec = &match;
  pattern[n].mask = &mask;
  static_assert(RTE_FLOW_ITEM_TYPE_END == 0 && RTE_FLOW_ACTION_TYPE_END == 0);

  rte_flow_action_queue queue{};
  queue.index = steering.queue;
  std::array<rte_flow_action, 2> actions{};
  actions[0].type = RTE_FLOW_ACTION_TYPE_QUEUE;
  actions[0].conf = &queue;
  rte_flow_attr attributes{};
  attributes.ingress = 1;

  rte_flow_error reason{};
  int code = rte_flow_validate(port.port_id(), &attributes, pattern.data(), actions.data(), &reason);
  rte_flow* flow = nullptr;
  if (code == 0) {
    flow = rte_flow_create(port.port_id(), &attributes, pattern.data(), actions.data(), &reason);
    if (flow == nullptr) code = -rte_errno;
  }
  if (flow != nullptr) return FlowRule(port.port_id(), flow);
  const bool unsupported = code == -ENOSYS || code == -ENOTSUP;
  const std::string why = reason.message != nullptr ? reason.message : rte_strerror(-code);
  return fail(unsupported, (unsupported ? "cannot steer UDP ports to queues (" : "refused to steer a UDP port (") +
                               why + (unsupported ? "); RSS spreads them instead" : ")"));
}

}  // namespace dwcp
