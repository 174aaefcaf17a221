// SPDX-License-Identifier: Apache-2.0
// NetRole: construction, sessions, housekeeping.  The packet paths are net_receive.cc, net_transmit.cc, net_frames.cc.
#include "dataplane/lcore/net_role.h"

#include <algorithm>
#include <cstring>

#include "base/assert.h"

namespace dwcp {
namespace {

constexpr std::uint64_t kHousekeepingNs = kNsPerMs;
constexpr std::uint64_t kPublishNs = 100 * kNsPerMs;

// RFC 6335's dynamic ports.  A session's streams take 64 of them at a place that changes with the session and
// with every path given up, so that both are a new choice among equal paths (ECMP).
constexpr std::uint16_t kSourcePortFirst = 49152;

}  // namespace

NetRole::NetRole(const NetRoleConfig& config, PortQueue& queue, MigrationTable& migrations, ControlNetRings& control,
                 std::vector<CodecNetRings*> codecs)
    : config_(config),
      queue_(queue),
      migrations_(migrations),
      control_(control),
      codecs_(std::move(codecs)),
      parser_(inet::LocalAddresses{.mac = config.host.mac,
                                   .vlan = config.host.vlan,
                                   .v4 = config.host.v4,
                                   .v6 = config.host.v6,
                                   .udp_port_min = config.udp_port,
                                   .udp_port_max = config.udp_port}),
      host_(config.host),
      checksum_mode_(queue.info().tx_checksum ? inet::ChecksumMode::kOffload : inet::ChecksumMode::kSoftware) {
  DWCP_ASSERT(config.peers.size() <= kLanesMax);
  for (const inet::SocketAddress& peer : config.peers) {
    links_.push_back(std::make_unique<Link>(config.lane));
    links_.back()->headers.reserve(wire::kStreamsMax);
    (void)host_.pin(peer.ip);
  }
}

NetRole::~NetRole() {
  queue_.cancel(std::span(tx_).first(tx_ready_));
  for (auto& link : links_) delete link->pending_start;
}

std::size_t NetRole::step(std::uint64_t now_ns) noexcept {
  if (tx_waiting_ != 0) tx_send(0);  // a lane that is over has nobody else to offer its last words again
  std::size_t work = take_control(now_ns);
  work += receive(now_ns);
  work += take_codec(now_ns);
  work += transmit(now_ns);
  work += take_lane_events(now_ns);
  if (now_ns >= housekeeping_ns_) {
    housekeeping_ns_ = now_ns + kHousekeepingNs;
    give_up_stuck(now_ns);
    poll_host(now_ns);
    resolve_next_hops();
    check_sessions(now_ns);
    tend_keys(now_ns);
    if (now_ns >= publish_ns_) publish(now_ns);
  }
  return work;
}

std::uint64_t NetRole::deadline_ns() noexcept {
  if (tx_waiting_ != 0) return 0;
  std::uint64_t least = host_.next_deadline();
  for (const auto& link : links_) {
    if (link->lane.active()) least = std::min(least, link->lane.deadline_ns());
  }
  return least;
}

std::size_t NetRole::take_control(std::uint64_t now_ns) noexcept {
  ControlToNet& message = from_control_;
  std::size_t taken = 0;
  for (; taken < 8 && control_.to_net.pop(message); ++taken) {
    if (message.kind == ControlToNetKind::kCookieKey) {
      cookies_.set_key(static_cast<std::uint8_t>(message.session), message.cookie_key);
      explicit_bzero(message.cookie_key.data(), message.cookie_key.size());
      continue;  // of no lane: there may be none
    }
    Link& link = *links_[message.lane];
    switch (message.kind) {
      case ControlToNetKind::kHandshake:
        send_handshake(message.lane, message.packet.span());
        break;
      case ControlToNetKind::kStart:
        if (link.lane.active()) {
          link.lane.abandon(EndReason::kLinkLost);
          take_lane_events(now_ns);
        }
        DWCP_ASSERT(link.pending_start == nullptr);  // control waits for kStarted before the next
        link.pending_start = message.start;
        break;
      case ControlToNetKind::kRekey: {
        std::unique_ptr<EpochKeys> keys(message.keys);
        // For a session that is over, or that its own start has not reached yet, they come too late or too soon: control,
        // which waits for kStarted first, finds them unconfirmed.
        if (link.lane.active() && link.lane.session().local_session == message.session) {
          (void)link.keys.add(std::move(keys));
        } else {
          link.keys.retire(std::move(keys));
        }
        break;
      }
      case ControlToNetKind::kStop:
        if (!link.lane.active()) break;
        link.lane.close(message.reason);
        link.stop_reason = message.reason;
        stop_session(now_ns, message.lane);
        break;
      case ControlToNetKind::kCookieKey:
        break;  // above
    }
  }
  for (std::uint16_t i = 0; i < links_.size(); ++i) {
    if (links_[i]->pending_start != nullptr) begin_pending(now_ns, i);
  }
  return taken;
}

// Starts the session control has made ready, once the codecs have given back all that the last one lent them.
void NetRole::begin_pending(std::uint64_t now_ns, std::uint16_t index) noexcept {
  Link& link = *links_[index];
  if (!link.lane.drained()) return;
  link.stop_reason.reset();
  LaneStart* start = link.pending_start;
  link.pending_start = nullptr;
  start->streams = link.lane.start(now_ns, start->session, std::move(start->streams));
  link.keys.begin(std::move(start->keys));
  link.headers.clear();
  link.paths.fill(0);
  for (std::size_t stream = 0; stream < link.lane.streams().size(); ++stream) {
    link.headers.push_back(header_for(index, stream, 0));
  }
  host_generation_ = ~std::uint64_t{0};  // the new headers need their destination
  tell_control({.kind = NetToControlKind::kStarted, .lane = index, .session = start->session.local_session, .start = start});
}

std::uint16_t NetRole::source_port(std::uint32_t session, std::size_t stream, std::uint8_t path) noexcept {
  return static_cast<std::uint16_t>(kSourcePortFirst + ((session >> 8) + path) % 192 * wire::kStreamsMax + stream);
}

inet::UdpTemplate NetRole::header_for(std::size_t index, std::size_t stream, std::uint8_t path) const noexcept {
  const Link& link = *links_[index];
  const inet::SocketAddress& peer = config_.peers[index];
  const inet::SocketAddress local{host_.source_for(peer.ip), source_port(link.lane.session().local_session, stream, path)};
  inet::UdpTemplate header(config_.host.mac, config_.host.vlan, local, peer);
  header.set_destination_mac(link.next_hop);
  return header;
}

// Says CLOSE, which goes before all else the lane has to send, and ends the session; with the port full that waits for the
// first buffer, be it one that give_up_stuck() freed.
void NetRole::stop_session(std::uint64_t now_ns, std::uint16_t index) noexcept {
  const Link& link = *links_[index];
  if (link.next_hop_known && tx_buffers().empty()) return;
  transmit_lane(now_ns, index);
  end_session(index, *link.stop_reason);
}

void NetRole::end_session(std::uint16_t index, EndReason reason) noexcept {
  Link& link = *links_[index];
  const std::uint32_t session = link.lane.session().local_session;
  link.lane.abandon(reason);
  link.keys.end();
  link.stop_reason.reset();
  tell_control({.kind = NetToControlKind::kLaneLost, .reason = reason, .lane = index, .session = session});
}

void NetRole::resolve_next_hops() noexcept {
  if (host_.generation() == host_generation_) return;
  host_generation_ = host_.generation();
  for (std::size_t i = 0; i < links_.size(); ++i) {
    const inet::NextHop hop = host_.lookup(config_.peers[i].ip);
    links_[i]->next_hop_known = hop.state == inet::NextHop::State::kResolved;
    if (!links_[i]->next_hop_known) continue;
    links_[i]->next_hop = hop.mac;
    for (inet::UdpTemplate& header : links_[i]->headers) header.set_destination_mac(hop.mac);
  }
}

void NetRole::check_sessions(std::uint64_t now_ns) noexcept {
  for (std::uint16_t i = 0; i < links_.size(); ++i) {
    Link& link = *links_[i];
    if (!link.lane.active()) continue;
    if (link.lane.lied_to()) {
      // Told so, if the port has room; its own timeout tells it otherwise.
      link.lane.close(EndReason::kProtocolError);
      transmit_lane(now_ns, i);
      end_session(i, EndReason::kProtocolError);
      continue;
    }
    if (link.lane.closed_by_peer() || now_ns > link.lane.last_received_ns() + config_.session_timeout_ns) {
      end_session(i, EndReason::kLinkLost);
      continue;
    }
    if (now_ns < link.lane.last_received_ns() + kHousekeepingNs) host_.confirm(now_ns, config_.peers[i].ip);
    link.shared.min_rtt_ns.set(link.lane.min_rtt_ns());
    const std::uint64_t limit_bytes = link.lane.backlog_limit_bytes(config_.backlog_max_ns);  // each migration's share
    link.shared.backlog_limit_bytes.set(limit_bytes);
    link.shared.backlog_slack_bytes.set(limit_bytes - link.lane.backlog_limit_bytes(0));
    for (const FlowOwner& owner : link.owners) {
      if (owner.used && owner.slot != nullptr) owner.slot->acked_bytes.set(link.lane.flow_acked_bytes(owner.flow));
    }
  }
}

// Keys that are of no more use go back to control, which made them and destroys them; so does the news that the peer has new
// ones.  Both wait here while the ring is full.
void NetRole::tend_keys(std::uint64_t now_ns) noexcept {
  const auto room = [this] { return control_.to_control.size() < ControlNetRings::kOthersMax; };
  for (std::uint16_t i = 0; i < links_.size(); ++i) {
    Link& link = *links_[i];
    link.keys.on_time(now_ns);
    std::uint32_t epoch = 0;
    if (room() && link.keys.take_confirmed(epoch)) {
      tell_control({.kind = NetToControlKind::kConfirmed, .lane = i, .session = link.lane.session().local_session, .epoch = epoch});
    }
    while (room()) {
      std::unique_ptr<EpochKeys> keys = link.keys.retired();
      if (keys == nullptr) break;
      tell_control({.kind = NetToControlKind::kKeys, .lane = i, .keys = keys.release()});
    }
  }
}

void NetRole::tell_control(const NetToControl& message) noexcept {
  const bool pushed = control_.to_control.push(message);
  DWCP_ASSERT(pushed);  // see ControlNetRings
}

void NetRole::publish(std::uint64_t now_ns) noexcept {
  publish_ns_ = now_ns + kPublishNs;
  NetReport& report = report_.back();
  report.now_ns = now_ns;
  report.link_up = queue_.link_up();
  report.port = queue_.counters();
  report.tx_given_up = tx_given_up_;
  report.seals_failed = seals_failed_;
  report.inet_drops = parser_.drops();
  for (std::size_t i = 0; i < inet::kDropReasons; ++i) report.inet_drops.counts[i] += host_.counters().drops.counts[i];
  report.inet_drops.counts[static_cast<std::size_t>(inet::DropReason::kUntrustedMtu)] += reports_untrusted_;
  report.wire_drops = drops_;
  report.control_ring_full = control_full_;
  report.lanes = static_cast<std::uint32_t>(links_.size());
  for (std::size_t i = 0; i < links_.size(); ++i) {
    const Lane& lane = links_[i]->lane;
    LaneReport& out = report.lane[i];
    out = {};
    out.active = lane.active();
    out.session = lane.session().local_session;
    out.lane = lane.counters();
    for (std::size_t r = 0; r < wire::kDropReasons; ++r) report.wire_drops[r] += lane.counters().drops[r];
    if (!lane.active()) continue;
    out.epoch = links_[i]->keys.can_seal() ? links_[i]->keys.epoch() : 0;
    out.key_bytes = links_[i]->keys.used_bytes();
    out.forgeries = links_[i]->keys.forgeries();
    out.streams = static_cast<std::uint32_t>(lane.streams_active());
    out.streams_target = lane.scaler().target();
    out.scaler = lane.scaler().counters();
    out.rtt_smoothed_ns = lane.smoothed_rtt_ns();
    out.rtt_min_ns = lane.min_rtt_ns();
    const CongestionControl& congestion = lane.streams().front()->congestion();
    out.congestion = congestion.name();
    out.congestion_state = congestion.state_name();
    out.bandwidth_known = lane.bandwidth_known();
    out.bandwidth_bytes_per_sec = lane.bandwidth_bytes_per_sec();
    out.in_flight_bytes = lane.in_flight_bytes();
    out.window_bytes = lane.window_bytes();
    for (const auto& stream : lane.streams()) {
      out.packets += stream->counters();
      out.ecn_received += stream->received().ecn();
      if (stream->state() == StreamState::kActive) ++out.ecn_streams[static_cast<std::size_t>(stream->ecn_state())];
    }
    out.streams_sending = config_.lane.stream_limits().max;
    for (std::size_t s = 0; s < out.streams_sending; ++s) {
      const Stream& stream = *lane.streams()[s];
      out.stream[s] = {.state = stream.state(),
                       .path = stream.path(),
                       .mtu_state = stream.mtu().state(),
                       .datagram_bytes = stream.mtu().bytes(),
                       .rtt_smoothed_ns = stream.rtt().sampled() ? stream.rtt().smoothed_ns() : 0,
                       .packets = stream.counters(),
                       .mtu = stream.mtu().counters()};
    }
  }
  report.neighbours = 0;
  for (const inet::Neighbour& entry : host_.neighbours().entries()) {
    if (entry.state == inet::Neighbour::State::kFree || report.neighbours == kReportNeighbours) continue;
    report.neighbour[report.neighbours++] = {
        .address = entry.ip, .mac = entry.mac, .resolved = entry.resolved(), .state = entry.state};
  }
  report_.publish();
}

}  // namespace dwcp
