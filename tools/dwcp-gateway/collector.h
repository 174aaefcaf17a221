// SPDX-License-Identifier: Apache-2.0
// Collector: makes a Snapshot of everything the threads publish, and keeps the migrations that have ended.  Control thread.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "config/config.h"
#include "control/handshake/peer_links.h"
#include "control/snapshot.h"
#include "dataplane/edge/edge_thread.h"
#include "dataplane/lcore/lcore_loop.h"
#include "dataplane/lcore/net_role.h"
#include "dataplane/rings/migration_table.h"
#include "drivers/dpdk/dpdk_port.h"
#include "tools/dwcp-gateway/link_security.h"

namespace dwcp {

class Collector {
 public:
  static constexpr std::size_t kEndedKept = 64;

  Collector(const Config& config, const DpdkPort& port, const MigrationTable& migrations, NetRole& net, const PeerLinks& peers,
            const LinkSecurity& security, const EdgeThread& edge, const std::vector<std::unique_ptr<LcoreLoop>>& lcores, const std::vector<unsigned>& lcore_ids);

  [[nodiscard]] Snapshot collect(std::uint64_t log_lines_dropped);
  // Migrations whose state changed since the last call: for the log.
  [[nodiscard]] std::vector<MigrationSnapshot> take_changes();

 private:
  // What is remembered of a slot between collections.
  struct Seen {
    std::uint32_t generation = 0;  // odd: this tenant was seen
    std::uint64_t id = 0;
    std::string state;
    bool ended = false;
    std::int64_t started_unix_ms = 0;
  };

  void collect_migrations(Snapshot& out);
  void look_at(std::size_t slot, std::uint32_t tenant);
  [[nodiscard]] MigrationSnapshot migration(std::size_t slot, const Seen& seen) const;
  void collect_peers(const NetReport& report, Snapshot& out);
  void collect_security(std::uint16_t lane, const LaneReport& report, PeerSnapshot& peer) const;
  void collect_certificate(GatewaySnapshot& gateway) const;
  void collect_streams(std::size_t index, const LaneReport& lane, PeerSnapshot& peer, Snapshot& out) const;
  void collect_port(const NetReport& report, Snapshot& out) const;
  void collect_lcores(const NetReport& report, Snapshot& out);

  const Config& config_;
  const DpdkPort& port_;
  const MigrationTable& table_;
  NetRole& net_;
  const PeerLinks& peers_;
  const LinkSecurity& security_;
  const EdgeThread& edge_;
  const std::vector<std::unique_ptr<LcoreLoop>>& lcores_;
  const std::vector<unsigned>& lcore_ids_;

  TscClock clock_;
  std::uint64_t started_ns_;
  std::int64_t started_unix_ms_;
  std::uint64_t next_id_ = 1;
  std::vector<Seen> seen_;  // by slot
  std::vector<MigrationSnapshot> running_;
  std::deque<MigrationSnapshot> ended_;  // oldest first
  std::vector<MigrationSnapshot> changes_;

  // For rates over the last second and losses over the last few.
  struct Sample {
    std::uint64_t at_ns = 0;
    std::vector<std::uint64_t> busy, idle, sent, lost;
  };
  std::deque<Sample> samples_;
};

}  // namespace dwcp
