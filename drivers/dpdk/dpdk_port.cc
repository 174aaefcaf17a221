// SPDX-License-Identifier: Apache-2.0
#include "drivers/dpdk/dpdk_port.h"

#include <net/if.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstring>

namespace dwcp {
namespace {

constexpr std::uint32_t kL2Overhead = RTE_ETHER_HDR_LEN + RTE_ETHER_CRC_LEN;
constexpr std::uint32_t kVlanRoom = 2 * RTE_VLAN_HLEN;
constexpr std::uint32_t kJumboMtu = 9000;
constexpr unsigned kPoolCache = 256;  // per lcore, of RTE_MEMPOOL_CACHE_MAX_SIZE 512

constexpr std::uint64_t kRxChecksums = RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_UDP_CKSUM;
constexpr std::uint64_t kTxChecksums = RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | RTE_ETH_TX_OFFLOAD_UDP_CKSUM;
constexpr std::uint64_t kRssOnUdp =
    RTE_ETH_RSS_IPV4 | RTE_ETH_RSS_IPV6 | RTE_ETH_RSS_NONFRAG_IPV4_UDP | RTE_ETH_RSS_NONFRAG_IPV6_UDP;

std::string name_of(std::uint16_t port_id) {
  char name[RTE_ETH_NAME_MAX_LEN] = {};
  return rte_eth_dev_get_name_by_port(port_id, name) == 0 ? name : std::to_string(port_id);
}

expected<std::uint16_t, std::string> find_port(const std::string& device) {
  std::uint16_t port_id = 0;
  std::string known;
  std::uint16_t first = RTE_MAX_ETHPORTS;
  for (std::uint16_t id = 0; id < RTE_MAX_ETHPORTS; ++id) {
    // Ports owned by another (a member of a bond) are not ours to take.
    rte_eth_dev_owner owner{};
    if (!rte_eth_dev_is_valid_port(id)) continue;
    if (rte_eth_dev_owner_get(id, &owner) == 0 && owner.id != RTE_ETH_DEV_NO_OWNER) continue;
    if (known.empty()) first = id;
    known += (known.empty() ? "" : ", ") + name_of(id) + " (" + std::to_string(id) + ")";
  }
  if (known.empty()) {
    return unexpected<std::string>(
        "no Ethernet port: name one by EAL arguments, e.g. --vdev=net_af_packet0,iface=eth1 or -a 0000:03:00.0");
  }
  if (device.empty()) return first;
  if (rte_eth_dev_get_port_by_name(device.c_str(), &port_id) == 0) return port_id;
  const char* end = device.data() + device.size();
  const auto number = std::from_chars(device.data(), end, port_id);
  if (number.ec == std::errc{} && number.ptr == end && rte_eth_dev_is_valid_port(port_id)) return port_id;
  return unexpected<std::string>("no Ethernet port \"" + device + "\"; there are: " + known);
}

// Drivers cut receive buffers down to whole units of up to 1024 bytes.
std::uint16_t data_room(std::uint16_t mtu) {
  const std::uint32_t frame = mtu + kL2Overhead + kVlanRoom;
  return static_cast<std::uint16_t>((frame + 1023) / 1024 * 1024 + RTE_PKTMBUF_HEADROOM);
}

// net_memif reports the plain Ethernet frame as its largest, and carries whatever fits into its buffers.
bool understates_frames(const rte_eth_dev_info& device) { return std::strcmp(device.driver_name, "net_memif") == 0; }

// What rte_ethdev lets the device be configured for, its own overhead reckoned as it does.
std::uint32_t configurable_mtu(const rte_eth_dev_info& device) {
  const bool bounded = device.max_mtu != UINT16_MAX;
  const std::uint32_t overhead =
      bounded && device.max_rx_pktlen > device.max_mtu ? device.max_rx_pktlen - device.max_mtu : kL2Overhead;
  const std::uint32_t by_frame = device.max_rx_pktlen > overhead ? device.max_rx_pktlen - overhead : 0;
  return std::min<std::uint32_t>(device.max_mtu, by_frame);
}

// What the device takes.
std::uint32_t largest_mtu(const rte_eth_dev_info& device) {
  return understates_frames(device) ? kJumboMtu : configurable_mtu(device);
}

// net_af_packet (DPDK 22.11) names 1500 as its most, whatever its frames and the kernel's interface hold; what counts is
// the interface's own MTU.  0 for other drivers.
std::uint32_t packet_socket_mtu(const rte_eth_dev_info& device) {
  ifreq request{};
  if (std::strcmp(device.driver_name, "net_af_packet") != 0 || if_indextoname(device.if_index, request.ifr_name) == nullptr) return 0;
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return 0;
  const bool known = ioctl(fd, SIOCGIFMTU, &request) == 0;
  close(fd);
  return known ? static_cast<std::uint32_t>(request.ifr_mtu) : 0;
}

}  // namespace

unexpected<std::string> DpdkPort::error(const std::string& what) const {
  return unexpected<std::string>("port " + name_ + ": " + what);
}

unexpected<std::string> DpdkPort::error(const std::string& what, int code) const {
  return error(what + ": " + rte_strerror(code < 0 ? -code : code));
}

expected<std::unique_ptr<DpdkPort>, std::string> DpdkPort::open(const DpdkPortConfig& config) {
  const auto port_id = find_port(config.device);
  if (!port_id) return unexpected<std::string>(port_id.error());
  std::unique_ptr<DpdkPort> port(new DpdkPort);
  port->port_id_ = *port_id;
  port->name_ = name_of(*port_id);
  if (const auto result = port->bring_up(config); !result) return unexpected<std::string>(result.error());
  return port;
}

DpdkPort::~DpdkPort() {
  stop();
  queues_.clear();
  if (configured_) rte_eth_dev_close(port_id_);
  // After the close: the rings held buffers of the pools.
  for (rte_mempool* pool : pools_) rte_mempool_free(pool);
}

expected<void, std::string> DpdkPort::bring_up(const DpdkPortConfig& config) {
  rte_eth_dev_info device{};
  if (const int code = rte_eth_dev_info_get(port_id_, &device); code != 0) return error("no information", code);
  socket_ = rte_eth_dev_socket_id(port_id_);
  const std::uint16_t queues_max = std::min(device.max_rx_queues, device.max_tx_queues);
  if (config.queues == 0 || config.queues > queues_max) {
    return error(std::to_string(config.queues) + " queues asked, allowed are 1.." + std::to_string(queues_max));
  }
  const std::uint32_t nominal = largest_mtu(device);
  const std::uint32_t allowed = std::max(nominal, packet_socket_mtu(device));
  const std::uint32_t least = std::max<std::uint32_t>(device.min_mtu, RTE_ETHER_MIN_MTU);
  if (config.mtu < least || config.mtu > allowed) {
    return error("MTU " + std::to_string(config.mtu) + " asked, allowed are " + std::to_string(least) + ".." +
                 std::to_string(allowed));
  }
  if (const auto result = plan_buffers(config); !result) return result;

  rte_eth_conf conf{};
  conf.rxmode.mtu = std::min<std::uint32_t>(config.mtu, configurable_mtu(device));
  info_.rx_checksum = (device.rx_offload_capa & kRxChecksums) == kRxChecksums;
  info_.tx_checksum = (device.tx_offload_capa & kTxChecksums) == kTxChecksums;
  if (info_.rx_checksum) conf.rxmode.offloads |= kRxChecksums;
  if (info_.tx_checksum) conf.txmode.offloads |= kTxChecksums;
  // Every buffer of a queue comes from one pool and has one owner.
  conf.txmode.offloads |= device.tx_offload_capa & RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE;
  const std::uint64_t hashes = kRssOnUdp & device.flow_type_rss_offloads;
  if (config.queues > 1 && hashes != 0) {
    conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
    conf.rx_adv_conf.rss_conf.rss_hf = hashes;
    rss_ = true;
  }
  if (const int code = rte_eth_dev_configure(port_id_, config.queues, config.queues, &conf); code != 0) {
    return error("refused " + std::to_string(config.queues) + " queues at MTU " + std::to_string(config.mtu), code);
  }
  configured_ = true;
  if (config.mtu <= nominal) {
    if (const auto result = set_mtu(config.mtu, allowed); !result) return result;
  }
  info_.mtu = config.mtu;
  rte_ether_addr mac{};
  if (const int code = rte_eth_macaddr_get(port_id_, &mac); code != 0) return error("no MAC address", code);
  std::memcpy(info_.mac.data(), mac.addr_bytes, info_.mac.size());
  if (const auto result = set_up_queues(config); !result) return result;
  if (const int code = rte_eth_dev_start(port_id_); code != 0) return error("did not start", code);
  started_ = true;
  listen_to_groups(config.promiscuous);
  return {};
}

expected<void, std::string> DpdkPort::set_mtu(std::uint16_t mtu, std::uint32_t allowed) {
  const int code = rte_eth_dev_set_mtu(port_id_, mtu);
  // A device without an MTU of its own takes any frame up to `allowed`, which has been checked.
  if (code == 0 || code == -ENOTSUP || code == -ENOSYS) return {};
  std::string advice;
  if (name_.starts_with("net_af_packet")) advice = "; its frames may be too small: give it framesz=9216,blocksz=36864";
  return error("MTU " + std::to_string(mtu) + " refused (" + rte_strerror(-code) + "), nominally allowed are up to " +
               std::to_string(allowed) + advice);
}

// Everything that can be refused before the device is touched, is.
expected<void, std::string> DpdkPort::plan_buffers(const DpdkPortConfig& config) {
  rx_descriptors_ = config.rx_descriptors;
  tx_descriptors_ = config.tx_descriptors;
  if (const int code = rte_eth_dev_adjust_nb_rx_tx_desc(port_id_, &rx_descriptors_, &tx_descriptors_); code != 0) {
    return error("refused " + std::to_string(config.rx_descriptors) + "/" + std::to_string(config.tx_descriptors) +
                     " descriptors",
                 code);
  }
  // Both rings full, the lcore's cache (which may hold half as much again), and a burst each way in hand.
  const std::uint32_t needed =
      std::uint32_t{rx_descriptors_} + tx_descriptors_ + kPoolCache * 3 / 2 + 4 * std::uint32_t{kBurstMax};
  mbufs_ = config.mbufs_per_queue == 0 ? needed : config.mbufs_per_queue;
  if (mbufs_ < needed) {
    return error(std::to_string(mbufs_) + " mbufs per queue asked, " + std::to_string(rx_descriptors_) + "+" +
                 std::to_string(tx_descriptors_) + " descriptors need at least " + std::to_string(needed));
  }
  return {};
}

expected<void, std::string> DpdkPort::set_up_queues(const DpdkPortConfig& config) {
  const int socket = socket_ < 0 ? SOCKET_ID_ANY : socket_;
  const auto ring_socket = static_cast<unsigned>(socket);
  for (std::uint16_t q = 0; q < config.queues; ++q) {
    const std::string pool_name = "dwcp_" + std::to_string(port_id_) + "_" + std::to_string(q);
    rte_mempool* pool =
        rte_pktmbuf_pool_create(pool_name.c_str(), mbufs_, kPoolCache, 0, data_room(config.mtu), socket);
    if (pool == nullptr) {
      const std::uint64_t megabytes = (std::uint64_t{mbufs_} * (data_room(config.mtu) + 256U) >> 20) + 1;
      return error("no memory for the " + std::to_string(megabytes) + " MB of buffers of queue " + std::to_string(q) +
                       " (give hugepages, or -m with --no-huge, or fewer descriptors)",
                   rte_errno);
    }
    pools_.push_back(pool);
    if (const int code = rte_eth_rx_queue_setup(port_id_, q, rx_descriptors_, ring_socket, nullptr, pool); code != 0) {
      return error(
          "RX queue " + std::to_string(q) + " with " + std::to_string(rx_descriptors_) + " descriptors refused", code);
    }
    if (const int code = rte_eth_tx_queue_setup(port_id_, q, tx_descriptors_, ring_socket, nullptr); code != 0) {
      return error(
          "TX queue " + std::to_string(q) + " with " + std::to_string(tx_descriptors_) + " descriptors refused", code);
    }
    queues_.push_back(std::make_unique<DpdkQueue>(port_id_, q, pool, info_));
  }
  return {};
}

// Neighbour discovery comes by multicast.  What cannot filter it for us must pass everything; what can do neither is a
// virtual device that filters nothing.
void DpdkPort::listen_to_groups(bool promiscuous) noexcept {
  const bool groups = rte_eth_allmulticast_enable(port_id_) == 0;
  if (promiscuous || !groups) {
    (void)rte_eth_promiscuous_enable(port_id_);
  } else {
    (void)rte_eth_promiscuous_disable(port_id_);
  }
}

PortLinkState DpdkPort::link() const noexcept {
  rte_eth_link link{};
  if (rte_eth_link_get_nowait(port_id_, &link) != 0) return {};
  PortLinkState state;
  state.up = link.link_status == RTE_ETH_LINK_UP;
  state.full_duplex = link.link_duplex == RTE_ETH_LINK_FULL_DUPLEX;
  state.speed_mbps = link.link_speed == RTE_ETH_SPEED_NUM_UNKNOWN ? 0 : link.link_speed;
  return state;
}

std::vector<std::pair<std::string, std::uint64_t>> DpdkPort::xstats() const {
  std::vector<std::pair<std::string, std::uint64_t>> result;
  const int count = rte_eth_xstats_get_names(port_id_, nullptr, 0);
  if (count <= 0) return result;
  const auto n = static_cast<unsigned>(count);
  std::vector<rte_eth_xstat_name> names(n);
  std::vector<rte_eth_xstat> values(n);
  // A device may grow counters between the calls; then there is nothing this time.
  if (rte_eth_xstats_get_names(port_id_, names.data(), n) != count) return result;
  if (rte_eth_xstats_get(port_id_, values.data(), n) != count) return result;
  for (const rte_eth_xstat& value : values) {
    if (value.id < n) result.emplace_back(names[value.id].name, value.value);
  }
  return result;
}

std::uint32_t DpdkPort::free_buffers(std::size_t index) const noexcept {
  return rte_mempool_avail_count(pools_[index]);
}

void DpdkPort::stop() noexcept {
  if (!started_) return;
  started_ = false;
  (void)rte_eth_dev_stop(port_id_);
}

}  // namespace dwcp
