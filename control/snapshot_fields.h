// SPDX-License-Identifier: Apache-2.0
// Each snapshot's fields by name, listed once.  visit(name, value) gets std::string, std::uint64_t or std::int32_t. The
// names are the public ones: telemetry, dwcpctl --json and the docs use them.  Pure; any thread.
#pragma once

#include "control/snapshot.h"

namespace dwcp {

template <typename Visit>
void visit_fields(const GatewaySnapshot& s, Visit&& visit) {
  visit("name", s.name);
  visit("version", s.version);
  visit("state", s.state);
  visit("reason", s.reason);
  visit("ready", s.ready);
  visit("started_unix_ms", s.started_unix_ms);
  visit("uptime_ms", s.uptime_ms);
  visit("peers_total", s.peers_total);
  visit("peers_up", s.peers_up);
  visit("migrations_running", s.migrations_running);
  visit("migrations_completed", s.migrations_completed);
  visit("migrations_failed", s.migrations_failed);
  visit("log_lines_dropped", s.log_lines_dropped);
  visit("certificate_days", s.certificate_days);
  visit("certificate_not_after_unix_s", s.certificate_not_after_unix_s);
  visit("warnings", s.warnings);
  visit("syscalls_refused", s.syscalls_refused);
}

template <typename Visit>
void visit_fields(const PeerSnapshot& s, Visit&& visit) {
  visit("name", s.name);
  visit("address", s.address);
  visit("state", s.state);
  visit("reason", s.reason);
  visit("session_id", s.session_id);
  visit("up_since_unix_ms", s.up_since_unix_ms);
  visit("streams", s.streams);
  visit("streams_target", s.streams_target);
  visit("streams_grown", s.streams_grown);
  visit("streams_shrunk", s.streams_shrunk);
  visit("congestion", s.congestion);
  visit("congestion_state", s.congestion_state);
  visit("cipher", s.cipher);
  visit("crypto_device", s.crypto_device);
  visit("tls", s.tls);
  visit("certificate_subject", s.certificate_subject);
  visit("certificate_not_after_unix_s", s.certificate_not_after_unix_s);
  visit("epoch", s.epoch);
  visit("key_bytes", s.key_bytes);
  visit("handshakes", s.handshakes);
  visit("handshakes_resumed", s.handshakes_resumed);
  visit("handshakes_failed", s.handshakes_failed);
  visit("rekeys", s.rekeys);
  visit("forgeries", s.forgeries);
  visit("rtt_us", s.rtt_us);
  visit("rtt_min_us", s.rtt_min_us);
  visit("loss_ppm", s.loss_ppm);
  visit("delivery_rate_bps", s.delivery_rate_bps);
  visit("cwnd_bytes", s.cwnd_bytes);
  visit("bytes_in_flight", s.bytes_in_flight);
  visit("packets_tx", s.packets_tx);
  visit("packets_rx", s.packets_rx);
  visit("packets_lost", s.packets_lost);
  visit("packets_retransmitted", s.packets_retransmitted);
  visit("packets_spurious", s.packets_spurious);
  visit("ecn_streams_capable", s.ecn_streams_capable);
  visit("ecn_streams_failed", s.ecn_streams_failed);
  visit("ecn_packets_tx", s.ecn_packets_tx);
  visit("ecn_ce_tx", s.ecn_ce_tx);
  visit("ecn_ce_rx", s.ecn_ce_rx);
  visit("ecn_violations", s.ecn_violations);
  visit("parity_packets_tx", s.parity_packets_tx);
  visit("parity_bytes_tx", s.parity_bytes_tx);
  visit("parity_packets_useless", s.parity_packets_useless);
  visit("parity_no_room", s.parity_no_room);
  visit("frames_recovered", s.frames_recovered);
  visit("path_mtu_min_bytes", s.path_mtu_min_bytes);
  visit("path_mtu_max_bytes", s.path_mtu_max_bytes);
}

template <typename Visit>
void visit_fields(const StreamSnapshot& s, Visit&& visit) {
  visit("peer", s.peer);
  visit("id", s.id);
  visit("state", s.state);
  visit("path", s.path);
  visit("path_mtu_bytes", s.path_mtu_bytes);
  visit("path_mtu_state", s.path_mtu_state);
  visit("rtt_us", s.rtt_us);
  visit("packets_tx", s.packets_tx);
  visit("packets_lost", s.packets_lost);
  visit("mtu_probes_tx", s.mtu_probes_tx);
  visit("mtu_black_holes", s.mtu_black_holes);
  visit("mtu_reports", s.mtu_reports);
}

template <typename Visit>
void visit_fields(const MigrationSnapshot& s, Visit&& visit) {
  visit("id", s.id);
  visit("generation", s.generation);
  visit("direction", s.direction);
  visit("state", s.state);
  visit("reason", s.reason);
  visit("peer", s.peer);
  visit("service", s.service);
  visit("listener", s.listener);
  visit("raw_bytes_in", s.raw_bytes_in);
  visit("raw_bytes_out", s.raw_bytes_out);
  visit("wire_bytes_tx", s.wire_bytes_tx);
  visit("wire_bytes_rx", s.wire_bytes_rx);
  visit("frames_tx", s.frames_tx);
  visit("frames_rx", s.frames_rx);
  visit("encoded_permille", s.encoded_permille);
  visit("zero_pages", s.zero_pages);
  visit("normal_pages", s.normal_pages);
  visit("opaque_bytes", s.opaque_bytes);
  visit("backlog_bytes", s.backlog_bytes);
  visit("digest", s.digest);
  visit("digest_verified", s.digest_verified);
  visit("started_unix_ms", s.started_unix_ms);
  visit("duration_ms", s.duration_ms);
  visit("pause_ms", s.pause_ms);
  visit("pause_backlog_ms", s.pause_backlog_ms);
  visit("pause_path_ms", s.pause_path_ms);
  visit("pause_far_ms", s.pause_far_ms);
  visit("pause_span_ms", s.pause_span_ms);
  visit("stop_backlog_bytes", s.stop_backlog_bytes);
}

template <typename Visit>
void visit_fields(const LcoreSnapshot& s, Visit&& visit) {
  visit("id", std::uint64_t{s.id});
  visit("roles", s.roles);
  visit("busy_cycles", s.busy_cycles);
  visit("idle_cycles", s.idle_cycles);
  visit("busy_permille", s.busy_permille);
  visit("loops", s.loops);
  visit("sleeps", s.sleeps);
  visit("packets_rx", s.packets_rx);
  visit("packets_tx", s.packets_tx);
}

template <typename Visit>
void visit_fields(const PortSnapshot& s, Visit&& visit) {
  visit("device", s.device);
  visit("driver", s.driver);
  visit("mac", s.mac);
  visit("ipv4", s.ipv4);
  visit("ipv6", s.ipv6);
  visit("udp_port", s.udp_port);
  visit("vlan", s.vlan);
  visit("mtu_bytes", s.mtu_bytes);
  visit("link_up", s.link_up);
  visit("rx_checksum", s.rx_checksum);
  visit("tx_checksum", s.tx_checksum);
  visit("rx_packets", s.rx_packets);
  visit("rx_bytes", s.rx_bytes);
  visit("tx_packets", s.tx_packets);
  visit("tx_bytes", s.tx_bytes);
  visit("tx_full", s.tx_full);
  visit("tx_given_up", s.tx_given_up);
  visit("tx_no_buffer", s.tx_no_buffer);
  visit("rx_missed", s.rx_missed);
}

}  // namespace dwcp
