// SPDX-License-Identifier: Apache-2.0
#include "world.h"

#include <algorithm>
#include <cstring>

namespace dwcp {
namespace {

MacAddress mac(std::uint8_t number) {
  return {2, 0, 0, 0, 0, number};
}
inet::IpAddress ip(std::uint8_t number) {
  return inet::IpAddress::v4({192, 0, 2, number});
}
constexpr std::uint16_t kPort = 4700;
constexpr std::uint64_t kControlNs = 5 * kNsPerMs;

NetRoleConfig net_config(const SiteOptions& options) {
  NetRoleConfig net;
  net.host.mac = mac(options.number);
  net.host.v4 = inet::Prefix{ip(options.number), 24};
  net.udp_port = kPort;
  for (const std::uint8_t peer : options.peer_numbers) net.peers.push_back({ip(peer), kPort});
  net.lane.streams = options.streams;
  net.lane.streams_max = options.streams_max;
  net.lane.flows_max = static_cast<std::uint32_t>(options.migrations_max);
  net.lane.rx_arena_bytes = Lane::flow_places(net.lane) * 2 * wire::kFrameBytesMax;
  net.lane.rx_frames_max = options.rx_frames_max;
  net.lane.tx_frames_max = Site::kBodies;
  net.lane.packets_max = 16384;
  net.session_timeout_ns = options.session_timeout_ns;
  return net;
}

CodecRoleConfig codec_config(const SiteOptions& options) {
  CodecRoleConfig codec;
  codec.sessions_max = options.migrations_max;
  codec.encoder.zstd_level_max = 1;
  codec.tx_arena_bytes = options.tx_arena_bytes;
  codec.bodies_max = Site::kBodies;
  codec.egress_blocks = Site::kBlocks;
  codec.egress_blocks_per_migration = 4;
  codec.ingress_blocks = Site::kBlocks;
  codec.listener_services = options.listener_services;
  codec.services = options.services;
  return codec;
}

}  // namespace

Site::Site(const SiteOptions& options, PortQueue& port, std::uint64_t seed)
    : table(options.migrations_max),
      codec_rings(kBodies, net_config(options).lane.rx_frames_max * options.peer_numbers.size(),
                  Lane::flow_places(net_config(options).lane) * options.peer_numbers.size()),
      edge_rings(kBlocks, kBlocks, options.migrations_max),
      edge(edge_rings, table, kBlocks, 4, seed),
      rng(seed) {
  NetRoleConfig config = net_config(options);
  if (options.clock_ahead_ns != 0) config.clock = [this, ahead = options.clock_ahead_ns] { return step_ns_ + ahead; };
  net = std::make_unique<NetRole>(config, port, table, control, std::vector<CodecNetRings*>{&codec_rings});
  CodecNet codec_net{.rings = &codec_rings, .lanes = {}};
  for (std::size_t lane = 0; lane < config.peers.size(); ++lane) codec_net.lanes.push_back(&net->lane_shared(lane));
  codec = std::make_unique<CodecRole>(codec_config(options), table,
                                      std::vector<CodecEdge>{{.rings = &edge_rings, .waker = &waker}},
                                      std::vector<CodecNet>{codec_net});
  make_peers(options);
}

std::unique_ptr<EpochKeys> Site::keys_of(const EpochSecrets& secrets) {
  auto keys = std::make_unique<EpochKeys>();
  keys->epoch = secrets.epoch;
  keys->cipher = secrets.cipher;
  keys->send_at_once = secrets.send_at_once;
  const std::size_t bytes = cipher_key_bytes(secrets.cipher);
  keys->tx = aead.make_key(secrets.cipher, std::span(secrets.tx_key).first(bytes)).value();
  keys->rx = aead.make_key(secrets.cipher, std::span(secrets.rx_key).first(bytes)).value();
  return keys;
}

void Site::make_peers(const SiteOptions& options) {
  ControlToNet cookie{.kind = ControlToNetKind::kCookieKey, .session = 1};
  for (std::uint8_t& byte : cookie.cookie_key) byte = static_cast<std::uint8_t>(rng.next());
  EXPECT_TRUE(control.to_net.push(cookie));
  tls_site.name = options.name;
  tls_site.peers = options.peer_names;
  tls_site.random = [this] { return rng.next(); };
  tls_site.tickets.resize(options.peer_names.size());
  const LaneConfig& lane_config = net->config().lane;
  PeerLinksConfig links;
  links.name = options.name;
  links.peers = options.peer_names;
  links.offer.flows = lane_config.flows_max;
  links.offer.window_bytes = Lane::window_initial(lane_config);
  links.offer.frame_window = Lane::frame_window(lane_config);
  links.offer.streams = static_cast<std::uint8_t>(lane_config.stream_limits().max);
  links.offer.ciphers = {Cipher::kAes128Gcm};
  peers = std::make_unique<PeerLinks>(
      links, tls,
      PeerLinksOut{
          .send =
              [this](std::uint16_t lane, std::span<const std::uint8_t> packet) {
                if (control.to_net.size() >= ControlNetRings::kHandshakesMax) return;
                ControlToNet message{.kind = ControlToNetKind::kHandshake, .lane = lane};
                message.packet.assign(packet);
                (void)control.to_net.push(message);
              },
          .start =
              [this](std::uint16_t lane, const LaneSession& session, const EpochSecrets& secrets) {
                auto* start = new LaneStart{.session = session, .streams = net->make_streams(lane, session), .keys = keys_of(secrets)};
                EXPECT_TRUE(control.to_net.push({.kind = ControlToNetKind::kStart, .lane = lane, .start = start}));
              },
          .rekey =
              [this](std::uint16_t lane, std::uint32_t session, const EpochSecrets& secrets) {
                EXPECT_TRUE(control.to_net.push(
                    {.kind = ControlToNetKind::kRekey, .lane = lane, .session = session, .keys = keys_of(secrets).release()}));
              },
          .stop =
              [this](std::uint16_t lane, EndReason reason) {
                EXPECT_TRUE(control.to_net.push({.kind = ControlToNetKind::kStop, .reason = reason, .lane = lane}));
              },
          .random = [this] { return rng.next(); }});
}

Site::~Site() {
  NetToControl message;
  while (control.to_control.pop(message)) dispose(message);
  ControlToNet unread;
  while (control.to_net.pop(unread)) dispose(unread);
}

std::size_t Site::step(std::uint64_t now_ns) {
  step_ns_ = now_ns;
  std::size_t work = net->step(now_ns);
  if (codec_runs) work += codec->step(now_ns);
  edge.now_ns = now_ns;
  work += edge.step();
  if (control_runs && now_ns >= control_ns_) step_control(now_ns);
  return work;
}

void Site::step_control(std::uint64_t now_ns) {
  control_ns_ = now_ns + kControlNs;
  NetToControl message;
  while (control.to_control.pop(message)) {
    switch (message.kind) {
      case NetToControlKind::kHandshake:
        peers->on_packet(now_ns, message.lane, message.packet.span());
        break;
      case NetToControlKind::kStarted:
        delete message.start;
        peers->on_started(now_ns, message.lane, message.session);
        break;
      case NetToControlKind::kConfirmed:
        peers->on_confirmed(now_ns, message.lane, message.session, message.epoch);
        break;
      case NetToControlKind::kKeys:
        delete message.keys;
        break;
      case NetToControlKind::kLaneLost:
        lost.push_back(message.reason);
        peers->on_lost(now_ns, message.lane, message.session);
        break;
    }
  }
  peers->on_time(now_ns);
}

bool Site::home() const {
  return not_home().empty();
}

std::string Site::not_home() const {
  std::string left;
  for (std::size_t i = 0; i < table.size(); ++i) {
    if (table[i].generation.load() % 2 == 1) left += "slot " + std::to_string(i) + " taken; ";
  }
  if (!edge.blocks_home()) left += "ingress blocks out; ";
  if (edge.live() != 0) left += "connections open; ";
  if (!codec->idle()) left += "codec holds bodies, cells, blocks or sessions; ";
  for (std::size_t i = 0; i < net->config().peers.size(); ++i) {
    const Lane& lane = net->lane(i);
    if (lane.rx_frames_free() != lane.config().rx_frames_max) left += "frames lent; ";
    if (lane.rx_free_bytes() != lane.config().rx_arena_bytes / wire::kCellBytes * wire::kCellBytes)
      left += "cells lent; ";
    if (lane.tx_frames_free() != lane.config().tx_frames_max) left += "frames being sent; ";
  }
  return left;
}

SiteOptions west_options() {
  return {.name = "west", .number = 1, .peer_names = {"east"}, .peer_numbers = {2}};
}
SiteOptions east_options() {
  return {.name = "east", .number = 2, .peer_names = {"west"}, .peer_numbers = {1}};
}

LinkProfile good_link() {
  LinkProfile link;
  link.rate_bps = 1'000'000'000;
  link.delay_ns = 2 * kNsPerMs;
  return link;
}

World::World(std::uint64_t seed, const LinkProfile& link, SiteOptions west, SiteOptions east)
    : network(FakeNetworkConfig{}), options{std::move(west), std::move(east)}, seeds_(seed) {
  for (const SiteOptions& site : options) ports.push_back(&network.add_port({.mac = mac(site.number)}));
  network.connect(*ports[0], *ports[1], link, link, seeds_.next());
  for (std::size_t i = 0; i < 2; ++i) sites.push_back(std::make_unique<Site>(options[i], *ports[i], seeds_.next()));
}

void World::restart(std::size_t site) {
  sites[site].reset();
  sites[site] = std::make_unique<Site>(options[site], *ports[site], seeds_.next());
}

bool World::run(const std::function<bool()>& done, std::uint64_t limit_ns) {
  const std::uint64_t until_ns = now_ns() + limit_ns;
  while (!done()) {
    const std::uint64_t now = now_ns();
    if (now >= until_ns) return false;
    std::size_t work = 0;
    std::uint64_t next_ns = now + kNsPerMs;
    for (const auto& site : sites) {
      work += site->step(now);
      next_ns = std::min(next_ns, site->deadline_ns());
    }
    // A round with work takes its time, as it does on a core.
    next_ns =
        work != 0 ? now + 20 * kNsPerUs : std::max(std::min(next_ns, network.next_event_ns()), now + 20 * kNsPerUs);
    network.advance_to(std::min(next_ns, until_ns));
  }
  return true;
}

Bytes payload(std::uint64_t seed, std::size_t bytes, std::uint32_t id) {
  Rng rng(seed);
  Bytes out;
  out.reserve(bytes);
  while (out.size() < bytes) {
    const std::size_t run = std::min<std::size_t>(1 + rng.below(9000), bytes - out.size());
    switch (rng.below(3)) {
      case 0:
        out.insert(out.end(), run, 0);
        break;
      case 1:
        for (std::size_t i = 0; i < run; ++i) out.push_back(static_cast<std::uint8_t>(rng.next()));
        break;
      default:
        for (std::size_t i = 0; i < run; ++i) out.push_back(static_cast<std::uint8_t>("live migration "[i % 15]));
        break;
    }
  }
  if (!out.empty()) std::memcpy(out.data(), &id, std::min(sizeof(id), out.size()));
  return out;
}

}  // namespace dwcp
