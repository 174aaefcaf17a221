// SPDX-License-Identifier: Apache-2.0
// From a received frame to a UDP payload for the transport, a message for the Host, or a counted drop.  Called by the
// net lcore that owns the queue, once per packet; looks at no state but the local addresses and writes only counters.
//
// Every length is checked against the frame before a byte behind it is read.  Bytes behind the IP packet (Ethernet
// padding) are legal and ignored.  What the port has verified is believed, what it has not is verified here.
//
// Use:
//   Parser parser(addresses);
//   Parsed p = parser.parse(rx);
//   switch (p.kind) { kUdp: p.datagram; kArp, kNeighbour, kIcmp: host.on_frame(now, rx, out); kDrop: p.reason, counted
//   }
#pragma once

#include <cstdint>

#include "dataplane/inet/address.h"
#include "dataplane/inet/drop_reason.h"
#include "dataplane/inet/headers.h"
#include "drivers/port.h"

namespace dwcp::inet {

// What "for us" means on one port.
struct LocalAddresses {
  MacAddress mac{};
  std::uint16_t vlan = 0;          // 1..4094; 0: untagged (a tag with id 0 is only a priority and is taken)
  Prefix v4;                       // family kNone: no IPv4
  Prefix v6;                       // family kNone: no IPv6 but the link-local address
  std::uint16_t udp_port_min = 0;  // our UDP ports, both ends included; 0 and 65535 take any
  std::uint16_t udp_port_max = 65535;
};

struct Datagram {
  SocketAddress source;
  SocketAddress destination;
  const std::uint8_t* payload = nullptr;  // in the received frame
  std::uint16_t payload_length = 0;       // bytes; zero is legal
  std::uint8_t ecn = 0;                   // RFC 3168: 0 not capable, 1 ECT(1), 2 ECT(0), 3 CE
  std::uint8_t ttl = 0;                   // as it arrived
};

// An IP packet whose header has been checked and whose payload is neither a fragment nor behind extensions.
struct IpPacket {
  IpAddress source;
  IpAddress destination;
  const std::uint8_t* payload = nullptr;
  std::uint16_t payload_length = 0;
  std::uint8_t protocol = 0;
  std::uint8_t traffic_class = 0;
  std::uint8_t ttl = 0;
};

struct Parsed {
  enum class Kind : std::uint8_t {
    kDrop,       // `reason` says why; counted
    kUdp,        // `datagram` is filled
    kArp,        // `payload` is the ARP packet, at least sizeof(ArpPacket) bytes
    kIcmp,       // `ip` is filled; ICMP or ICMPv6, checksum not yet looked at
    kNeighbour,  // `ip` is filled; ICMPv6 types 133..137 (RFC 4861), checksum not yet looked at
  };
  Kind kind = Kind::kDrop;
  DropReason reason = DropReason::kNone;
  std::uint8_t l2_length = 0;             // bytes of Ethernet header and tag
  const std::uint8_t* payload = nullptr;  // behind them
  std::uint32_t payload_length = 0;       // bytes to the end of the frame
  IpPacket ip;                            // for everything but ARP
  Datagram datagram;                      // for kUdp
};

class Parser {
 public:
  explicit Parser(const LocalAddresses& local) noexcept;

  [[nodiscard]] Parsed parse(const RxPacket& packet) noexcept;

  [[nodiscard]] const LocalAddresses& local() const noexcept { return local_; }
  [[nodiscard]] const IpAddress& link_local() const noexcept { return link_local_; }
  // One of our own unicast addresses.
  [[nodiscard]] bool is_ours(const IpAddress& ip) const noexcept;
  [[nodiscard]] const DropCounters& drops() const noexcept { return drops_; }

 private:
  [[nodiscard]] DropReason classify(const RxPacket& packet, Parsed& out) const noexcept;
  [[nodiscard]] DropReason ethernet(const RxPacket& packet, Parsed& out, std::uint16_t& ethertype) const noexcept;
  [[nodiscard]] DropReason arp(Parsed& out) const noexcept;
  [[nodiscard]] DropReason ipv4(const RxPacket& packet, Parsed& out) const noexcept;
  [[nodiscard]] DropReason ipv6(Parsed& out) const noexcept;
  [[nodiscard]] DropReason transport(const RxPacket& packet, Parsed& out) const noexcept;
  [[nodiscard]] DropReason udp(const RxPacket& packet, Parsed& out) const noexcept;
  [[nodiscard]] bool is_our_group(const IpAddress& ip) const noexcept;

  LocalAddresses local_;
  IpAddress link_local_;
  DropCounters drops_;
};

}  // namespace dwcp::inet
