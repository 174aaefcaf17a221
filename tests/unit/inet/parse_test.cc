// SPDX-License-Identifier: Apache-2.0
#include "dataplane/inet/parse.h"

#include <gtest/gtest.h>

#include <functional>
#include <random>
#include <string>

#include "dataplane/inet/checksum.h"
#include "dataplane/inet/headers.h"
#include "frames.h"

namespace dwcp::inet {
namespace {

using namespace test;
using Kind = Parsed::Kind;

std::string payload_of(const Parsed& parsed) {
  return {reinterpret_cast<const char*>(parsed.datagram.payload), parsed.datagram.payload_length};
}

void fix_ipv4(Bytes& frame, std::size_t l2 = 14) {
  auto& ip = header_at<Ipv4Header>(frame.data() + l2);
  ip.checksum = 0;
  ip.checksum = finish(add(ChecksumSum{}, frame.data() + l2, (ip.version_ihl & 15U) * 4U));
}

TEST(parse, takes_a_captured_ipv4_datagram) {
  Parser parser(our_addresses());
  const Frame frame(kUdp4);
  const Parsed parsed = parser.parse(frame.rx());
  ASSERT_EQ(parsed.kind, Kind::kUdp) << info_of(parsed.reason).name;
  EXPECT_EQ(parsed.datagram.source.text(), "192.0.2.1:4700");
  EXPECT_EQ(parsed.datagram.destination.text(), "192.0.2.2:4701");
  EXPECT_EQ(payload_of(parsed), "hello dwcp");
  EXPECT_EQ(parsed.datagram.ecn, 2);
  EXPECT_EQ(parsed.datagram.ttl, 64);
}

TEST(parse, takes_a_captured_ipv6_datagram) {
  Parser parser(our_addresses());
  const Frame frame(kUdp6);
  const Parsed parsed = parser.parse(frame.rx());
  ASSERT_EQ(parsed.kind, Kind::kUdp) << info_of(parsed.reason).name;
  EXPECT_EQ(parsed.datagram.source.text(), "[2001:db8::1]:4700");
  EXPECT_EQ(parsed.datagram.destination.text(), "[2001:db8::2]:4701");
  EXPECT_EQ(payload_of(parsed), "hello dwcp");
  EXPECT_EQ(parsed.datagram.ecn, 1);
}

TEST(parse, sorts_what_is_for_the_host) {
  Parser parser(our_addresses());
  EXPECT_EQ(parser.parse(Frame(kArpRequestHex).rx()).kind, Kind::kArp);
  EXPECT_EQ(parser.parse(Frame(kSolicitation).rx()).kind, Kind::kNeighbour);
  EXPECT_EQ(parser.parse(Frame(kPing4).rx()).kind, Kind::kIcmp);
  EXPECT_EQ(parser.parse(Frame(kPing6).rx()).kind, Kind::kIcmp);
}

TEST(parse, ethernet_padding_is_legal_and_not_payload) {
  Parser parser(our_addresses());
  for (const auto hex : {kUdp4, kUdp6}) {
    Bytes bytes = from_hex(hex);
    bytes.insert(bytes.end(), 20, 0xee);
    const Frame frame(bytes);
    const Parsed parsed = parser.parse(frame.rx());
    ASSERT_EQ(parsed.kind, Kind::kUdp);
    EXPECT_EQ(payload_of(parsed), "hello dwcp");
  }
}

TEST(parse, passes_over_ipv4_options) {
  Bytes bytes = from_hex(kUdp4);
  bytes.insert(bytes.begin() + 34, {1, 1, 1, 0});
  bytes[14] = 0x46;
  bytes[17] = static_cast<std::uint8_t>(bytes[17] + 4);
  fix_ipv4(bytes);
  Parser parser(our_addresses());
  const Frame frame(bytes);
  const Parsed parsed = parser.parse(frame.rx());
  ASSERT_EQ(parsed.kind, Kind::kUdp) << info_of(parsed.reason).name;
  EXPECT_EQ(payload_of(parsed), "hello dwcp");
}

TEST(parse, every_shorter_frame_is_truncated) {
  for (const auto hex : {kUdp4, kUdp6, kArpRequestHex, kSolicitation, kPing4, kPing6}) {
    const Bytes whole = from_hex(hex);
    for (std::size_t length = 0; length < whole.size(); ++length) {
      Parser parser(our_addresses());
      const Frame frame(Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length)));
      const Parsed parsed = parser.parse(frame.rx());
      ASSERT_EQ(parsed.kind, Kind::kDrop) << length;
      ASSERT_EQ(parsed.reason, DropReason::kTruncated) << length;
      ASSERT_EQ(parser.drops().of(DropReason::kTruncated), 1U);
    }
  }
}

struct DropCase {
  const char* name;
  std::string_view hex;
  std::function<void(Bytes&)> change;
  DropReason reason;
};

class ParseDrop : public testing::TestWithParam<DropCase> {};

TEST_P(ParseDrop, counts_the_reason) {
  Bytes bytes = from_hex(GetParam().hex);
  GetParam().change(bytes);
  Parser parser(our_addresses());
  const Frame frame(bytes);
  const Parsed parsed = parser.parse(frame.rx());
  EXPECT_EQ(parsed.kind, Kind::kDrop);
  EXPECT_EQ(info_of(parsed.reason).name, info_of(GetParam().reason).name);
  EXPECT_EQ(parser.drops().of(GetParam().reason), 1U);
}

const DropCase kDropCases[] = {
    {"ethertype", kUdp4, [](Bytes& b) { b[12] = 0x88; }, DropReason::kBadEthertype},
    {"other_mac", kUdp4, [](Bytes& b) { b[5] = 0x0c; }, DropReason::kNotForUs},
    {"multicast_mac_with_our_ip", kUdp4, [](Bytes& b) { b[0] = 3; }, DropReason::kNotForUs},
    {"group_source_mac", kUdp4, [](Bytes& b) { b[6] = 3; }, DropReason::kBadSource},
    {"our_source_mac", kUdp4, [](Bytes& b) { b[11] = 0x0b; }, DropReason::kBadSource},
    {"other_vlan", kUdp4,
     [](Bytes& b) {
       b.insert(b.begin() + 12, {0x81, 0x00, 0x00, 0x05});
     },
     DropReason::kWrongVlan},
    {"two_tags", kUdp4,
     [](Bytes& b) {
       b.insert(b.begin() + 12, {0x81, 0x00, 0x00, 0x00, 0x81, 0x00, 0x00, 0x00});
     },
     DropReason::kWrongVlan},
    {"v4_version", kUdp4, [](Bytes& b) { b[14] = 0x55; }, DropReason::kBadIpHeader},
    {"v4_short_header", kUdp4, [](Bytes& b) { b[14] = 0x44; }, DropReason::kBadIpHeader},
    {"v4_total_below_header", kUdp4, [](Bytes& b) { b[17] = 19; }, DropReason::kBadIpHeader},
    {"v4_total_beyond_frame", kUdp4, [](Bytes& b) { ++b[17]; }, DropReason::kTruncated},
    {"v4_checksum", kUdp4, [](Bytes& b) { b[22] = 63; }, DropReason::kBadIpChecksum},
    {"v4_other_host", kUdp4, [](Bytes& b) { b[33] = 3, fix_ipv4(b); }, DropReason::kNotForUs},
    {"v4_broadcast", kUdp4, [](Bytes& b) { b[33] = 255, fix_ipv4(b); }, DropReason::kNotForUs},
    {"v4_our_source", kUdp4, [](Bytes& b) { b[29] = 2, fix_ipv4(b); }, DropReason::kBadSource},
    {"v4_group_source", kUdp4, [](Bytes& b) { b[26] = 224, fix_ipv4(b); }, DropReason::kBadSource},
    {"v4_broadcast_source", kUdp4, [](Bytes& b) { b[29] = 255, fix_ipv4(b); }, DropReason::kBadSource},
    {"v4_loopback_source", kUdp4, [](Bytes& b) { b[26] = 127, fix_ipv4(b); }, DropReason::kBadSource},
    {"v4_first_fragment", kUdp4, [](Bytes& b) { b[20] = 0x20, fix_ipv4(b); }, DropReason::kFragment},
    {"v4_later_fragment", kUdp4, [](Bytes& b) { b[20] = 0, b[21] = 1, fix_ipv4(b); }, DropReason::kFragment},
    {"v4_protocol", kUdp4, [](Bytes& b) { b[23] = 6, fix_ipv4(b); }, DropReason::kUnknownProtocol},
    {"v4_icmpv6", kUdp4, [](Bytes& b) { b[23] = 58, fix_ipv4(b); }, DropReason::kUnknownProtocol},
    {"v6_icmpv4", kUdp6, [](Bytes& b) { b[20] = 1; }, DropReason::kUnknownProtocol},
    {"v6_version", kUdp6, [](Bytes& b) { b[14] = 0x40; }, DropReason::kBadIpHeader},
    {"v6_length_beyond_frame", kUdp6, [](Bytes& b) { ++b[19]; }, DropReason::kTruncated},
    {"v6_fragment", kUdp6, [](Bytes& b) { b[20] = 44; }, DropReason::kFragment},
    {"v6_routing_header", kUdp6, [](Bytes& b) { b[20] = 43; }, DropReason::kExtensionHeader},
    {"v6_other_host", kUdp6, [](Bytes& b) { b[53] = 3; }, DropReason::kNotForUs},
    {"v6_udp_to_group", kUdp6, [](Bytes& b) { b[38] = 0xff, b[39] = 2; }, DropReason::kNotForUs},
    {"v6_unspecified_source", kUdp6, [](Bytes& b) { std::fill(&b[22], &b[38], 0); }, DropReason::kBadSource},
    {"v6_zero_checksum", kUdp6, [](Bytes& b) { b[60] = b[61] = 0; }, DropReason::kBadUdpChecksum},
    {"mld_is_not_for_us", kMulticastListenerReport, [](Bytes&) {}, DropReason::kNotForUs},
    {"udp_length_short", kUdp4, [](Bytes& b) { b[39] = 7; }, DropReason::kBadUdpLength},
    {"udp_length_long", kUdp4, [](Bytes& b) { b[39] = 19; }, DropReason::kBadUdpLength},
    {"udp_checksum", kUdp4, [](Bytes& b) { b.back() ^= 1; }, DropReason::kBadUdpChecksum},
    {"udp6_checksum", kUdp6, [](Bytes& b) { b[30] ^= 1; }, DropReason::kBadUdpChecksum},
    {"udp_port_below", kUdp4, [](Bytes& b) { b[37] = 0x5c; }, DropReason::kWrongPort},
    {"udp_port_above", kUdp4, [](Bytes& b) { b[36] = 0x13; }, DropReason::kWrongPort},
};
INSTANTIATE_TEST_SUITE_P(parse, ParseDrop, testing::ValuesIn(kDropCases),
                         [](const auto& param) { return std::string(param.param.name); });

TEST(parse, believes_the_port_about_checksums) {
  Parser parser(our_addresses());
  Bytes bytes = from_hex(kUdp4);
  bytes[24] ^= 1;
  bytes[40] ^= 1;
  Frame wrong(bytes);
  wrong.rx().ip = wrong.rx().l4 = ChecksumState::kGood;
  EXPECT_EQ(parser.parse(wrong.rx()).kind, Kind::kUdp);
  Frame right(kUdp4);
  right.rx().ip = ChecksumState::kBad;
  EXPECT_EQ(parser.parse(right.rx()).reason, DropReason::kBadIpChecksum);
  right.rx().ip = ChecksumState::kGood;
  right.rx().l4 = ChecksumState::kBad;
  EXPECT_EQ(parser.parse(right.rx()).reason, DropReason::kBadUdpChecksum);
}

TEST(parse, absent_udp_checksum_is_legal_over_ipv4) {
  Bytes bytes = from_hex(kUdp4);
  bytes[40] = bytes[41] = 0;
  Parser parser(our_addresses());
  EXPECT_EQ(parser.parse(Frame(bytes).rx()).kind, Kind::kUdp);
}

TEST(parse, wants_the_tag_of_its_vlan) {
  LocalAddresses local = our_addresses();
  local.vlan = 100;
  Parser parser(local);
  EXPECT_EQ(parser.parse(Frame(kUdp4).rx()).reason, DropReason::kWrongVlan);
  Bytes bytes = from_hex(kUdp4);
  bytes.insert(bytes.begin() + 12, {0x81, 0x00, 0xe0, 100});
  const Frame tagged(bytes);
  const Parsed parsed = parser.parse(tagged.rx());
  ASSERT_EQ(parsed.kind, Kind::kUdp) << info_of(parsed.reason).name;
  EXPECT_EQ(payload_of(parsed), "hello dwcp");
  EXPECT_EQ(parsed.l2_length, 18);
}

TEST(parse, untagged_port_takes_a_priority_tag) {
  Bytes bytes = from_hex(kUdp4);
  bytes.insert(bytes.begin() + 12, {0x81, 0x00, 0xa0, 0x00});
  Parser parser(our_addresses());
  EXPECT_EQ(parser.parse(Frame(bytes).rx()).kind, Kind::kUdp);
}

TEST(parse, mutations_never_read_outside_and_always_count) {
  std::mt19937_64 rng(11);
  Parser parser(our_addresses());
  std::uint64_t taken = 0;
  constexpr int kRounds = 60000;
  const std::string_view seeds[] = {kUdp4, kUdp6, kArpRequestHex, kSolicitation, kPing4, kPing6};
  for (int i = 0; i < kRounds; ++i) {
    Bytes bytes = from_hex(seeds[rng() % 6]);
    for (std::uint64_t n = rng() % 5; n > 0; --n) bytes[rng() % bytes.size()] = static_cast<std::uint8_t>(rng());
    if (rng() % 4 == 0) bytes.resize(rng() % (bytes.size() + 8));
    Frame frame(bytes);
    if (rng() % 2 == 0) frame.rx().ip = frame.rx().l4 = ChecksumState::kGood;
    const Parsed parsed = parser.parse(frame.rx());
    if (parsed.kind != Kind::kDrop) ++taken;
    if (parsed.kind == Kind::kUdp) {
      const auto* begin = frame.rx().data;
      ASSERT_GE(parsed.datagram.payload, begin);
      ASSERT_LE(parsed.datagram.payload + parsed.datagram.payload_length, begin + frame.rx().length);
    }
  }
  std::uint64_t dropped = 0;
  for (const std::uint64_t count : parser.drops().counts) dropped += count;
  EXPECT_EQ(taken + dropped, std::uint64_t{kRounds});
  EXPECT_GT(taken, 1000U);
  EXPECT_GT(dropped, 1000U);
}

TEST(drop_reason, names_are_unique_and_whole) {
  for (std::size_t i = 0; i < kDropReasons; ++i) {
    EXPECT_FALSE(kDropReasonTable[i].text.empty());
    for (std::size_t j = 0; j < i; ++j) EXPECT_NE(kDropReasonTable[i].name, kDropReasonTable[j].name);
  }
}

}  // namespace
}  // namespace dwcp::inet
