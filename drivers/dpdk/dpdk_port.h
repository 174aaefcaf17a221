// SPDX-License-Identifier: Apache-2.0
// DpdkPort: bring-up of any ethdev as queue pairs behind the PortQueue seam.  Opened, asked and closed by the control
// thread; each queue then belongs to one net lcore.  stop() and destruction come after those lcores have left their
// loops.  Closing gives the device back to DPDK: it cannot be opened again in this process.
//
// Use:
//   auto port = DpdkPort::open({.device = "0000:03:00.0", .queues = 2, .mtu = 9000});
//   if (!port) fail(port.error());                      one line: what, where, what is allowed, what to do
//   lcore[i].run((*port)->queue(i));
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/expected.h"
#include "drivers/dpdk/dpdk_queue.h"
#include "drivers/port.h"

namespace dwcp {

struct DpdkPortConfig {
  std::string device = {};              // ethdev name ("0000:03:00.0", "net_af_packet0") or number; empty: the first
  std::uint16_t queues = 1;             // RX/TX pairs
  std::uint16_t mtu = 1500;             // bytes of L3 packet
  std::uint16_t rx_descriptors = 1024;  // per queue, rounded to what the device takes
  std::uint16_t tx_descriptors = 1024;
  std::uint32_t mbufs_per_queue = 0;  // 0: as many as the rings and bursts need
  bool promiscuous = false;
};

struct PortLinkState {
  bool up = false;
  bool full_duplex = false;
  std::uint32_t speed_mbps = 0;  // 0: not known
};

class DpdkPort {
 public:
  [[nodiscard]] static expected<std::unique_ptr<DpdkPort>, std::string> open(const DpdkPortConfig& config);
  ~DpdkPort();
  DpdkPort(const DpdkPort&) = delete;
  DpdkPort& operator=(const DpdkPort&) = delete;

  [[nodiscard]] std::size_t queue_count() const noexcept { return queues_.size(); }
  [[nodiscard]] DpdkQueue& queue(std::size_t index) noexcept { return *queues_[index]; }
  [[nodiscard]] const PortInfo& info() const noexcept { return info_; }
  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  [[nodiscard]] std::uint16_t port_id() const noexcept { return port_id_; }
  // NUMA node of the device; -1 when it has none.
  [[nodiscard]] int socket() const noexcept { return socket_; }
  // True when incoming UDP is spread over the queues by RSS.
  [[nodiscard]] bool rss() const noexcept { return rss_; }

  [[nodiscard]] PortLinkState link() const noexcept;
  // Every counter of the device by its DPDK name.
  [[nodiscard]] std::vector<std::pair<std::string, std::uint64_t>> xstats() const;

  // Buffers of a queue's pool not lent to anyone; for health and tests.
  [[nodiscard]] std::uint32_t free_buffers(std::size_t index) const noexcept;

  void stop() noexcept;

 private:
  DpdkPort() = default;
  [[nodiscard]] expected<void, std::string> bring_up(const DpdkPortConfig& config);
  [[nodiscard]] expected<void, std::string> plan_buffers(const DpdkPortConfig& config);
  [[nodiscard]] expected<void, std::string> set_up_queues(const DpdkPortConfig& config);
  [[nodiscard]] expected<void, std::string> set_mtu(std::uint16_t mtu, std::uint32_t allowed);
  void listen_to_groups(bool promiscuous) noexcept;
  [[nodiscard]] unexpected<std::string> error(const std::string& what) const;
  [[nodiscard]] unexpected<std::string> error(const std::string& what, int code) const;

  std::uint16_t port_id_ = 0;
  std::string name_;
  int socket_ = -1;
  std::uint16_t rx_descriptors_ = 0;
  std::uint16_t tx_descriptors_ = 0;
  std::uint32_t mbufs_ = 0;  // per queue
  bool configured_ = false;
  bool started_ = false;
  bool rss_ = false;
  PortInfo info_;
  std::vector<rte_mempool*> pools_;
  std::vector<std::unique_ptr<DpdkQueue>> queues_;
};

}  // namespace dwcp
