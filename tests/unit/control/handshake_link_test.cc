// SPDX-License-Identifier: Apache-2.0
// One PeerLink, with the test in the place of its net lcore and its peer.
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>

#include "base/rng.h"
#include "control/handshake/peer_links.h"
#include "dataplane/wire/limits.h"
#include "dataplane/wire/packet.h"
#include "tests/sim/fake_tls.h"

namespace dwcp {
namespace {

using Bytes = std::vector<std::uint8_t>;
using wire::HandshakeKind;

const wire::HandshakeHeader& header_of(const Bytes& packet) { return *reinterpret_cast<const wire::HandshakeHeader*>(packet.data()); }

struct Site {
  explicit Site(const std::string& name, const std::string& peer, std::uint64_t seed) : rng(seed) {
    tls_site = {.name = name, .peers = {peer}, .random = [this] { return rng.next(); }, .tickets = {false}};
    PeerLinksConfig config;
    config.name = name;
    config.peers = {peer};
    config.offer.window_bytes = wire::kFrameBytesMax;
    config.offer.frame_window = 64;
    config.offer.ciphers = {Cipher::kAes128Gcm};
    PeerLinksOut out;
    out.random = [this] { return rng.next(); };
    out.send = [this](std::uint16_t, std::span<const std::uint8_t> packet) {
      said.emplace_back(packet.begin(), packet.end());
      order += 's';
    };
    out.start = [this](std::uint16_t, const LaneSession& begun, const EpochSecrets& secrets) {
      session = begun;
      at_once = secrets.send_at_once;
      order += 'S';
    };
    out.rekey = [this](std::uint16_t, std::uint32_t, const EpochSecrets& secrets) {
      epoch = secrets.epoch;
      order += 'R';
    };
    out.stop = [this](std::uint16_t, EndReason) { order += 'X'; };
    out.recall = [](std::uint64_t now_ns, std::uint16_t) { return ResumePoint{.bandwidth_bytes_per_sec = now_ns, .min_rtt_ns = 1}; };
    links.emplace(config, factory, out);
  }

  [[nodiscard]] const PeerLink& link() const { return links->link(0); }
  [[nodiscard]] std::uint64_t refused(HandshakeRefusal reason) const { return link().counters().refused[static_cast<std::size_t>(reason)]; }

  Rng rng;
  sim::FakeTlsSite tls_site;
  sim::FakeTlsFactory factory{tls_site};
  std::vector<Bytes> said;
  std::string order;  // what was asked for: s(end) S(tart) R(ekey) X stop
  LaneSession session;
  bool at_once = false;
  std::uint32_t epoch = 0;
  std::optional<PeerLinks> links;
};

class HandshakeLinkTest : public testing::Test {
 protected:
  // All that was said crosses, cookies being given for asks; until both are silent.
  void exchange() {
    for (int round = 0; round < 20; ++round) {
      const std::vector<Bytes> to_west = std::exchange(east.said, {});
      const std::vector<Bytes> to_east = std::exchange(west.said, {});
      if (to_west.empty() && to_east.empty()) return;
      for (const Bytes& packet : to_west) give(west, east, packet);
      for (const Bytes& packet : to_east) give(east, west, packet);
    }
  }

  void give(Site& to, Site& from, const Bytes& packet) {
    if (header_of(packet).kind != static_cast<std::uint8_t>(HandshakeKind::kAsk)) return to.links->on_packet(now_ns, 0, packet);
    Bytes cookie = packet;
    auto& header = *reinterpret_cast<wire::HandshakeHeader*>(cookie.data());
    header.kind = static_cast<std::uint8_t>(HandshakeKind::kCookie);
    header.cookie[0] = 1;
    from.links->on_packet(now_ns, 0, cookie);
  }

  void bring_up() {
    east.links->on_time(now_ns);
    exchange();
    east.links->on_started(now_ns, 0, east.session.local_session);
    west.links->on_started(now_ns, 0, west.session.local_session);
    east.links->on_confirmed(now_ns, 0, east.session.local_session, 0);
    west.links->on_confirmed(now_ns, 0, west.session.local_session, 0);
    exchange();
    ASSERT_EQ(east.link().state(), LinkState::kUp);
    ASSERT_EQ(west.link().state(), LinkState::kUp);
  }

  void pass(std::uint64_t span_ns) {
    for (const std::uint64_t until = now_ns + span_ns; now_ns < until;) {
      now_ns += 5 * kNsPerMs;
      east.links->on_time(now_ns);
      west.links->on_time(now_ns);
    }
  }

  Bytes bare(HandshakeKind kind, std::uint64_t attempt = 0) {
    Bytes packet(sizeof(wire::HandshakeHeader));
    auto& header = *reinterpret_cast<wire::HandshakeHeader*>(packet.data());
    header.type = wire::type_byte(wire::PacketType::kHandshake);
    header.kind = static_cast<std::uint8_t>(kind);
    header.attempt = attempt;
    return packet;
  }

  std::uint64_t now_ns = kNsPerSec;
  Site east{"east", "west", 1};  // the leader
  Site west{"west", "east", 2};
};

TEST_F(HandshakeLinkTest, keys_go_before_the_packet_that_makes_the_peer_use_them) {
  east.links->on_time(now_ns);
  exchange();
  EXPECT_EQ(east.order.substr(0, 6), "ssssSs") << "ask, hello, two acknowledgements, keys, last flight";
  EXPECT_FALSE(east.at_once);
  EXPECT_TRUE(west.at_once);
  EXPECT_EQ(east.session.local_session, west.session.remote_session);
  EXPECT_EQ(east.session.remote_session, west.session.local_session);
  EXPECT_TRUE(east.session.opens_odd_flows);
  EXPECT_FALSE(west.session.opens_odd_flows);
  EXPECT_EQ(east.session.resume.bandwidth_bytes_per_sec, now_ns);
}

TEST_F(HandshakeLinkTest, up_is_the_responder_when_started_and_the_initiator_when_the_peer_was_heard) {
  east.links->on_time(now_ns);
  exchange();
  EXPECT_EQ(east.link().state(), LinkState::kStarting);
  EXPECT_EQ(west.link().state(), LinkState::kStarting);
  east.links->on_started(now_ns, 0, east.session.local_session);
  west.links->on_started(now_ns, 0, west.session.local_session);
  EXPECT_EQ(east.link().state(), LinkState::kStarting);
  EXPECT_EQ(west.link().state(), LinkState::kUp);
  east.links->on_confirmed(now_ns, 0, east.session.local_session + 64, 0);
  EXPECT_EQ(east.link().state(), LinkState::kStarting);
  east.links->on_confirmed(now_ns, 0, east.session.local_session, 0);
  EXPECT_EQ(east.link().state(), LinkState::kUp);
  EXPECT_EQ(east.link().peer().name, "west");
}

TEST_F(HandshakeLinkTest, nothing_is_begun_while_the_net_lcore_has_not_begun_the_last) {
  east.links->on_time(now_ns);
  exchange();
  Bytes begins = bare(HandshakeKind::kInitiator, 5);
  begins.resize(begins.size() + 10);
  reinterpret_cast<wire::HandshakeHeader*>(begins.data())->length = std::uint16_t{10};
  west.links->on_packet(now_ns, 0, begins);
  EXPECT_EQ(west.refused(HandshakeRefusal::kBusy), 1U);
  // West restarts, as it seems, and everybody knocks; east waits for its lcore.
  for (int i = 0; i < 40; ++i) {
    east.links->on_packet(now_ns, 0, bare(HandshakeKind::kKnock));
    pass(kNsPerSec / 4);
  }
  EXPECT_EQ(std::count(east.order.begin(), east.order.end(), 'S'), 1);
  EXPECT_EQ(east.link().counters().attempts, 1U);
  const std::uint32_t first = east.session.local_session;
  east.links->on_started(now_ns, 0, first);
  pass(100 * kNsPerMs);
  EXPECT_EQ(east.link().counters().attempts, 2U) << "the knock is not forgotten";
}

TEST_F(HandshakeLinkTest, a_session_nothing_comes_under_is_stopped_and_tried_again) {
  east.links->on_time(now_ns);
  exchange();
  east.links->on_started(now_ns, 0, east.session.local_session);
  pass(9900 * kNsPerMs);
  EXPECT_EQ(std::count(east.order.begin(), east.order.end(), 'X'), 0);
  pass(200 * kNsPerMs);
  EXPECT_EQ(std::count(east.order.begin(), east.order.end(), 'X'), 1);
  EXPECT_EQ(east.link().state(), LinkState::kDown);
  EXPECT_EQ(east.link().failure().text, "nothing came from the peer under the keys of the session for 10 s");
  pass(6 * kNsPerSec);
  EXPECT_EQ(east.link().counters().attempts, 2U);
}

TEST_F(HandshakeLinkTest, loss_of_another_session_ends_nothing) {
  bring_up();
  east.links->on_lost(now_ns, 0, east.session.local_session + 64);
  east.links->on_lost(now_ns, 0, 0);
  EXPECT_EQ(east.link().state(), LinkState::kUp);
  east.links->on_lost(now_ns, 0, east.session.local_session);
  EXPECT_EQ(east.link().state(), LinkState::kDown);
  EXPECT_EQ(east.link().session(), 0U);
}

TEST_F(HandshakeLinkTest, a_session_lost_before_the_peer_was_heard_is_followed_by_another_at_once) {
  east.links->on_time(now_ns);
  exchange();
  east.links->on_started(now_ns, 0, east.session.local_session);
  east.links->on_lost(now_ns, 0, east.session.local_session);
  pass(10 * kNsPerMs);
  EXPECT_EQ(east.link().counters().attempts, 2U);
}

TEST_F(HandshakeLinkTest, bytes_or_renewal_bring_new_keys_to_the_same_session) {
  bring_up();
  const std::uint32_t session = east.link().session();
  pass(2 * kNsPerSec);
  east.links->on_usage(now_ns, 0, session + 64, ~std::uint64_t{0});
  east.links->on_usage(now_ns, 0, session, (std::uint64_t{64} << 30) - 1);
  pass(10 * kNsPerMs);
  EXPECT_EQ(east.link().counters().attempts, 1U);
  east.links->on_usage(now_ns, 0, session, std::uint64_t{64} << 30);
  pass(10 * kNsPerMs);
  exchange();
  EXPECT_EQ(east.epoch, 1U);
  EXPECT_EQ(west.epoch, 1U);
  EXPECT_EQ(west.link().epoch(), 1U);
  EXPECT_EQ(east.link().epoch(), 0U) << "not before the peer was seen to use it";
  east.links->on_confirmed(now_ns, 0, session, 1);
  EXPECT_EQ(east.link().epoch(), 1U);
  EXPECT_EQ(east.link().session(), session);
  EXPECT_EQ(east.link().counters().rekeys, 1U);
  // The other asks by a knock.
  pass(6 * kNsPerSec);
  west.links->renew(0);
  pass(10 * kNsPerMs);
  exchange();
  pass(10 * kNsPerMs);
  exchange();
  EXPECT_EQ(west.link().epoch(), 2U);
  EXPECT_EQ(east.link().state(), LinkState::kUp);
}

// On an idle link the peer's first packet under new keys is seconds away; what is loaded meanwhile is not forgotten.
TEST_F(HandshakeLinkTest, a_renewal_before_the_last_keys_are_proven_is_kept) {
  bring_up();
  const std::uint32_t session = east.link().session();
  pass(2 * kNsPerSec);
  east.links->renew(0);
  pass(10 * kNsPerMs);
  exchange();
  ASSERT_EQ(east.epoch, 1U);
  east.links->renew(0);
  pass(kNsPerSec);
  east.links->on_confirmed(now_ns, 0, session, 1);
  pass(kNsPerSec);
  exchange();
  EXPECT_EQ(east.epoch, 2U);
  east.links->on_confirmed(now_ns, 0, session, 2);
  pass(10 * kNsPerSec);
  EXPECT_EQ(east.link().counters().rekeys, 2U) << "once for each";
}

TEST_F(HandshakeLinkTest, new_keys_that_are_not_taken_into_use_are_a_failure_and_tried_again) {
  bring_up();
  pass(2 * kNsPerSec);
  east.links->renew(0);
  pass(10 * kNsPerMs);
  exchange();
  EXPECT_EQ(east.epoch, 1U);
  pass(9900 * kNsPerMs);
  EXPECT_EQ(east.link().counters().failed, 0U);
  pass(200 * kNsPerMs);
  EXPECT_EQ(east.link().counters().failed, 1U);
  EXPECT_EQ(east.link().failure().text, "the peer did not take new keys into use within 10 s");
  EXPECT_EQ(east.link().counters().attempts, 2U) << "not at once";
  pass(kNsPerSec);
  EXPECT_EQ(east.link().counters().attempts, 3U);
  EXPECT_EQ(east.link().state(), LinkState::kUp);
  EXPECT_EQ(east.order.find('X'), std::string::npos);
}

TEST_F(HandshakeLinkTest, the_follower_gives_up_its_attempt_for_the_leaders) {
  west.links->on_packet(now_ns, 0, bare(HandshakeKind::kKnock));
  west.links->on_time(now_ns);  // it asks
  ASSERT_EQ(west.link().attempts_held(), 1U);
  west.said.clear();
  bring_up();
  EXPECT_EQ(west.link().attempts_held(), 1U) << "the leader's alone";
  pass(15 * kNsPerSec);
  EXPECT_EQ(west.link().attempts_held(), 0U);
  EXPECT_EQ(west.link().counters().completed, 1U);
}

TEST_F(HandshakeLinkTest, packets_that_cannot_be_are_counted_and_no_more) {
  bring_up();
  pass(12 * kNsPerSec);
  west.said.clear();
  const auto give_west = [&](const Bytes& packet) { west.links->on_packet(now_ns, 0, packet); };
  Bytes begins = bare(HandshakeKind::kInitiator, 5);
  begins.resize(begins.size() + 10);
  auto& header = *reinterpret_cast<wire::HandshakeHeader*>(begins.data());
  header.length = std::uint16_t{10};
  give_west({});
  give_west(Bytes(35));
  give_west(Bytes(1201));
  give_west(bare(HandshakeKind::kAsk, 5));
  give_west(bare(static_cast<HandshakeKind>(99), 5));
  header.length = std::uint16_t{11};
  give_west(begins);
  header.length = std::uint16_t{10};
  header.type = 0;
  give_west(begins);
  header.type = wire::type_byte(wire::PacketType::kHandshake);
  header.kind = static_cast<std::uint8_t>(HandshakeKind::kKnock);
  give_west(begins);
  EXPECT_EQ(west.refused(HandshakeRefusal::kMalformed), 8U);
  header.kind = static_cast<std::uint8_t>(HandshakeKind::kInitiator);
  header.offset = std::uint32_t{1};
  give_west(begins);
  give_west(bare(HandshakeKind::kInitiator, 5));
  give_west(bare(HandshakeKind::kResponder, 5));
  give_west(bare(HandshakeKind::kCookie, 5));
  EXPECT_EQ(west.refused(HandshakeRefusal::kUnknownAttempt), 4U);
  EXPECT_EQ(west.link().attempts_held(), 0U);
  EXPECT_EQ(west.link().bytes_held(), 0U);
  EXPECT_TRUE(west.said.empty());
  EXPECT_EQ(west.link().state(), LinkState::kUp);
}

TEST_F(HandshakeLinkTest, beginnings_are_spaced_and_old_ones_do_not_come_back) {
  bring_up();
  pass(12 * kNsPerSec);
  Bytes begins = bare(HandshakeKind::kInitiator, 5);
  begins.resize(begins.size() + 10);
  auto& header = *reinterpret_cast<wire::HandshakeHeader*>(begins.data());
  header.length = std::uint16_t{10};
  const std::size_t before = west.link().counters().attempts;
  for (std::uint64_t number = 100; number < 120; ++number) {
    header.attempt = number;
    west.links->on_packet(now_ns, 0, begins);
  }
  EXPECT_EQ(west.link().counters().attempts, before + 1);
  EXPECT_EQ(west.refused(HandshakeRefusal::kTooMany), 19U);
  for (std::uint64_t number = 200; number < 220; ++number) {
    pass(60 * kNsPerMs);
    header.attempt = number;
    west.links->on_packet(now_ns, 0, begins);
  }
  EXPECT_EQ(west.link().counters().attempts, before + 21);
  for (std::uint64_t number = 200; number < 219; ++number) {
    pass(60 * kNsPerMs);
    header.attempt = number;
    west.links->on_packet(now_ns, 0, begins);
  }
  EXPECT_EQ(west.link().counters().attempts, before + 21);
  EXPECT_EQ(west.refused(HandshakeRefusal::kOldAttempt), 19U);
}

TEST_F(HandshakeLinkTest, asks_slow_down_where_nobody_answers) {
  pass(2 * kNsPerSec);
  const std::size_t quick = east.said.size();
  EXPECT_GE(quick, 8U);
  EXPECT_LE(quick, 10U);
  pass(100 * kNsPerSec);
  EXPECT_LE(east.said.size() - quick, 101U);
  EXPECT_GE(east.said.size() - quick, 95U);
  EXPECT_EQ(east.link().failure().text, "the peer does not answer");
  // And the other knocks, once a second.
  EXPECT_LE(west.said.size(), 104U);
  for (const Bytes& packet : west.said) EXPECT_EQ(header_of(packet).kind, static_cast<std::uint8_t>(HandshakeKind::kKnock));
}

}  // namespace
}  // namespace dwcp
