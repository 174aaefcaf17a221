// SPDX-License-Identifier: Apache-2.0
#include "tools/dwcp-gateway/collector.h"

#include <chrono>
#include <cstdio>

#include "control/loop.h"
#include "control/process/syscall_filter.h"
#include "tools/dwcp-gateway/convert.h"

namespace dwcp {
namespace {

constexpr std::uint64_t kSamplesNs = 3 * kNsPerSec;

std::int64_t unix_ms() {
  using namespace std::chrono;
  return duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count();
}

std::string hex(const char* format, std::uint64_t a, std::uint64_t b = 0) {
  char text[40];
  std::snprintf(text, sizeof(text), format, a, b);
  return text;
}

const char* stream_state_name(StreamState state) {
  switch (state) {
    case StreamState::kIdle: return "idle";
    case StreamState::kProbing: return "probing";
    case StreamState::kActive: return "active";
    case StreamState::kClosing: return "closing";
  }
  return "?";
}

const char* phase_name(MigrationPhase phase) {
  switch (phase) {
    case MigrationPhase::kOpening: return "opening";
    case MigrationPhase::kRunning: return "running";
    case MigrationPhase::kDraining: return "draining";
    case MigrationPhase::kCompleted: return "completed";
    case MigrationPhase::kFailed: return "failed";
  }
  return "?";
}

// The slot holds 1 + the time in us, 0: not known.
std::int32_t pause_ms(const Counter& counter) {
  const std::uint64_t value = counter.get();
  return value == 0 ? -1 : static_cast<std::int32_t>((value - 1 + 500) / 1000);
}

const char* neighbour_state(inet::Neighbour::State state) {
  switch (state) {
    case inet::Neighbour::State::kFree: return "free";
    case inet::Neighbour::State::kIncomplete: return "incomplete";
    case inet::Neighbour::State::kReachable: return "reachable";
    case inet::Neighbour::State::kStale: return "stale";
    case inet::Neighbour::State::kProbe: return "probe";
  }
  return "?";
}

}  // namespace

Collector::Collector(const Config& config, const DpdkPort& port, const MigrationTable& migrations, NetRole& net,
                     const PeerLinks& peers, const LinkSecurity& security, const EdgeThread& edge,
                     const std::vector<std::unique_ptr<LcoreLoop>>& lcores,
                     const std::vector<unsigned>& lcore_ids)
    : config_(config),
      port_(port),
      table_(migrations),
      net_(net),
      peers_(peers),
      security_(security),
      edge_(edge),
      lcores_(lcores),
      lcore_ids_(lcore_ids),
      started_ns_(Loop::now_ns()),
      started_unix_ms_(unix_ms()),
      seen_(migrations.size()) {}

Snapshot Collector::collect(std::uint64_t log_lines_dropped) {
  const NetReport& report = net_.report().latest();
  Snapshot out;
  collect_migrations(out);
  collect_lcores(report, out);
  collect_peers(report, out);
  collect_port(report, out);
  for (std::size_t i = 1; i < wire::kDropReasons; ++i) {
    const auto reason = static_cast<wire::DropReason>(i);
    out.drops.push_back({wire::drop_reason_name(reason), report.wire_drops[i]});
  }
  for (std::size_t i = 0; i < kHandshakeRefusals; ++i) {
    std::uint64_t count = 0;
    for (std::uint16_t lane = 0; lane < peers_.size(); ++lane) count += peers_.link(lane).counters().refused[i];
    out.drops.push_back({std::string("handshake_") + kHandshakeRefusalNames[i], count});
  }
  for (std::size_t i = 1; i < inet::kDropReasons; ++i) {
    out.drops.push_back({"inet_" + std::string(inet::info_of(static_cast<inet::DropReason>(i)).name), report.inet_drops.counts[i]});
  }
  for (std::uint32_t i = 0; i < report.neighbours; ++i) {
    const NeighbourReport& n = report.neighbour[i];
    out.neighbours.push_back(
        {.address = n.address.text(), .mac = n.resolved ? inet::mac_text(n.mac) : "", .state = neighbour_state(n.state)});
  }
  out.drops.push_back({"control_ring_full", report.control_ring_full});
  out.drops.push_back({"not_sealed", report.seals_failed});
  out.drops.push_back({"edge_no_slot", edge_.counters().rejected.get()});
  GatewaySnapshot& gateway = out.gateway;
  gateway.name = config_.gateway.name;
  gateway.version = DWCP_VERSION;
  gateway.state = "running";
  gateway.started_unix_ms = static_cast<std::uint64_t>(started_unix_ms_);
  gateway.uptime_ms = (Loop::now_ns() - started_ns_) / kNsPerMs;
  gateway.peers_total = config_.peers.size();
  for (const PeerSnapshot& peer : out.peers) gateway.peers_up += peer.state == "up";
  gateway.ready = report.link_up && gateway.peers_up != 0;
  if (!report.link_up) gateway.reason = "the port has no carrier";
  if (report.link_up && gateway.peers_up == 0) gateway.reason = "no link to any peer is up";
  gateway.migrations_running = running_.size();
  gateway.migrations_completed = table_.completed();
  gateway.migrations_failed = table_.failed();
  gateway.log_lines_dropped = log_lines_dropped;
  collect_certificate(gateway);
  gateway.syscalls_refused = refused_calls_total();
  return out;
}

std::vector<MigrationSnapshot> Collector::take_changes() { return std::exchange(changes_, {}); }

// A slot says what its last tenant did until the next one comes, and the slot free longest is taken first, so only with more
// migrations between two collections than there are slots is one missed here; the totals count every one.
void Collector::collect_migrations(Snapshot& out) {
  running_.clear();
  for (std::size_t slot = 0; slot < table_.size(); ++slot) {
    const std::uint32_t generation = table_[slot].generation.load(std::memory_order_acquire);
    if (generation == 0) continue;  // never used
    look_at(slot, (generation & 1U) != 0 ? generation : generation - 1);
  }
  out.migrations.assign(ended_.begin(), ended_.end());
  out.migrations.insert(out.migrations.end(), running_.begin(), running_.end());
}

void Collector::look_at(std::size_t slot, std::uint32_t tenant) {
  Seen& seen = seen_[slot];
  if (seen.generation != tenant) {
    seen = {.generation = tenant, .id = next_id_++, .state = {}, .ended = false, .started_unix_ms = unix_ms()};
  }
  if (seen.ended) return;
  const MigrationSnapshot now = migration(slot, seen);
  if (now.state != seen.state) changes_.push_back(now);
  seen.state = now.state;
  seen.ended = now.state == "completed" || now.state == "failed";
  if (!seen.ended) {
    running_.push_back(now);
    return;
  }
  ended_.push_back(now);
  if (ended_.size() > kEndedKept) ended_.pop_front();
}

MigrationSnapshot Collector::migration(std::size_t index, const Seen& seen) const {
  const MigrationSlot& slot = table_[index];
  MigrationSnapshot out;
  const bool outgoing = slot.direction == MigrationDirection::kOutgoing;
  out.id = seen.id;
  out.generation = seen.generation;
  out.direction = outgoing ? "outgoing" : "incoming";
  out.state = phase_name(static_cast<MigrationPhase>(slot.phase.get()));
  const auto reason = static_cast<EndReason>(slot.end_reason.get());
  if (reason != EndReason::kNone) out.reason = end_reason_text(reason);
  if (slot.peer < config_.peers.size()) out.peer = config_.peers[slot.peer].name;
  if (outgoing && slot.listener < config_.listeners.size()) {
    out.listener = config_.listeners[slot.listener].name;
    out.service = config_.listeners[slot.listener].service;
  } else if (slot.service < config_.services.size()) {
    out.service = config_.services[slot.service].name;
  }
  out.raw_bytes_in = slot.edge_in_bytes.get();
  out.raw_bytes_out = slot.edge_out_bytes.get();
  out.wire_bytes_tx = slot.encoded_bytes.get();
  out.wire_bytes_rx = slot.decoded_frame_bytes.get();
  out.frames_tx = slot.frames_out.get();
  out.frames_rx = slot.frames_in.get();
  const std::uint64_t encoded_raw = slot.encoded_raw_bytes.get();
  if (encoded_raw != 0) out.encoded_permille = out.wire_bytes_tx * 1000 / encoded_raw;
  out.zero_pages = slot.zero_pages.get();
  out.normal_pages = slot.normal_pages.get();
  out.opaque_bytes = slot.opaque_bytes.get();
  // What an ended migration still had under way is on its way home, not backlog.
  if (out.state != "completed" && out.state != "failed") out.backlog_bytes = slot.backlog_bytes.get();
  out.digest = outgoing ? hex("%016lx%016lx", slot.digest_in_hi.get(), slot.digest_in_lo.get())
                        : hex("%016lx%016lx", slot.digest_out_hi.get(), slot.digest_out_lo.get());
  const std::uint64_t digest = slot.digest_state.get();
  out.digest_verified = digest == kVerdictMatch ? "match" : digest == kVerdictMismatch ? "mismatch" : "pending";
  out.pause_ms = pause_ms(slot.pause_us);
  out.pause_backlog_ms = pause_ms(slot.pause_backlog_us);
  out.pause_path_ms = pause_ms(slot.pause_path_us);
  out.pause_far_ms = pause_ms(slot.pause_far_us);
  out.pause_span_ms = pause_ms(slot.pause_span_us);
  out.stop_backlog_bytes = slot.stop_backlog_bytes.get();
  out.started_unix_ms = static_cast<std::uint64_t>(seen.started_unix_ms);
  const std::uint64_t started_ns = slot.started_ns.get();
  const std::uint64_t ended_ns = slot.ended_ns.get() != 0 ? slot.ended_ns.get() : clock_.now_ns();
  if (started_ns != 0 && ended_ns > started_ns) out.duration_ms = (ended_ns - started_ns) / kNsPerMs;
  return out;
}

void Collector::collect_lcores(const NetReport& report, Snapshot& out) {
  const std::uint64_t now_ns = Loop::now_ns();
  Sample sample{.at_ns = now_ns, .busy = {}, .idle = {}, .sent = {}, .lost = {}};
  for (std::size_t i = 0; i < lcores_.size(); ++i) {
    const LoopCounters& counters = lcores_[i]->counters();
    sample.busy.push_back(counters.busy_cycles.get());
    sample.idle.push_back(counters.idle_cycles.get());
  }
  for (std::uint32_t i = 0; i < report.lanes; ++i) {
    sample.sent.push_back(report.lane[i].packets.packets_sent);
    sample.lost.push_back(report.lane[i].packets.packets_lost);
  }
  samples_.push_back(sample);
  while (samples_.size() > 1 && samples_.front().at_ns + kSamplesNs < now_ns) samples_.pop_front();
  std::size_t second = 0;  // the sample about a second ago
  while (second + 1 < samples_.size() && samples_[second + 1].at_ns + kNsPerSec < now_ns) ++second;

  for (std::size_t i = 0; i < lcores_.size(); ++i) {
    LcoreSnapshot lcore;
    lcore.id = lcore_ids_[i];
    for (const Role* role : lcores_[i]->roles()) lcore.roles += (lcore.roles.empty() ? "" : "+") + std::string(role->name());
    lcore.busy_cycles = sample.busy[i];
    lcore.idle_cycles = sample.idle[i];
    const std::uint64_t busy = sample.busy[i] - samples_[second].busy[i];
    const std::uint64_t idle = sample.idle[i] - samples_[second].idle[i];
    if (busy + idle != 0) lcore.busy_permille = busy * 1000 / (busy + idle);
    lcore.loops = lcores_[i]->counters().loops.get();
    lcore.sleeps = lcores_[i]->counters().sleeps.get();
    if (i == 0) {
      lcore.packets_rx = report.port.rx_packets;
      lcore.packets_tx = report.port.tx_packets;
    }
    out.lcores.push_back(lcore);
  }
}

void Collector::collect_peers(const NetReport& report, Snapshot& out) {
  const Sample& oldest = samples_.front();
  const Sample& newest = samples_.back();
  for (std::uint16_t i = 0; i < config_.peers.size(); ++i) {
    const LaneReport& lane = report.lane[i];
    PeerSnapshot peer;
    peer.name = config_.peers[i].name;
    peer.address = config_.peers[i].address.to_string();
    const PeerLink& link = peers_.link(i);
    switch (link.state()) {
      case LinkState::kDown:
        peer.state = "connecting";
        peer.reason = link.failure().text.empty() ? "no answer to our handshakes yet" : link.failure().text;
        break;
      case LinkState::kStarting:
        peer.state = "connecting";
        peer.reason = "agreed, starting";
        break;
      case LinkState::kUp: {
        peer.state = "up";
        const std::uint64_t age_ms = (Loop::now_ns() - link.since_ns()) / kNsPerMs;
        peer.up_since_unix_ms = static_cast<std::uint64_t>(unix_ms()) - age_ms;
        peer.session_id = hex("%08lx", link.session());
        break;
      }
    }
    collect_security(i, lane, peer);
    peer.streams = lane.streams;
    peer.streams_target = lane.streams_target;
    peer.streams_grown = lane.scaler.grown;
    peer.streams_shrunk = lane.scaler.shrunk;
    peer.congestion = lane.congestion;
    peer.congestion_state = lane.congestion_state;
    peer.rtt_us = lane.rtt_smoothed_ns / kNsPerUs;
    peer.rtt_min_us = lane.rtt_min_ns / kNsPerUs;
    peer.delivery_rate_bps = lane.bandwidth_bytes_per_sec * 8;
    peer.cwnd_bytes = lane.window_bytes;
    peer.bytes_in_flight = lane.in_flight_bytes;
    peer.packets_tx = lane.packets.packets_sent;
    peer.packets_rx = lane.packets.packets_received;
    peer.packets_lost = lane.packets.packets_lost;
    peer.packets_spurious = lane.packets.losses_spurious;
    peer.ecn_streams_capable = lane.ecn_streams[static_cast<std::size_t>(EcnState::kCapable)];
    peer.ecn_streams_failed = lane.ecn_streams[static_cast<std::size_t>(EcnState::kFailed)];
    peer.ecn_packets_tx = lane.packets.ecn_packets_sent;
    peer.ecn_ce_tx = lane.packets.ecn_ce_reported;
    peer.ecn_ce_rx = lane.ecn_received.ce;
    peer.ecn_violations = lane.packets.ecn_violations;
    peer.packets_retransmitted = lane.lane.repair_bytes_sent / std::max<std::uint64_t>(lane.packet_bytes_mean(), 1);
    peer.parity_packets_tx = lane.lane.parity_packets_sent;
    peer.parity_bytes_tx = lane.lane.parity_bytes_sent;
    peer.parity_packets_useless = lane.lane.parity_useless;
    peer.parity_no_room = lane.lane.parity_no_room;
    peer.frames_recovered = lane.lane.frames_recovered;
    if (i < oldest.sent.size() && newest.sent[i] > oldest.sent[i] && newest.lost[i] >= oldest.lost[i]) {
      peer.loss_ppm = (newest.lost[i] - oldest.lost[i]) * 1'000'000 / (newest.sent[i] - oldest.sent[i]);
    }
    if (lane.active) collect_streams(i, lane, peer, out);
    out.peers.push_back(peer);
  }
}

void Collector::collect_security(std::uint16_t lane, const LaneReport& report, PeerSnapshot& peer) const {
  const PeerLink& link = peers_.link(lane);
  const PeerLinkCounters& counters = link.counters();
  peer.handshakes = counters.completed;
  peer.handshakes_resumed = counters.resumed;
  peer.handshakes_failed = counters.failed;
  peer.rekeys = counters.rekeys;
  if (link.state() != LinkState::kUp) return;
  peer.cipher = cipher_name(link.cipher());
  peer.crypto_device = security_.aead().device(link.cipher());
  peer.tls = link.peer().not_after_unix_s == 0 ? "psk" : "certificate";
  peer.certificate_subject = link.peer().subject;
  peer.certificate_not_after_unix_s = static_cast<std::uint64_t>(link.peer().not_after_unix_s);
  peer.epoch = report.epoch;
  peer.key_bytes = report.key_bytes;
  peer.forgeries = report.forgeries;
}

void Collector::collect_certificate(GatewaySnapshot& gateway) const {
  const Credentials& credentials = security_.tls().credentials();
  const std::int64_t now_s = LinkSecurity::unix_now_s();
  gateway.certificate_not_after_unix_s = static_cast<std::uint64_t>(credentials.not_after_unix_s());
  gateway.certificate_days = static_cast<std::int32_t>(credentials.remaining_days(now_s));
  for (const std::string& line : credentials.warnings(now_s)) gateway.warnings += (gateway.warnings.empty() ? "" : "; ") + line;
}

void Collector::collect_streams(std::size_t index, const LaneReport& lane, PeerSnapshot& peer, Snapshot& out) const {
  const std::uint64_t headers = header_bytes(config_.peers[index]);
  for (std::uint32_t i = 0; i < lane.streams_sending; ++i) {
    const StreamReport& from = lane.stream[i];
    if (from.state == StreamState::kIdle && from.packets.packets_sent == 0) continue;  // never opened
    StreamSnapshot stream;
    stream.peer = peer.name;
    stream.id = i;
    stream.state = stream_state_name(from.state);
    stream.path = from.path;
    stream.path_mtu_bytes = from.datagram_bytes + headers;
    stream.path_mtu_state = mtu_state_name(from.mtu_state);
    stream.rtt_us = from.rtt_smoothed_ns / kNsPerUs;
    stream.packets_tx = from.packets.packets_sent;
    stream.packets_lost = from.packets.packets_lost;
    stream.mtu_probes_tx = from.mtu.probes_sent;
    stream.mtu_black_holes = from.mtu.black_holes;
    stream.mtu_reports = from.mtu.reports_heeded;
    out.streams.push_back(stream);
    if (from.state != StreamState::kActive) continue;
    peer.path_mtu_max_bytes = std::max(peer.path_mtu_max_bytes, stream.path_mtu_bytes);
    peer.path_mtu_min_bytes = peer.path_mtu_min_bytes == 0 ? stream.path_mtu_bytes : std::min(peer.path_mtu_min_bytes, stream.path_mtu_bytes);
  }
}

void Collector::collect_port(const NetReport& report, Snapshot& out) const {
  const PortInfo& info = port_.info();
  PortSnapshot& port = out.port;
  port.device = port_.name();
  port.mac = inet::mac_text(info.mac);
  if (config_.port.ipv4) port.ipv4 = config_.port.ipv4->to_string();
  if (config_.port.ipv6) port.ipv6 = config_.port.ipv6->to_string();
  port.udp_port = config_.port.udp_port;
  port.vlan = config_.port.vlan;
  port.mtu_bytes = info.mtu;
  port.link_up = report.link_up;
  port.rx_checksum = info.rx_checksum;
  port.tx_checksum = info.tx_checksum;
  port.rx_packets = report.port.rx_packets;
  port.rx_bytes = report.port.rx_bytes;
  port.tx_packets = report.port.tx_packets;
  port.tx_bytes = report.port.tx_bytes;
  port.tx_full = report.port.tx_full;
  port.tx_given_up = report.tx_given_up;
  port.tx_no_buffer = report.port.tx_no_buffer;
}

}  // namespace dwcp
