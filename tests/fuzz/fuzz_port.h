// SPDX-License-Identifier: Apache-2.0
// A port whose far side is the fuzzer.  A received frame is a buffer of exactly its size; what is sent is looked at and gone.
#pragma once

#include <array>
#include <cstring>
#include <memory>
#include <vector>

#include "dataplane/inet/headers.h"
#include "dataplane/wire/handshake.h"
#include "dataplane/wire/packet.h"
#include "drivers/port.h"
#include "input.h"

namespace dwcp::fuzz {

class FuzzPort final : public PortQueue {
 public:
  explicit FuzzPort(const MacAddress& mac) : info_{.mac = mac, .mtu = 1500, .tx_checksum = false, .rx_checksum = true} {
    for (auto& buffer : buffers_) free_.push_back(buffer.data());
  }
  std::size_t receive(std::span<RxPacket> packets) noexcept override {
    const std::size_t n = std::min(packets.size(), waiting.size());
    for (std::size_t i = 0; i < n; ++i) {
      lent_.push_back(std::move(waiting[i]));
      packets[i] = {.data = lent_.back().get(), .length = lengths[i]};
      packets[i].ip = packets[i].l4 = ChecksumState::kGood;
    }
    waiting.erase(waiting.begin(), waiting.begin() + static_cast<std::ptrdiff_t>(n));
    lengths.erase(lengths.begin(), lengths.begin() + static_cast<std::ptrdiff_t>(n));
    return n;
  }
  void release(std::span<const RxPacket> packets) noexcept override {
    require(packets.size() == lent_.size());
    lent_.clear();
  }
  std::size_t reserve(std::span<TxPacket> packets) noexcept override {
    std::size_t n = 0;
    for (; n < packets.size() && !free_.empty(); ++n, free_.pop_back()) packets[n] = {.data = free_.back(), .capacity = kBufferBytes};
    return n;
  }
  std::size_t send(std::span<const TxPacket> packets) noexcept override {
    for (const TxPacket& packet : packets) {
      require(packet.length <= packet.capacity);
      constexpr std::size_t kHeaders = sizeof(inet::EthernetHeader) + sizeof(inet::Ipv4Header) + sizeof(inet::UdpHeader);
      const bool udp = packet.length > kHeaders && packet.data[12] == 8 && packet.data[13] == 0 && packet.data[23] == 17;
      if (udp) note({packet.data + kHeaders, packet.length - kHeaders});
      counters_.tx_packets += 1;
    }
    cancel(packets);
    return packets.size();
  }
  void cancel(std::span<const TxPacket> packets) noexcept override {
    for (const TxPacket& packet : packets) free_.push_back(packet.data);
    require(free_.size() <= buffers_.size());
  }
  const PortInfo& info() const noexcept override { return info_; }
  const PortCounters& counters() const noexcept override { return counters_; }
  bool link_up() noexcept override { return true; }

  void put(std::span<const std::uint8_t> frame) {
    waiting.emplace_back(new std::uint8_t[frame.size()]);
    std::memcpy(waiting.back().get(), frame.data(), frame.size());
    lengths.push_back(static_cast<std::uint32_t>(frame.size()));
  }
  [[nodiscard]] bool home() const { return free_.size() == buffers_.size() && lent_.empty(); }

  std::vector<std::unique_ptr<std::uint8_t[]>> waiting;
  std::vector<std::uint32_t> lengths;
  std::size_t said_bytes = 0;       // UDP payload sent
  std::size_t handshake_bytes = 0;  // of it, of handshake packets
  wire::Cookie cookie{};            // the last that was sent

 private:
  static constexpr std::size_t kBufferBytes = 1600;

  void note(std::span<const std::uint8_t> payload) {
    said_bytes += payload.size();
    if (payload[0] != wire::type_byte(wire::PacketType::kHandshake)) return;
    handshake_bytes += payload.size();
    require(payload.size() >= sizeof(wire::HandshakeHeader));
    const auto& header = *reinterpret_cast<const wire::HandshakeHeader*>(payload.data());
    if (header.kind == static_cast<std::uint8_t>(wire::HandshakeKind::kCookie)) cookie = header.cookie;
  }

  PortInfo info_;
  PortCounters counters_;
  std::vector<std::array<std::uint8_t, kBufferBytes>> buffers_{2 * kBurstMax};
  std::vector<std::uint8_t*> free_;
  std::vector<std::unique_ptr<std::uint8_t[]>> lent_;
};

}  // namespace dwcp::fuzz
