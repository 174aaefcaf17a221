// SPDX-License-Identifier: Apache-2.0
// Whole gateways in one thread and virtual time: net role, codec role, peer sessions and a scripted edge each, over a
// FakeNetwork.  Addresses are resolved and sessions agreed on as in the real thing.
//
//   World world(seed, link);                     two sites, "west" and "east"
//   ASSERT_TRUE(world.run([&] { return world.up(); }));
//   auto c = world.west().edge.open(0, 0, {.says = bytes});
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "control/handshake/peer_links.h"
#include "dataplane/crypto/lab_null/unencrypted_lab_aead.h"
#include "dataplane/lcore/codec_role.h"
#include "dataplane/lcore/net_role.h"
#include "drivers/fake/fake_network.h"
#include "scripted_edge.h"
#include "tests/sim/fake_tls.h"

namespace dwcp {

struct SiteOptions {
  std::string name;
  std::uint8_t number = 0;  // last byte of its addresses
  std::vector<std::string> peer_names;
  std::vector<std::uint8_t> peer_numbers;
  std::size_t migrations_max = 4;
  std::size_t tx_arena_bytes = 4U << 20;
  std::size_t rx_frames_max = 1024;
  std::uint64_t session_timeout_ns = 2 * kNsPerSec;
  std::vector<std::string> listener_services = {"vm", "nothing"};
  std::vector<std::string> services = {"other", "vm"};
  std::uint32_t streams = 2;
  std::uint32_t streams_max = 0;  // 0: always `streams`
  std::uint64_t clock_ahead_ns = 0;  // the clock, when it is read within a step, is this far past the step's beginning
};

class Site {
 public:
  Site(const SiteOptions& options, PortQueue& port, std::uint64_t seed);
  ~Site();

  std::size_t step(std::uint64_t now_ns);
  [[nodiscard]] std::uint64_t deadline_ns() { return net->deadline_ns(); }
  [[nodiscard]] bool up(std::uint16_t lane = 0) const { return peers->link(lane).state() == LinkState::kUp; }
  // Nothing of any migration is left anywhere.
  [[nodiscard]] bool home() const;
  [[nodiscard]] std::string not_home() const;
  [[nodiscard]] MigrationSlot& slot(const Connection& connection) { return table[connection.migration.slot]; }
  [[nodiscard]] EndReason end_reason(const Connection& connection) {
    return static_cast<EndReason>(slot(connection).end_reason.get());
  }

 private:
  struct NoWaker final : Waker {
    void wake() noexcept override {}
  };

 public:
  static constexpr std::size_t kBlocks = 16;
  static constexpr std::size_t kBodies = 256;

  MigrationTable table;
  ControlNetRings control;
  CodecNetRings codec_rings;
  EdgeCodecRings edge_rings;
  NoWaker waker;
  std::unique_ptr<NetRole> net;
  std::unique_ptr<CodecRole> codec;
  sim::FakeTlsSite tls_site;
  sim::FakeTlsFactory tls{tls_site};
  UnencryptedLabProvider aead;
  std::unique_ptr<PeerLinks> peers;
  ScriptedEdge edge;
  Rng rng;
  bool codec_runs = true;    // false: the test plays the codec, or it is not scheduled
  bool control_runs = true;  // false: the control thread is not scheduled
  std::vector<EndReason> lost;  // sessions lost

 private:
  void make_peers(const SiteOptions& options);
  [[nodiscard]] std::unique_ptr<EpochKeys> keys_of(const EpochSecrets& secrets);
  void step_control(std::uint64_t now_ns);
  std::uint64_t step_ns_ = 0;
  std::uint64_t control_ns_ = 0;
};

[[nodiscard]] SiteOptions west_options();
[[nodiscard]] SiteOptions east_options();
[[nodiscard]] LinkProfile good_link();

class World {
 public:
  explicit World(std::uint64_t seed, const LinkProfile& link = good_link(), SiteOptions west = west_options(),
                 SiteOptions east = east_options());

  [[nodiscard]] Site& west() { return *sites[0]; }
  [[nodiscard]] Site& east() { return *sites[1]; }
  [[nodiscard]] bool up() { return west().up() && east().up(); }
  [[nodiscard]] bool home() { return west().home() && east().home(); }
  [[nodiscard]] std::uint64_t now_ns() const { return network.now_ns(); }
  // Steps all sites until done() or for `limit_ns`; whether done() came.
  bool run(const std::function<bool()>& done, std::uint64_t limit_ns = 60 * kNsPerSec);
  void run_for(std::uint64_t span_ns) {
    run([] { return false; }, span_ns);
  }
  // The process is gone and a new one starts in its place.
  void restart(std::size_t site);

  FakeNetwork network;
  std::vector<SiteOptions> options;
  std::vector<FakePort*> ports;
  std::vector<std::unique_ptr<Site>> sites;

 private:
  Rng seeds_;
};

// Zeros, noise and text in runs, so that all paths of the codec are taken.  The first 4 bytes are `id`.
[[nodiscard]] Bytes payload(std::uint64_t seed, std::size_t bytes, std::uint32_t id = 0);

}  // namespace dwcp
