// SPDX-License-Identifier: Apache-2.0
// Gateway: the composition root.  Builds every part from the Config, hands them to each other, starts them in order and
// stops them in reverse.  Everything here runs on the control thread (the EAL main lcore).
//
//   credentials, crypto devices ─▶ port ─▶ rings, migrations, roles ─▶ lcores ─▶ edges (listen) ─▶ telemetry, control socket ─▶ control loop
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "config/config.h"
#include "control/log.h"
#include "control/loop.h"
#include "control/path_memory.h"
#include "control/handshake/peer_links.h"
#include "control/snapshot.h"
#include "control/telemetry.h"
#include "dataplane/edge/edge_thread.h"
#include "dataplane/lcore/codec_role.h"
#include "dataplane/lcore/lcore_loop.h"
#include "dataplane/lcore/net_role.h"
#include "drivers/dpdk/dpdk_port.h"
#include "tools/dwcp-gateway/collector.h"
#include "tools/dwcp-gateway/control_socket.h"
#include "tools/dwcp-gateway/link_security.h"

namespace dwcp {

class Gateway {
 public:
  Gateway(Config config, Accounts accounts, Log& log);
  ~Gateway();
  Gateway(const Gateway&) = delete;
  Gateway& operator=(const Gateway&) = delete;

  // After EAL has started.  On failure everything that had started is stopped again.
  [[nodiscard]] expected<void, Error> start();
  // Until SIGINT or SIGTERM.  confine() stands between the two.
  void run();

 private:
  class EdgeWaker;

  // What was last logged of a link.
  struct LinkWatch {
    bool up = false;
    std::uint64_t failure_ns = 0;
    std::string failure;  // logged last
    std::uint64_t failure_logged_ns = 0;
    std::uint64_t rekeys = 0;
    LogLimit limit{1, 3};
  };

  [[nodiscard]] expected<void, Error> open_security();
  [[nodiscard]] expected<void, Error> open_port();
  void build_roles();
  [[nodiscard]] std::size_t blocks_per_migration(std::size_t blocks) const;
  [[nodiscard]] NetRoleConfig net_config() const;
  [[nodiscard]] CodecRoleConfig codec_config(std::uint16_t index) const;
  [[nodiscard]] expected<void, Error> launch_lcores();
  [[nodiscard]] expected<void, Error> start_edges();
  void start_peers();
  [[nodiscard]] PeerLinksConfig links_config() const;
  [[nodiscard]] std::unique_ptr<EpochKeys> keys_of(std::uint16_t lane, const EpochSecrets& secrets);
  void take_net_messages();
  void turn_cookie_key();
  void watch_links();
  std::vector<std::string> distrust_peers();
  void learn_paths();
  void log_migrations();
  // Reads again what may change while it runs; what it did, a line each.  SIGHUP and `dwcpctl reload`.
  [[nodiscard]] expected<std::vector<std::string>, std::string> reload();
  void stop();

  Config config_;
  Accounts accounts_;
  Log& log_;
  std::unique_ptr<DpdkPort> port_;
  std::unique_ptr<MigrationTable> migrations_;
  ControlNetRings control_rings_;
  std::vector<std::unique_ptr<CodecNetRings>> codec_net_rings_;    // by codec
  std::vector<std::unique_ptr<EdgeCodecRings>> edge_codec_rings_;  // by codec: one edge thread
  std::unique_ptr<EdgeWaker> waker_;
  std::unique_ptr<NetRole> net_;
  std::vector<std::unique_ptr<CodecRole>> codecs_;
  std::unique_ptr<EdgeThread> edge_;
  std::vector<std::unique_ptr<LcoreLoop>> lcores_;
  std::vector<unsigned> lcore_ids_;
  bool lcores_running_ = false;
  TscClock clock_;

  Loop loop_;
  PathMemory path_memory_;  // before peers_, which asks it
  std::unique_ptr<LinkSecurity> security_;  // outlives all keys, so net_ and the rings are emptied before it goes
  std::unique_ptr<PeerLinks> peers_;
  std::vector<LinkWatch> watched_;  // by peer
  std::uint64_t distrust_due_ns_ = 0;
  std::vector<std::pair<std::uint16_t, std::uint32_t>> never_started_;  // lane and session, for want of keys
  NetToControl from_net_;  // here, since it is large and asked for every few milliseconds
  LogLimit rejected_limit_{1, 1};
  std::uint64_t rejected_logged_ = 0;
  std::unique_ptr<Collector> collector_;
  SnapshotBoard board_;
  Telemetry telemetry_{board_};
  bool telemetry_running_ = false;
  std::unique_ptr<ControlSocket> control_socket_;
  RefusedCallsLog refused_calls_log_{log_};
};

}  // namespace dwcp
