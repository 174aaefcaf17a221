// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <cstdio>
#include <fstream>

#include "support.h"

namespace dwcp {
namespace {

TEST(config, reads_every_section) {
  const auto config = parse_config(kGood + R"([lcores]
net_count = 1
codec_count = 3
[transport]
congestion = "bbr"
rate_max_mbps = 300
[codec]
level = "max"
adapter = "off"
[control]
runtime_dir = "/run/dwcp"
[log]
level = "debug"
format = "json"
file = "/var/log/dwcp.log"
[memory]
migrations_max = 3
)",
                                   "f.toml");
  ASSERT_TRUE(config) << errors_of(kGood);
  EXPECT_EQ(config->gateway.name, "site-a");
  EXPECT_EQ(config->port.ipv4->to_string(), "10.0.0.1/24");
  EXPECT_EQ(config->port.ipv4_gateway->to_string(), "10.0.0.254");
  EXPECT_FALSE(config->port.ipv6);
  EXPECT_EQ(config->lcores.net_count, 1U);
  EXPECT_EQ(config->lcores.codec_count, 3U);
  EXPECT_EQ(config->memory.migrations_max, 3U);
  EXPECT_EQ(config->transport.congestion, Congestion::kBbr);
  EXPECT_EQ(config->transport.rate_max_mbps, 300U);
  EXPECT_EQ(config->codec.level, CodecLevel::kMax);
  EXPECT_EQ(config->codec.adapter, AdapterMode::kOff);
  ASSERT_EQ(config->peers.size(), 1U);
  EXPECT_EQ(config->peers[0].address.to_string(), "10.0.0.2:7717");
  ASSERT_EQ(config->listeners.size(), 1U);
  EXPECT_EQ(config->listeners[0].listen.to_string(), "tcp:127.0.0.1:4444");
  EXPECT_EQ(config->find_peer("site-b"), &config->peers[0]);
  EXPECT_EQ(config->find_peer("site-c"), nullptr);
  EXPECT_EQ(config->find_service("vm")->connect.path, "/run/vm.sock");
  EXPECT_EQ(config->find_service("vm")->connect_timeout_ms, 5000U);
  EXPECT_EQ(config->control.runtime_dir, "/run/dwcp");
  EXPECT_EQ(config->log.level, LogLevel::kDebug);
  EXPECT_EQ(config->log.format, LogFormat::kJson);
  EXPECT_EQ(config->log.file, "/var/log/dwcp.log");
  EXPECT_EQ(config->file_prefix(), "dwcp-site-a");
}

TEST(config, absent_sections_have_the_defaults) {
  const auto config = parse_config(kGood, "f.toml");
  ASSERT_TRUE(config);
  const Config defaults = default_config();
  EXPECT_EQ(config->lcores, defaults.lcores);
  EXPECT_EQ(config->memory, defaults.memory);
  EXPECT_EQ(config->transport, defaults.transport);
  EXPECT_EQ(config->codec, defaults.codec);
  EXPECT_EQ(config->log, defaults.log);
  EXPECT_EQ(defaults.transport.session_timeout_ms, 45000U);
  EXPECT_EQ(defaults.transport.congestion, Congestion::kBbr);
  EXPECT_EQ(defaults.port.mtu_bytes, 1500);
  EXPECT_EQ(defaults.memory.tx_mib, 256U);
}

TEST(config, copies_share_nothing) {
  const auto config = parse_config(kGood, "f.toml");
  ASSERT_TRUE(config);
  Config copy = *config;
  EXPECT_EQ(copy, *config);
  copy.peers[0].name = "other";
  EXPECT_NE(copy, *config);
  EXPECT_EQ(config->peers[0].name, "site-b");
}

TEST(config, peer_port_follows_udp_port_wherever_it_stands) {
  const auto config = parse_config(kGood + "[log]\nlevel=\"info\"\n", "f.toml");
  ASSERT_TRUE(config);
  const auto moved = parse_config(changed("[port]\n", "[port]\nudp_port = 4000\n"), "f.toml");
  ASSERT_TRUE(moved);
  EXPECT_EQ(moved->peers[0].address.port, 4000);
  const auto own = parse_config(changed("\"10.0.0.2\"", "\"10.0.0.2:5000\""), "f.toml");
  ASSERT_TRUE(own);
  EXPECT_EQ(own->peers[0].address.port, 5000);
}

TEST(config, an_error_has_all_its_parts) {
  const auto config = parse_config(changed("[port]\n", "[port]\n  mtu_bytes = 500\n"), "dir/f.toml");
  ASSERT_FALSE(config);
  ASSERT_EQ(config.error().size(), 1U);
  const ConfigError& error = config.error()[0];
  EXPECT_EQ(error.file, "dir/f.toml");
  EXPECT_EQ(error.line, 5U);
  EXPECT_EQ(error.column, 3U);
  EXPECT_EQ(error.key, "port.mtu_bytes");
  EXPECT_EQ(error.found, "500");
  EXPECT_EQ(error.to_string(),
            "dir/f.toml:5:3: port.mtu_bytes: out of range (found 500); allowed: an integer 1280..9000 (bytes)");
}

TEST(config, reports_all_errors_in_file_order) {
  const auto config = parse_config(R"(schema = 2
[port]
ipv4 = "10.0.0.1/24"
mtu_bytes = "big"
[codec]
level = 3
[nonsense]
)",
                                   "f");
  ASSERT_FALSE(config);
  std::string keys;
  for (const auto& error : config.error()) keys += error.key + ' ';
  EXPECT_EQ(keys, "gateway.name schema port.mtu_bytes codec.level nonsense ");
}

TEST(config, syntax_error_has_its_place) {
  EXPECT_EQ(errors_of("schema = 1\n[port\n").substr(0, 13), "f.toml:2:6: n");
  EXPECT_NE(errors_of("a = 1\na = 2\n").find("f.toml:2:"), std::string::npos) << errors_of("a = 1\na = 2\n");
  EXPECT_NE(errors_of("a = \"\xff\"\n"), "");
}

// Found by the fuzzer: toml++ 3.3 built header-only with asserts aborts on these.  Debian's library reports them.
TEST(config, bad_table_headers_are_errors) {
  for (const char* header : {"[\x01port]", "[:port]", "[]", "[[]]", "[.a]", "[a.]", "[ = 1"}) {
    EXPECT_EQ(errors_of("schema = 1\n\n" + std::string(header) + "\n").substr(0, 9), "f.toml:3:") << header;
  }
}

TEST(config, syntax_errors_stay_on_one_line) {
  const std::string errors = errors_of("x = i\n");  // found by the fuzzer
  EXPECT_EQ(errors.find('\n'), errors.size() - 1) << errors;
}

TEST(config, dos_line_ends_are_fine) {
  std::string dos = kGood;
  for (std::size_t at = 0; (at = dos.find('\n', at)) != std::string::npos; at += 2) dos.insert(at, 1, '\r');
  EXPECT_EQ(errors_of(dos), "");
}

TEST(config, missing_keys_are_named) {
  EXPECT_EQ(errors_of(""),
            "f.toml: schema: required key is missing; allowed: 1\n"
            "f.toml: gateway.name: required key is missing; allowed: a name of 1..32 characters: letters, "
            "digits, '.', '_', '-', beginning with a letter or digit\n"
            "f.toml: port: no address: port.ipv4 and port.ipv6 are both missing; set one, such as ipv4 = "
            "\"10.0.0.1/24\"\n");
  const std::string no_peer = errors_of(changed("peer = \"site-b\"\n", ""));
  EXPECT_EQ(no_peer.substr(0, no_peer.find(';')), "f.toml:10:1: listener[0].peer: required key is missing") << no_peer;
}

TEST(config, booleans) {
  EXPECT_TRUE(parse_config(kGood, "f")->transport.ecn);
  EXPECT_FALSE(parse_config(kGood + "[transport]\necn = false\n", "f")->transport.ecn);
  EXPECT_TRUE(parse_config(kGood + "[transport]\necn = true\n", "f")->transport.ecn);
  for (const char* wrong : {"1", "\"true\"", "[true]"}) {
    const std::string text = errors_of(kGood + "[transport]\necn = " + wrong + "\n");
    EXPECT_NE(text.find("transport.ecn: wrong type: a boolean is needed"), std::string::npos) << text;
    EXPECT_NE(text.find("allowed: true or false"), std::string::npos) << text;
  }
}

TEST(config, wrong_types_are_named) {
  const auto first = [](const std::string& text) { return errors_of(text).substr(0, errors_of(text).find(" (found")); };
  EXPECT_EQ(first(changed("\"site-a\"", "7")),
            "f.toml:3:1: gateway.name: wrong type: a string is needed, not an integer");
  EXPECT_EQ(first(changed("\"site-a\"", "true")),
            "f.toml:3:1: gateway.name: wrong type: a string is needed, not a boolean");
  EXPECT_EQ(first(changed("[port]", "[port]\nvlan = 1.5")),
            "f.toml:5:1: port.vlan: wrong type: an integer is needed, not a number with a fraction");
  EXPECT_EQ(first(changed("[port]", "[port]\nvlan = 2024-01-01")),
            "f.toml:5:1: port.vlan: wrong type: an integer is needed, not a date or time");
  EXPECT_NE(errors_of(changed("[[service]]", "[service]")).find("service: this section is repeated"),
            std::string::npos);
  EXPECT_NE(errors_of("port = 3\n").find("port: this is an integer, not a section"), std::string::npos);
  EXPECT_NE(errors_of("peer = [1]\n").find("peer[0]: an entry must be a section, but is an integer"),
            std::string::npos);
}

TEST(config, bad_units_say_what_to_write) {
  const std::string errors = errors_of(changed("[port]",
                                               "[transport]\nkeepalive_ms = \"5s\"\nrate_max_mbps = \"1Gbps\"\n"
                                               "backlog_max_ms = \"5 MiB\"\n[port]"));
  EXPECT_NE(errors.find("write keepalive_ms = 5000, the unit (ms) being part of the key's name"), std::string::npos)
      << errors;
  EXPECT_NE(errors.find("write rate_max_mbps = 1000,"), std::string::npos) << errors;
  EXPECT_NE(errors.find("bad unit: write backlog_max_ms = N"), std::string::npos) << errors;
  const std::string other = errors_of(changed("[port]", "[transport]\nsession_timeout_s = 45\n[port]"));
  EXPECT_NE(
      other.find("f.toml:5:1: transport.session_timeout_s: unknown key (found 45); did you mean session_timeout_ms? "
                 "(the unit is ms)"),
      std::string::npos)
      << other;
}

TEST(config, unknown_keys_name_the_nearest) {
  EXPECT_NE(errors_of(changed("ipv4 = ", "ipv_4 = "))
                .find("port.ipv_4: unknown key (found \"10.0.0.1/24\"); did you mean ipv4?"),
            std::string::npos);
  EXPECT_NE(errors_of(changed("[gateway]", "[gatewya]")).find("unknown section; did you mean [gateway]?"),
            std::string::npos);
  EXPECT_NE(
      errors_of(changed("[port]", "[port]\nlevel = \"fast\"")).find("did you mean [codec] level? It belongs there"),
      std::string::npos);
  EXPECT_NE(errors_of(changed("[port]", "[transport]\ncongestion = \"brb\"\n[port]")).find("did you mean \"bbr\"?"),
            std::string::npos);
}

TEST(config, takes_every_congestion_control) {
  for (const auto& [name, kind] : {std::pair("bbr", Congestion::kBbr), {"cubic", Congestion::kCubic}, {"newreno", Congestion::kNewReno}}) {
    const auto config = parse_config(changed("[port]", "[transport]\ncongestion = \"" + std::string(name) + "\"\n[port]"), "f");
    ASSERT_TRUE(config) << name;
    EXPECT_EQ(config->transport.congestion, kind) << name;
  }
}

TEST(config, hostile_text_stays_on_one_line) {
  const auto config = parse_config("\"a\\nb\\u001b[2J\" = \"x\\ny\"\n[\"z\\n\"]\n", "f.toml");
  ASSERT_FALSE(config);
  for (const auto& error : config.error()) {
    for (const char c : error.to_string()) EXPECT_GE(static_cast<unsigned char>(c), 0x20) << error.to_string();
  }
}

TEST(config, unreadable_files_say_why) {
  const auto none = load_config("/nonexistent/dwcp.toml");
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error()[0].to_string(),
            "/nonexistent/dwcp.toml: cannot be read: No such file or directory; name a readable file with --config");
  const auto folder = load_config("/");
  ASSERT_FALSE(folder);
  EXPECT_NE(folder.error()[0].problem.find("Is a directory"), std::string::npos);
}

TEST(config, loads_a_file_and_refuses_a_huge_one) {
  char path[] = "/tmp/dwcp-config-test-XXXXXX";
  const int handle = mkstemp(path);
  ASSERT_GE(handle, 0);
  close(handle);
  std::ofstream(path) << kGood;
  EXPECT_TRUE(load_config(path));
  std::ofstream(path) << kGood << std::string(1024 * 1024, '#');
  const auto huge = load_config(path);
  ASSERT_FALSE(huge);
  EXPECT_EQ(huge.error()[0].problem, "the file is larger than 1 MiB");
  std::remove(path);
}

}  // namespace
}  // namespace dwcp
