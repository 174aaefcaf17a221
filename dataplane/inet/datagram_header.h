// SPDX-License-Identifier: Apache-2.0
// UdpTemplate: the Ethernet, VLAN, IP and UDP headers of one 5-tuple, built once, so that a packet costs a copy and a
// few stores.  One owner (the net lcore of the stream).
//
// Use:
//   UdpTemplate header(mac, vlan, local, remote);
//   header.set_destination_mac(next_hop.mac);            again whenever the Host's generation() moves
//   ... write the payload at tx.data + header.size() ...
//   tx.length = header.size() + n;
//   header.write(tx.data, n, ecn, mode);                 after the payload: the checksum covers it
//   header.describe(tx);                                 for kOffload: l2_length, l3_length, ipv6, offload
#pragma once

#include <array>
#include <cstdint>

#include "dataplane/inet/address.h"
#include "dataplane/inet/checksum.h"
#include "dataplane/inet/headers.h"
#include "drivers/port.h"

namespace dwcp::inet {

enum class ChecksumMode : std::uint8_t {
  kSoftware,  // both checksums are filled here
  kOffload,   // IPv4's is left 0 and UDP's holds the pseudo-header sum: the port fills both (PortInfo::tx_checksum)
};

class UdpTemplate {
 public:
  static constexpr std::size_t kSizeMax =
      sizeof(EthernetHeader) + sizeof(VlanTag) + sizeof(Ipv6Header) + sizeof(UdpHeader);
  static constexpr std::uint8_t kHopLimit = 64;

  // `local` and `remote` must be of one family.  `vlan` 0: untagged.
  UdpTemplate(const MacAddress& source_mac, std::uint16_t vlan, const SocketAddress& local,
              const SocketAddress& remote) noexcept;

  // Bytes in front of the payload.
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  // The largest payload an IP packet of `mtu` bytes holds; 0 when none fits.
  [[nodiscard]] std::uint16_t payload_max(std::uint16_t mtu) const noexcept;

  void set_destination_mac(const MacAddress& mac) noexcept;

  // Fills size() bytes at `at`; the payload lies behind them.  `ecn` is 0..3 (RFC 3168).
  void write(std::uint8_t* at, std::uint16_t payload_length, std::uint8_t ecn, ChecksumMode mode) const noexcept;

  // What the port must know to fill the checksums.
  void describe(TxPacket& packet) const noexcept {
    packet.l2_length = l2_length_;
    packet.l3_length = static_cast<std::uint8_t>(udp_at_ - l2_length_);
    packet.ipv6 = ipv6_;
    packet.offload = true;
  }

 private:
  std::array<std::uint8_t, kSizeMax> bytes_{};
  std::uint8_t size_ = 0;
  std::uint8_t l2_length_ = 0;
  std::uint8_t udp_at_ = 0;
  bool ipv6_ = false;
  ChecksumSum ip_sum_;   // of the IPv4 header without its total length, traffic class and checksum
  ChecksumSum udp_sum_;  // of the pseudo-header without the length
  ChecksumSum ports_sum_;
};

}  // namespace dwcp::inet
