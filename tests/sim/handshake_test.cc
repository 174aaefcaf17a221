// SPDX-License-Identifier: Apache-2.0
// Handshakes of two gateways in virtual time: over any path, whatever restarts, and whoever says again what was said.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>

#include "dataplane/wire/packet.h"
#include "tests/sim/handshake_pair.h"

namespace dwcp::sim {
namespace {

std::uint64_t seeds(std::uint64_t usual) {
  const char* asked = std::getenv("DWCP_SEEDS");
  return asked != nullptr ? std::strtoull(asked, nullptr, 10) : usual;
}

// DWCP_SEED replays one.
template <typename Run>
void each_seed(std::uint64_t count, Run run) {
  const char* one = std::getenv("DWCP_SEED");
  const std::uint64_t first = one != nullptr ? std::strtoull(one, nullptr, 10) : 1;
  for (std::uint64_t seed = first; seed < first + (one != nullptr ? 1 : seeds(count)); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    run(seed);
    if (testing::Test::HasFatalFailure()) return;
  }
}

PathOdds lossy(std::uint64_t seed, double loss) {
  PathOdds odds{.loss = loss, .duplicate = 0.2, .delay_min_ns = kNsPerMs, .jitter_ns = 20 * kNsPerMs};
  if (seed % 3 == 0) odds = {.loss = loss, .duplicate = 0.2, .delay_min_ns = 160 * kNsPerMs, .jitter_ns = 200 * kNsPerMs};
  return odds;
}

std::size_t starts(const HandshakePair& pair) { return pair.sites[0].lcore->starts + pair.sites[1].lcore->starts; }
std::size_t unopened(const HandshakePair& pair) { return pair.sites[0].lcore->unopened + pair.sites[1].lcore->unopened; }

void expect_bounded(const HandshakePair& pair) {
  for (const auto& site : pair.sites) {
    EXPECT_LE(site.attempts_held_max, 2U);
    EXPECT_LE(site.bytes_held_max, 2 * 4 * wire::kHandshakeStreamBytesMax);
  }
}

Bytes bare(wire::HandshakeKind kind, std::uint64_t attempt) {
  Bytes packet(sizeof(wire::HandshakeHeader));
  auto& header = *reinterpret_cast<wire::HandshakeHeader*>(packet.data());
  header.type = wire::type_byte(wire::PacketType::kHandshake);
  header.kind = static_cast<std::uint8_t>(kind);
  header.attempt = attempt;
  return packet;
}

TEST(handshake_sim, two_that_start_together_agree_in_three_round_trips) {
  HandshakePair pair(1, {.delay_min_ns = 50 * kNsPerMs, .jitter_ns = 1});
  // Ask and cookie, hellos, and half a round trip each for the last flight and the first data; and the threads' rounds.
  ASSERT_TRUE(pair.run_until([&] { return pair.agreed(); }, 3 * 100 * kNsPerMs + 100 * kNsPerMs)) << pair.disagreement();
  EXPECT_EQ(starts(pair), 2U);
  pair.run_for(30 * kNsPerSec);
  EXPECT_TRUE(pair.agreed());
  EXPECT_EQ(starts(pair), 2U);
  EXPECT_EQ(pair.link(0).counters().completed, 1U);
  EXPECT_EQ(pair.link(0).counters().failed + pair.link(1).counters().failed, 0U);
  EXPECT_EQ(unopened(pair), 0U);
}

TEST(handshake_sim, agrees_over_any_path_and_then_stays) {
  std::uint64_t longest_ns = 0;
  each_seed(300, [&](std::uint64_t seed) {
    HandshakePair pair(seed, lossy(seed, 0.3));
    pair.path.damage = seed % 2 == 0 ? 0.02 : 0;
    pair.lent_ns_max = seed % 5 == 0 ? 3 * kNsPerSec : 3 * kNsPerMs;
    const std::uint64_t from_ns = pair.now_ns;
    ASSERT_TRUE(pair.run_until([&] { return pair.agreed(); }, 60 * kNsPerSec)) << pair.disagreement();
    longest_ns = std::max(longest_ns, pair.now_ns - from_ns);
    pair.run_for(12 * kNsPerSec);  // what was begun beside it ends
    ASSERT_TRUE(pair.agreed()) << pair.disagreement();
    const std::size_t before = starts(pair);
    pair.run_for(20 * kNsPerSec);
    ASSERT_TRUE(pair.agreed()) << pair.disagreement();
    ASSERT_EQ(starts(pair), before) << "a session was begun for nothing";
    expect_bounded(pair);
  });
  std::cout << "the longest took " << longest_ns / kNsPerMs << " ms\n";
  EXPECT_LT(longest_ns, 30 * kNsPerSec);
}

TEST(handshake_sim, recovers_from_restarts_losses_and_blackouts_at_any_time) {
  std::uint64_t longest_ns = 0;
  each_seed(300, [&](std::uint64_t seed) {
    HandshakePair pair(seed, lossy(seed, 0.1));
    Rng rng(seed * 77);
    for (int event = 0; event < 6; ++event) {
      pair.run_for(rng.below(3 * kNsPerSec));
      const std::size_t who = rng.below(2);
      const std::uint64_t what = rng.below(3);
      if (what == 0) pair.boot(who);
      if (what == 1) pair.sites[who].lcore->lose();
      if (what == 2) {
        pair.blackout = true;
        pair.run_for(rng.below(15 * kNsPerSec));
        pair.blackout = false;
      }
    }
    const std::uint64_t from_ns = pair.now_ns;
    ASSERT_TRUE(pair.run_until([&] { return pair.agreed(); }, 60 * kNsPerSec)) << pair.disagreement();
    longest_ns = std::max(longest_ns, pair.now_ns - from_ns);
    pair.run_for(15 * kNsPerSec);
    ASSERT_TRUE(pair.agreed()) << pair.disagreement();
    expect_bounded(pair);
  });
  std::cout << "the longest took " << longest_ns / kNsPerMs << " ms\n";
  EXPECT_LT(longest_ns, 30 * kNsPerSec);
}

// A restart of either side is noticed by a knock or an ask, long before the other's session would time out.
TEST(handshake_sim, a_restart_is_over_before_the_link_would_be_lost) {
  std::vector<std::uint64_t> took;
  each_seed(200, [&](std::uint64_t seed) {
    HandshakePair pair(seed, {.loss = 0.02, .delay_min_ns = 20 * kNsPerMs, .jitter_ns = 5 * kNsPerMs});
    pair.run_for(20 * kNsPerSec);
    ASSERT_TRUE(pair.agreed()) << pair.disagreement();
    pair.boot(seed % 2);
    const std::uint64_t from_ns = pair.now_ns;
    ASSERT_TRUE(pair.run_until([&] { return pair.agreed(); }, 20 * kNsPerSec)) << pair.disagreement();
    took.push_back(pair.now_ns - from_ns);
  });
  std::sort(took.begin(), took.end());
  if (took.empty()) return;
  EXPECT_LT(took[took.size() / 2], 500 * kNsPerMs);
  EXPECT_LT(took.back(), ModelLcore::kSilenceNs);
}

// New keys again and again over a bad path: the session is the same to the end, and no packet ever meets a gateway that lacks
// its keys.
TEST(handshake_sim, new_keys_under_loss_disturb_nothing) {
  std::uint64_t rekeys = 0;
  each_seed(200, [&](std::uint64_t seed) {
    std::array<SiteSetup, 2> setup = usual_sites();
    // The one that must ask for it, or both.
    setup[seed % 2].rekey_ns = 4 * kNsPerSec;
    if (seed % 5 == 0) setup[0].rekey_ns = setup[1].rekey_ns = 4 * kNsPerSec;
    HandshakePair pair(seed, lossy(seed, 0), setup);
    ASSERT_TRUE(pair.run_until([&] { return pair.agreed(); }, 20 * kNsPerSec));
    pair.run_for(12 * kNsPerSec);
    pair.path.loss = 0.25;
    const std::size_t before = starts(pair);
    const std::size_t rekeys_before = pair.link(0).counters().rekeys;
    // Blackouts shorter than the link's life cut handshakes off anywhere, some for good.
    for (int i = 0; i < 12; ++i) {
      pair.run_for(pair.rng.below(8 * kNsPerSec));
      pair.blackout = true;
      pair.run_for(pair.rng.below(6 * kNsPerSec));
      pair.blackout = false;
      pair.run_for(2 * kNsPerSec);
    }
    pair.path.loss = 0;
    pair.run_for(15 * kNsPerSec);
    ASSERT_TRUE(pair.agreed()) << pair.disagreement();
    ASSERT_EQ(starts(pair), before) << "the session was replaced";
    ASSERT_EQ(unopened(pair), 0U) << "a packet met a gateway without its keys";
    ASSERT_EQ(pair.sites[0].lcore->refused_keys + pair.sites[1].lcore->refused_keys, 0U) << "an epoch the net lcore has no place for";
    const std::uint64_t made = pair.link(0).counters().rekeys - rekeys_before;
    ASSERT_GE(made, 4U);
    rekeys += made;
    expect_bounded(pair);
  });
  std::cout << rekeys << " rekeys\n";
}

// The last flight lost again and again: the initiator has keys the responder never heard of, many times.
TEST(handshake_sim, a_rekey_lost_at_any_packet_converges) {
  for (std::size_t who = 0; who < 2; ++who) {
    for (std::size_t lost = 0; lost < 14; ++lost) {
      SCOPED_TRACE("site " + std::to_string(who) + " is cut off after packet " + std::to_string(lost));
      HandshakePair pair(7, {.delay_min_ns = 20 * kNsPerMs, .jitter_ns = 1});
      ASSERT_TRUE(pair.run_until([&] { return pair.agreed(); }, 5 * kNsPerSec));
      pair.run_for(12 * kNsPerSec);
      for (int round = 0; round < 6; ++round) {
        pair.sites[0].links->renew(0);
        // Only handshake packets of this site are lost, from the given one on.
        std::size_t sent = 0;
        const auto pass = pair.sites[who].lcore->send_handshake;
        pair.sites[who].lcore->send_handshake = [&](const Bytes& packet) {
          if (sent++ < lost) pass(packet);
        };
        pair.run_for(11 * kNsPerSec);
        pair.sites[who].lcore->send_handshake = pass;
      }
      pair.sites[0].links->renew(0);
      pair.run_for(25 * kNsPerSec);
      EXPECT_TRUE(pair.agreed()) << pair.disagreement();
      EXPECT_EQ(starts(pair), 2U);
      EXPECT_EQ(unopened(pair), 0U);
      EXPECT_EQ(pair.sites[0].lcore->refused_keys + pair.sites[1].lcore->refused_keys, 0U);
      EXPECT_GE(pair.link(0).epoch(), 1U);
      EXPECT_EQ(pair.link(0).epoch(), pair.link(1).epoch());
    }
  }
}

// The responder has finished and uses the new keys, and the initiator hears nothing of that: it tries again, and the responder
// is one epoch ahead of it.
TEST(handshake_sim, a_rekey_whose_keys_are_not_seen_in_use_is_followed_by_another) {
  HandshakePair pair(11, {.delay_min_ns = 20 * kNsPerMs, .jitter_ns = 1});
  ASSERT_TRUE(pair.run_until([&] { return pair.agreed(); }, 5 * kNsPerSec));
  for (int round = 0; round < 5; ++round) {
    pair.run_for(12 * kNsPerSec);
    const auto pass = pair.sites[1].lcore->send_data;
    pair.sites[1].lcore->send_data = [](const ModelPacket&) {};
    pair.sites[0].links->renew(0);
    pair.run_for(500 * kNsPerMs);
    ASSERT_GT(pair.link(1).epoch(), pair.link(0).epoch());
    // A knock so long after says that the peer may not have finished.
    pair.run_for(2 * kNsPerSec);
    pair.inject(0, bare(wire::HandshakeKind::kKnock, 0));
    pair.run_for(500 * kNsPerMs);
    ASSERT_EQ(pair.link(1).epoch(), pair.link(0).epoch() + 2);
    pair.sites[1].lcore->send_data = pass;
    pair.run_for(500 * kNsPerMs);
    ASSERT_TRUE(pair.agreed()) << pair.disagreement();
    ASSERT_EQ(pair.link(0).epoch(), 2U * (static_cast<std::uint32_t>(round) + 1));
    ASSERT_EQ(pair.link(1).epoch(), pair.link(0).epoch());
  }
  EXPECT_EQ(starts(pair), 2U);
  EXPECT_EQ(unopened(pair), 0U);
  EXPECT_EQ(pair.sites[0].lcore->refused_keys + pair.sites[1].lcore->refused_keys, 0U);
}

// Knocks at both make both initiate, at once and all the time.
TEST(handshake_sim, crossing_handshakes_end_with_the_same_keys) {
  each_seed(300, [&](std::uint64_t seed) {
    HandshakePair pair(seed, lossy(seed, seed % 2 == 0 ? 0.15 : 0));
    Rng rng(seed * 5);
    for (int i = 0; i < 60; ++i) {
      const bool both = rng.chance(0.5);
      const std::size_t who = rng.below(2);
      for (std::size_t to = 0; to < 2; ++to) {
        if (both || to == who) pair.inject(to, bare(wire::HandshakeKind::kKnock, 0));
      }
      pair.run_for(rng.below(700 * kNsPerMs));
      if (i == 20) pair.boot(who);
      if (i == 40) pair.sites[who].lcore->lose();
    }
    ASSERT_TRUE(pair.run_until([&] { return pair.agreed(); }, 40 * kNsPerSec)) << pair.disagreement();
    pair.run_for(25 * kNsPerSec);
    ASSERT_TRUE(pair.agreed()) << pair.disagreement();
    ASSERT_EQ(pair.sites[0].lcore->refused_keys + pair.sites[1].lcore->refused_keys, 0U);
    expect_bounded(pair);
  });
}

// While a session runs, knocks at both for a minute bring new keys now and then, and never another session.
TEST(handshake_sim, crossing_rekeys_keep_the_session_and_every_packet_opens) {
  each_seed(200, [&](std::uint64_t seed) {
    HandshakePair pair(seed, lossy(seed, 0));
    ASSERT_TRUE(pair.run_until([&] { return pair.agreed(); }, 20 * kNsPerSec));
    pair.run_for(12 * kNsPerSec);
    const std::size_t before = starts(pair);
    pair.path.loss = 0.1;
    for (int i = 0; i < 200; ++i) {
      for (std::size_t to = 0; to < 2; ++to) pair.inject(to, bare(wire::HandshakeKind::kKnock, 0));
      pair.run_for(pair.rng.below(600 * kNsPerMs));
    }
    pair.path.loss = 0;
    pair.run_for(25 * kNsPerSec);
    ASSERT_TRUE(pair.agreed()) << pair.disagreement();
    ASSERT_EQ(starts(pair), before);
    ASSERT_EQ(unopened(pair), 0U);
    ASSERT_EQ(pair.sites[0].lcore->refused_keys + pair.sites[1].lcore->refused_keys, 0U);
    ASSERT_LE(pair.link(0).counters().attempts, 120U) << "knocks cost more than they may";
  });
}

// An eavesdropper says again all that was ever said, to both, in any order, with cookies that may still be good.
TEST(handshake_sim, what_is_said_again_changes_no_session) {
  each_seed(100, [&](std::uint64_t seed) {
    HandshakePair pair(seed, lossy(seed, 0.05));
    pair.run_for(5 * kNsPerSec);
    pair.boot(seed % 2);
    ASSERT_TRUE(pair.run_until([&] { return pair.agreed(); }, 40 * kNsPerSec));
    pair.path.loss = 0;
    pair.run_for(15 * kNsPerSec);
    ASSERT_TRUE(pair.agreed()) << pair.disagreement();
    const std::size_t before = starts(pair);
    const std::uint32_t session = pair.link(0).session();
    const std::size_t unopened_before = unopened(pair);
    const std::array<std::vector<Bytes>, 2> said = pair.recorded;
    for (int i = 0; i < 1500; ++i) {
      const std::size_t to = pair.rng.below(2);
      Bytes packet = said[to][pair.rng.below(said[to].size())];
      if (pair.rng.chance(0.2)) packet[pair.rng.below(packet.size())] ^= static_cast<std::uint8_t>(1U << pair.rng.below(8));
      pair.inject(to, packet);
      pair.run_for(pair.rng.below(20 * kNsPerMs));
    }
    ASSERT_EQ(starts(pair), before);
    pair.run_for(25 * kNsPerSec);
    ASSERT_TRUE(pair.agreed()) << pair.disagreement();
    ASSERT_EQ(starts(pair), before);
    ASSERT_EQ(pair.link(0).session(), session);
    ASSERT_EQ(unopened(pair), unopened_before);
    // And a real restart is still understood.
    pair.boot(0);
    ASSERT_TRUE(pair.run_until([&] { return pair.agreed(); }, 30 * kNsPerSec)) << pair.disagreement();
    expect_bounded(pair);
  });
}

// Before a cookie is shown nothing is kept, nothing is signed, and no more goes out than came in.
TEST(handshake_sim, floods_without_a_cookie_cost_nothing) {
  HandshakePair pair(3, {});
  ASSERT_TRUE(pair.run_until([&] { return pair.agreed(); }, 5 * kNsPerSec));
  pair.run_for(15 * kNsPerSec);
  ASSERT_EQ(pair.link(1).attempts_held(), 0U);
  const std::size_t signed_before = pair.sites[1].tls_site.begun;
  const std::size_t sent_before = pair.handshake_bytes[1];
  std::size_t came = 0;
  for (int i = 0; i < 20'000; ++i) {
    Bytes packet = bare(pair.rng.chance(0.5) ? wire::HandshakeKind::kAsk : wire::HandshakeKind::kInitiator, pair.rng.next());
    auto& header = *reinterpret_cast<wire::HandshakeHeader*>(packet.data());
    for (auto& byte : header.cookie) byte = static_cast<std::uint8_t>(pair.rng.next());
    header.cookie[0] = 0;
    came += packet.size();
    pair.inject(1, packet);
    if (i % 100 == 0) pair.run_for(kNsPerMs);
    ASSERT_EQ(pair.link(1).attempts_held(), 0U);
  }
  EXPECT_LE(pair.handshake_bytes[1] - sent_before, came);
  EXPECT_EQ(pair.sites[1].tls_site.begun, signed_before);
  EXPECT_TRUE(pair.agreed());
}

TEST(handshake_sim, a_gateway_of_another_name_gets_no_session_and_is_asked_ever_less) {
  for (std::size_t bad = 0; bad < 2; ++bad) {
    SCOPED_TRACE(bad);
    std::array<SiteSetup, 2> setup = usual_sites();
    setup[bad].certificate = "mallory";
    HandshakePair pair(4 + bad, {.loss = 0.05, .delay_min_ns = 10 * kNsPerMs, .jitter_ns = 10 * kNsPerMs}, setup);
    bool up = false;
    pair.run_until([&] {
      up = up || pair.link(0).state() == LinkState::kUp || pair.link(1).state() == LinkState::kUp;
      return up;
    }, 120 * kNsPerSec);
    EXPECT_FALSE(up);
    pair.run_for(5 * kNsPerSec);
    EXPECT_GE(pair.link(0).counters().attempts, 10U);
    EXPECT_LE(pair.link(0).counters().attempts, 50U);
    const std::string refusal = "the certificate is of another name";
    EXPECT_EQ(pair.link(1 - bad).failure().text, refusal);
    EXPECT_EQ(pair.link(bad).failure().text, "the peer refused: " + refusal);
    if (bad == 0) {
      EXPECT_GE(pair.sites[0].stops, 1U) << "the initiator had begun a session before it was refused";
    }
    // The initiator began sessions only where it was not the one to refuse.
    EXPECT_EQ(pair.sites[1].lcore->starts, 0U);
  }
}

// The session that runs outlives a peer whose certificate has become bad: keys cannot be renewed, and data goes on.
TEST(handshake_sim, a_rekey_that_is_refused_leaves_the_session) {
  for (std::size_t bad = 0; bad < 2; ++bad) {
    SCOPED_TRACE(bad);
    HandshakePair pair(9, {.delay_min_ns = 10 * kNsPerMs, .jitter_ns = 1});
    ASSERT_TRUE(pair.run_until([&] { return pair.agreed(); }, 5 * kNsPerSec));
    pair.run_for(15 * kNsPerSec);
    pair.sites[bad].tls_site.name = "expired";
    pair.sites[0].links->renew(0);
    pair.run_for(60 * kNsPerSec);
    EXPECT_TRUE(pair.agreed()) << pair.disagreement();
    EXPECT_EQ(starts(pair), 2U);
    EXPECT_EQ(unopened(pair), 0U);
    EXPECT_EQ(pair.sites[0].stops + pair.sites[1].stops, 0U);
    EXPECT_FALSE(pair.link(0).failure().text.empty());
    EXPECT_GE(pair.link(0).counters().failed, 5U);
    EXPECT_LE(pair.link(0).counters().failed, 25U);
    pair.sites[bad].tls_site.name = bad == 0 ? "east" : "west";
    pair.run_for(15 * kNsPerSec);
    EXPECT_TRUE(pair.agreed());
    EXPECT_GE(pair.link(0).epoch(), 1U);
    EXPECT_EQ(pair.link(0).epoch(), pair.link(1).epoch());
    EXPECT_EQ(pair.sites[0].lcore->refused_keys + pair.sites[1].lcore->refused_keys, 0U);
  }
}

}  // namespace
}  // namespace dwcp::sim
