// SPDX-License-Identifier: Apache-2.0
#include "config/address.h"

#include <gtest/gtest.h>

namespace dwcp {
namespace {

TEST(address, ip_round_trips) {
  for (const char* text : {"10.0.0.1", "0.0.0.0", "255.255.255.255", "2001:db8::1", "::", "::1", "fe80::1"}) {
    const auto ip = parse_ip(text);
    ASSERT_TRUE(ip) << text;
    EXPECT_EQ(ip->to_string(), text);
  }
}

TEST(address, bad_ips_are_refused) {
  for (const char* text :
       {"", "10.0.0", "10.0.0.256", "010.0.0.1", "host", "10.0.0.1 ", "1::2::3", "[::1]", "fe80::1%eth0"}) {
    EXPECT_FALSE(parse_ip(text)) << text;
  }
  EXPECT_FALSE(parse_ip(std::string_view("10.0.0.1\0x", 10)));
}

TEST(address, kinds) {
  EXPECT_TRUE(parse_ip("239.1.1.1")->multicast());
  EXPECT_FALSE(parse_ip("240.1.1.1")->multicast());
  EXPECT_TRUE(parse_ip("ff02::1")->multicast());
  EXPECT_TRUE(parse_ip("127.9.9.9")->loopback());
  EXPECT_TRUE(parse_ip("::1")->loopback());
  EXPECT_FALSE(parse_ip("::2")->loopback());
  EXPECT_TRUE(parse_ip("fe80::1")->link_local());
  EXPECT_TRUE(parse_ip("febf::1")->link_local());
  EXPECT_FALSE(parse_ip("fec0::1")->link_local());
  EXPECT_TRUE(parse_ip("::")->unspecified());
}

TEST(address, prefix_contains_by_bits) {
  const auto prefix = parse_prefix("10.1.2.130/25");
  ASSERT_TRUE(prefix);
  EXPECT_TRUE(prefix->contains(*parse_ip("10.1.2.255")));
  EXPECT_FALSE(prefix->contains(*parse_ip("10.1.2.127")));
  EXPECT_FALSE(prefix->contains(*parse_ip("10.1.3.130")));
  EXPECT_FALSE(prefix->contains(*parse_ip("a01:282::")));  // the same bytes in the other family
  const auto wide = parse_prefix("2001:db8:8000::1/33");
  ASSERT_TRUE(wide);
  EXPECT_TRUE(wide->contains(*parse_ip("2001:db8:ffff::")));
  EXPECT_FALSE(wide->contains(*parse_ip("2001:db8:7fff::")));
  EXPECT_TRUE(parse_prefix("10.0.0.1/32")->contains(*parse_ip("10.0.0.1")));
  EXPECT_FALSE(parse_prefix("10.0.0.1/32")->contains(*parse_ip("10.0.0.2")));
}

TEST(address, bad_prefixes_are_refused) {
  for (const char* text :
       {"10.0.0.1", "10.0.0.1/", "10.0.0.1/0", "10.0.0.1/33", "10.0.0.1/+8", "10.0.0.1/08", "::1/129"}) {
    EXPECT_FALSE(parse_prefix(text)) << text;
  }
}

TEST(address, peer_endpoint_forms) {
  EXPECT_EQ(parse_peer_endpoint("10.0.0.2", 7)->to_string(), "10.0.0.2:7");
  EXPECT_EQ(parse_peer_endpoint("10.0.0.2:80", 7)->to_string(), "10.0.0.2:80");
  EXPECT_EQ(parse_peer_endpoint("2001:db8::2", 7)->to_string(), "[2001:db8::2]:7");
  EXPECT_EQ(parse_peer_endpoint("[2001:db8::2]", 7)->to_string(), "[2001:db8::2]:7");
  EXPECT_EQ(parse_peer_endpoint("[2001:db8::2]:80", 7)->to_string(), "[2001:db8::2]:80");
  for (const char* text :
       {"10.0.0.2:", "10.0.0.2:0", "10.0.0.2:65536", "[10.0.0.2]:1", "[::1", "[::1]x", ":80", "10.0.0.2:-1"}) {
    EXPECT_FALSE(parse_peer_endpoint(text, 7)) << text;
  }
}

TEST(address, local_socket_forms) {
  for (const char* text : {"tcp:127.0.0.1:4444", "tcp:[::1]:4444", "tcp:0.0.0.0:1", "unix:/run/a b.sock"}) {
    const auto socket = parse_local_socket(text);
    ASSERT_TRUE(socket) << text;
    EXPECT_EQ(socket->to_string(), text);
  }
  for (const char* text :
       {"", "127.0.0.1:1", "tcp:", "tcp:127.0.0.1", "tcp:::1:4444", "udp:1.1.1.1:1", "unix:", "unix:rel"}) {
    EXPECT_FALSE(parse_local_socket(text)) << text;
  }
  EXPECT_TRUE(parse_local_socket("unix:/" + std::string(kUnixPathMax - 1, 'a')));
  EXPECT_FALSE(parse_local_socket("unix:/" + std::string(kUnixPathMax, 'a')));
}

}  // namespace
}  // namespace dwcp
