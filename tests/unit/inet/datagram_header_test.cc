// SPDX-License-Identifier: Apache-2.0
#include "dataplane/inet/datagram_header.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "dataplane/inet/parse.h"
#include "frames.h"

namespace dwcp::inet {
namespace {

using namespace test;

SocketAddress at(std::string_view text) {
  return *SocketAddress::parse(text);
}

// The template of the captured sender.
UdpTemplate sender(bool v6, std::uint16_t vlan = 0) {
  UdpTemplate header(kTheirMac, vlan, at(v6 ? "[2001:db8::1]:4700" : "192.0.2.1:4700"),
                     at(v6 ? "[2001:db8::2]:4701" : "192.0.2.2:4701"));
  header.set_destination_mac(kOurMac);
  return header;
}

Bytes write(const UdpTemplate& header, std::string_view payload, std::uint8_t ecn, ChecksumMode mode) {
  Bytes frame(header.size() + payload.size(), 0xcc);
  std::copy(payload.begin(), payload.end(), frame.begin() + static_cast<std::ptrdiff_t>(header.size()));
  header.write(frame.data(), static_cast<std::uint16_t>(payload.size()), ecn, mode);
  return frame;
}

TEST(datagram_header, writes_ipv4_as_linux_does_but_for_the_id) {
  Bytes expected = from_hex(kUdp4);
  const Bytes frame = write(sender(false), "hello dwcp", 2, ChecksumMode::kSoftware);
  const be16 id = load_be<be16>(&expected[18]);
  const be16 checksum = load_be<be16>(&expected[24]);
  store_be<be16>(&expected[18], 0U);
  store_be<be16>(&expected[24], update(checksum, id, be16(0)).value());
  EXPECT_EQ(frame, expected);
}

TEST(datagram_header, writes_ipv6_as_linux_does_but_for_the_flow_label) {
  Bytes expected = from_hex(kUdp6);
  expected[15] = 0x10;
  expected[16] = expected[17] = 0;
  EXPECT_EQ(write(sender(true), "hello dwcp", 1, ChecksumMode::kSoftware), expected);
}

TEST(datagram_header, offload_leaves_the_pseudo_header_sum) {
  for (const bool v6 : {false, true}) {
    const UdpTemplate header = sender(v6);
    Bytes frame = write(header, "hello dwcp", 0, ChecksumMode::kOffload);
    TxPacket packet;
    header.describe(packet);
    EXPECT_TRUE(packet.offload);
    EXPECT_EQ(packet.ipv6, v6);
    EXPECT_EQ(packet.l2_length, 14);
    EXPECT_EQ(packet.l3_length, v6 ? 40 : 20);
    // What the port does: sum from the UDP header on, the field as it stands included, and complement.
    const std::size_t udp = packet.l2_length + packet.l3_length;
    const be16 checksum = finish(add(ChecksumSum{}, frame.data() + udp, frame.size() - udp));
    if (!v6) {
      EXPECT_EQ(load_be<be16>(&frame[24]), 0);
      store_be<be16>(&frame[24], finish(add(ChecksumSum{}, &frame[14], 20)).value());
    }
    store_be<be16>(&frame[udp + 6], checksum.value());
    EXPECT_EQ(frame, write(header, "hello dwcp", 0, ChecksumMode::kSoftware));
  }
}

TEST(datagram_header, what_it_writes_the_parser_takes) {
  std::mt19937_64 rng(3);
  for (int i = 0; i < 4000; ++i) {
    const bool v6 = rng() % 2 == 0;
    const auto vlan = static_cast<std::uint16_t>(rng() % 2 == 0 ? 0 : 1 + rng() % 4094);
    const UdpTemplate header = sender(v6, vlan);
    std::string payload(rng() % 9000, '\0');
    for (auto& c : payload) c = static_cast<char>(rng());
    const auto ecn = static_cast<std::uint8_t>(rng() % 4);
    LocalAddresses local = our_addresses();
    local.vlan = vlan;
    Parser parser(local);
    const Frame frame(write(header, payload, ecn, ChecksumMode::kSoftware));
    const Parsed parsed = parser.parse(frame.rx());
    ASSERT_EQ(parsed.kind, Parsed::Kind::kUdp) << info_of(parsed.reason).name;
    ASSERT_EQ(parsed.datagram.payload_length, payload.size());
    ASSERT_EQ(std::memcmp(parsed.datagram.payload, payload.data(), payload.size()), 0);
    ASSERT_EQ(parsed.datagram.ecn, ecn);
    ASSERT_EQ(parsed.datagram.source.port, 4700);
  }
}

TEST(datagram_header, payload_max_fills_the_mtu) {
  EXPECT_EQ(sender(false).payload_max(1500), 1472);
  EXPECT_EQ(sender(true, 7).payload_max(1500), 1452);
  EXPECT_EQ(sender(true).payload_max(48), 0);
  EXPECT_EQ(sender(true).payload_max(20), 0);
}

}  // namespace
}  // namespace dwcp::inet
