// SPDX-License-Identifier: Apache-2.0
// MeteredQueue stands between the net role and the port and counts the cycles spent in the driver, so that what a packet
// costs the transport is told from what it costs this kind of port (memif copies every packet between processes, which a
// NIC does not).  Two readings of the time-stamp counter a burst.
#pragma once

#include <cstdint>
#include <span>

#include "dataplane/lcore/clock.h"
#include "drivers/port.h"

namespace dwcp::core {

class MeteredQueue final : public PortQueue {
 public:
  explicit MeteredQueue(PortQueue& queue) : queue_(queue) {}

  [[nodiscard]] std::size_t receive(std::span<RxPacket> packets) noexcept override {
    const std::uint64_t begin = TscClock::cycles();
    const std::size_t n = queue_.receive(packets);
    // An empty poll is part of idling.
    if (n != 0) cycles_ += TscClock::cycles() - begin;
    return n;
  }
  void release(std::span<const RxPacket> packets) noexcept override {
    const std::uint64_t begin = TscClock::cycles();
    queue_.release(packets);
    if (!packets.empty()) cycles_ += TscClock::cycles() - begin;
  }
  [[nodiscard]] std::size_t reserve(std::span<TxPacket> packets) noexcept override {
    const std::uint64_t begin = TscClock::cycles();
    const std::size_t n = queue_.reserve(packets);
    cycles_ += TscClock::cycles() - begin;
    return n;
  }
  [[nodiscard]] std::size_t send(std::span<const TxPacket> packets) noexcept override {
    const std::uint64_t begin = TscClock::cycles();
    const std::size_t n = queue_.send(packets);
    cycles_ += TscClock::cycles() - begin;
    return n;
  }
  void cancel(std::span<const TxPacket> packets) noexcept override { queue_.cancel(packets); }
  [[nodiscard]] const PortInfo& info() const noexcept override { return queue_.info(); }
  [[nodiscard]] const PortCounters& counters() const noexcept override { return queue_.counters(); }
  [[nodiscard]] bool link_up() noexcept override { return queue_.link_up(); }

  [[nodiscard]] std::uint64_t cycles() const noexcept { return cycles_; }

 private:
  PortQueue& queue_;
  std::uint64_t cycles_ = 0;
};

}  // namespace dwcp::core
