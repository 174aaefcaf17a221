// SPDX-License-Identifier: Apache-2.0
#include "drivers/dpdk/dpdk_queue.h"

#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_pause.h>

#include <algorithm>

#include "base/assert.h"

namespace dwcp {
namespace {

// "None" says that the data are good though the field is not, as for packets that never left the machine.
template <std::uint64_t kMask, std::uint64_t kBad, std::uint64_t kUnknown>
ChecksumState checksum_state(std::uint64_t flags) noexcept {
  const std::uint64_t state = flags & kMask;
  if (state == kUnknown) return ChecksumState::kUnknown;
  return state == kBad ? ChecksumState::kBad : ChecksumState::kGood;
}

template <typename Packet>
void free_all(std::span<const Packet> packets) noexcept {
  rte_mbuf* mbufs[kBurstMax];
  while (!packets.empty()) {
    const std::size_t n = std::min(packets.size(), kBurstMax);
    for (std::size_t i = 0; i < n; ++i) mbufs[i] = static_cast<rte_mbuf*>(packets[i].handle);
    rte_pktmbuf_free_bulk(mbufs, static_cast<unsigned>(n));
    packets = packets.subspan(n);
  }
}

void lend(TxPacket& packet, rte_mbuf* mbuf) noexcept {
  packet = TxPacket{};
  packet.data = rte_pktmbuf_mtod(mbuf, std::uint8_t*);
  packet.capacity = rte_pktmbuf_tailroom(mbuf);
  packet.handle = mbuf;
}

}  // namespace

std::size_t DpdkQueue::receive(std::span<RxPacket> packets) noexcept {
  rte_mbuf* mbufs[kBurstMax];
  const auto room = static_cast<std::uint16_t>(std::min(packets.size(), kBurstMax));
  const std::uint16_t n = rte_eth_rx_burst(port_id_, queue_id_, mbufs, room);
  std::size_t taken = 0;
  std::uint64_t bytes = 0;
  for (std::uint16_t i = 0; i < n; ++i) {
    rte_mbuf* mbuf = mbufs[i];
    if (mbuf->nb_segs != 1) [[unlikely]] {
      rte_pktmbuf_free(mbuf);
      ++rx_segmented_;
      continue;
    }
    RxPacket& packet = packets[taken++];
    packet.data = rte_pktmbuf_mtod(mbuf, std::uint8_t*);
    packet.length = mbuf->data_len;
    packet.ip = checksum_state<RTE_MBUF_F_RX_IP_CKSUM_MASK, RTE_MBUF_F_RX_IP_CKSUM_BAD, RTE_MBUF_F_RX_IP_CKSUM_UNKNOWN>(
        mbuf->ol_flags);
    packet.l4 = checksum_state<RTE_MBUF_F_RX_L4_CKSUM_MASK, RTE_MBUF_F_RX_L4_CKSUM_BAD, RTE_MBUF_F_RX_L4_CKSUM_UNKNOWN>(
        mbuf->ol_flags);
    packet.handle = mbuf;
    bytes += packet.length;
    rte_prefetch0(packet.data);
  }
  counters_.rx_packets += taken;
  counters_.rx_bytes += bytes;
  return taken;
}

void DpdkQueue::release(std::span<const RxPacket> packets) noexcept {
  free_all(packets);
}

std::size_t DpdkQueue::reserve(std::span<TxPacket> packets) noexcept {
  rte_mbuf* mbufs[kBurstMax];
  std::size_t lent = 0;
  while (lent < packets.size()) {
    const std::size_t n = std::min(packets.size() - lent, kBurstMax);
    if (rte_pktmbuf_alloc_bulk(pool_, mbufs, static_cast<unsigned>(n)) == 0) [[likely]] {
      for (std::size_t i = 0; i < n; ++i) lend(packets[lent++], mbufs[i]);
      continue;
    }
    // The bulk call gives all or nothing; the last few are had one by one.
    while (lent < packets.size()) {
      rte_mbuf* mbuf = rte_pktmbuf_alloc(pool_);
      if (mbuf == nullptr) {
        ++counters_.tx_no_buffer;
        return lent;
      }
      lend(packets[lent++], mbuf);
    }
  }
  return lent;
}

std::size_t DpdkQueue::send(std::span<const TxPacket> packets) noexcept {
  std::size_t sent = 0;
  while (!packets.empty()) {
    const std::size_t n = std::min(packets.size(), kBurstMax);
    const std::size_t taken = send_burst(packets.first(n));
    sent += taken;
    if (taken < n) break;
    packets = packets.subspan(n);
  }
  return sent;
}

std::size_t DpdkQueue::send_burst(std::span<const TxPacket> packets) noexcept {
  rte_mbuf* mbufs[kBurstMax];
  const auto n = static_cast<std::uint16_t>(packets.size());
  for (std::uint16_t i = 0; i < n; ++i) {
    const TxPacket& packet = packets[i];
    auto* mbuf = static_cast<rte_mbuf*>(packet.handle);
    DWCP_DCHECK(packet.length <= packet.capacity);
    DWCP_DCHECK(!packet.offload || info_.tx_checksum);
    mbuf->data_len = static_cast<std::uint16_t>(packet.length);
    mbuf->pkt_len = packet.length;
    if (packet.offload) {
      mbuf->l2_len = packet.l2_length & 0x7f;
      mbuf->l3_len = packet.l3_length;
      mbuf->ol_flags = packet.ipv6 ? RTE_MBUF_F_TX_IPV6 | RTE_MBUF_F_TX_UDP_CKSUM
                                   : RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM | RTE_MBUF_F_TX_UDP_CKSUM;
    }
    mbufs[i] = mbuf;
  }
  std::uint16_t sent = 0;
  for (unsigned offer = 0; offer < kTxOffers && sent < n; ++offer) {
    if (offer > 0) rte_pause();
    sent = static_cast<std::uint16_t>(
        sent + rte_eth_tx_burst(port_id_, queue_id_, mbufs + sent, static_cast<std::uint16_t>(n - sent)));
  }
  if (sent < n) [[unlikely]] ++counters_.tx_full;
  // Of the descriptions, not of the buffers: those may belong to the peer by now.
  for (std::uint16_t i = 0; i < sent; ++i) counters_.tx_bytes += packets[i].length;
  counters_.tx_packets += sent;
  return sent;
}

void DpdkQueue::cancel(std::span<const TxPacket> packets) noexcept {
  free_all(packets);
}

bool DpdkQueue::link_up() noexcept {
  rte_eth_link link{};
  return rte_eth_link_get_nowait(port_id_, &link) == 0 && link.link_status == RTE_ETH_LINK_UP;
}

}  // namespace dwcp
