// SPDX-License-Identifier: Apache-2.0
// What must hold between keys, one rule a test.
#include "support.h"

namespace dwcp {
namespace {

constexpr const char* kSecondPeer = "[[peer]]\nname = \"site-c\"\naddress = \"10.0.0.3\"\n";

TEST(rules, good_file_is_good) {
  EXPECT_EQ(errors_of(kGood), "");
}

TEST(rules, names_are_unique_within_a_kind) {
  EXPECT_EQ(errors_of(kGood + kSecondPeer), "");
  const std::string peers = errors_of(kGood + "[[peer]]\nname = \"site-b\"\naddress = \"10.0.0.3\"\n");
  EXPECT_EQ(peers,
            "f.toml:23:1: peer[1].name: duplicate name: peer[0].name has it already (found \"site-b\"); every peer "
            "needs a name of its own\n");
  EXPECT_NE(errors_of(kGood + "[[service]]\nname = \"vm\"\nconnect = \"unix:/x\"\n").find("service[1].name: duplicate"),
            std::string::npos);
  EXPECT_NE(
      errors_of(kGood + "[[listener]]\nname = \"to-b\"\nlisten = \"unix:/x\"\npeer = \"site-b\"\nservice = \"v\"\n")
          .find("listener[1].name: duplicate"),
      std::string::npos);
}

TEST(rules, a_peer_is_not_this_gateway) {
  EXPECT_NE(errors_of(changed("name = \"site-b\"", "name = \"site-a\""))
                .find("peer[0].name: this is the name of this gateway"),
            std::string::npos);
  EXPECT_NE(errors_of(changed("\"10.0.0.2\"", "\"10.0.0.1\"")).find("peer[0].address: this is the port's own"),
            std::string::npos);
}

TEST(rules, two_peers_are_not_at_one_address) {
  EXPECT_NE(errors_of(kGood + "[[peer]]\nname = \"site-c\"\naddress = \"10.0.0.2:7717\"\n")
                .find("peer[1].address: duplicate address"),
            std::string::npos);
}

TEST(rules, listener_names_a_peer_that_is) {
  EXPECT_NE(errors_of(changed("peer = \"site-b\"", "peer = \"siteb\""))
                .find("listener[0].peer: no [[peer]] has this name (found \"siteb\"); did you mean \"site-b\"?"),
            std::string::npos);
  EXPECT_NE(errors_of(changed("peer = \"site-b\"", "peer = \"x\"") + kSecondPeer).find("defined: site-b, site-c"),
            std::string::npos);
}

std::string with_listener(const std::string& first, const std::string& second) {
  return changed("tcp:127.0.0.1:4444", first) + "[[listener]]\nname = \"two\"\nlisten = \"" + second +
         "\"\npeer = \"site-b\"\nservice = \"vm\"\n";
}

TEST(rules, listeners_do_not_overlap) {
  EXPECT_EQ(errors_of(with_listener("tcp:127.0.0.1:4444", "tcp:127.0.0.1:4445")), "");
  EXPECT_EQ(errors_of(with_listener("tcp:127.0.0.1:4444", "tcp:127.0.0.2:4444")), "");
  EXPECT_EQ(errors_of(with_listener("unix:/a", "unix:/b")), "");
  for (const auto& [first, second] :
       std::initializer_list<std::pair<const char*, const char*>>{{"tcp:127.0.0.1:4444", "tcp:127.0.0.1:4444"},
                                                                  {"tcp:127.0.0.1:4444", "tcp:0.0.0.0:4444"},
                                                                  {"tcp:0.0.0.0:4444", "tcp:127.0.0.1:4444"},
                                                                  {"tcp:127.0.0.1:4444", "tcp:[::]:4444"},
                                                                  {"unix:/a", "unix:/a"}}) {
    EXPECT_NE(errors_of(with_listener(first, second)).find("listener[1].listen: overlaps listener[0].listen"),
              std::string::npos)
        << first << ' ' << second;
  }
}

TEST(rules, listener_ports) {
  EXPECT_NE(errors_of(changed(":4444", ":80")).find("port 80 is privileged: use 1024..65535"), std::string::npos);
  EXPECT_NE(errors_of(changed(":4444", "")).find("the port is missing"), std::string::npos);
  EXPECT_NE(errors_of(changed(":4444", ":0")).find("the port is not a number 1..65535"), std::string::npos);
  EXPECT_NE(errors_of(changed("127.0.0.1:4444", "localhost:4444")).find("host names are not looked up"),
            std::string::npos);
}

TEST(rules, host_address_is_a_host_in_its_subnet) {
  EXPECT_NE(errors_of(changed("10.0.0.1/24", "10.0.0.0/24")).find("port.ipv4: this is the network's address"),
            std::string::npos);
  EXPECT_NE(errors_of(changed("10.0.0.1/24", "10.0.0.255/24")).find("port.ipv4: this is the subnet's broadcast"),
            std::string::npos);
  EXPECT_EQ(errors_of(changed("10.0.0.1/24", "10.0.0.255/16")), "");
  EXPECT_NE(errors_of(changed("10.0.0.1/24", "127.0.0.1/24")).find("loopback"), std::string::npos);
  EXPECT_NE(errors_of(changed("10.0.0.1/24", "224.0.0.1/24")).find("multicast"), std::string::npos);
  EXPECT_NE(errors_of(changed("10.0.0.1/24", "10.0.0.1")).find("the prefix length is missing"), std::string::npos);
  EXPECT_NE(errors_of(changed("10.0.0.1/24", "10.0.0.1/33")).find("not a number 1..32"), std::string::npos);
  EXPECT_NE(errors_of(changed("10.0.0.1/24", "fd00::1/64")).find("not an IPv4 address"), std::string::npos);
}

TEST(rules, router_is_on_the_link) {
  EXPECT_NE(errors_of(changed("10.0.0.254", "10.0.1.254"))
                .find("port.ipv4_gateway: outside the subnet of port.ipv4, 10.0.0.1/24"),
            std::string::npos);
  EXPECT_NE(errors_of(changed("10.0.0.254", "10.0.0.1")).find("port.ipv4_gateway: this is the port's own address"),
            std::string::npos);
  EXPECT_NE(errors_of(changed("ipv4_gateway = \"10.0.0.254\"", "ipv6_gateway = \"fd00::1\""))
                .find("port.ipv6_gateway: set without port.ipv6"),
            std::string::npos);
  EXPECT_EQ(errors_of(changed("ipv4_gateway = \"10.0.0.254\"", "ipv6 = \"fd00::2/64\"\nipv6_gateway = \"fe80::1\"")),
            "");
}

TEST(rules, peers_can_be_reached) {
  EXPECT_EQ(errors_of(changed("\"10.0.0.2\"", "\"192.0.2.1\"")), "");  // by the router
  std::string text = changed("\"10.0.0.2\"", "\"192.0.2.1\"");
  text.erase(text.find("ipv4_gateway"), std::string("ipv4_gateway = \"10.0.0.254\"\n").size());
  EXPECT_NE(errors_of(text).find("outside the subnet of port.ipv4, 10.0.0.1/24, and no router is known"),
            std::string::npos);
  EXPECT_NE(errors_of(changed("\"10.0.0.2\"", "\"fd00::2\"")).find("reached by ipv6, but port.ipv6 is not set"),
            std::string::npos);
}

TEST(rules, transport_numbers_agree) {
  const auto transport = [](const std::string& keys) { return errors_of(kGood + "[transport]\n" + keys); };
  EXPECT_NE(transport("window_mib = 257\n").find("transport.window_mib, 257, is above memory.rx_mib, 256"),
            std::string::npos);
  EXPECT_NE(errors_of(kGood + "[memory]\nrx_mib = 32\n").find("memory.rx_mib: transport.window_mib, 192, is above"),
            std::string::npos);
  EXPECT_EQ(transport("window_mib = 64\n"), "");
  EXPECT_NE(transport("streams_min = 5\n").find("transport.streams_min: streams_min is above streams_initial"), std::string::npos);
  EXPECT_NE(transport("streams_max = 3\n").find("transport.streams_max: streams_max is below"), std::string::npos);
  EXPECT_EQ(transport("streams_min = 2\nstreams_initial = 2\nstreams_max = 2\n"), "");
  EXPECT_EQ(transport("keepalive_ms = 3000\nsession_timeout_ms = 9000\n"), "");
  EXPECT_NE(transport("keepalive_ms = 3001\nsession_timeout_ms = 9000\n").find("less than three times keepalive_ms"), std::string::npos);
}

TEST(rules, a_refused_key_has_no_consequences) {
  // The peer's name is bad; the listener that names it is not to blame, nor is the missing port.ipv4 behind a bad one.
  EXPECT_EQ(errors_of(changed("ipv4 = \"10.0.0.1/24\"", "ipv4 = \"x\"")),
            "f.toml:5:1: port.ipv4: the prefix length is missing (found \"x\"); allowed: \"ADDRESS/LENGTH\", such as "
            "\"10.0.0.1/24\"\n");
}

}  // namespace
}  // namespace dwcp
