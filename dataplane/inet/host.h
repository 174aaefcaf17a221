// SPDX-License-Identifier: Apache-2.0
// Host: the gateway as an IP host on one port.  The kernel does not own the NIC, so address resolution, neighbour
// discovery, echo and path MTU reports are ours.  Sans-IO: time and frames come in, frames go out into buffers of the
// caller; no clock, no allocation, no log.  One owner, the net lcore of the queue that gets the port's own traffic.
//
// It answers ARP requests, neighbour solicitations and (rate-limited) echo requests for its own addresses, and nothing
// else from anybody.  It speaks unasked only to resolve next hops and to announce its addresses.
//
// Use:
//   Host host(config);                        validate(config) first: a wrong one is the operator's error
//   host.pin(peer);                           for each configured peer: its next hop is resolved and kept so
//   each round:
//     if (now >= host.next_deadline()) host.poll(now, out);
//     for frames that Parser calls kArp, kNeighbour or kIcmp: report = host.on_frame(now, rx, out);
//     if (host.generation() moved) template.set_destination_mac(host.lookup(peer).mac);
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/expected.h"
#include "dataplane/inet/address.h"
#include "dataplane/inet/drop_reason.h"
#include "dataplane/inet/neighbour_cache.h"
#include "dataplane/inet/parse.h"
#include "dataplane/inet/tx_batch.h"

namespace dwcp::inet {

inline constexpr std::uint16_t kIpv6MtuMin = 1280;               // RFC 8200 §5
inline constexpr std::uint64_t kEchoIntervalNs = 10 * kNsPerMs;  // 100 answers a second ...
inline constexpr std::uint64_t kEchoBurst = 50;                  // ... after a burst of as many
inline constexpr unsigned kAnnouncements = 3;                    // RFC 4861 §10 MAX_NEIGHBOR_ADVERTISEMENT
inline constexpr std::uint64_t kAnnounceIntervalNs = 1 * kNsPerSec;

struct HostConfig {
  MacAddress mac{};
  std::uint16_t vlan = 0;          // 1..4094; 0: untagged
  Prefix v4;                       // family kNone: no IPv4
  IpAddress v4_gateway;            // kNone: on-link destinations only
  Prefix v6;                       // family kNone: link-local IPv6 only
  IpAddress v6_gateway;            // may be link-local
  std::uint16_t mtu = 1500;        // bytes of IP packet
  std::uint16_t udp_port_min = 0;  // our UDP ports, both ends included
  std::uint16_t udp_port_max = 65535;
};

// One line that says what is wrong and what is allowed.
[[nodiscard]] expected<void, std::string> validate(const HostConfig& config);

struct NextHop {
  enum class State : std::uint8_t {
    kResolved,  // `mac` is where to send
    kPending,   // being asked for: poll() sends the requests, generation() moves on the answer
    kNoRoute,   // neither on-link nor behind a gateway of that family, or not a host's address
    kNoRoom,    // every entry of the neighbour table is pinned
  };
  State state = State::kNoRoute;
  MacAddress mac{};
};

// A router says that a packet of ours was too big (RFC 1191, RFC 8201).  The quoted addresses and ports are ours and in
// range, the MTU lies between 1280 and what was sent, and yet anybody on the path may have forged it: a hint for
// DPLPMTUD (RFC 8899 §4.6.1), no more.
struct PathMtuReport {
  SocketAddress local;
  SocketAddress remote;
  std::uint16_t mtu = 0;  // bytes of IP packet
};

struct HostCounters {
  DropCounters drops;                // frames given to on_frame() and not acted upon
  std::uint64_t solicitations = 0;   // ARP requests and neighbour solicitations sent
  std::uint64_t advertisements = 0;  // ARP replies and neighbour advertisements sent on request
  std::uint64_t announcements = 0;
  std::uint64_t echo_replies = 0;
  std::uint64_t path_mtu_reports = 0;
};

class Host {
 public:
  explicit Host(const HostConfig& config) noexcept;

  // What a Parser needs to sort this host's traffic; any queue of the port may have one.
  [[nodiscard]] const LocalAddresses& local() const noexcept { return parser_.local(); }
  // Our address to send from; kNone when we have none of that family.
  [[nodiscard]] IpAddress source_for(const IpAddress& destination) const noexcept;

  // Keeps the next hop of a configured peer resolved until unpin().  False: no route, or the table is full.
  [[nodiscard]] bool pin(const IpAddress& destination) noexcept;
  void unpin(const IpAddress& destination) noexcept;
  [[nodiscard]] NextHop lookup(const IpAddress& destination) noexcept;
  // The destination answered (RFC 4861 §7.3.1): spares the probes.
  void confirm(std::uint64_t now_ns, const IpAddress& destination) noexcept;
  [[nodiscard]] std::uint64_t generation() const noexcept { return neighbours_.generation(); }
  [[nodiscard]] const NeighbourCache& neighbours() const noexcept { return neighbours_; }

  // Says again who we are, as at the start: after the link came up.
  void announce() noexcept;

  // Writes what is due.  What finds no buffer stays due.
  void poll(std::uint64_t now_ns, TxBatch& out) noexcept;
  [[nodiscard]] std::uint64_t next_deadline() const noexcept;

  // Takes any frame; writes at most one.
  std::optional<PathMtuReport> on_frame(std::uint64_t now_ns, const RxPacket& frame, TxBatch& out) noexcept;

  [[nodiscard]] const HostCounters& counters() const noexcept { return counters_; }

 private:
  // host.cc
  [[nodiscard]] IpAddress next_hop_of(const IpAddress& destination) const noexcept;
  void poll_announcements(std::uint64_t now_ns, TxBatch& out) noexcept;
  [[nodiscard]] bool solicit(const Neighbour& entry, NeighbourCache::Ask ask, TxBatch& out) noexcept;

  // host_input.cc
  [[nodiscard]] DropReason on_arp(std::uint64_t now_ns, const Parsed& parsed, TxBatch& out) noexcept;
  [[nodiscard]] DropReason on_neighbour(std::uint64_t now_ns, const RxPacket& frame, const Parsed& parsed,
                                        TxBatch& out) noexcept;
  [[nodiscard]] DropReason on_solicitation(const MacAddress& sender, const Parsed& parsed, TxBatch& out) noexcept;
  [[nodiscard]] DropReason on_advertisement(std::uint64_t now_ns, const Parsed& parsed) noexcept;
  [[nodiscard]] DropReason on_icmp(std::uint64_t now_ns, const RxPacket& frame, const Parsed& parsed, TxBatch& out,
                                   std::optional<PathMtuReport>& report) noexcept;
  [[nodiscard]] DropReason on_echo(std::uint64_t now_ns, const MacAddress& sender, const IpPacket& ip,
                                   TxBatch& out) noexcept;
  [[nodiscard]] DropReason on_too_big(const IpPacket& ip, std::optional<PathMtuReport>& report) noexcept;

  HostConfig config_;
  Parser parser_;
  NeighbourCache neighbours_;
  HostCounters counters_;
  std::uint64_t echo_due_ns_ = 0;      // when the echo answers given so far are paid for
  std::uint64_t announce_due_ns_ = 0;  // of the next round
  unsigned announce_rounds_ = kAnnouncements;
  std::uint8_t announce_pending_ = 0;  // bits of this round still to be written
};

}  // namespace dwcp::inet
