// SPDX-License-Identifier: Apache-2.0
// Frames for the tests of dataplane/inet.  The hex ones were captured from a Linux host (192.0.2.1, 2001:db8::1,
// 02:00:00:00:00:0a) on a veth pair, checksum offload off; we are its neighbour 192.0.2.2, 2001:db8::2.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "dataplane/inet/host.h"

namespace dwcp::inet::test {

inline constexpr MacAddress kOurMac = {2, 0, 0, 0, 0, 0x0b};
inline constexpr MacAddress kTheirMac = {2, 0, 0, 0, 0, 0x0a};

inline constexpr std::string_view kUdp4 =  // "hello dwcp", 4700 to 4701, ECT(0)
    "02000000000b02000000000a080045020026a280400040111441c0000201c0000202"
    "125c125d00124b3368656c6c6f2064776370";
inline constexpr std::string_view kUdp6 =  // the same, ECT(1)
    "02000000000b02000000000a86dd601fc7230012114020010db800000000000000000000000120010db8000000000000000000000002"
    "125c125d001273c268656c6c6f2064776370";
inline constexpr std::string_view kArpRequestHex =
    "ffffffffffff02000000000a0806000108000604000102000000000ac0000201000000000000c0000202";
inline constexpr std::string_view kSolicitation =
    "3333ff00000202000000000a86dd6000000000203aff20010db8000000000000000000000001ff0200000000000000000001ff000002"
    "87001c1e0000000020010db8000000000000000000000002010102000000000a";
inline constexpr std::string_view kPing4 =
    "02000000000b02000000000a08004500002061ba40004001551fc0000201c000020208004758d1d5000170696e67";
inline constexpr std::string_view kPing6 =
    "02000000000b02000000000a86dd6007a820000c3a4020010db800000000000000000000000120010db8000000000000000000000002"
    "8000739bd1d6000170696e67";
inline constexpr std::string_view kMulticastListenerReport =  // behind a hop-by-hop header
    "33330000001602000000000a86dd6000000000380001fe80000000000000000000fffe00000aff020000000000000000000000000016"
    "3a000502000001008f006fda0000000204000000ff0200000000000000000001ff00000104000000ff0200000000000000000001ff00000a";

using Bytes = std::vector<std::uint8_t>;

inline Bytes from_hex(std::string_view hex) {
  const auto digit = [](char c) { return static_cast<unsigned>(c <= '9' ? c - '0' : c - 'a' + 10); };
  Bytes bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes.push_back(static_cast<std::uint8_t>(digit(hex[i]) << 4 | digit(hex[i + 1])));
  }
  return bytes;
}

// A frame in a block of exactly its size, so that the sanitizer sees a read past its end.
class Frame {
 public:
  explicit Frame(const Bytes& bytes) : data_(new std::uint8_t[bytes.size()]) {
    std::copy(bytes.begin(), bytes.end(), data_.get());
    packet_.data = data_.get();
    packet_.length = static_cast<std::uint32_t>(bytes.size());
  }
  explicit Frame(std::string_view hex) : Frame(from_hex(hex)) {}
  [[nodiscard]] const RxPacket& rx() const { return packet_; }
  RxPacket& rx() { return packet_; }

 private:
  std::unique_ptr<std::uint8_t[]> data_;
  RxPacket packet_;
};

inline HostConfig our_config() {
  HostConfig config;
  config.mac = kOurMac;
  config.v4 = *Prefix::parse("192.0.2.2/24");
  config.v4_gateway = *IpAddress::parse("192.0.2.1");
  config.v6 = *Prefix::parse("2001:db8::2/64");
  config.v6_gateway = *IpAddress::parse("2001:db8::1");
  config.udp_port_min = 4701;
  config.udp_port_max = 4800;
  return config;
}

inline LocalAddresses our_addresses() {
  return Host(our_config()).local();
}

// Buffers for what a Host sends.
class Outbox {
 public:
  explicit Outbox(std::size_t count = 8, std::uint32_t capacity = 1600) : buffers_(count), packets_(count) {
    for (std::size_t i = 0; i < count; ++i) {
      buffers_[i].resize(capacity);
      packets_[i].data = buffers_[i].data();
      packets_[i].capacity = capacity;
    }
  }
  TxBatch batch() { return TxBatch(packets_); }
  [[nodiscard]] Bytes frame(std::size_t i) const {
    return {buffers_[i].begin(), buffers_[i].begin() + packets_[i].length};
  }

 private:
  std::vector<Bytes> buffers_;
  std::vector<TxPacket> packets_;
};

// Corrects the checksum of an ICMPv6 message that a test has changed.
void fix_icmpv6(Bytes& frame);
// A neighbour advertisement for `target` from `mac`, to us.
Bytes advertisement(const IpAddress& target, const MacAddress& mac, std::uint32_t flags, bool option = true);
// An ARP packet.
Bytes arp(std::uint16_t operation, const IpAddress& sender, const MacAddress& sender_mac, const IpAddress& target,
          const MacAddress& target_mac);

}  // namespace dwcp::inet::test
