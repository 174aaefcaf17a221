// SPDX-License-Identifier: Apache-2.0
// Config: what the operator wants, validated.  A plain value: copies share nothing, equality is by content.
//
// One is made by load_config(), parse_config() or default_config(), nowhere else: the defaults, ranges and meaning of
// every field live in the schema table (config/schema.cc) and in docs/CONFIG.md, which is generated from it.  Whoever
// holds a Config may rely on every invariant named there and below.
//
// Use:
//   auto config = load_config("/etc/dwcp/gateway.toml");
//   if (!config) for (const ConfigError& error : config.error()) print(error.to_string());
//
// Invariants across fields:
//   I1 names are unique within peers, within listeners and within services, and match [A-Za-z0-9][A-Za-z0-9._-]{0,31}
//   I2 every listener's peer is in peers; no two listeners overlap
//   I3 port.ipv4 or port.ipv6 is set; every peer's family is; every peer is on-link or the family's gateway is set
//   I4 window_mib <= memory.rx_mib; 3 * keepalive <= session_timeout
//   I5 certificate, private_key and ca are set where a peer has no psk_file (and no ca of its own)
//
// Read on the control thread at start; any thread may hold a copy.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/expected.h"
#include "config/address.h"

namespace dwcp {

// The schema this program reads and writes.
inline constexpr std::int64_t kConfigSchema = 1;

enum class Congestion : std::uint8_t { kBbr, kCubic, kNewReno };
enum class StreamCoupling : std::uint8_t { kLink, kNone };
enum class CodecLevel : std::uint8_t { kNone, kFast, kBalanced, kMax };
enum class AdapterMode : std::uint8_t { kAuto, kOff };
// In the order of kCipherNames of the schema; what they are is dataplane/wire/cipher.h.
enum class CipherChoice : std::uint8_t { kAes128Gcm, kAes256Gcm, kChaCha20Poly1305 };
enum class LogLevel : std::uint8_t { kTrace, kDebug, kInfo, kWarning, kError };
enum class LogFormat : std::uint8_t { kText, kJson };

struct GatewayConfig {
  std::string name;  // this gateway's identity to its peers
  bool operator==(const GatewayConfig&) const = default;
};

struct PortConfig {
  std::string device;           // ethdev name; empty: the first one EAL found
  std::uint16_t mtu_bytes = 0;  // of the L3 packet
  std::uint16_t vlan = 0;       // 802.1Q id; 0: untagged
  std::optional<IpPrefix> ipv4;
  std::optional<IpAddress> ipv4_gateway;
  std::optional<IpPrefix> ipv6;
  std::optional<IpAddress> ipv6_gateway;
  std::uint16_t udp_port = 0;
  std::uint16_t rx_queue_packets = 0;  // a power of two
  std::uint16_t tx_queue_packets = 0;  // a power of two
  bool operator==(const PortConfig&) const = default;
};

struct LcoresConfig {
  std::uint32_t net_count = 0;          // one RX/TX queue pair and one lane per peer each
  std::uint32_t codec_count = 0;        // 0: the net lcores hold the codec role too
  std::uint32_t idle_sleep_max_us = 0;  // 0: never sleep
  bool operator==(const LcoresConfig&) const = default;
};

struct MemoryConfig {
  std::uint32_t tx_mib = 0;      // frames unsent or unacknowledged, all migrations
  std::uint32_t rx_mib = 0;      // frames being reassembled or waiting for the codec, all migrations
  std::uint32_t blocks_mib = 0;  // raw blocks between the hypervisor's sockets and the codec, both directions
  std::uint32_t migrations_max = 0;
  bool operator==(const MemoryConfig&) const = default;
};

struct TransportConfig {
  std::uint32_t streams_min = 0;      // per lane
  std::uint32_t streams_initial = 0;  // per lane; between the two
  std::uint32_t streams_max = 0;      // per lane
  StreamCoupling coupling = StreamCoupling::kLink;
  Congestion congestion = Congestion::kBbr;
  bool ecn = false;
  std::uint32_t rate_max_mbps = 0;  // of the whole link, UDP payload; 0: no cap
  std::uint32_t session_timeout_ms = 0;
  std::uint32_t keepalive_ms = 0;
  std::uint32_t backlog_max_ms = 0;  // per migration, at the drain rate, beyond what one RTT keeps in flight
  std::uint32_t window_mib = 0;      // the most credit a receiver grants one migration
  std::uint32_t tail_parity_max_percent = 0;  // of a frame of a migration's last window; 0: no parity
  bool operator==(const TransportConfig&) const = default;
};

struct CodecConfig {
  CodecLevel level = CodecLevel::kNone;
  AdapterMode adapter = AdapterMode::kAuto;
  bool operator==(const CodecConfig&) const = default;
};

struct SecurityConfig {
  std::string certificate;            // PEM, ours and what leads to the CA
  std::string private_key;            // PEM
  std::string ca;                     // PEM bundle that signs peers' certificates
  std::string crl;                    // PEM; empty: none
  std::vector<CipherChoice> ciphers;  // the best first, each once, at least one
  std::uint32_t rekey_gib = 0;        // of one direction under one key
  std::uint32_t rekey_minutes = 0;
  std::string user;                   // to run as after start; empty: stay who it is
  bool seccomp = true;
  bool operator==(const SecurityConfig&) const = default;
};

struct PeerConfig {
  std::string name;  // must be what the far gateway calls itself
  PeerEndpoint address;
  std::string ca;        // PEM bundle that signs its certificate; empty: security.ca
  std::string psk_file;  // a key shared with it, in place of certificates; empty: none
  bool operator==(const PeerConfig&) const = default;
};

struct ListenerConfig {
  std::string name;
  LocalSocket listen;
  std::string peer;
  std::string service;  // as the far gateway names it; it refuses one it does not know
  bool operator==(const ListenerConfig&) const = default;
};

struct ServiceConfig {
  std::string name;
  LocalSocket connect;
  std::uint32_t connect_timeout_ms = 0;
  bool operator==(const ServiceConfig&) const = default;
};

struct ControlConfig {
  std::string runtime_dir;  // absolute; empty: DPDK's own choice (see docs/CONFIG.md)
  std::string group;        // may use the control sockets; empty: the process's own
  bool operator==(const ControlConfig&) const = default;
};

struct LogConfig {
  LogLevel level = LogLevel::kInfo;
  std::string file;  // absolute; empty: stderr
  LogFormat format = LogFormat::kText;
  bool operator==(const LogConfig&) const = default;
};

struct Config {
  GatewayConfig gateway;
  PortConfig port;
  LcoresConfig lcores;
  MemoryConfig memory;
  TransportConfig transport;
  CodecConfig codec;
  SecurityConfig security;
  std::vector<PeerConfig> peers;          // in file order
  std::vector<ListenerConfig> listeners;  // in file order
  std::vector<ServiceConfig> services;    // in file order
  ControlConfig control;
  LogConfig log;

  [[nodiscard]] const PeerConfig* find_peer(std::string_view name) const noexcept;        // null: none
  [[nodiscard]] const ServiceConfig* find_service(std::string_view name) const noexcept;  // null: none

  [[nodiscard]] std::string file_prefix() const;  // gateway_file_prefix() of this one

  bool operator==(const Config&) const = default;
};

// The EAL --file-prefix of the gateway of this name, which dwcpctl --gateway looks for: "dwcp-NAME".  It keeps apart
// the control sockets and hugepage files of gateways that share a machine.
inline constexpr std::string_view kFilePrefixHead = "dwcp-";
// The control sockets in RUNTIME_DIR/dpdk/FILE_PREFIX: DPDK's, which tells, and ours, which takes commands.
inline constexpr std::string_view kTelemetrySocketName = "dpdk_telemetry.v2";
inline constexpr std::string_view kControlSocketName = "dwcp_control.sock";
[[nodiscard]] std::string gateway_file_prefix(std::string_view name);

// One thing wrong with a file.  Every part that is known is filled in.
struct ConfigError {
  std::string file;
  std::uint32_t line = 0;    // from 1; 0: the file as a whole
  std::uint32_t column = 0;  // from 1; 0: unknown
  std::string key;           // full path such as "peer[1].address"; empty: the file or its syntax
  std::string found;         // the value as written, shortened; empty when there is none
  std::string problem;       // what is wrong
  std::string allowed;       // what would be right, or what to do; may be empty

  // One line: FILE:LINE:COLUMN: KEY: PROBLEM (found FOUND); ALLOWED
  [[nodiscard]] std::string to_string() const;
};

using ConfigErrors = std::vector<ConfigError>;  // in file order, never empty when returned as an error

// Reads and validates a whole file; all errors are returned, not only the first.
[[nodiscard]] expected<Config, ConfigErrors> load_config(const std::string& path);

// The same for text; `file` only names it in errors.
[[nodiscard]] expected<Config, ConfigErrors> parse_config(std::string_view text, std::string_view file);

// Every default of the schema; required fields stay empty, so it is valid only once those are filled.  For tests,
// and for tools that run as a gateway would.
[[nodiscard]] Config default_config();

// docs/CONFIG.md, from the schema table.
[[nodiscard]] std::string schema_markdown();

}  // namespace dwcp
