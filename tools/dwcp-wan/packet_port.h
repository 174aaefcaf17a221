// SPDX-License-Identifier: Apache-2.0
// One Ethernet interface through AF_PACKET: a TPACKET_V2 ring in, sendmmsg past the qdisc out.  V2, not V3: V3 hands
// frames over by the block, with a timeout of milliseconds; V2 shows each frame at once and needs no system call to be
// read.  Promiscuous; what the host itself sends on the interface is ignored.  One owner thread.
#pragma once

#include <linux/if_packet.h>
#include <sys/uio.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "base/expected.h"

namespace dwcp::wan {

struct RingFrame {
  std::span<std::uint8_t> bytes;      // with its VLAN tag in place; valid within the sink
  std::uint64_t arrival_real_ns = 0;  // CLOCK_REALTIME, taken by the kernel
  bool truncated = false;             // larger than the interface's MTU allows
  bool checksum_missing = false;      // the sender left its checksum to hardware that is not there
};

class PacketPort {
 public:
  // `what` names the reason in one line.
  static expected<std::unique_ptr<PacketPort>, std::string> open(const std::string& iface);

  ~PacketPort();
  PacketPort(const PacketPort&) = delete;
  PacketPort& operator=(const PacketPort&) = delete;

  // Readable while frames wait.
  [[nodiscard]] int rx_fd() const noexcept { return rx_fd_; }

  // Calls sink(RingFrame) for up to frames_max waiting frames; returns how many.
  template <typename Sink>
  std::size_t drain(std::size_t frames_max, Sink&& sink) {
    std::size_t n = 0;
    RingFrame frame;
    while (n < frames_max && peek(frame)) {
      sink(frame);
      pop();
      ++n;
    }
    return n;
  }

  // Sends the frames in order; returns how many the interface took.  The others are lost.
  std::size_t send(std::span<iovec> frames) noexcept;

  // Frames lost because the ring was full, since open().
  [[nodiscard]] std::uint64_t ring_drops() noexcept;

  [[nodiscard]] const std::string& name() const noexcept { return name_; }

 private:
  explicit PacketPort(std::string name) : name_(std::move(name)) {}
  std::string set_up();
  std::string set_up_ring(std::uint32_t mtu);
  [[nodiscard]] bool peek(RingFrame& frame) noexcept;
  void pop() noexcept;
  [[nodiscard]] tpacket2_hdr* slot() const noexcept {
    return reinterpret_cast<tpacket2_hdr*>(ring_ + slot_ * slot_bytes_);
  }

  std::string name_;
  int rx_fd_ = -1;
  int tx_fd_ = -1;
  std::uint8_t* ring_ = nullptr;
  std::size_t ring_bytes_ = 0;
  std::size_t slot_bytes_ = 0;
  std::size_t slot_count_ = 0;
  std::size_t slot_ = 0;
  std::uint64_t ring_drops_ = 0;
};

}  // namespace dwcp::wan
