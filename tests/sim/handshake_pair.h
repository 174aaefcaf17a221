// SPDX-License-Identifier: Apache-2.0
// Two gateways' control threads, the part of their net lcores that handshakes have to do with, and the path between them, in
// virtual time and by seed.  Who records what crosses the path can say it again, in either's name.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "base/rng.h"
#include "control/handshake/peer_links.h"
#include "dataplane/crypto/cookie_jar.h"
#include "tests/sim/fake_tls.h"

namespace dwcp::sim {

using Bytes = std::vector<std::uint8_t>;

struct PathOdds {
  double loss = 0;
  double duplicate = 0;
  double damage = 0;  // a bit of a handshake packet
  std::uint64_t delay_min_ns = kNsPerMs;
  std::uint64_t jitter_ns = kNsPerMs;  // each packet by itself, so they overtake each other
};

// Keys as the net lcore has them, and what is said of them in a packet: whether a packet opens is whether the keys are equal.
struct ModelKeys {
  std::uint32_t epoch = 0;
  bool send_at_once = false;
  std::array<std::uint8_t, 44> tx{};
  std::array<std::uint8_t, 44> rx{};
};

struct ModelPacket {  // of data
  std::uint32_t session = 0;
  std::uint8_t epoch_bits = 0;
  std::array<std::uint8_t, 44> key{};
};

// The net lcore: rules of dataplane/crypto/link_keys.h and dataplane/lcore/net_handshake.cc for one peer.
class ModelLcore {
 public:
  static constexpr std::uint32_t kNone = ~std::uint32_t{0};
  static constexpr std::uint64_t kSilenceNs = 8 * kNsPerSec;
  static constexpr std::uint64_t kDataNs = 50 * kNsPerMs;
  static constexpr std::uint64_t kKeepKeysNs = 3 * kNsPerSec;

  std::function<void(const Bytes&)> send_handshake;
  std::function<void(const ModelPacket&)> send_data;
  std::function<void(std::function<void(PeerLinks&)>)> tell;  // control, in order
  std::function<bool()> may_begin = [] { return true; };      // what the last session lent is back

  void start(const LaneSession& session, const ModelKeys& keys);
  void rekey(std::uint64_t now_ns, std::uint32_t session, const ModelKeys& keys);
  void stop() { active = false; }
  void control_packet(const Bytes& packet);  // to the peer
  void take_handshake(std::uint64_t now_ns, const Bytes& packet);
  void take_data(std::uint64_t now_ns, const ModelPacket& packet);
  void on_time(std::uint64_t now_ns);
  void lose();

  [[nodiscard]] const ModelKeys* sealing_keys() const {
    return sealing != kNone && slots[sealing % 4] ? &*slots[sealing % 4] : nullptr;
  }

  CookieJar jar;
  bool active = false;
  LaneSession session;
  std::array<std::optional<ModelKeys>, 4> slots;
  std::uint32_t sealing = kNone, newest = kNone, seen_newest = kNone;
  std::uint64_t seen_ns = 0, heard_ns = 0, data_ns = 0;
  std::uint64_t knock_ns = 0;
  std::uint64_t attempt = 0;  // of ours, the last sent
  // Counts.
  std::size_t starts = 0;
  std::size_t opened = 0;
  std::size_t unopened = 0;     // of the session that runs, and no key fits
  std::size_t refused_keys = 0; // that add() would not take
  std::size_t bytes_unasked = 0; // answered without control: cookies

 private:
  [[nodiscard]] static std::array<std::uint8_t, CookieJar::kSubjectBytes> subject() { return {192, 0, 2, 1}; }
  std::optional<std::pair<LaneSession, ModelKeys>> pending_;
};

struct SiteSetup {
  std::string name;         // as configured
  std::string certificate;  // as its certificate says
  std::string peer;         // as configured
  std::string trusted;      // the name it takes from a certificate
  std::uint64_t rekey_ns = 3600 * kNsPerSec;
};

[[nodiscard]] std::array<SiteSetup, 2> usual_sites();

class HandshakePair {
 public:
  // Another TLS than the stand-in.
  using MakeTls = std::function<std::unique_ptr<TlsFactory>(std::size_t site)>;

  HandshakePair(std::uint64_t seed, const PathOdds& path);
  HandshakePair(std::uint64_t seed, const PathOdds& path, std::array<SiteSetup, 2> setup, MakeTls make_tls = {});

  struct Site {
    FakeTlsSite tls_site;
    std::unique_ptr<TlsFactory> tls;
    std::unique_ptr<ModelLcore> lcore;
    std::unique_ptr<PeerLinks> links;
    std::deque<std::pair<std::uint64_t, std::function<void(ModelLcore&)>>> to_net;
    std::deque<std::function<void(PeerLinks&)>> to_control;
    std::uint64_t key_ns = 0;
    std::uint8_t key_number = 0;
    std::size_t stops = 0;
    std::size_t bytes_held_max = 0;
    std::size_t attempts_held_max = 0;
  };

  void boot(std::size_t i);  // or boot anew
  void run_for(std::uint64_t span_ns);
  // Until `done`, or for `limit_ns`; whether it is.
  bool run_until(const std::function<bool()>& done, std::uint64_t limit_ns);
  // Both up, on the same session, with the same keys crosswise.
  [[nodiscard]] bool agreed() const { return disagreement().empty(); }
  [[nodiscard]] std::string disagreement() const;
  // In the name of the other.
  void inject(std::size_t to, const Bytes& packet) { sites[to].lcore->take_handshake(now_ns, packet); }

  [[nodiscard]] const PeerLink& link(std::size_t i) const { return sites[i].links->link(0); }

  std::array<Site, 2> sites;
  std::uint64_t now_ns = kNsPerSec;
  PathOdds path;
  bool blackout = false;
  std::uint64_t lent_ns_max = 3 * kNsPerMs;  // the net lcore begins a session so long after it was told to, at most
  std::array<std::vector<Bytes>, 2> recorded;  // by whom they were to
  std::array<std::size_t, 2> handshake_bytes{};  // by who sent them
  Rng rng;

 private:
  void cross(std::size_t to, std::function<void()> arrive);
  void send_handshake(std::size_t from, const Bytes& packet);
  void step();

  std::array<SiteSetup, 2> setup_;
  MakeTls make_tls_;
  std::multimap<std::uint64_t, std::function<void()>> wire_;
};

}  // namespace dwcp::sim
