// SPDX-License-Identifier: Apache-2.0
// One RX/TX queue pair of an ethdev behind the PortQueue seam.  Made by DpdkPort; belongs to one net lcore.
//
// Frames are single-segment: the pool's buffers hold the largest legal frame, so what arrives in several segments is
// longer than the MTU allows and is dropped and counted (rx_segmented).  Buffers come from the queue's own pool, whose
// per-lcore cache makes reserve() and release() cheap on the lcore that owns the queue.
#pragma once

#include <cstdint>

#include "drivers/port.h"

struct rte_mempool;
struct rte_mbuf;

namespace dwcp {

class DpdkQueue final : public PortQueue {
 public:
  // Offers of a full TX ring before the rest of a burst is left to the caller: a ring that drains at all frees room within
  // them.
  static constexpr unsigned kTxOffers = 8;

  DpdkQueue(std::uint16_t port_id, std::uint16_t queue_id, rte_mempool* pool, const PortInfo& info) noexcept
      : port_id_(port_id), queue_id_(queue_id), pool_(pool), info_(info) {}

  [[nodiscard]] std::size_t receive(std::span<RxPacket> packets) noexcept override;
  void release(std::span<const RxPacket> packets) noexcept override;
  [[nodiscard]] std::size_t reserve(std::span<TxPacket> packets) noexcept override;
  [[nodiscard]] std::size_t send(std::span<const TxPacket> packets) noexcept override;
  void cancel(std::span<const TxPacket> packets) noexcept override;
  [[nodiscard]] const PortInfo& info() const noexcept override { return info_; }
  [[nodiscard]] const PortCounters& counters() const noexcept override { return counters_; }
  [[nodiscard]] bool link_up() noexcept override;

  // Frames dropped for arriving in more than one segment.
  [[nodiscard]] std::uint64_t rx_segmented() const noexcept { return rx_segmented_; }

 private:
  [[nodiscard]] std::size_t send_burst(std::span<const TxPacket> packets) noexcept;

  std::uint16_t port_id_;
  std::uint16_t queue_id_;
  rte_mempool* pool_;
  PortInfo info_;
  PortCounters counters_;
  std::uint64_t rx_segmented_ = 0;
};

}  // namespace dwcp
