// SPDX-License-Identifier: Apache-2.0
#include "dataplane/inet/host.h"

#include <gtest/gtest.h>

#include <random>

#include "base/time.h"
#include "dataplane/inet/checksum.h"
#include "dataplane/inet/datagram_header.h"
#include "dataplane/inet/headers.h"
#include "frames.h"

namespace dwcp::inet {
namespace {

using namespace test;

const IpAddress kGateway4 = *IpAddress::parse("192.0.2.1");
const IpAddress kGateway6 = *IpAddress::parse("2001:db8::1");
const IpAddress kFar4 = *IpAddress::parse("198.51.100.7");
const IpAddress kFar6 = *IpAddress::parse("2001:db8:ffff::7");
const IpAddress kOurs4 = our_config().v4.address;
constexpr MacAddress kOtherMac = {2, 0, 0, 0, 0, 0x77};
constexpr std::uint64_t kStart = 5 * kNsPerSec;

// A Host past its announcements.
struct Station {
  Station() {
    for (std::uint64_t t = 0; t < kStart; t += kNsPerSec) poll(t);
  }
  std::vector<Bytes> poll(std::uint64_t now) {
    Outbox box;
    TxBatch out = box.batch();
    host.poll(now, out);
    std::vector<Bytes> frames;
    for (std::size_t i = 0; i < out.size(); ++i) frames.push_back(box.frame(i));
    return frames;
  }
  // Gives a frame and returns the answer, empty when there is none.
  Bytes give(const Bytes& bytes, std::uint64_t now = kStart) {
    Outbox box;
    TxBatch out = box.batch();
    const Frame frame(bytes);
    report = host.on_frame(now, frame.rx(), out);
    return out.size() == 0 ? Bytes{} : box.frame(0);
  }
  Bytes give(std::string_view hex, std::uint64_t now = kStart) { return give(from_hex(hex), now); }
  [[nodiscard]] std::uint64_t dropped(DropReason reason) const { return host.counters().drops.of(reason); }

  Host host{our_config()};
  std::optional<PathMtuReport> report;
};

const EthernetHeader& ethernet_of(const Bytes& frame) {
  return header_at<EthernetHeader>(frame.data());
}
const ArpPacket& arp_of(const Bytes& frame) {
  return header_at<ArpPacket>(frame.data() + 14);
}

TEST(host, announces_itself_three_times) {
  Host host(our_config());
  unsigned arp_frames = 0, advertisements = 0;
  for (std::uint64_t now = 0; now < 10 * kNsPerSec; now += 100 * kNsPerMs) {
    Outbox box;
    TxBatch out = box.batch();
    host.poll(now, out);
    for (std::size_t i = 0; i < out.size(); ++i) {
      const Bytes frame = box.frame(i);
      if (ethernet_of(frame).ethertype == kEthertypeArp) {
        ++arp_frames;
        EXPECT_EQ(arp_of(frame).sender_ip, arp_of(frame).target_ip);
        EXPECT_EQ(ethernet_of(frame).destination, kBroadcastMac);
      } else {
        ++advertisements;
      }
    }
  }
  EXPECT_EQ(arp_frames, 3U);
  EXPECT_EQ(advertisements, 6U);  // the configured and the link-local address
  EXPECT_EQ(host.next_deadline(), kNever);
  host.announce();
  EXPECT_EQ(host.next_deadline(), 0U);
}

TEST(host, what_finds_no_buffer_stays_due) {
  Host host(our_config());
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(host.next_deadline(), 0U);
    Outbox box(1);
    TxBatch out = box.batch();
    host.poll(0, out);
    EXPECT_EQ(out.size(), 1U);
  }
  EXPECT_EQ(host.next_deadline(), kAnnounceIntervalNs);
  EXPECT_EQ(host.counters().announcements, 3U);
}

TEST(host, answers_a_captured_arp_request) {
  Station station;
  const Bytes reply = station.give(kArpRequestHex);
  ASSERT_GE(reply.size(), kEthernetMinBytes);
  EXPECT_EQ(ethernet_of(reply).destination, kTheirMac);
  EXPECT_EQ(arp_of(reply).operation, kArpReply);
  EXPECT_EQ(arp_of(reply).sender_mac, kOurMac);
  EXPECT_EQ(arp_of(reply).sender_ip, kOurs4.v4_octets());
  EXPECT_EQ(arp_of(reply).target_mac, kTheirMac);
  EXPECT_EQ(arp_of(reply).target_ip, kGateway4.v4_octets());
}

TEST(host, arp_strangers_leave_no_trace) {
  Station station;
  (void)station.give(kArpRequestHex);
  EXPECT_TRUE(station.give(arp(kArpRequest, kGateway4, kTheirMac, kFar4, {})).empty());
  EXPECT_TRUE(station.give(arp(kArpReply, kGateway4, kTheirMac, kOurs4, kOurMac)).empty());
  for (const Neighbour& entry : station.host.neighbours().entries()) EXPECT_EQ(entry.state, Neighbour::State::kFree);
  EXPECT_EQ(station.dropped(DropReason::kUnasked), 2U);
}

TEST(host, arp_refuses_the_impossible) {
  Station station;
  Bytes bytes = arp(kArpRequest, kGateway4, kTheirMac, kOurs4, {});
  bytes[14 + 4] = 8;
  EXPECT_TRUE(station.give(bytes).empty());
  EXPECT_TRUE(station.give(arp(kArpRequest, *IpAddress::parse("224.0.0.1"), kTheirMac, kOurs4, {})).empty());
  bytes = arp(kArpRequest, kGateway4, kTheirMac, kOurs4, {});
  bytes[14 + 8] = 0xff;
  EXPECT_TRUE(station.give(bytes).empty());
  EXPECT_EQ(station.dropped(DropReason::kBadArp), 3U);
  EXPECT_TRUE(station.give(arp(kArpRequest, kOurs4, kTheirMac, kOurs4, {})).empty());
  EXPECT_EQ(station.dropped(DropReason::kAddressConflict), 1U);
}

TEST(host, resolves_the_gateway_by_arp) {
  Station station;
  EXPECT_EQ(station.host.lookup(kFar4).state, NextHop::State::kPending);
  EXPECT_EQ(station.host.next_deadline(), 0U);
  const auto frames = station.poll(kStart);
  ASSERT_EQ(frames.size(), 1U);
  EXPECT_EQ(ethernet_of(frames[0]).destination, kBroadcastMac);
  EXPECT_EQ(arp_of(frames[0]).operation, kArpRequest);
  EXPECT_EQ(arp_of(frames[0]).target_ip, kGateway4.v4_octets());
  const std::uint64_t generation = station.host.generation();
  (void)station.give(arp(kArpReply, kGateway4, kTheirMac, kOurs4, kOurMac));
  EXPECT_NE(station.host.generation(), generation);
  const NextHop hop = station.host.lookup(kFar4);
  EXPECT_EQ(hop.state, NextHop::State::kResolved);
  EXPECT_EQ(hop.mac, kTheirMac);
}

TEST(host, resolves_the_gateway_by_neighbour_discovery) {
  Station station;
  EXPECT_EQ(station.host.lookup(kFar6).state, NextHop::State::kPending);
  const auto frames = station.poll(kStart);
  ASSERT_EQ(frames.size(), 1U);
  // Byte for byte the captured solicitation, seen from the other side.
  Bytes expected = from_hex(kSolicitation);
  expected[5] = 1, expected[11] = 0x0b, expected[37] = 2, expected[53] = 1, expected[77] = 1, expected[85] = 0x0b;
  expected[15] = 0;
  fix_icmpv6(expected);
  EXPECT_EQ(frames[0], expected);
  (void)station.give(advertisement(kGateway6, kTheirMac, kNaSolicited | kNaOverride));
  EXPECT_EQ(station.host.lookup(kFar6).mac, kTheirMac);
}

TEST(host, asks_once_a_second_and_gives_up_on_the_unpinned) {
  Station station;
  (void)station.host.lookup(*IpAddress::parse("192.0.2.99"));
  unsigned asked = 0;
  for (std::uint64_t t = 0; t < 10 * kNsPerSec; t += 10 * kNsPerMs) {
    asked += static_cast<unsigned>(station.poll(kStart + t).size());
  }
  EXPECT_EQ(asked, 3U);
  EXPECT_EQ(station.host.next_deadline(), kNever);
}

TEST(host, never_gives_up_on_a_configured_peer) {
  Station station;
  ASSERT_TRUE(station.host.pin(kFar4));
  unsigned asked = 0;
  for (std::uint64_t t = 0; t < 60 * kNsPerSec; t += 100 * kNsPerMs) {
    asked += static_cast<unsigned>(station.poll(kStart + t).size());
  }
  EXPECT_EQ(asked, 60U);
}

TEST(host, strangers_lookups_never_evict_a_configured_peer) {
  Station station;
  ASSERT_TRUE(station.host.pin(kFar4));
  (void)station.give(arp(kArpReply, kGateway4, kTheirMac, kOurs4, kOurMac));
  for (unsigned i = 10; i < 250; ++i) {
    (void)station.host.lookup(IpAddress::v4({192, 0, 2, static_cast<std::uint8_t>(i)}));
  }
  EXPECT_EQ(station.host.lookup(kFar4).state, NextHop::State::kResolved);
}

TEST(host, a_table_full_of_peers_has_no_room) {
  Station station;
  for (unsigned i = 0; i < kNeighboursMax; ++i) {
    ASSERT_TRUE(station.host.pin(IpAddress::v4({192, 0, 2, static_cast<std::uint8_t>(10 + i)})));
  }
  const IpAddress more = *IpAddress::parse("192.0.2.200");
  EXPECT_FALSE(station.host.pin(more));
  EXPECT_EQ(station.host.lookup(more).state, NextHop::State::kNoRoom);
  station.host.unpin(*IpAddress::parse("192.0.2.10"));
  EXPECT_TRUE(station.host.pin(more));
}

TEST(host, probes_a_peer_gone_stale_directly_and_keeps_sending) {
  Station station;
  ASSERT_TRUE(station.host.pin(kFar4));
  (void)station.give(arp(kArpReply, kGateway4, kTheirMac, kOurs4, kOurMac));
  const std::uint64_t stale = kStart + kNeighbourReachableNs;
  EXPECT_EQ(station.host.next_deadline(), stale);
  EXPECT_TRUE(station.poll(stale - 1).empty());
  const auto frames = station.poll(stale);
  ASSERT_EQ(frames.size(), 1U);
  EXPECT_EQ(ethernet_of(frames[0]).destination, kTheirMac);
  EXPECT_EQ(station.host.lookup(kFar4).state, NextHop::State::kResolved);
  // Silence: three direct requests, then broadcast and no address.
  EXPECT_EQ(station.poll(stale + kNsPerSec).size(), 1U);
  EXPECT_EQ(station.poll(stale + 2 * kNsPerSec).size(), 1U);
  const auto last = station.poll(stale + 3 * kNsPerSec);
  ASSERT_EQ(last.size(), 1U);
  EXPECT_EQ(ethernet_of(last[0]).destination, kBroadcastMac);
  EXPECT_EQ(station.host.lookup(kFar4).state, NextHop::State::kPending);
}

TEST(host, traffic_confirms_and_spares_the_probe) {
  Station station;
  ASSERT_TRUE(station.host.pin(kFar4));
  (void)station.give(arp(kArpReply, kGateway4, kTheirMac, kOurs4, kOurMac));
  station.host.confirm(kStart + 20 * kNsPerSec, kFar4);
  EXPECT_TRUE(station.poll(kStart + kNeighbourReachableNs).empty());
  EXPECT_EQ(station.host.next_deadline(), kStart + 20 * kNsPerSec + kNeighbourReachableNs);
}

TEST(host, an_unasked_new_mac_is_used_and_checked) {
  Station station;
  ASSERT_TRUE(station.host.pin(kFar4));
  (void)station.give(arp(kArpReply, kGateway4, kTheirMac, kOurs4, kOurMac));
  (void)station.give(arp(kArpRequest, kGateway4, kOtherMac, kGateway4, {}));  // gratuitous: the router moved
  EXPECT_EQ(station.host.lookup(kFar4).mac, kOtherMac);
  const auto frames = station.poll(kStart);
  ASSERT_EQ(frames.size(), 1U);
  EXPECT_EQ(ethernet_of(frames[0]).destination, kOtherMac);
}

TEST(host, an_advertisement_without_override_cannot_take_over) {
  Station station;
  ASSERT_TRUE(station.host.pin(kFar6));
  (void)station.give(advertisement(kGateway6, kTheirMac, kNaSolicited | kNaOverride));
  (void)station.give(advertisement(kGateway6, kOtherMac, kNaSolicited));
  EXPECT_EQ(station.host.lookup(kFar6).mac, kTheirMac);
  const auto frames = station.poll(kStart);  // in doubt, so asked
  ASSERT_EQ(frames.size(), 1U);
  EXPECT_EQ(ethernet_of(frames[0]).destination, kTheirMac);
}

TEST(host, an_advertisement_needs_the_option_to_resolve) {
  Station station;
  (void)station.host.lookup(kFar6);
  (void)station.give(advertisement(kGateway6, kTheirMac, kNaSolicited, false));
  EXPECT_EQ(station.host.lookup(kFar6).state, NextHop::State::kPending);
}

TEST(host, neighbour_messages_must_pass_rfc_4861) {
  const auto refused = [](auto change, DropReason reason, std::string_view hex = kSolicitation) {
    Station station;
    Bytes bytes = from_hex(hex);
    change(bytes);
    fix_icmpv6(bytes);
    EXPECT_TRUE(station.give(bytes).empty());
    EXPECT_EQ(station.dropped(reason), 1U) << info_of(reason).name;
  };
  refused([](Bytes& b) { b[21] = 254; }, DropReason::kBadNeighbourMessage);                   // came through a router
  refused([](Bytes& b) { b[55] = 1; }, DropReason::kBadNeighbourMessage);                     // code
  refused([](Bytes& b) { b[79] = 0; }, DropReason::kBadNeighbourMessage);                     // option of length 0
  refused([](Bytes& b) { b[79] = 2; }, DropReason::kBadNeighbourMessage);                     // option past the end
  refused([](Bytes& b) { b[62] = 0xff; }, DropReason::kBadNeighbourMessage);                  // multicast target
  refused([](Bytes& b) { b[19] = 16; }, DropReason::kBadNeighbourMessage);                    // too short
  refused([](Bytes& b) { std::fill(&b[22], &b[38], 0); }, DropReason::kBadNeighbourMessage);  // detection with option
  refused([](Bytes& b) { b[77] = 9; }, DropReason::kUnasked);                                 // somebody else
  Station station;
  Bytes bytes = from_hex(kSolicitation);
  bytes[57] ^= 1;
  EXPECT_TRUE(station.give(bytes).empty());
  EXPECT_EQ(station.dropped(DropReason::kBadIcmpChecksum), 1U);
}

TEST(host, answers_a_captured_neighbour_solicitation) {
  Station station;
  const Bytes reply = station.give(kSolicitation);
  ASSERT_EQ(reply.size(), 86U);
  EXPECT_EQ(ethernet_of(reply).destination, kTheirMac);
  const auto& ip = header_at<Ipv6Header>(reply.data() + 14);
  EXPECT_EQ(IpAddress::v6(ip.source).text(), "2001:db8::2");
  EXPECT_EQ(IpAddress::v6(ip.destination).text(), "2001:db8::1");
  EXPECT_EQ(ip.hop_limit, 255);
  const auto& message = header_at<NeighbourMessage>(reply.data() + 54);
  EXPECT_EQ(message.icmp.rest, kNaSolicited | kNaOverride);
  Bytes copy = reply;
  fix_icmpv6(copy);
  EXPECT_EQ(copy, reply);
}

TEST(host, defends_its_address_against_detection) {
  Station station;
  Bytes bytes = from_hex(kSolicitation);
  std::fill(&bytes[22], &bytes[38], 0);
  bytes.resize(78);
  bytes[19] = 24;
  fix_icmpv6(bytes);
  const Bytes reply = station.give(bytes);
  ASSERT_EQ(reply.size(), 86U);
  EXPECT_EQ(ethernet_of(reply).destination, multicast_mac_of(all_nodes()));
  EXPECT_EQ(header_at<NeighbourMessage>(reply.data() + 54).icmp.rest, kNaOverride);
}

TEST(host, answers_captured_pings) {
  Station station;
  for (const bool v6 : {false, true}) {
    const Bytes request = from_hex(v6 ? kPing6 : kPing4);
    const Bytes reply = station.give(request);
    ASSERT_EQ(reply.size(), std::max(request.size(), kEthernetMinBytes));
    EXPECT_EQ(ethernet_of(reply).destination, kTheirMac);
    const std::size_t icmp = v6 ? 54 : 34;
    EXPECT_EQ(reply[icmp], v6 ? 129 : 0);
    EXPECT_TRUE(std::equal(request.begin() + static_cast<std::ptrdiff_t>(icmp) + 4, request.end(),
                           reply.begin() + static_cast<std::ptrdiff_t>(icmp) + 4));
    // A host at the far side takes it.
    HostConfig far = our_config();
    far.mac = kTheirMac;
    far.v4 = *Prefix::parse("192.0.2.1/24");
    far.v6 = *Prefix::parse("2001:db8::1/64");
    Parser parser(Host(far).local());
    const Frame frame(reply);
    const Parsed parsed = parser.parse(frame.rx());
    ASSERT_EQ(parsed.kind, Parsed::Kind::kIcmp) << info_of(parsed.reason).name;
    ChecksumSum sum;
    if (v6) sum = pseudo_header(parsed.ip.source.bytes, parsed.ip.destination.bytes, kProtocolIcmpv6, 12);
    EXPECT_TRUE(verifies(add(sum, parsed.ip.payload, parsed.ip.payload_length)));
  }
}

TEST(host, echo_is_rate_limited) {
  Station station;
  unsigned answered = 0;
  for (unsigned i = 0; i < 10000; ++i) {  // 10 000 a second for a second
    if (!station.give(kPing4, kStart + i * (kNsPerSec / 10000)).empty()) ++answered;
  }
  EXPECT_GE(answered, 145U);
  EXPECT_LE(answered, 151U);
  EXPECT_EQ(station.dropped(DropReason::kRateLimited), 10000 - answered);
}

TEST(host, a_small_buffer_is_a_counted_drop) {
  Station station;
  Outbox box(1, 40);
  TxBatch out = box.batch();
  const Frame frame(kPing4);
  (void)station.host.on_frame(kStart, frame.rx(), out);
  EXPECT_EQ(out.size(), 0U);
  EXPECT_EQ(station.dropped(DropReason::kNoBuffer), 1U);
}

TEST(host, routes) {
  Station station;
  EXPECT_EQ(station.host.lookup(kOurs4).state, NextHop::State::kNoRoute);
  for (const char* text : {"224.0.0.1", "192.0.2.255", "255.255.255.255", "127.0.0.1", "ff02::1", "::1", "0.0.0.0"}) {
    EXPECT_EQ(station.host.lookup(*IpAddress::parse(text)).state, NextHop::State::kNoRoute) << text;
  }
  HostConfig config = our_config();
  config.v4_gateway = {};
  config.v6 = {};
  config.v6_gateway = {};
  Host bare(config);
  EXPECT_EQ(bare.lookup(kFar4).state, NextHop::State::kNoRoute);
  EXPECT_EQ(bare.lookup(kFar6).state, NextHop::State::kNoRoute);
  EXPECT_EQ(bare.lookup(*IpAddress::parse("fe80::1")).state, NextHop::State::kPending);
  EXPECT_EQ(bare.source_for(kFar6).text(), "fe80::ff:fe00:b");
}

// A too-big report from a router about a packet of ours to kFar.
Bytes too_big(bool v6, std::uint32_t mtu, std::uint16_t payload, std::string_view from = "") {
  const std::string local = !from.empty() ? std::string(from) : v6 ? "[2001:db8::2]:4750" : "192.0.2.2:4750";
  UdpTemplate ours(kOurMac, 0, *SocketAddress::parse(local), {v6 ? kFar6 : kFar4, 4701});
  std::vector<std::uint8_t> sent(ours.size() + payload);
  ours.write(sent.data(), payload, 0, ChecksumMode::kSoftware);
  const std::size_t quoted = v6 ? 48 : 28;
  Bytes frame = from_hex(v6 ? kPing6 : kPing4);
  frame.resize(v6 ? 54 : 34);
  frame.resize(frame.size() + 8);
  auto& icmp = header_at<IcmpHeader>(frame.data() + frame.size() - 8);
  icmp.type = v6 ? kIcmpv6PacketTooBig : kIcmpUnreachable;
  icmp.code = v6 ? 0 : kIcmpCodeFragmentationNeeded;
  icmp.checksum = 0;
  icmp.rest = mtu;
  const std::size_t at = frame.size() - 8;
  frame.insert(frame.end(), sent.begin() + 14, sent.begin() + 14 + static_cast<std::ptrdiff_t>(quoted));
  if (v6) {
    header_at<Ipv6Header>(frame.data() + 14).payload_length = static_cast<std::uint16_t>(8 + quoted);
    fix_icmpv6(frame);
  } else {
    auto& ip = header_at<Ipv4Header>(frame.data() + 14);
    ip.total_length = static_cast<std::uint16_t>(28 + quoted);
    ip.checksum = 0;
    ip.checksum = finish(add(ChecksumSum{}, frame.data() + 14, 20));
    const be16 sum = finish(add(ChecksumSum{}, frame.data() + at, 8 + quoted));
    header_at<IcmpHeader>(frame.data() + at).checksum = sum;
  }
  return frame;
}

TEST(host, reports_a_packet_too_big) {
  for (const bool v6 : {false, true}) {
    Station station;
    (void)station.give(too_big(v6, 1400, 1440));
    ASSERT_TRUE(station.report);
    EXPECT_EQ(station.report->mtu, 1400);
    EXPECT_EQ(station.report->local.port, 4750);
    EXPECT_EQ(station.report->remote, (SocketAddress{v6 ? kFar6 : kFar4, 4701}));
  }
}

TEST(host, distrusts_other_packet_too_big) {
  for (const bool v6 : {false, true}) {
    Station station;
    (void)station.give(too_big(v6, 1279, 1440));  // below what any path carries
    EXPECT_FALSE(station.report);
    (void)station.give(too_big(v6, 0, 1440));
    EXPECT_FALSE(station.report);
    (void)station.give(too_big(v6, 1400, 1300));  // the quoted packet would have fitted
    EXPECT_FALSE(station.report);
    (void)station.give(too_big(v6, 1400, 1440, v6 ? "[2001:db8::9]:4750" : "192.0.2.9:4750"));  // not our address
    EXPECT_FALSE(station.report);
    (void)station.give(too_big(v6, 1400, 1440, v6 ? "[2001:db8::2]:53" : "192.0.2.2:53"));  // not our port
    EXPECT_FALSE(station.report);
    EXPECT_EQ(station.dropped(DropReason::kUntrustedMtu), 5U);
  }
}

TEST(host, works_in_a_vlan) {
  HostConfig config = our_config();
  config.vlan = 42;
  Host host(config);
  Bytes bytes = from_hex(kArpRequestHex);
  bytes.insert(bytes.begin() + 12, {0x81, 0x00, 0x00, 42});
  Outbox box;
  TxBatch out = box.batch();
  const Frame frame(bytes);
  (void)host.on_frame(0, frame.rx(), out);
  ASSERT_EQ(out.size(), 1U);
  const Bytes reply = box.frame(0);
  EXPECT_EQ(ethernet_of(reply).ethertype, kEthertypeVlan);
  EXPECT_EQ(header_at<VlanTag>(reply.data() + 14).control, 42);
  EXPECT_EQ(header_at<ArpPacket>(reply.data() + 18).operation, kArpReply);
}

TEST(host, two_hosts_find_each_other) {
  Host a(our_config());
  HostConfig other = our_config();
  other.mac = kTheirMac;
  other.v4 = *Prefix::parse("192.0.2.1/24");
  other.v4_gateway = *IpAddress::parse("192.0.2.2");
  other.v6 = *Prefix::parse("2001:db8::1/64");
  other.v6_gateway = {};
  Host b(other);
  const IpAddress targets[] = {kGateway4, kGateway6, link_local_of(kTheirMac)};
  for (const IpAddress& ip : targets) ASSERT_TRUE(a.pin(ip));
  for (std::uint64_t now = 0; now < 5 * kNsPerSec; now += 50 * kNsPerMs) {
    for (Host* from : {&a, &b}) {
      Host* to = from == &a ? &b : &a;
      Outbox box(32);
      TxBatch out = box.batch();
      from->poll(now, out);
      for (std::size_t i = 0; i < out.size(); ++i) {
        Outbox answer_box;
        TxBatch answers = answer_box.batch();
        (void)to->on_frame(now, Frame(box.frame(i)).rx(), answers);
        Outbox none_box;
        TxBatch none = none_box.batch();
        if (answers.size() > 0) (void)from->on_frame(now, Frame(answer_box.frame(0)).rx(), none);
        EXPECT_EQ(none.size(), 0U) << "an answer must not be answered";
      }
    }
  }
  for (const IpAddress& ip : targets) EXPECT_EQ(a.lookup(ip).mac, kTheirMac) << ip.text();
}

TEST(host, mutations_are_survived) {
  std::mt19937_64 rng(5);
  Station station;
  ASSERT_TRUE(station.host.pin(kFar4));
  ASSERT_TRUE(station.host.pin(kFar6));
  const Bytes seeds[] = {from_hex(kArpRequestHex),
                         from_hex(kSolicitation),
                         from_hex(kPing4),
                         from_hex(kPing6),
                         too_big(false, 1400, 1440),
                         too_big(true, 1400, 1440),
                         advertisement(kGateway6, kTheirMac, kNaSolicited | kNaOverride)};
  for (int i = 0; i < 60000; ++i) {
    Bytes bytes = seeds[rng() % std::size(seeds)];
    for (std::uint64_t n = rng() % 4; n > 0; --n)
      bytes[14 + rng() % (bytes.size() - 14)] = static_cast<std::uint8_t>(rng());
    if (bytes.size() >= 62 && bytes[12] == 0x86 && rng() % 2 == 0) {
      const Bytes before = bytes;
      if (header_at<Ipv6Header>(bytes.data() + 14).payload_length + 54U <= bytes.size()) fix_icmpv6(bytes);
    }
    const Bytes answer = station.give(bytes, kStart + static_cast<std::uint64_t>(i) * kNsPerMs);
    ASSERT_LE(answer.size(), 1514U);
    (void)station.poll(kStart + static_cast<std::uint64_t>(i) * kNsPerMs);
  }
  unsigned pinned = 0;
  for (const Neighbour& entry : station.host.neighbours().entries()) {
    if (entry.state != Neighbour::State::kFree) ++pinned;
  }
  EXPECT_EQ(pinned, 2U);
}

TEST(host, validate_says_what_is_wrong) {
  EXPECT_TRUE(validate(our_config()));
  const auto wrong = [](auto change) {
    HostConfig config = our_config();
    change(config);
    const auto result = validate(config);
    return result ? std::string("accepted") : result.error();
  };
  EXPECT_EQ(wrong([](HostConfig& c) { c.mac = {}; }),
            "MAC 00:00:00:00:00:00 is a group's or zero; a station's is needed");
  EXPECT_EQ(wrong([](HostConfig& c) { c.vlan = 4095; }), "VLAN id 4095 is not in 1..4094 (0: untagged)");
  EXPECT_EQ(wrong([](HostConfig& c) { c.mtu = 576; }), "MTU 576 is not in 1280..9216");
  EXPECT_EQ(wrong([](HostConfig& c) { c.v4_gateway = kFar4; }), "gateway 198.51.100.7 does not lie in 192.0.2.2/24");
  EXPECT_EQ(wrong([](HostConfig& c) { c.v4 = *Prefix::parse("192.0.2.255/24"); }),
            "192.0.2.255/24 is the broadcast address of its network");
  EXPECT_EQ(wrong([](HostConfig& c) { c.v6_gateway = kGateway4; }), "gateway 192.0.2.1 is no IPv6 host");
  EXPECT_EQ(wrong([](HostConfig& c) { c.v4 = {}; }), "gateway set without IPv4");
  EXPECT_EQ(wrong([](HostConfig& c) { c.v6_gateway = *IpAddress::parse("fe80::1"); }), "accepted");
}

}  // namespace
}  // namespace dwcp::inet
