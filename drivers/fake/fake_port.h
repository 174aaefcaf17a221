// SPDX-License-Identifier: Apache-2.0
// One port of a FakeNetwork behind the seam of drivers/port.h, and the outgoing half of its wire.  Made by FakeNetwork
// only; called from the one thread that runs the network.  RX checksums are left to software (kUnknown) and none are
// filled on TX, so that the code under test proves its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>

#include "drivers/fake/buffer_pool.h"
#include "drivers/impair/due_queue.h"
#include "drivers/impair/link_model.h"
#include "drivers/port.h"

namespace dwcp {

struct FakePortConfig {
  MacAddress mac{};
  std::uint16_t mtu = 1500;          // bytes of L3 packet; larger frames are refused by send()
  std::size_t rx_frames_max = 4096;  // frames that have arrived and wait for receive()
};

struct FakePortCounters {
  std::uint64_t rx_missed = 0;             // arrived while rx_frames_max waited
  std::uint64_t tx_invalid = 0;            // empty, larger than the MTU, or shorter than an Ethernet header
  std::uint64_t tx_no_carrier = 0;         // sent with the link down or no wire
  std::uint64_t duplicates_no_buffer = 0;  // second copies that found the pool empty
};

class FakePort final : public PortQueue {
 public:
  FakePort(const FakePortConfig& config, BufferPool& pool, const std::uint64_t& now_ns);

  std::size_t receive(std::span<RxPacket> packets) noexcept override;
  void release(std::span<const RxPacket> packets) noexcept override;
  std::size_t reserve(std::span<TxPacket> packets) noexcept override;
  // Takes all but what limit_send() leaves, and drops and counts what cannot go.
  [[nodiscard]] std::size_t send(std::span<const TxPacket> packets) noexcept override;
  void cancel(std::span<const TxPacket> packets) noexcept override;
  [[nodiscard]] const PortInfo& info() const noexcept override { return info_; }
  [[nodiscard]] const PortCounters& counters() const noexcept override { return counters_; }
  [[nodiscard]] bool link_up() noexcept override { return carrier_ && model_ != nullptr; }

  // From now on one send() takes so many frames at the most: a queue that is nearly full, or with 0 stuck.
  void limit_send(std::size_t frames) noexcept { send_max_ = frames; }

  [[nodiscard]] const FakePortCounters& fake_counters() const noexcept { return fake_counters_; }
  [[nodiscard]] std::size_t rx_waiting() const noexcept { return rx_.size(); }

 private:
  friend class FakeNetwork;

  struct Frame {
    std::uint32_t buffer = 0;
    std::uint32_t length = 0;
  };

  // Bytes an Ethernet header with one VLAN tag adds to the MTU.
  static constexpr std::uint32_t kL2BytesMax = kEthernetHeaderBytes + 4;

  bool send_one(const TxPacket& packet, std::uint32_t buffer) noexcept;
  void arrive(Frame frame) noexcept;
  static std::uint32_t buffer_of(const void* handle) noexcept;
  static void* handle_of(std::uint32_t buffer) noexcept;

  PortInfo info_;
  std::size_t rx_frames_max_;
  std::size_t send_max_ = ~std::size_t{0};
  BufferPool& pool_;
  const std::uint64_t& now_ns_;
  bool carrier_ = true;
  LinkModel* model_ = nullptr;  // of the direction away from this port
  DueQueue<Frame> wire_;        // frames on their way to peer_
  FakePort* peer_ = nullptr;
  std::deque<Frame> rx_;
  PortCounters counters_;
  FakePortCounters fake_counters_;
};

}  // namespace dwcp
