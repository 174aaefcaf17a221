// SPDX-License-Identifier: Apache-2.0
#include "dataplane/inet/address.h"

#include <gtest/gtest.h>

namespace dwcp::inet {
namespace {

IpAddress ip(std::string_view text) {
  return *IpAddress::parse(text);
}

TEST(address, parses_and_prints_both_families) {
  for (const char* text : {"192.0.2.1", "0.0.0.0", "255.255.255.255", "::", "::1", "2001:db8::1", "fe80::ff:fe00:a"}) {
    const auto parsed = IpAddress::parse(text);
    ASSERT_TRUE(parsed) << text;
    EXPECT_EQ(parsed->text(), text);
  }
  EXPECT_TRUE(ip("192.0.2.1").is_v4());
  EXPECT_TRUE(ip("::1").is_v6());
  EXPECT_EQ(IpAddress{}.text(), "none");
}

TEST(address, refuses_what_is_not_an_address) {
  for (const std::string text : {"", "1.2.3", "1.2.3.4.5", "1.2.3.256", "fe80::1%eth0", "::g", "192.0.2.1 ", "host"}) {
    EXPECT_FALSE(IpAddress::parse(text)) << text;
  }
  EXPECT_FALSE(IpAddress::parse(std::string("1.2.3.4\0x", 9)));
  EXPECT_FALSE(IpAddress::parse(std::string(100000, '1')));
  EXPECT_EQ(IpAddress::parse("nine").error(), "\"nine\" is not an IPv4 or IPv6 address");
}

TEST(address, families_never_compare_equal) {
  EXPECT_NE(IpAddress::v4({0, 0, 0, 0}), IpAddress::v6({}));
  EXPECT_NE(IpAddress::v4({0, 0, 0, 0}), IpAddress{});
  EXPECT_FALSE(Prefix::parse("0.0.0.0/0")->contains(ip("::1")));
}

TEST(address, socket_addresses_need_brackets_for_v6) {
  EXPECT_EQ(SocketAddress::parse("192.0.2.1:4700")->text(), "192.0.2.1:4700");
  EXPECT_EQ(SocketAddress::parse("[2001:db8::1]:65535")->text(), "[2001:db8::1]:65535");
  for (const char* text : {"192.0.2.1", "192.0.2.1:", "192.0.2.1:65536", "192.0.2.1:-1", "::1:80", "[192.0.2.1]:80",
                           "[]:80", "[::1]80", ":80", "192.0.2.1:4x"}) {
    EXPECT_FALSE(SocketAddress::parse(text)) << text;
  }
}

TEST(address, prefix_contains) {
  const Prefix net = *Prefix::parse("192.0.2.130/25");
  EXPECT_TRUE(net.contains(ip("192.0.2.128")));
  EXPECT_FALSE(net.contains(ip("192.0.2.127")));
  EXPECT_TRUE(net.is_broadcast(ip("192.0.2.255")));
  EXPECT_FALSE(net.is_broadcast(ip("192.0.2.254")));
  EXPECT_FALSE(Prefix::parse("192.0.2.0/31")->is_broadcast(ip("192.0.2.1")));
  EXPECT_TRUE(Prefix::parse("0.0.0.0/0")->contains(ip("8.8.8.8")));
  EXPECT_TRUE(Prefix::parse("10.0.0.1/32")->contains(ip("10.0.0.1")));
  const Prefix six = *Prefix::parse("2001:db8::/33");
  EXPECT_TRUE(six.contains(ip("2001:db8:7fff::1")));
  EXPECT_FALSE(six.contains(ip("2001:db8:8000::1")));
  EXPECT_FALSE(Prefix::parse("1.2.3.4/33"));
  EXPECT_FALSE(Prefix::parse("::/129"));
  EXPECT_FALSE(Prefix::parse("1.2.3.4"));
}

TEST(address, derives_what_neighbour_discovery_needs) {
  const MacAddress mac = {2, 0, 0, 0, 0, 0x0a};
  EXPECT_EQ(link_local_of(mac).text(), "fe80::ff:fe00:a");  // as Linux made it from this MAC
  EXPECT_EQ(solicited_node_of(ip("2001:db8::2")).text(), "ff02::1:ff00:2");
  EXPECT_EQ(multicast_mac_of(solicited_node_of(ip("2001:db8::2"))), (MacAddress{0x33, 0x33, 0xff, 0, 0, 2}));
}

TEST(address, classes) {
  for (const char* text : {"224.0.0.1", "239.1.1.1", "255.255.255.255", "ff02::1"}) {
    EXPECT_TRUE(ip(text).is_group()) << text;
    EXPECT_FALSE(ip(text).is_host()) << text;
  }
  for (const char* text : {"127.0.0.1", "::1", "0.0.0.0", "::"}) EXPECT_FALSE(ip(text).is_host()) << text;
  EXPECT_TRUE(ip("fe80::1").is_link_local());
  EXPECT_FALSE(ip("fec0::1").is_link_local());
}

TEST(address, mac_text_round_trip) {
  EXPECT_EQ(mac_text(*parse_mac("02:0a:ff:00:10:9c")), "02:0a:ff:00:10:9c");
  for (const char* text : {"", "02:0a:ff:00:10", "02-0a-ff-00-10-9c", "02:0a:ff:00:10:9g", "2:a:ff:0:10:9:00"}) {
    EXPECT_FALSE(parse_mac(text)) << text;
  }
}

}  // namespace
}  // namespace dwcp::inet
