// SPDX-License-Identifier: Apache-2.0
// The table.  Rows read: where, name, type and unit, default, range or form, meaning, reason, setter.
#include "config/schema.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "base/assert.h"
#include "config/name.h"

namespace dwcp {
namespace {

constexpr std::int64_t kStreamsPerLaneMax = 64;  // wire::kStreamsMax

constexpr std::array<std::string_view, 3> kCongestionNames{"bbr", "cubic", "newreno"};
constexpr std::array<std::string_view, 2> kCouplingNames{"link", "none"};
constexpr std::array<std::string_view, 4> kLevelNames{"none", "fast", "balanced", "max"};
constexpr std::array<std::string_view, 2> kAdapterNames{"auto", "off"};
constexpr std::array<std::string_view, 3> kCipherNames{"aes-128-gcm", "aes-256-gcm", "chacha20-poly1305"};
constexpr std::array<std::string_view, 5> kLogLevelNames{"trace", "debug", "info", "warning", "error"};
constexpr std::array<std::string_view, 2> kLogFormatNames{"text", "json"};

constexpr std::string_view kHostForm = "\"10.0.0.2\", \"10.0.0.2:PORT\", \"2001:db8::2\" or \"[2001:db8::2]:PORT\"";
constexpr std::string_view kSocketForm = "\"tcp:ADDRESS:PORT\", \"tcp:[ADDRESS]:PORT\" or \"unix:/PATH\"";

std::string take_name(std::string& field, const std::string& text) {
  if (auto fault = name_fault(text); !fault.empty()) return fault;
  field = text;
  return {};
}

std::string take_path(std::string& field, const std::string& text) {
  if (!text.empty() && text[0] != '/') return "the path is not absolute";
  if (text.find('\0') != std::string::npos) return "the path holds a zero byte";
  field = text;
  return {};
}

// Names of users and groups as useradd takes them.
std::string take_account(std::string& field, const std::string& text) {
  const auto good = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-'; };
  if (text.size() > 31) return "longer than 31 characters";
  if (!std::all_of(text.begin(), text.end(), good)) return "not a name of an account";
  field = text;
  return {};
}

std::string take_ciphers(std::vector<CipherChoice>& field, const std::string& text) {
  std::vector<CipherChoice> ciphers;
  std::string_view rest = text;
  while (!rest.empty()) {
    const std::string_view name = rest.substr(0, rest.find(' '));
    rest.remove_prefix(std::min(rest.size(), name.size() + 1));
    const auto found = std::find(kCipherNames.begin(), kCipherNames.end(), name);
    if (found == kCipherNames.end()) return "no such cipher: \"" + std::string(name) + '"';
    const auto cipher = static_cast<CipherChoice>(found - kCipherNames.begin());
    if (std::find(ciphers.begin(), ciphers.end(), cipher) != ciphers.end()) return std::string(name) + " is named twice";
    ciphers.push_back(cipher);
  }
  if (ciphers.empty()) return "no cipher is named, and nothing crosses a WAN in the clear";
  field = std::move(ciphers);
  return {};
}

// A host's own address can be none of these, on any link.
std::string host_fault(const IpAddress& ip) {
  if (ip.unspecified()) return "the unspecified address is no host's";
  if (ip.multicast()) return "a multicast address is no host's";
  if (ip.loopback()) return "a loopback address does not reach the wire";
  return {};
}

template <typename Field>
std::string take_prefix(Field& field, const std::string& text, bool v6) {
  const auto prefix = parse_prefix(text);
  if (!prefix) return prefix.error();
  if (prefix->address.v6 != v6) return v6 ? "not an IPv6 address" : "not an IPv4 address";
  if (auto fault = host_fault(prefix->address); !fault.empty()) return fault;
  field = *prefix;
  return {};
}

template <typename Field>
std::string take_router(Field& field, const std::string& text, bool v6) {
  const auto ip = parse_ip(text);
  if (!ip) return ip.error();
  if (ip->v6 != v6) return v6 ? "not an IPv6 address" : "not an IPv4 address";
  if (auto fault = host_fault(*ip); !fault.empty()) return fault;
  field = *ip;
  return {};
}

std::string take_listen(LocalSocket& field, const std::string& text) {
  const auto socket = parse_local_socket(text);
  if (!socket) return socket.error();
  if (socket->kind == LocalSocket::Kind::kTcp) {
    if (socket->port < 1024) return "port " + std::to_string(socket->port) + " is privileged: use 1024..65535";
    if (socket->ip.multicast()) return "a multicast address cannot be listened on";
  }
  field = *socket;
  return {};
}

std::string take_connect(LocalSocket& field, const std::string& text) {
  const auto socket = parse_local_socket(text);
  if (!socket) return socket.error();
  if (socket->kind == LocalSocket::Kind::kTcp && (socket->ip.unspecified() || socket->ip.multicast())) {
    return "a service needs the address of one host";
  }
  field = *socket;
  return {};
}

constexpr SectionSpec kSections[] = {
    {"gateway", false, "Who this gateway is.", nullptr},
    {"port", false, "The WAN-side NIC port, which this program owns alone, and its place in the IP network.", nullptr},
    {"lcores", false,
     "How many poll-mode cores do what. EAL's -l names the cores; the first is the control thread, the others take the "
     "roles below in order.",
     nullptr},
    {"memory", false, "Data-path memory, reserved and touched at start; nothing grows later.", nullptr},
    {"transport", false, "The WAN side: streams, congestion control, pacing, time limits.", nullptr},
    {"codec", false, "What is done to a migration's bytes before they cross.", nullptr},
    {"security", false,
     "Who we are to peers, whom we trust, and how data is sealed. `dwcpctl pki` makes keys and certificates for those who "
     "have none.",
     nullptr},
    {"peer", true, "One far gateway.", [](Config& config) { config.peers.emplace_back(); }},
    {"listener", true,
     "Where a local hypervisor connects to migrate a VM away. Each listener leads to one service of one peer.",
     [](Config& config) { config.listeners.emplace_back(); }},
    {"service", true,
     "A local hypervisor waiting for a migration, by the name far gateways ask for. A name not listed here is refused.",
     [](Config& config) { config.services.emplace_back(); }},
    {"control", false, "The control side.", nullptr},
    {"log", false, "Logging.", nullptr},
};

constexpr KeySpec integer(std::string_view section, std::string_view name, std::string_view unit,
                          std::string_view default_text, std::int64_t min, std::int64_t max, std::string_view doc,
                          std::string_view reason, void (*set)(Config&, std::int64_t)) {
  KeySpec key;
  key.section = section, key.name = name, key.type = KeyType::kInteger, key.unit = unit;
  key.default_text = default_text, key.min = min, key.max = max, key.doc = doc, key.reason = reason;
  key.set_integer = set;
  return key;
}

constexpr KeySpec queue(std::string_view name, std::string_view doc, std::string_view reason,
                        void (*set)(Config&, std::int64_t)) {
  KeySpec key = integer("port", name, "packets", "1024", 64, 32768, doc, reason, set);
  key.power_of_two = true;
  return key;
}

constexpr KeySpec choice(std::string_view section, std::string_view name, std::string_view default_text,
                         std::span<const std::string_view> choices, std::string_view doc, std::string_view reason,
                         void (*set)(Config&, std::size_t)) {
  KeySpec key;
  key.section = section, key.name = name, key.type = KeyType::kChoice, key.default_text = default_text;
  key.choices = choices, key.doc = doc, key.reason = reason, key.set_choice = set;
  return key;
}

constexpr KeySpec boolean(std::string_view section, std::string_view name, std::string_view default_text,
                          std::string_view doc, std::string_view reason, void (*set)(Config&, bool)) {
  KeySpec key;
  key.section = section, key.name = name, key.type = KeyType::kBoolean, key.default_text = default_text;
  key.doc = doc, key.reason = reason, key.set_boolean = set;
  return key;
}

enum class Need : bool { kOptional, kRequired };

constexpr KeySpec text(std::string_view section, std::string_view name, Need need, std::string_view default_text,
                       std::string_view form, std::string_view doc, std::string_view reason,
                       std::string (*set)(Config&, const std::string&)) {
  KeySpec key;
  key.section = section, key.name = name, key.required = need == Need::kRequired, key.default_text = default_text;
  key.form = form, key.doc = doc, key.reason = reason, key.set_text = set;
  return key;
}

#define DWCP_SET(field, type) [](Config& c, std::int64_t value) { c.field = static_cast<type>(value); }
#define DWCP_PICK(field, type) [](Config& c, std::size_t index) { c.field = static_cast<type>(index); }
#define DWCP_FLAG(field) [](Config& c, bool value) { c.field = value; }
#define DWCP_TEXT(take, ...) [](Config& c, const std::string& value) { return take(c.__VA_ARGS__); }

constexpr KeySpec required(KeySpec key) {
  key.required = true;
  return key;
}

const KeySpec kKeys[] = {
    required(integer("", "schema", "", "", kConfigSchema, kConfigSchema,
                     "The version of this schema the file is written for.", "", [](Config&, std::int64_t) {})),

    text("gateway", "name", Need::kRequired, "", kNameForm,
         "This gateway's identity: what its peers must call it. It also names its control socket (see below).", "",
         DWCP_TEXT(take_name, gateway.name, value)),

    text("port", "device", Need::kOptional, "\"\"", "the name of a DPDK ethdev, or \"\"",
         "The DPDK ethdev to own, by name: a PCI address, or a vdev such as \"net_af_packet0\". Empty: the first one "
         "EAL "
         "found.",
         "A gateway has one dedicated port; EAL's arguments already name it.",
         [](Config& c, const std::string& value) -> std::string {
           if (value.size() > 63) return "the name is longer than 63 characters";  // RTE_ETH_NAME_MAX_LEN - 1
           c.port.device = value;
           return {};
         }),
    integer(
        "port", "mtu_bytes", "bytes", "1500", 1280, 9000,
        "The largest IP packet the port sends and takes. What the way to a peer carries of it is found out, stream by "
        "stream.",
        "What every Ethernet port carries; 9000 takes a sixth of the packets where the path allows it, and costs a few "
        "probes where it does not. 1280 is IPv6's least (RFC 8200).",
        DWCP_SET(port.mtu_bytes, std::uint16_t)),
    integer("port", "vlan", "", "0", 0, 4094, "The 802.1Q VLAN id to send and take. 0: untagged.",
            "An access port needs no tag.", DWCP_SET(port.vlan, std::uint16_t)),
    text("port", "ipv4", Need::kOptional, "", "\"ADDRESS/LENGTH\", such as \"10.0.0.1/24\"",
         "The port's IPv4 address and the length of its subnet. At least one of ipv4 and ipv6 is needed.", "",
         DWCP_TEXT(take_prefix, port.ipv4, value, false)),
    text("port", "ipv4_gateway", Need::kOptional, "", "an IPv4 address inside the subnet of port.ipv4",
         "The router to IPv4 peers outside the subnet.", "", DWCP_TEXT(take_router, port.ipv4_gateway, value, false)),
    text("port", "ipv6", Need::kOptional, "", "\"ADDRESS/LENGTH\", such as \"2001:db8::1/64\"",
         "The port's IPv6 address and the length of its subnet.", "", DWCP_TEXT(take_prefix, port.ipv6, value, true)),
    text("port", "ipv6_gateway", Need::kOptional, "", "an IPv6 address, link-local or inside the subnet of port.ipv6",
         "The router to IPv6 peers outside the subnet.", "", DWCP_TEXT(take_router, port.ipv6_gateway, value, true)),
    integer("port", "udp_port", "", "7717", 1024, 65535,
            "The UDP port of this gateway, and the one assumed of a peer whose address names none.",
            "No service is registered for 7717 and it lies below Linux's ephemeral range (32768 up). 7777, which comes "
            "to mind first, is registered to cbt and taken by game servers, so it meets filters.",
            DWCP_SET(port.udp_port, std::uint16_t)),
    queue("rx_queue_packets", "Receive descriptors of each queue.",
          "1024 full-size packets are 1.2 ms at 10 Gb/s: longer than a codec slice, shorter than what would hide a "
          "stall.",
          DWCP_SET(port.rx_queue_packets, std::uint16_t)),
    queue("tx_queue_packets", "Transmit descriptors of each queue.", "As for receiving. Pacing keeps it nearly empty.",
          DWCP_SET(port.tx_queue_packets, std::uint16_t)),

    integer("lcores", "net_count", "", "1", 1, 1,
            "Poll-mode lcores that own a queue pair each, and a lane of every peer link. This version has one.",
            "One moves several Gb/s; a small machine has no more to give.", DWCP_SET(lcores.net_count, std::uint32_t)),
    integer("lcores", "codec_count", "", "0", 0, 64,
            "Poll-mode lcores for coding alone. 0: the net lcores hold this role too, in slices.",
            "Both roles on one lcore suit two-core machines and links up to about 1 Gb/s.",
            DWCP_SET(lcores.codec_count, std::uint32_t)),
    integer(
        "lcores", "idle_sleep_max_us", "us", "500", 0, 10000,
        "The longest sleep of an lcore with nothing to do. 0: never sleep.",
        "Bare sleeps of this length cost 2.5 % of a core on a small virtual machine, and half a millisecond of added "
        "delay is lost in the 10 ms of the shortest WAN. At 10 Gb/s it is 420 packets, under half a receive queue.",
        DWCP_SET(lcores.idle_sleep_max_us, std::uint32_t)),

    integer("memory", "tx_mib", "MiB", "256", 8, 16384,
            "Encoded frames unsent or not yet acknowledged, all migrations together.",
            "A sender keeps one bandwidth-delay product in flight, 1 Gb/s x 320 ms = 40 MB, and twice as much again for "
            "frames that wait for repairs; one migration may use three quarters. Scale it with the link.",
            DWCP_SET(memory.tx_mib, std::uint32_t)),
    integer("memory", "rx_mib", "MiB", "256", 8, 16384,
            "Frames being reassembled or waiting for the codec, all migrations together.",
            "The mirror of tx_mib: a hole at the front can make a whole flight wait.",
            DWCP_SET(memory.rx_mib, std::uint32_t)),
    integer("memory", "blocks_mib", "MiB", "64", 8, 16384,
            "Raw blocks between the hypervisors' sockets and the codec, both directions together.",
            "256 blocks of 256 KiB: 16 for each of 16 migrations, 30 ms of a 1 Gb/s hypervisor link.",
            DWCP_SET(memory.blocks_mib, std::uint32_t)),
    integer("memory", "migrations_max", "", "16", 1, 256,
            "Migrations at once, both directions together. One more is refused: its socket closes at once.",
            "Each holds codec state of some MiB; past a few at once they only slow each other on the same link.",
            DWCP_SET(memory.migrations_max, std::uint32_t)),

    integer("transport", "streams_min", "", "1", 1, kStreamsPerLaneMax,
            "The fewest streams of a lane.  Below streams_initial it goes only where fewer deliver more.",
            "A path that carries one 5-tuple better than several, say a radio link with a queue for each, is rare; where there "
            "is one, nothing speaks against it.",
            DWCP_SET(transport.streams_min, std::uint32_t)),
    integer("transport", "streams_initial", "", "4", 1, kStreamsPerLaneMax,
            "The streams a lane begins with and returns to: UDP 5-tuples, each with a source port of its own.",
            "A path through the WAN is chosen by 5-tuple. With one stream a dead path is a dead link until another is "
            "tried; with four it costs a quarter for a few round trips. They share one window, so more take no more.",
            DWCP_SET(transport.streams_initial, std::uint32_t)),
    integer("transport", "streams_max", "", "32", 1, kStreamsPerLaneMax,
            "The most streams of a lane. It grows only while the lane delivers at least 5 % more with them, and goes back "
            "where it does not.",
            "Links that limit each 5-tuple, by policer, by queue or by the path a hash gives it, mostly leave it a tenth or "
            "more of the link: 32 fill them, and reach all of 8 equal paths 9 times of 10. Each may cost a record page, "
            "20 KiB, and an ACK a millisecond.",
            DWCP_SET(transport.streams_max, std::uint32_t)),
    choice("transport", "coupling", "\"link\"", kCouplingNames,
           "Whether the streams of a link share one congestion window (\"link\") or each has its own (\"none\").",
           "Shared, the link takes one flow's share of a bottleneck however many streams it has. \"none\" takes a share "
           "for each: for links whose policers or paths bound every 5-tuple by itself.",
           DWCP_PICK(transport.coupling, StreamCoupling)),
    choice("transport", "congestion", "\"bbr\"", kCongestionNames,
           "How the rate sent to a peer is found: by a model of the path (\"bbr\"), or by loss, as TCP does (\"cubic\", "
           "RFC 9438; \"newreno\", RFC 9002).",
           "It models bandwidth and RTT, so stray loss on a long path does not halve the rate as it does for cubic and "
           "newreno: those are for links whose other users must be met by the same rules.",
           DWCP_PICK(transport.congestion, Congestion)),
    boolean("transport", "ecn", "true",
            "Send data as ECT(0) on paths that prove to carry it, and slow down for CE marks (RFC 3168, RFC 9000 section "
            "13.4).",
            "A router that marks tells of a queue before it overflows, so nothing is lost and nothing sent twice. A path "
            "that clears, rewrites or drops the mark is found out within ten packets and used without.",
            DWCP_FLAG(transport.ecn)),
    integer("transport", "rate_max_mbps", "Mb/s", "0", 0, 400000,
            "A ceiling on the UDP payload this gateway sends to one peer. 0: none.",
            "Congestion control finds the rate; a cap is for links shared by contract.",
            DWCP_SET(transport.rate_max_mbps, std::uint32_t)),
    integer(
        "transport", "session_timeout_ms", "ms", "45000", 1000, 600000,
        "How long a link may be silent before its migrations are given up and their sockets closed.",
        "It outlasts a 30 s outage, the usual length of a routing or provider fail-over, with half as much again for "
        "the probe that ends it: probe intervals double up to a second (RFC 9002 section 6.2).",
        DWCP_SET(transport.session_timeout_ms, std::uint32_t)),
    integer(
        "transport", "keepalive_ms", "ms", "1000", 100, 5000,
        "On a link with nothing to send, how often a packet is sent all the same. New keys are confirmed by one, within 10 s.",
        "It keeps NAT and firewall state alive (Linux forgets idle UDP after 30 s) and the RTT fresh, and shows a dead "
        "path within seconds, for about 1 kb/s.",
        DWCP_SET(transport.keepalive_ms, std::uint32_t)),
    integer(
        "transport", "backlog_max_ms", "ms", "100", 10, 5000,
        "The most that waits unsent for one migration, as time at the link's drain rate, beyond what one RTT keeps in "
        "flight. Past it the hypervisor's socket is not read.",
        "All that waits here is added to the pause and hidden from the hypervisor's own forecast; QEMU aims at 300 ms "
        "by default, so a third is the most to take. QEMU writes in slices of 100 ms when its rate is limited, so "
        "less would let the link run dry between two.",
        DWCP_SET(transport.backlog_max_ms, std::uint32_t)),
    integer("transport", "window_mib", "MiB", "192", 1, 16384,
            "The most credit this gateway grants one migration: what the peer may have sent and not yet seen taken. At "
            "most memory.rx_mib.",
            "1 Gb/s x 320 ms = 40 MB; a frame that lost a packet twice takes three round trips to complete, and all that "
            "came behind it waits and holds its credit: at 1 % loss that is always so, and a fourth round trip rare.",
            DWCP_SET(transport.window_mib, std::uint32_t)),
    integer("transport", "tail_parity_max_percent", "%", "20", 0, 25,
            "The most parity sent with the last window of a migration, of its bytes, so that a packet lost there costs no "
            "round trip of downtime. 0: none.",
            "How much is sent follows the loss measured: half a percent without any, 5 % at 1 %. Twenty covers bursts that "
            "take a fifth of what is sent in a few milliseconds. Bulk has none.",
            DWCP_SET(transport.tail_parity_max_percent, std::uint32_t)),

    choice("codec", "level", "\"fast\"", kLevelNames,
           "How hard zstd works: \"none\" leaves it out; \"fast\", \"balanced\" and \"max\" trade more CPU for fewer "
           "bytes.",
           "At 0.4 GB/s a core it stays ahead of a 1 Gb/s link at the usual 3 : 1; harder levels would become the "
           "bottleneck there.",
           DWCP_PICK(codec.level, CodecLevel)),
    choice("codec", "adapter", "\"auto\"", kAdapterNames,
           "\"auto\" looks for guest pages in the hypervisor's stream; \"off\" carries every byte as opaque. The "
           "output is "
           "the same bytes in either case.",
           "Without it zero pages and re-sent pages cost their full size.", DWCP_PICK(codec.adapter, AdapterMode)),

    text("security", "certificate", Need::kOptional, "", "an absolute path",
         "This gateway's certificate, PEM, then those that lead to the CA, if any. Its DNS name is gateway.name. Needed "
         "unless every peer has a psk_file. Read again on SIGHUP and `dwcpctl reload`.",
         "", DWCP_TEXT(take_path, security.certificate, value)),
    text("security", "private_key", Need::kOptional, "", "an absolute path",
         "Its private key, PEM, without a passphrase. Must stay readable for security.user.", "",
         DWCP_TEXT(take_path, security.private_key, value)),
    text("security", "ca", Need::kOptional, "", "an absolute path",
         "The CA certificates, PEM, one of which must have signed a peer's certificate, unless the peer has a ca of its own.",
         "", DWCP_TEXT(take_path, security.ca, value)),
    text("security", "crl", Need::kOptional, "\"\"", "an absolute path, or \"\"",
         "Revocation lists, PEM. With one, every CA in use needs a list in it that has not expired.",
         "Few sites run a CA that publishes lists; removing a peer works without.",
         DWCP_TEXT(take_path, security.crl, value)),
    text("security", "ciphers", Need::kOptional, "\"aes-128-gcm aes-256-gcm chacha20-poly1305\"",
         "names from \"aes-128-gcm\", \"aes-256-gcm\" and \"chacha20-poly1305\", the best first, with a space between",
         "The ciphers data packets may be sealed with. The gateway that answers a handshake takes its first one that the "
         "other has too.",
         "AES-128-GCM is the fastest where the CPU has AES instructions, as every x86 server has, and none of the three is "
         "known to be weaker than the others in practice.",
         DWCP_TEXT(take_ciphers, security.ciphers, value)),
    integer("security", "rekey_gib", "GiB", "64", 1, 256,
            "New keys are agreed on once this much went one way under the old ones.",
            "AES-GCM is good for 2^36 blocks (1 TiB) at a forger's advantage of 2^-57 (RFC 9001 appendix B); at half of that "
            "sending would stop. 64 GiB are 50 s at 10 Gb/s, far more than a handshake takes.",
            DWCP_SET(security.rekey_gib, std::uint32_t)),
    integer("security", "rekey_minutes", "minutes", "60", 1, 1440,
            "New keys are agreed on at least this often.",
            "Who steals a gateway's memory reads no more than the last hour of what was recorded; a handshake costs "
            "milliseconds.",
            DWCP_SET(security.rekey_minutes, std::uint32_t)),
    text("security", "user", Need::kOptional, "\"\"", "the name of an account, or \"\"",
         "The user to become once the port and the sockets are open; all capabilities are dropped. Empty: whoever started it, "
         "with no capabilities.",
         "The systemd unit starts it as dwcp already; a container has users of its own.",
         DWCP_TEXT(take_account, security.user, value)),
    boolean("security", "seccomp", "true",
            "Once started, refuse system calls that this program does not make.",
            "What a flaw in a parser can be used for ends at the data it already sees.", DWCP_FLAG(security.seccomp)),

    text("peer", "name", Need::kRequired, "", kNameForm, "What the far gateway calls itself in its gateway.name.", "",
         DWCP_TEXT(take_name, peers.back().name, value)),
    text("peer", "address", Need::kRequired, "", kHostForm, "Where it is. Without a port: port.udp_port.", "",
         [](Config& c, const std::string& value) -> std::string {
           const auto endpoint = parse_peer_endpoint(value, c.port.udp_port);
           if (!endpoint) return endpoint.error();
           if (auto fault = host_fault(endpoint->ip); !fault.empty()) return fault;
           c.peers.back().address = *endpoint;
           return {};
         }),

    text("peer", "ca", Need::kOptional, "\"\"", "an absolute path, or \"\"",
         "The CA certificates, PEM, one of which must have signed this peer's certificate. Empty: security.ca.",
         "One CA for all gateways is the common case; peers of another site group may have another.",
         DWCP_TEXT(take_path, peers.back().ca, value)),
    text("peer", "psk_file", Need::kOptional, "\"\"", "an absolute path, or \"\"",
         "A file with a key shared with this peer alone, 64 hexadecimal digits (`dwcpctl pki psk`), in place of certificates.",
         "Certificates can be revoked, and name one gateway each; a shared key suits two boxes of one owner.",
         DWCP_TEXT(take_path, peers.back().psk_file, value)),

    text("listener", "name", Need::kRequired, "", kNameForm, "A name for logs and dwcpctl.", "",
         DWCP_TEXT(take_name, listeners.back().name, value)),
    text("listener", "listen", Need::kRequired, "", kSocketForm,
         "Where the local hypervisor connects. TCP ports from 1024 up; a listener's address may not overlap another's.",
         "", DWCP_TEXT(take_listen, listeners.back().listen, value)),
    text("listener", "peer", Need::kRequired, "", "the name of a [[peer]]", "The peer that its migrations go to.", "",
         DWCP_TEXT(take_name, listeners.back().peer, value)),
    text("listener", "service", Need::kRequired, "", kNameForm, "The service there, by the peer's name for it.", "",
         DWCP_TEXT(take_name, listeners.back().service, value)),

    text("service", "name", Need::kRequired, "", kNameForm, "What far listeners ask for.", "",
         DWCP_TEXT(take_name, services.back().name, value)),
    text("service", "connect", Need::kRequired, "", kSocketForm, "Where the hypervisor waits.", "",
         DWCP_TEXT(take_connect, services.back().connect, value)),
    integer("service", "connect_timeout_ms", "ms", "5000", 100, 60000,
            "How long a connection to it may take before the migration is refused.",
            "On a LAN it outlasts two lost SYNs (1 s + 2 s), and a hypervisor that is not there is known well before "
            "anyone gives up waiting.",
            DWCP_SET(services.back().connect_timeout_ms, std::uint32_t)),

    text("control", "runtime_dir", Need::kOptional, "\"\"", "an absolute path, or \"\"",
         "The directory for run-time files (RUNTIME_DIRECTORY to DPDK). Empty: that variable if set, else /var/run for "
         "root, $XDG_RUNTIME_DIR or /tmp for others.",
         "DPDK's own choice is where its tools look.",
         [](Config& c, const std::string& value) -> std::string {
           // DIR/dpdk/dwcp-NAME/dpdk_telemetry.v2 must fit sun_path with
           // the longest NAME.
           constexpr std::size_t kMax = kUnixPathMax - std::string_view("/dpdk/dwcp-/dpdk_telemetry.v2").size() - 32;
           if (value.size() > kMax) return "longer than " + std::to_string(kMax) + ", so its socket would have no name";
           return take_path(c.control.runtime_dir, value);
         }),

    text("control", "group", Need::kOptional, "\"\"", "the name of a group, or \"\"",
         "Whose members may use the control sockets, beside root and the gateway's own user.",
         "Those who may read a gateway's state and reload it are for the site to say.",
         DWCP_TEXT(take_account, control.group, value)),

    choice("log", "level", "\"info\"", kLogLevelNames, "The least severity that is logged.",
           "State changes and faults; nothing per packet exists at any level.", DWCP_PICK(log.level, LogLevel)),
    text("log", "file", Need::kOptional, "\"\"", "an absolute path, or \"\"", "Where to. Empty: stderr.",
         "journald and container runtimes collect stderr.", DWCP_TEXT(take_path, log.file, value)),
    choice("log", "format", "\"text\"", kLogFormatNames, "\"json\" writes one object a line.", "People read it first.",
           DWCP_PICK(log.format, LogFormat)),
};

#undef DWCP_SET
#undef DWCP_PICK
#undef DWCP_FLAG
#undef DWCP_TEXT

}  // namespace

std::span<const SectionSpec> schema_sections() {
  return kSections;
}
std::span<const KeySpec> schema_keys() {
  return kKeys;
}

std::string allowed_text(const KeySpec& key) {
  std::string out;
  switch (key.type) {
    case KeyType::kInteger:
      out = key.min == key.max ? std::to_string(key.min)
                               : "an integer " + std::to_string(key.min) + ".." + std::to_string(key.max);
      if (key.power_of_two) out += ", a power of two";
      if (!key.unit.empty()) out += " (" + std::string(key.unit) + ")";
      return out;
    case KeyType::kChoice:
      for (const auto choice_name : key.choices) {
        out += (out.empty()                         ? "\""
                : choice_name == key.choices.back() ? " or \""
                                                    : ", \"") +
               std::string(choice_name) + '"';
      }
      return out;
    case KeyType::kBoolean:
      return "true or false";
    case KeyType::kText:
      return std::string(key.form);
  }
  return out;
}

void apply_default(const KeySpec& key, Config& config) {
  if (key.default_text.empty()) return;
  std::string_view value = key.default_text;
  if (key.type == KeyType::kInteger) {
    std::int64_t number = 0;
    std::from_chars(value.data(), value.data() + value.size(), number);
    key.set_integer(config, number);
    return;
  }
  if (key.type == KeyType::kBoolean) return key.set_boolean(config, value == "true");
  value = value.substr(1, value.size() - 2);
  if (key.type == KeyType::kText) {
    const std::string fault = key.set_text(config, std::string(value));
    DWCP_ASSERT(fault.empty());
    return;
  }
  const auto found = std::find(key.choices.begin(), key.choices.end(), value);
  DWCP_ASSERT(found != key.choices.end());
  key.set_choice(config, static_cast<std::size_t>(found - key.choices.begin()));
}

}  // namespace dwcp
