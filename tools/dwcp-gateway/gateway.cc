// SPDX-License-Identifier: Apache-2.0
#include "tools/dwcp-gateway/gateway.h"

#include <rte_launch.h>
#include <rte_lcore.h>
#include <signal.h>

#include <algorithm>
#include <random>
#include <utility>

#include "base/assert.h"
#include "drivers/dpdk/eal.h"
#include "tools/dwcp-gateway/convert.h"

namespace dwcp {
namespace {

constexpr std::uint64_t kControlPollMs = 5;
constexpr std::uint64_t kSnapshotMs = 100;
constexpr std::uint64_t kDistrustNs = 60 * kNsPerSec;
constexpr std::uint64_t kFailureAgainNs = 60 * kNsPerSec;
constexpr std::uint64_t kRefusedCallsMs = 10'000;
// Blocks one migration may hold at each side of the codec: what they hold hides from the hypervisor.
constexpr std::size_t kBlocksPerMigration = 8;

int run_lcore(void* loop) {
  static_cast<LcoreLoop*>(loop)->run();
  return 0;
}

std::uint64_t random_word() {
  static thread_local std::random_device device;
  return (std::uint64_t{device()} << 32) | device();
}

std::size_t mib(std::uint32_t count) { return std::size_t{count} << 20; }

}  // namespace

class Gateway::EdgeWaker final : public Waker {
 public:
  void set(EdgeThread* edge) noexcept { edge_ = edge; }
  void wake() noexcept override { edge_->wake(); }

 private:
  EdgeThread* edge_ = nullptr;
};

Gateway::Gateway(Config config, Accounts accounts, Log& log)
    : config_(std::move(config)), accounts_(std::move(accounts)), log_(log), path_memory_(config_.peers.size()) {}

Gateway::~Gateway() { stop(); }

expected<void, Error> Gateway::start() {
  if (auto secured = open_security(); !secured) return secured;
  if (auto opened = open_port(); !opened) return opened;
  build_roles();
  if (auto launched = launch_lcores(); !launched) return launched;
  if (auto listening = start_edges(); !listening) return listening;
  start_peers();
  collector_ = std::make_unique<Collector>(config_, *port_, *migrations_, *net_, *peers_, *security_, *edge_, lcores_, lcore_ids_);
  board_.publish(collector_->collect(log_.dropped()));
  if (auto telemetry = telemetry_.start(); !telemetry) return telemetry;
  telemetry_running_ = true;
  auto control = ControlSocket::open(loop_, log_, eal_runtime_dir(), accounts_,
                                     {.version = DWCP_VERSION, .source = &board_, .reload = [this] { return reload(); }});
  if (!control) return unexpected<Error>(control.error());
  control_socket_ = std::move(*control);
  log_.write(LogLevel::kInfo, "gateway is up",
             {{"gateway", config_.gateway.name}, {"port", port_->name()}, {"peers", config_.peers.size()},
              {"listeners", config_.listeners.size()}, {"services", config_.services.size()}});
  return {};
}

expected<void, Error> Gateway::open_security() {
  auto opened = LinkSecurity::open(config_);
  if (!opened) return unexpected<Error>(opened.error());
  security_ = std::move(*opened);
  for (const std::string& line : security_->missing()) log_.write(LogLevel::kWarning, "a cipher is left out", {{"reason", line}});
  for (const Cipher cipher : security_->ciphers()) {
    log_.write(LogLevel::kInfo, "cipher", {{"name", std::string(cipher_name(cipher))}, {"device", security_->aead().device(cipher)}});
  }
  for (const std::string& line : security_->tls().credentials().warnings(LinkSecurity::unix_now_s())) {
    log_.write(LogLevel::kWarning, "credentials", {{"warning", line}});
  }
  return {};
}

expected<void, Error> Gateway::open_port() {
  DpdkPortConfig port;
  port.device = config_.port.device;
  port.mtu = config_.port.mtu_bytes;
  port.rx_descriptors = config_.port.rx_queue_packets;
  port.tx_descriptors = config_.port.tx_queue_packets;
  auto opened = DpdkPort::open(port);
  if (!opened) return unexpected<Error>({ErrorCode::kPortSetup, "port", opened.error()});
  port_ = std::move(*opened);
  if (auto valid = inet::validate(host_config(config_, port_->info())); !valid) {
    return unexpected<Error>({ErrorCode::kPortSetup, "port", valid.error()});
  }
  return {};
}

std::size_t Gateway::blocks_per_migration(std::size_t blocks) const {
  return std::clamp<std::size_t>(blocks / config_.memory.migrations_max, 1, kBlocksPerMigration);
}

NetRoleConfig Gateway::net_config() const {
  NetRoleConfig net;
  net.host = host_config(config_, port_->info());
  net.udp_port = config_.port.udp_port;
  for (const PeerConfig& peer : config_.peers) net.peers.push_back(socket_address(peer.address));
  net.session_timeout_ns = config_.transport.session_timeout_ms * kNsPerMs;
  net.backlog_max_ns = config_.transport.backlog_max_ms * kNsPerMs;
  net.clock = [this] { return clock_.now_ns(); };
  net.lane = lane_config(config_);
  return net;
}

CodecRoleConfig Gateway::codec_config(std::uint16_t index) const {
  const std::size_t codecs = std::max<std::size_t>(config_.lcores.codec_count, 1);
  const std::size_t blocks = std::max<std::size_t>(mib(config_.memory.blocks_mib) / kBlockBytes / 2, 2);
  CodecRoleConfig codec;
  codec.index = index;
  codec.codecs = static_cast<std::uint16_t>(codecs);
  codec.sessions_max = config_.memory.migrations_max;
  codec.encoder.zstd_level = zstd_level(config_.codec.level);
  codec.encoder.zstd_level_max = std::max(codec.encoder.zstd_level, 1);
  codec.encoder.adapter = config_.codec.adapter == AdapterMode::kAuto;
  codec.tx_arena_bytes = mib(config_.memory.tx_mib) / codecs;
  codec.bodies_max = kBodiesMax / codecs;
  codec.egress_blocks = std::max<std::size_t>(blocks / codecs, 2);
  // Every migration has its own, so that hypervisors that do not read cannot use up those of the others.
  codec.egress_blocks_per_migration = blocks_per_migration(codec.egress_blocks);
  codec.ingress_blocks = blocks;
  for (const ListenerConfig& listener : config_.listeners) codec.listener_services.push_back(listener.service);
  for (const ServiceConfig& service : config_.services) codec.services.push_back(service.name);
  return codec;
}

void Gateway::build_roles() {
  const std::size_t codecs = std::max<std::size_t>(config_.lcores.codec_count, 1);
  const NetRoleConfig net = net_config();
  migrations_ = std::make_unique<MigrationTable>(config_.memory.migrations_max);
  waker_ = std::make_unique<EdgeWaker>();
  std::vector<CodecNetRings*> codec_rings;
  std::vector<EdgeCodecRings*> edge_rings;
  for (std::uint16_t i = 0; i < codecs; ++i) {
    const CodecRoleConfig codec = codec_config(i);
    const std::size_t lanes = std::max<std::size_t>(config_.peers.size(), 1);
    codec_net_rings_.push_back(std::make_unique<CodecNetRings>(codec.bodies_max, net.lane.rx_frames_max * lanes,
                                                               Lane::flow_places(net.lane) * lanes));
    edge_codec_rings_.push_back(
        std::make_unique<EdgeCodecRings>(codec.ingress_blocks, codec.egress_blocks, config_.memory.migrations_max));
    codec_rings.push_back(codec_net_rings_.back().get());
    edge_rings.push_back(edge_codec_rings_.back().get());
  }
  net_ = std::make_unique<NetRole>(net, port_->queue(0), *migrations_, control_rings_, codec_rings);
  for (std::uint16_t i = 0; i < codecs; ++i) {
    CodecNet codec_net{.rings = codec_rings[i], .lanes = {}};
    for (std::size_t lane = 0; lane < config_.peers.size(); ++lane) codec_net.lanes.push_back(&net_->lane_shared(lane));
    codecs_.push_back(std::make_unique<CodecRole>(codec_config(i), *migrations_,
                                                  std::vector<CodecEdge>{{.rings = edge_rings[i], .waker = waker_.get()}},
                                                  std::vector<CodecNet>{codec_net}));
  }
  const std::size_t ingress_blocks = codec_config(0).ingress_blocks;
  EdgeOptions edge = edge_options(config_, ingress_blocks, blocks_per_migration(ingress_blocks));
  edge.clock = [this] { return clock_.now_ns(); };
  edge_ = std::make_unique<EdgeThread>(std::move(edge), *migrations_, edge_rings);
  waker_->set(edge_.get());
}

expected<void, Error> Gateway::launch_lcores() {
  std::vector<unsigned> workers;
  unsigned id = 0;
  RTE_LCORE_FOREACH_WORKER(id) workers.push_back(id);
  const std::size_t codecs = config_.lcores.codec_count;
  const std::size_t needed = 1 + codecs;
  if (workers.size() < needed) {
    return unexpected<Error>({ErrorCode::kLcores, "lcores",
                              "the configuration needs " + std::to_string(needed) + " worker lcores beside the main one, EAL has " +
                                  std::to_string(workers.size()) + ": give it more with -l or --lcores"});
  }
  if (auto ready = security_->prepare_lcore(workers.front()); !ready) {
    return unexpected<Error>({ErrorCode::kCrypto, "security", ready.error()});
  }
  const std::uint64_t sleep_max_ns = config_.lcores.idle_sleep_max_us * kNsPerUs;
  std::vector<Role*> first{net_.get()};
  if (codecs == 0) first.push_back(codecs_[0].get());
  lcores_.push_back(std::make_unique<LcoreLoop>(first, sleep_max_ns));
  for (std::size_t i = 0; i < codecs; ++i) {
    lcores_.push_back(std::make_unique<LcoreLoop>(std::vector<Role*>{codecs_[i].get()}, sleep_max_ns));
  }
  for (std::size_t i = 0; i < lcores_.size(); ++i) {
    lcore_ids_.push_back(workers[i]);
    if (rte_eal_remote_launch(run_lcore, lcores_[i].get(), workers[i]) != 0) {
      lcore_ids_.pop_back();
      return unexpected<Error>({ErrorCode::kThread, "lcores", "lcore " + std::to_string(workers[i]) + " cannot be launched"});
    }
    lcores_running_ = true;
  }
  return {};
}

expected<void, Error> Gateway::start_edges() {
  if (auto started = edge_->start(); !started) return unexpected<Error>({ErrorCode::kListen, "edge", started.error()});
  return {};
}

PeerLinksConfig Gateway::links_config() const {
  const LaneConfig& lane = net_->config().lane;
  PeerLinksConfig config;
  config.name = config_.gateway.name;
  for (const PeerConfig& peer : config_.peers) config.peers.push_back(peer.name);
  config.offer.datagram_bytes = static_cast<std::uint16_t>(lane.datagram_bytes);
  config.offer.flows = lane.flows_max;
  config.offer.window_bytes = Lane::window_initial(lane);
  config.offer.frame_window = Lane::frame_window(lane);
  config.offer.streams = static_cast<std::uint8_t>(lane.stream_limits().max);
  config.offer.ciphers = security_->ciphers();
  config.rekey_bytes = std::uint64_t{config_.security.rekey_gib} << 30;
  config.rekey_ns = config_.security.rekey_minutes * 60 * kNsPerSec;
  return config;
}

// Null, and logged, when there are none: the session is not begun, or goes on with the keys it has.
std::unique_ptr<EpochKeys> Gateway::keys_of(std::uint16_t lane, const EpochSecrets& secrets) {
  auto keys = security_->keys_of(secrets);
  if (keys) return std::move(*keys);
  log_.write(LogLevel::kError, "no keys for a link", {{"peer", config_.peers[lane].name}, {"reason", keys.error()}});
  return nullptr;
}

void Gateway::start_peers() {
  PeerLinksOut out;
  out.send = [this](std::uint16_t lane, std::span<const std::uint8_t> packet) {
    if (control_rings_.to_net.size() >= ControlNetRings::kHandshakesMax) return;  // room for starts and stops; it is said again
    ControlToNet message{.kind = ControlToNetKind::kHandshake, .lane = lane};
    message.packet.assign(packet);
    (void)control_rings_.to_net.push(message);
  };
  // The ring holds hundreds, and a lane has one session and one change of keys in the making.
  out.start = [this](std::uint16_t lane, const LaneSession& session, const EpochSecrets& secrets) {
    auto keys = keys_of(lane, secrets);
    if (keys == nullptr) {
      never_started_.push_back({lane, session.local_session});
      return;
    }
    auto start = std::make_unique<LaneStart>(
        LaneStart{.session = session, .streams = net_->make_streams(lane, session), .keys = std::move(keys)});
    const bool pushed = control_rings_.to_net.push({.kind = ControlToNetKind::kStart, .lane = lane, .start = start.get()});
    DWCP_ASSERT(pushed);
    start.release();
  };
  out.rekey = [this](std::uint16_t lane, std::uint32_t session, const EpochSecrets& secrets) {
    auto keys = keys_of(lane, secrets);
    if (keys == nullptr) return;
    const bool pushed =
        control_rings_.to_net.push({.kind = ControlToNetKind::kRekey, .lane = lane, .session = session, .keys = keys.get()});
    DWCP_ASSERT(pushed);
    keys.release();
  };
  out.stop = [this](std::uint16_t lane, EndReason reason) {
    const bool pushed = control_rings_.to_net.push({.kind = ControlToNetKind::kStop, .reason = reason, .lane = lane});
    DWCP_ASSERT(pushed);
  };
  out.random = random_word;
  out.recall = [this](std::uint64_t now_ns, std::uint16_t lane) { return path_memory_.recall(now_ns, lane); };
  turn_cookie_key();
  peers_ = std::make_unique<PeerLinks>(links_config(), security_->tls(), std::move(out));
  watched_.resize(config_.peers.size());
}

void Gateway::turn_cookie_key() {
  ControlToNet message{.kind = ControlToNetKind::kCookieKey};
  std::uint8_t number = 0;
  if (!security_->cookie_key(Loop::now_ns(), number, message.cookie_key)) return;
  message.session = number;
  (void)control_rings_.to_net.push(message);  // full, there is another in a minute, and the last one is good until then
  explicit_bzero(message.cookie_key.data(), message.cookie_key.size());
}

void Gateway::take_net_messages() {
  const std::uint64_t now_ns = Loop::now_ns();
  NetToControl& message = from_net_;
  // No more than there can be at once, so that who floods the ring does not keep this thread from all else.
  for (std::size_t taken = 0; taken < ControlNetRings::kMessages && control_rings_.to_control.pop(message); ++taken) {
    switch (message.kind) {
      case NetToControlKind::kHandshake:
        peers_->on_packet(now_ns, message.lane, message.packet.span());
        break;
      case NetToControlKind::kStarted:
        delete message.start;  // and with it the last session's streams
        peers_->on_started(now_ns, message.lane, message.session);
        break;
      case NetToControlKind::kConfirmed:
        peers_->on_confirmed(now_ns, message.lane, message.session, message.epoch);
        break;
      case NetToControlKind::kKeys:
        delete message.keys;
        break;
      case NetToControlKind::kLaneLost:
        peers_->on_lost(now_ns, message.lane, message.session);
        log_.write(LogLevel::kWarning, "link is down",
                   {{"peer", config_.peers[message.lane].name}, {"session", message.session}, {"reason", end_reason_text(message.reason)}});
        break;
    }
  }
  // A session without keys is one that ended as it began: the handshake is tried again.
  for (const auto& [lane, session] : std::exchange(never_started_, {})) {
    peers_->on_started(now_ns, lane, session);
    peers_->on_lost(now_ns, lane, session);
  }
  peers_->on_time(now_ns);
  turn_cookie_key();
  watch_links();
}

// What became of links since the last look, for the log.
void Gateway::watch_links() {
  for (std::uint16_t lane = 0; lane < peers_->size(); ++lane) {
    const PeerLink& link = peers_->link(lane);
    LinkWatch& seen = watched_[lane];
    const std::string& peer = config_.peers[lane].name;
    if (const bool up = link.state() == LinkState::kUp; up != seen.up) {
      seen.up = up;
      seen.failure.clear();
      if (up) {
        log_.write(LogLevel::kInfo, "link is up",
                   {{"peer", peer}, {"session", link.session()}, {"cipher", std::string(cipher_name(link.cipher()))},
                    {"device", security_->aead().device(link.cipher())}, {"subject", link.peer().subject},
                    {"resumed", link.peer().resumed ? "yes" : "no"}});
      }
    }
    if (link.counters().rekeys != seen.rekeys) {
      seen.rekeys = link.counters().rekeys;
      log_.write(LogLevel::kInfo, "link has new keys", {{"peer", peer}, {"session", link.session()}, {"changes", seen.rekeys}});
    }
    if (link.failure().when_ns == seen.failure_ns) continue;
    seen.failure_ns = link.failure().when_ns;
    // The same again and again is one line a minute.
    const std::uint64_t now_ns = Loop::now_ns();
    if (link.failure().text == seen.failure && now_ns < seen.failure_logged_ns + kFailureAgainNs) continue;
    if (auto skipped = seen.limit.admit(now_ns)) {
      seen.failure = link.failure().text;
      seen.failure_logged_ns = now_ns;
      log_.write(LogLevel::kWarning, "handshake failed", {{"peer", peer}, {"reason", link.failure().text}, {"skipped", *skipped}});
    }
  }
}

// Ends the sessions of peers whose certificate would not pass any more: it has expired, or was revoked by a list that was
// loaded since.
std::vector<std::string> Gateway::distrust_peers() {
  std::vector<std::string> ended;
  for (std::uint16_t lane = 0; lane < peers_->size(); ++lane) {
    if (peers_->link(lane).state() == LinkState::kDown) continue;
    const std::string why = security_->tls().distrust(lane);
    if (why.empty()) continue;
    log_.write(LogLevel::kError, "ending a link: its peer is not trusted any more",
               {{"peer", config_.peers[lane].name}, {"reason", why}});
    ended.push_back("the link to " + config_.peers[lane].name + " is ended: " + why);
    peers_->end(Loop::now_ns(), lane);
  }
  return ended;
}

void Gateway::learn_paths() {
  const NetReport& report = net_->report().latest();
  for (std::size_t i = 0; i < std::min<std::size_t>(report.lanes, config_.peers.size()); ++i) {
    const LaneReport& lane = report.lane[i];
    if (!lane.active) continue;
    peers_->on_usage(Loop::now_ns(), static_cast<std::uint16_t>(i), lane.session, lane.key_bytes);
    path_memory_.learn(Loop::now_ns(), i,
                       {.session = lane.session,
                        .bandwidth_known = lane.bandwidth_known,
                        .bandwidth_bytes_per_sec = lane.bandwidth_bytes_per_sec,
                        .min_rtt_ns = lane.rtt_min_ns,
                        .packets_acked = lane.packets.packets_acked,
                        .packets_sent = lane.packets.packets_sent,
                        .bytes_sent = lane.packets.bytes_sent});
  }
}

void Gateway::log_migrations() {
  const std::uint64_t rejected = edge_->counters().rejected.get();
  if (rejected != rejected_logged_ && rejected_limit_.admit(Loop::now_ns())) {
    log_.write(LogLevel::kWarning, "refused hypervisors: all memory.migrations_max migrations are in use",
               {{"refused", rejected - rejected_logged_}, {"migrations_max", config_.memory.migrations_max}});
    rejected_logged_ = rejected;
  }
  for (const MigrationSnapshot& m : collector_->take_changes()) {
    const LogLevel level = m.state == "failed" ? LogLevel::kError : LogLevel::kInfo;
    log_.write(level, "migration is " + m.state,
               {{"migration", m.id}, {"peer", m.peer}, {"direction", m.direction}, {"service", m.service},
                {"raw_bytes_in", m.raw_bytes_in}, {"raw_bytes_out", m.raw_bytes_out}, {"wire_bytes_tx", m.wire_bytes_tx},
                {"wire_bytes_rx", m.wire_bytes_rx}, {"digest", m.digest_verified},
                {"pause_ms", m.pause_ms}, {"pause_backlog_ms", m.pause_backlog_ms}, {"pause_path_ms", m.pause_path_ms},
                {"pause_far_ms", m.pause_far_ms}, {"reason", m.reason}});
  }
}

expected<std::vector<std::string>, std::string> Gateway::reload() {
  if (auto loaded = security_->reload(); !loaded) {
    std::string lines = "the credentials in use stay:";
    for (const std::string& line : loaded.error()) lines += ' ' + line + ';';
    return unexpected<std::string>(lines);
  }
  std::vector<std::string> done{"certificates, keys and revocation lists are loaded"};
  for (const std::string& line : security_->tls().credentials().warnings(LinkSecurity::unix_now_s())) {
    log_.write(LogLevel::kWarning, "credentials", {{"warning", line}});
    done.push_back(line);
  }
  for (std::string& line : distrust_peers()) done.push_back(std::move(line));
  // What is new is proven to every peer at once, and asked of it.
  for (std::uint16_t lane = 0; lane < peers_->size(); ++lane) peers_->renew(lane);
  return done;
}

void Gateway::run() {
  SignalWatch interrupt(loop_, SIGINT, [this] { loop_.stop(); });
  SignalWatch terminate(loop_, SIGTERM, [this] { loop_.stop(); });
  SignalWatch hang_up(loop_, SIGHUP, [this] {
    const auto done = reload();
    if (!done) log_.write(LogLevel::kWarning, "reload has failed", {{"reason", done.error()}});
    if (done) log_.write(LogLevel::kInfo, "reload is done", {{"changes", done->size()}});
  });
  Timer messages(loop_, [this] { take_net_messages(); });
  messages.every(kControlPollMs);
  Timer snapshots(loop_, [this] {
    board_.publish(collector_->collect(log_.dropped()));
    learn_paths();
    log_migrations();
    if (Loop::now_ns() >= distrust_due_ns_) {
      distrust_due_ns_ = Loop::now_ns() + kDistrustNs;
      (void)distrust_peers();
    }
  });
  Timer refused(loop_, [this] { refused_calls_log_.write_news(); });
  refused.every(kRefusedCallsMs);
  snapshots.every(kSnapshotMs);
  loop_.run();
  log_.write(LogLevel::kInfo, "gateway is stopping", {{"gateway", config_.gateway.name}});
}

void Gateway::stop() {
  control_socket_.reset();
  if (telemetry_running_) (void)telemetry_.stop(Loop::now_ns() + kNsPerSec);
  telemetry_running_ = false;
  if (edge_) edge_->stop();
  if (lcores_running_) {
    for (std::uint16_t lane = 0; lane < config_.peers.size(); ++lane) {
      (void)control_rings_.to_net.push({.kind = ControlToNetKind::kStop, .reason = EndReason::kShutdown, .lane = lane});
    }
    // The lanes' last words: a loop's longest sleep and a few rounds.
    const std::uint64_t until_ns = Loop::now_ns() + 50 * kNsPerMs;
    while (Loop::now_ns() < until_ns) loop_.poll();
    for (const auto& lcore : lcores_) lcore->stop();
    for (const unsigned id : lcore_ids_) rte_eal_wait_lcore(id);
    lcores_running_ = false;
  }
  NetToControl message;
  while (control_rings_.to_control.pop(message)) dispose(message);
  ControlToNet unread;
  while (control_rings_.to_net.pop(unread)) dispose(unread);
  collector_.reset();
  peers_.reset();
  edge_.reset();
  codecs_.clear();
  net_.reset();  // and the keys it has
  security_.reset();
  if (port_) port_->stop();
  port_.reset();
}

}  // namespace dwcp
