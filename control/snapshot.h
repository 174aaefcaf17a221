// SPDX-License-Identifier: Apache-2.0
// Snapshot: what the gateway tells about itself, copied from its counters at one moment; and the board it is handed
// over on.  Plain values; once published, nothing changes them.
//
// The control thread collects and publishes about every 100 ms; any other thread (telemetry, HTTP) takes the latest.  A
// reader keeps the copy it took for as long as it likes.
//
// Numbers are integers with their unit in the name: rte_telemetry carries neither fractions nor booleans (flags are
// 0/1). snapshot_fields.h lists the fields once for all who print them.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace dwcp {

struct GatewaySnapshot {
  std::string name;
  std::string version;
  std::string state;        // "starting", "running", "draining"
  std::string reason;       // why it is not well; empty while it is
  std::uint64_t ready = 0;  // 1: takes migrations
  std::uint64_t started_unix_ms = 0;
  std::uint64_t uptime_ms = 0;
  std::uint64_t peers_total = 0;
  std::uint64_t peers_up = 0;
  std::uint64_t migrations_running = 0;
  std::uint64_t migrations_completed = 0;
  std::uint64_t migrations_failed = 0;
  std::uint64_t log_lines_dropped = 0;
  std::int32_t certificate_days = 0;               // until ours expires; 0 without one, or on its last day
  std::uint64_t certificate_not_after_unix_s = 0;  // 0: there is none
  std::string warnings;                            // what works today and should be seen to; a line each
  std::uint64_t syscalls_refused = 0;  // by the filter (control/process/syscall_filter.h)
};

struct PeerSnapshot {
  std::string name;
  std::string address;
  std::string state;                   // "down", "connecting", "up"
  std::string reason;                  // why not up; empty while up
  std::string session_id;              // hex; empty while not up
  std::string cipher;                  // that seals its packets; empty while not up
  std::string crypto_device;           // what does that: a DPDK crypto device
  std::string tls;                     // "certificate", "psk"; empty while not up
  std::string certificate_subject;     // of the peer; empty with a pre-shared key
  std::uint64_t certificate_not_after_unix_s = 0;  // likewise 0
  std::uint64_t epoch = 0;             // of the keys in use
  std::uint64_t key_bytes = 0;         // the larger direction under the newest
  std::uint64_t handshakes = 0;        // completed
  std::uint64_t handshakes_resumed = 0;  // of those, by a ticket
  std::uint64_t handshakes_failed = 0;   // attempts that came to nothing
  std::uint64_t rekeys = 0;
  std::uint64_t forgeries = 0;         // packets of this session that did not open
  std::uint64_t up_since_unix_ms = 0;  // 0: not up
  std::uint64_t streams = 0;           // that carry data
  std::uint64_t streams_target = 0;    // that there are to be, 0 while not up
  std::uint64_t streams_grown = 0;     // times that more were kept, having gained
  std::uint64_t streams_shrunk = 0;    // times that fewer were kept
  std::string congestion;        // the algorithm: "bbr", "cubic", "newreno"
  std::string congestion_state;  // its own word for what it is doing
  std::uint64_t rtt_us = 0;  // smoothed
  std::uint64_t rtt_min_us = 0;
  std::uint64_t loss_ppm = 0;  // packets lost of a million sent, over the last seconds
  std::uint64_t delivery_rate_bps = 0;
  std::uint64_t cwnd_bytes = 0;
  std::uint64_t bytes_in_flight = 0;
  std::uint64_t packets_tx = 0;
  std::uint64_t packets_rx = 0;
  std::uint64_t packets_lost = 0;
  std::uint64_t packets_retransmitted = 0;
  std::uint64_t packets_spurious = 0;  // declared lost, and then acknowledged
  std::uint64_t ecn_streams_capable = 0;  // active ones whose path carries ECN marks
  std::uint64_t ecn_streams_failed = 0;   // and ones whose path or peer does not
  std::uint64_t ecn_packets_tx = 0;       // sent as ECT(0)
  std::uint64_t ecn_ce_tx = 0;            // of those, marked on the way: congestion towards the peer
  std::uint64_t ecn_ce_rx = 0;            // marked among those received: congestion from the peer
  std::uint64_t ecn_violations = 0;       // times the peer's counts contradicted what was sent
  std::uint64_t parity_packets_tx = 0;  // for the last windows of migrations
  std::uint64_t parity_bytes_tx = 0;
  std::uint64_t parity_packets_useless = 0;  // received, and not needed
  std::uint64_t parity_no_room = 0;     // frames without parity, or symbols not kept, for want of memory
  std::uint64_t frames_recovered = 0;   // by parity received
  std::uint64_t path_mtu_min_bytes = 0;  // of IP packet, over the active streams; 0: not up
  std::uint64_t path_mtu_max_bytes = 0;
};

// A stream that the gateway sends on: one UDP 5-tuple of a peer's link.
struct StreamSnapshot {
  std::string peer;
  std::uint64_t id = 0;
  std::string state;                // "idle", "probing", "active", "closing"
  std::uint64_t path = 0;           // source ports given up before this one
  std::uint64_t path_mtu_bytes = 0; // of IP packet
  std::string path_mtu_state;       // "disabled", "base", "searching", "complete", "error"
  std::uint64_t rtt_us = 0;         // smoothed; 0: not measured yet
  std::uint64_t packets_tx = 0;
  std::uint64_t packets_lost = 0;   // MTU probes are not among them
  std::uint64_t mtu_probes_tx = 0;
  std::uint64_t mtu_black_holes = 0;
  std::uint64_t mtu_reports = 0;    // routers' that were heeded
};

struct MigrationSnapshot {
  std::uint64_t id = 0;
  std::uint64_t generation = 0;
  std::string direction;  // "outgoing", "incoming"
  std::string state;      // "opening", "running", "draining", "completed", "failed"
  std::string reason;     // empty while fine
  std::string peer;
  std::string service;
  std::string listener;             // empty when incoming
  std::uint64_t raw_bytes_in = 0;   // read from the hypervisor
  std::uint64_t raw_bytes_out = 0;  // written to it
  std::uint64_t wire_bytes_tx = 0;
  std::uint64_t wire_bytes_rx = 0;
  std::uint64_t frames_tx = 0;
  std::uint64_t frames_rx = 0;
  std::uint64_t encoded_permille = 0;  // encoded bytes of a thousand raw ones; 0: none yet
  std::uint64_t zero_pages = 0;
  std::uint64_t normal_pages = 0;
  std::uint64_t opaque_bytes = 0;
  std::uint64_t backlog_bytes = 0;
  std::string digest;           // hex, of what passed so far
  std::string digest_verified;  // "pending", "match", "mismatch"
  std::uint64_t started_unix_ms = 0;
  std::uint64_t duration_ms = 0;
  // How long the guest stood still, as the gateways see it (docs/OPERATIONS.md); -1: not known.
  std::int32_t pause_ms = -1;
  std::int32_t pause_backlog_ms = -1;  // of it: behind what waited in the near gateway
  std::int32_t pause_path_ms = -1;     // of it: crossing, repairs included
  std::int32_t pause_far_ms = -1;      // of it: in the far gateway; the three make up pause_ms
  std::int32_t pause_span_ms = -1;     // what the far gateway sees by itself: first frame of it come to last byte given
  std::uint64_t stop_backlog_bytes = 0;  // backlog_bytes when the guest was stopped
};

struct LcoreSnapshot {
  std::uint32_t id = 0;
  std::string roles;  // "net", "codec", "net+codec", "control"
  std::uint64_t busy_cycles = 0;
  std::uint64_t idle_cycles = 0;
  std::uint64_t busy_permille = 0;  // over the last second
  std::uint64_t loops = 0;
  std::uint64_t sleeps = 0;
  std::uint64_t packets_rx = 0;
  std::uint64_t packets_tx = 0;
};

struct DropCount {
  std::string name;  // of the drop reason: letters, digits and '_'
  std::uint64_t count = 0;
};

struct PortSnapshot {
  std::string device;
  std::string driver;
  std::string mac;
  std::string ipv4;  // with prefix length; empty: none
  std::string ipv6;
  std::uint64_t udp_port = 0;
  std::uint64_t vlan = 0;
  std::uint64_t mtu_bytes = 0;
  std::uint64_t link_up = 0;
  std::uint64_t rx_checksum = 0;  // 1: in hardware
  std::uint64_t tx_checksum = 0;
  std::uint64_t rx_packets = 0;
  std::uint64_t rx_bytes = 0;
  std::uint64_t tx_packets = 0;
  std::uint64_t tx_bytes = 0;
  std::uint64_t tx_full = 0;
  std::uint64_t tx_given_up = 0;
  std::uint64_t tx_no_buffer = 0;
  std::uint64_t rx_missed = 0;  // by the device, for want of descriptors
};

struct NeighbourSnapshot {
  std::string address;
  std::string mac;    // empty: not resolved
  std::string state;  // "incomplete", "reachable", "stale", "failed"
  std::uint64_t age_ms = 0;
};

struct Snapshot {
  GatewaySnapshot gateway;
  PortSnapshot port;
  std::vector<PeerSnapshot> peers;            // in config order
  std::vector<StreamSnapshot> streams;        // by peer in that order, then by id; those of links that are up
  std::vector<MigrationSnapshot> migrations;  // oldest first; ended ones are kept for a while
  std::vector<LcoreSnapshot> lcores;          // by id
  std::vector<DropCount> drops;               // every reason, those at zero too
  std::vector<NeighbourSnapshot> neighbours;
};

// Where others get snapshots from.  Any thread.
class TelemetrySource {
 public:
  virtual ~TelemetrySource() = default;
  // Never null, never changed after it was returned; never waits on another thread's work.
  [[nodiscard]] virtual std::shared_ptr<const Snapshot> snapshot() const = 0;
};

// The source that the control thread publishes to.  The lock covers the copy of one pointer; a snapshot's own memory is
// freed outside it.
class SnapshotBoard final : public TelemetrySource {
 public:
  void publish(Snapshot snapshot) {
    auto next = std::make_shared<const Snapshot>(std::move(snapshot));
    const std::lock_guard lock(mutex_);
    latest_.swap(next);
  }

  [[nodiscard]] std::shared_ptr<const Snapshot> snapshot() const override {
    const std::lock_guard lock(mutex_);
    return latest_;
  }

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const Snapshot> latest_ = std::make_shared<const Snapshot>();
};

}  // namespace dwcp
