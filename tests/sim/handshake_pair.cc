// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/handshake_pair.h"

#include <algorithm>
#include <cstring>
#include <stdexcept>

#include "dataplane/wire/limits.h"
#include "dataplane/wire/packet.h"

namespace dwcp::sim {
namespace {

ModelKeys model_keys(const EpochSecrets& secrets) {
  ModelKeys keys{.epoch = secrets.epoch, .send_at_once = secrets.send_at_once};
  std::copy(secrets.tx_key.begin(), secrets.tx_key.end(), keys.tx.begin());
  std::copy(secrets.tx_iv.begin(), secrets.tx_iv.end(), keys.tx.begin() + kCipherKeyBytesMax);
  std::copy(secrets.rx_key.begin(), secrets.rx_key.end(), keys.rx.begin());
  std::copy(secrets.rx_iv.begin(), secrets.rx_iv.end(), keys.rx.begin() + kCipherKeyBytesMax);
  return keys;
}

}  // namespace

void ModelLcore::start(const LaneSession& begun, const ModelKeys& keys) {
  if (pending_) throw std::runtime_error("a start before the last one was begun");
  lose();
  pending_.emplace(begun, keys);
}

void ModelLcore::lose() {
  if (!active) return;
  active = false;
  tell([number = session.local_session, at = heard_ns](PeerLinks& links) { links.on_lost(at, 0, number); });
}

void ModelLcore::rekey(std::uint64_t, std::uint32_t number, const ModelKeys& keys) {
  if (!active || session.local_session != number) return;
  auto& place = slots[keys.epoch % 4];
  const bool newer = keys.epoch >= newest && keys.epoch - newest < 4;
  const bool in_use = place && (place->epoch == sealing || place->epoch == seen_newest);
  if (!newer || in_use) {
    ++refused_keys;
    return;
  }
  place = keys;
  newest = keys.epoch;
  if (keys.send_at_once) sealing = keys.epoch;
}

void ModelLcore::control_packet(const Bytes& packet) {
  const auto& header = *reinterpret_cast<const wire::HandshakeHeader*>(packet.data());
  const auto kind = static_cast<wire::HandshakeKind>(header.kind);
  if (kind == wire::HandshakeKind::kAsk || kind == wire::HandshakeKind::kInitiator) attempt = header.attempt;
  send_handshake(packet);
}

void ModelLcore::take_handshake(std::uint64_t now_ns, const Bytes& packet) {
  if (packet.size() < sizeof(wire::HandshakeHeader)) return;
  const auto& header = *reinterpret_cast<const wire::HandshakeHeader*>(packet.data());
  if (header.length != packet.size() - sizeof(header)) return;
  const auto kind = static_cast<wire::HandshakeKind>(header.kind);
  const bool cookie_good = kind == wire::HandshakeKind::kInitiator && jar.check(subject(), header.cookie);
  if (kind == wire::HandshakeKind::kAsk || (kind == wire::HandshakeKind::kInitiator && !cookie_good)) {
    if (!jar.ready()) return;
    Bytes answer(sizeof(wire::HandshakeHeader));
    auto& out = *reinterpret_cast<wire::HandshakeHeader*>(answer.data());
    out.type = header.type;
    out.kind = static_cast<std::uint8_t>(wire::HandshakeKind::kCookie);
    out.attempt = header.attempt;
    out.cookie = jar.make(subject());
    bytes_unasked += answer.size();
    return send_handshake(answer);
  }
  if ((kind == wire::HandshakeKind::kCookie || kind == wire::HandshakeKind::kResponder) && header.attempt != attempt) return;
  if (kind == wire::HandshakeKind::kKnock) {
    if (now_ns < knock_ns) return;
    knock_ns = now_ns + 100 * kNsPerMs;
  }
  tell([packet, now_ns](PeerLinks& links) { links.on_packet(now_ns, 0, packet); });
}

void ModelLcore::take_data(std::uint64_t now_ns, const ModelPacket& packet) {
  if (!active || packet.session != session.local_session) return;
  const auto& keys = slots[packet.epoch_bits];
  if (!keys || keys->rx != packet.key) {
    ++unopened;
    return;
  }
  ++opened;
  heard_ns = now_ns;
  const std::uint32_t epoch = keys->epoch;
  if (seen_newest == kNone || epoch > seen_newest) {
    seen_newest = epoch;
    seen_ns = now_ns;
    tell([number = session.local_session, epoch, now_ns](PeerLinks& links) { links.on_confirmed(now_ns, 0, number, epoch); });
  }
  if (sealing == kNone || epoch > sealing) sealing = epoch;
}

void ModelLcore::on_time(std::uint64_t now_ns) {
  if (pending_ && may_begin()) {
    session = pending_->first;
    slots = {};
    sealing = seen_newest = kNone;
    newest = pending_->second.epoch;
    if (pending_->second.send_at_once) sealing = newest;
    slots[newest % 4] = pending_->second;
    pending_.reset();
    active = true;
    heard_ns = now_ns;
    data_ns = now_ns;
    ++starts;
    tell([number = session.local_session, now_ns](PeerLinks& links) { links.on_started(now_ns, 0, number); });
  }
  if (!active) return;
  if (now_ns > heard_ns + kSilenceNs) return lose();
  if (seen_newest != kNone && now_ns >= seen_ns + kKeepKeysNs) {
    for (auto& slot : slots) {
      if (slot && slot->epoch < seen_newest && slot->epoch != sealing) slot.reset();
    }
  }
  const ModelKeys* keys = sealing_keys();
  if (keys == nullptr || now_ns < data_ns) return;
  data_ns = now_ns + kDataNs;
  send_data({.session = session.remote_session, .epoch_bits = static_cast<std::uint8_t>(sealing % 4), .key = keys->tx});
}

std::array<SiteSetup, 2> usual_sites() {
  return {SiteSetup{.name = "east", .certificate = "east", .peer = "west", .trusted = "west"},
          SiteSetup{.name = "west", .certificate = "west", .peer = "east", .trusted = "east"}};
}

HandshakePair::HandshakePair(std::uint64_t seed, const PathOdds& odds) : HandshakePair(seed, odds, usual_sites()) {}

HandshakePair::HandshakePair(std::uint64_t seed, const PathOdds& odds, std::array<SiteSetup, 2> setup, MakeTls make_tls)
    : path(odds), rng(seed), setup_(std::move(setup)), make_tls_(std::move(make_tls)) {
  for (std::size_t i = 0; i < 2; ++i) boot(i);
}

void HandshakePair::boot(std::size_t i) {
  Site& site = sites[i];
  site.to_net.clear();
  site.to_control.clear();
  site.links.reset();
  site.key_ns = 0;
  site.tls_site = {.name = setup_[i].certificate, .peers = {setup_[i].trusted}, .random = [this] { return rng.next(); }, .tickets = {false}};
  site.tls = make_tls_ ? make_tls_(i) : std::make_unique<FakeTlsFactory>(site.tls_site);
  site.lcore = std::make_unique<ModelLcore>();
  site.lcore->send_handshake = [this, i](const Bytes& packet) { send_handshake(i, packet); };
  site.lcore->send_data = [this, i](const ModelPacket& packet) {
    cross(1 - i, [this, to = 1 - i, packet] { sites[to].lcore->take_data(now_ns, packet); });
  };
  site.lcore->tell = [&site](std::function<void(PeerLinks&)> message) { site.to_control.push_back(std::move(message)); };
  site.lcore->may_begin = [this, at = std::uint64_t{0}]() mutable {
    if (at == 0) at = now_ns + rng.below(lent_ns_max);
    if (now_ns < at) return false;
    at = 0;
    return true;
  };
  PeerLinksConfig config;
  config.name = setup_[i].name;
  config.peers = {setup_[i].peer};
  config.offer.window_bytes = wire::kFrameBytesMax;
  config.offer.frame_window = 64;
  config.offer.ciphers = {Cipher::kAes128Gcm, Cipher::kAes256Gcm};
  config.rekey_ns = setup_[i].rekey_ns;
  const auto push = [this, &site](std::function<void(ModelLcore&)> what) {
    site.to_net.emplace_back(now_ns + rng.below(2 * kNsPerMs), std::move(what));
  };
  PeerLinksOut out;
  out.random = [this] { return rng.next(); };
  out.send = [push](std::uint16_t, std::span<const std::uint8_t> packet) {
    push([packet = Bytes(packet.begin(), packet.end())](ModelLcore& lcore) { lcore.control_packet(packet); });
  };
  out.start = [push](std::uint16_t, const LaneSession& session, const EpochSecrets& secrets) {
    push([session, keys = model_keys(secrets)](ModelLcore& lcore) { lcore.start(session, keys); });
  };
  out.rekey = [this, push](std::uint16_t, std::uint32_t session, const EpochSecrets& secrets) {
    push([this, session, keys = model_keys(secrets)](ModelLcore& lcore) { lcore.rekey(now_ns, session, keys); });
  };
  out.stop = [&site, push](std::uint16_t, EndReason) {
    ++site.stops;
    push([](ModelLcore& lcore) { lcore.lose(); });
  };
  site.links = std::make_unique<PeerLinks>(config, *site.tls, out);
}

void HandshakePair::cross(std::size_t, std::function<void()> arrive) {
  const auto at = [this] { return now_ns + path.delay_min_ns + rng.below(path.jitter_ns); };
  if (rng.chance(path.duplicate)) wire_.emplace(at() + rng.below(4 * path.jitter_ns), arrive);
  if (!blackout && !rng.chance(path.loss)) wire_.emplace(at(), std::move(arrive));
}

void HandshakePair::send_handshake(std::size_t from, const Bytes& packet) {
  handshake_bytes[from] += packet.size();
  recorded[1 - from].push_back(packet);
  Bytes crossing = packet;
  if (rng.chance(path.damage)) crossing[rng.below(crossing.size())] ^= static_cast<std::uint8_t>(1U << rng.below(8));
  cross(1 - from, [this, to = 1 - from, crossing] { sites[to].lcore->take_handshake(now_ns, crossing); });
}

void HandshakePair::step() {
  now_ns += kNsPerMs;
  while (!wire_.empty() && wire_.begin()->first <= now_ns) {
    const auto arrive = std::move(wire_.begin()->second);
    wire_.erase(wire_.begin());
    arrive();
  }
  for (Site& site : sites) {
    if (now_ns >= site.key_ns) {
      CookieJar::Key key;
      for (auto& byte : key) byte = static_cast<std::uint8_t>(rng.next());
      site.lcore->jar.set_key(site.key_number++, key);
      site.key_ns = now_ns + 60 * kNsPerSec;
    }
    // In order, whatever the delays drawn.
    while (!site.to_net.empty() && site.to_net.front().first <= now_ns) {
      const auto message = std::move(site.to_net.front().second);
      site.to_net.pop_front();
      message(*site.lcore);
    }
    site.lcore->on_time(now_ns);
    if (now_ns / kNsPerMs % 5 != 0) continue;
    while (!site.to_control.empty()) {
      const auto message = std::move(site.to_control.front());
      site.to_control.pop_front();
      message(*site.links);
    }
    site.links->on_time(now_ns);
    site.attempts_held_max = std::max(site.attempts_held_max, site.links->link(0).attempts_held());
    site.bytes_held_max = std::max(site.bytes_held_max, site.links->link(0).bytes_held());
  }
}

void HandshakePair::run_for(std::uint64_t span_ns) {
  for (const std::uint64_t until = now_ns + span_ns; now_ns < until;) step();
}

bool HandshakePair::run_until(const std::function<bool()>& done, std::uint64_t limit_ns) {
  for (const std::uint64_t until = now_ns + limit_ns; now_ns < until;) {
    if (done()) return true;
    step();
  }
  return done();
}

std::string HandshakePair::disagreement() const {
  for (std::size_t i = 0; i < 2; ++i) {
    const ModelLcore& lcore = *sites[i].lcore;
    if (link(i).state() != LinkState::kUp) return setup_[i].name + " is not up: " + link(i).failure().text;
    if (!lcore.active || lcore.session.local_session != link(i).session()) return setup_[i].name + ": control and net lcore differ";
    if (lcore.sealing_keys() == nullptr) return setup_[i].name + " cannot send";
  }
  const ModelLcore& a = *sites[0].lcore;
  const ModelLcore& b = *sites[1].lcore;
  if (a.session.local_session != b.session.remote_session || b.session.local_session != a.session.remote_session) return "two sessions";
  if (a.session.opens_odd_flows == b.session.opens_odd_flows) return "flow numbers";
  for (const auto& [from, to] : {std::pair(&a, &b), std::pair(&b, &a)}) {
    const auto& opens = to->slots[from->sealing % 4];
    if (!opens || opens->epoch != from->sealing || opens->rx != from->sealing_keys()->tx) return "keys";
    if (opens->rx == opens->tx) return "one key both ways";
  }
  return {};
}

}  // namespace dwcp::sim
