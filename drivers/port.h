// SPDX-License-Identifier: Apache-2.0
// The port seam: what a net lcore needs of a NIC queue pair, and nothing more.  Two sides implement it: drivers/dpdk
// (any ethdev) and drivers/fake (an in-process network in virtual time).
//
// One PortQueue belongs to one net lcore and is called from that thread only.  Calls are per burst, so the virtual
// dispatch is paid once for up to kBurstMax packets.
//
// Use, each round:
//   n = queue.receive(rx)            the port lends n buffers ...
//   ... read rx[0..n) ...
//   queue.release(rx.first(n))       ... and takes them back
//   n = queue.reserve(tx)            the port lends n empty buffers ...
//   ... write tx[i].data, set tx[i].length and flags ...
//   k = queue.send(tx.first(n))      ... and takes the first k back; the others stay lent: send them again, or cancel()
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace dwcp {

inline constexpr std::size_t kBurstMax = 32;

using MacAddress = std::array<std::uint8_t, 6>;

enum class ChecksumState : std::uint8_t {
  kUnknown,  // not looked at: software must verify
  kGood,     // verified by the port
  kBad,      // found wrong by the port
};

// A received Ethernet frame.  `data` is lent until release(), and may be written to: packets are opened in place.
struct RxPacket {
  std::uint8_t* data = nullptr;        // first byte of the Ethernet header, VLAN tag in place
  std::uint32_t length = 0;            // bytes, without FCS
  ChecksumState ip = ChecksumState::kUnknown;
  ChecksumState l4 = ChecksumState::kUnknown;
  void* handle = nullptr;  // the port's own
};

// A buffer for a frame to send.  `data` is lent by reserve() until send() takes it or cancel().
struct TxPacket {
  std::uint8_t* data = nullptr;
  std::uint32_t capacity = 0;  // bytes at data
  std::uint32_t length = 0;    // bytes to send, Ethernet header included, FCS not
  std::uint8_t l2_length = 0;  // bytes of Ethernet and VLAN headers; read when offload is set
  std::uint8_t l3_length = 0;  // bytes of IP header; read when offload is set
  bool ipv6 = false;           // read when offload is set
  bool offload = false;        // fill IPv4 and UDP checksums in the port (only if PortInfo::tx_checksum)
  void* handle = nullptr;      // the port's own
};

struct PortInfo {
  MacAddress mac{};
  std::uint16_t mtu = 0;       // bytes of L3 packet
  bool tx_checksum = false;    // the port can fill IPv4 and UDP checksums
  bool rx_checksum = false;    // the port verifies them
};

// Single-writer counters, read relaxed by anyone through a copy the owner publishes.
struct PortCounters {
  std::uint64_t rx_packets = 0;
  std::uint64_t rx_bytes = 0;
  std::uint64_t tx_packets = 0;
  std::uint64_t tx_bytes = 0;
  std::uint64_t tx_full = 0;       // send() calls that could not take all because the queue stayed full after bounded retries
  std::uint64_t tx_no_buffer = 0;  // reserve() calls that could not lend all that was asked for
};

class PortQueue {
 public:
  virtual ~PortQueue() = default;

  // Fills packets[0..n) with received frames and returns n; 0 when idle.  Never blocks.
  [[nodiscard]] virtual std::size_t receive(std::span<RxPacket> packets) noexcept = 0;

  // Gives received buffers back.
  virtual void release(std::span<const RxPacket> packets) noexcept = 0;

  // Fills packets[0..n) with empty buffers and returns n, which is less than asked when buffers are short.
  [[nodiscard]] virtual std::size_t reserve(std::span<TxPacket> packets) noexcept = 0;

  // Sends in order and returns how many it took, the first of them; their buffers are the port's again.  Fewer than offered
  // when the queue is full: the others stay lent, so that a port slower than its lcore holds the sender back and loses nothing.
  [[nodiscard]] virtual std::size_t send(std::span<const TxPacket> packets) noexcept = 0;

  // Gives reserved buffers back unsent.
  virtual void cancel(std::span<const TxPacket> packets) noexcept = 0;

  [[nodiscard]] virtual const PortInfo& info() const noexcept = 0;
  [[nodiscard]] virtual const PortCounters& counters() const noexcept = 0;

  // True while the port has carrier.  May be asked about once per millisecond.
  [[nodiscard]] virtual bool link_up() noexcept = 0;
};

}  // namespace dwcp
