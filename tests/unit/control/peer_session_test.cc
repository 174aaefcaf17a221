// SPDX-License-Identifier: Apache-2.0
// PeerSessions in virtual time: two of them over a link that loses, delays, repeats and reorders hellos, by seed.
#include "control/peer_session.h"

#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <memory>
#include <optional>

#include "base/rng.h"
#include "dataplane/wire/limits.h"

namespace dwcp {
namespace {

using Hello = std::array<std::uint8_t, kHelloBytes>;

PeerSessionsConfig config_of(const std::string& name, const std::string& peer) {
  PeerSessionsConfig config;
  config.name = name;
  config.peers = {peer};
  config.window_bytes = wire::kFrameBytesMax;
  config.frame_window = 64;
  return config;
}

const wire::HelloPacket& view(const Hello& hello) {
  return *reinterpret_cast<const wire::HelloPacket*>(hello.data());
}

struct LinkOdds {
  double loss = 0;
  double duplicate = 0;
  std::uint64_t delay_max_ns = 20 * kNsPerMs;  // each hello by itself, so they overtake each other
};

// Two gateways' control threads and the path between them.
class Pair {
 public:
  static constexpr std::uint64_t kSessionTimeoutNs = 8 * kNsPerSec;

  Pair(std::uint64_t seed, const LinkOdds& odds) : rng_(seed), odds_(odds) {
    for (std::size_t i = 0; i < 2; ++i) begin(i);
  }

  struct End {
    std::unique_ptr<PeerSessions> sessions;
    std::optional<LaneSession> running;   // what the net lcore runs
    std::optional<LaneSession> to_start;  // handed to it
    std::uint64_t start_ns = 0;
    std::size_t started = 0;
    std::uint64_t heard_ns = 0;  // something of the session's, by the net lcore
    std::size_t bytes_in = 0, answer_bytes = 0;
    bool answering = false;
    std::vector<Hello> said;
  };

  void begin(std::size_t i) {
    End& end = ends[i];
    end.running.reset();
    end.to_start.reset();
    PeerSessionsOut out;
    out.random = [this] { return rng_.next(); };
    out.send_hello = [this, i](std::uint16_t, const Hello& hello) {
      if (ends[i].answering) ends[i].answer_bytes += hello.size();
      ends[i].said.push_back(hello);
      send(1 - i, hello);
    };
    out.start = [this, i](std::uint16_t, const LaneSession& session) {
      EXPECT_FALSE(ends[i].to_start.has_value());
      ends[i].to_start = session;
      ends[i].start_ns = now_ns + rng_.below(3 * kNsPerMs);
    };
    end.sessions = std::make_unique<PeerSessions>(i == 0 ? config_of("west", "east") : config_of("east", "west"), out);
  }

  void send(std::size_t to, const Hello& hello) {
    if (rng_.chance(odds_.loss)) return;
    wire_.emplace(now_ns + 1 + rng_.below(odds_.delay_max_ns), std::pair(to, hello));
    if (rng_.chance(odds_.duplicate))
      wire_.emplace(now_ns + 1 + rng_.below(4 * odds_.delay_max_ns), std::pair(to, hello));
  }

  void give(std::size_t to, const Hello& hello) {
    End& end = ends[to];
    const std::size_t before = end.answer_bytes;
    end.answering = true;
    std::string why;
    EXPECT_TRUE(end.sessions->on_hello(now_ns, 0, hello, why)) << why;
    end.answering = false;
    EXPECT_LE(end.answer_bytes - before, hello.size()) << "a hello was answered with more than it brought";
  }

  void run_for(std::uint64_t span_ns) {
    for (const std::uint64_t until = now_ns + span_ns; now_ns < until; now_ns += kNsPerMs) {
      while (!wire_.empty() && wire_.begin()->first <= now_ns) {
        const auto [to, hello] = wire_.begin()->second;
        wire_.erase(wire_.begin());
        give(to, hello);
      }
      for (End& end : ends) {
        if (end.to_start && now_ns >= end.start_ns) {
          end.running = end.to_start;
          end.heard_ns = now_ns;
          end.to_start.reset();
          ++end.started;
          end.sessions->on_started(now_ns, 0, end.running->local_session);
        }
        end.sessions->on_time(now_ns);
      }
      for (std::size_t i = 0; i < 2; ++i) {
        const auto& other = ends[1 - i].running;
        if (ends[i].running && other && other->remote_session == ends[i].running->local_session)
          ends[i].heard_ns = now_ns;
        if (now_ns > ends[i].heard_ns + kSessionTimeoutNs) lose(i);
      }
    }
  }

  void lose(std::size_t i) {
    if (!ends[i].running) return;
    const std::uint32_t session = ends[i].running->local_session;
    ends[i].running.reset();
    ends[i].sessions->on_lost(now_ns, 0, session);
  }

  [[nodiscard]] bool agreed() const {
    for (const End& end : ends) {
      if (end.sessions->state(0) != PeerState::kUp || !end.running) return false;
    }
    const LaneSession& a = *ends[0].running;
    const LaneSession& b = *ends[1].running;
    return a.local_session == b.remote_session && b.local_session == a.remote_session &&
           a.opens_odd_flows != b.opens_odd_flows;
  }

  std::array<End, 2> ends;
  std::uint64_t now_ns = kNsPerSec;

 private:
  Rng rng_;
  LinkOdds odds_;
  std::multimap<std::uint64_t, std::pair<std::size_t, Hello>> wire_;
};

TEST(peer_session, two_that_start_together_agree_in_a_round_trip) {
  Pair pair(1, {.delay_max_ns = 1});
  pair.run_for(50 * kNsPerMs);
  EXPECT_TRUE(pair.agreed());
  EXPECT_EQ(pair.ends[0].started, 1U);
  EXPECT_EQ(pair.ends[1].started, 1U);
}

TEST(peer_session, agrees_over_any_link_and_then_stays) {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Pair pair(seed, {.loss = 0.3, .duplicate = 0.3, .delay_max_ns = seed % 3 == 0 ? 400 * kNsPerMs : 20 * kNsPerMs});
    pair.run_for(20 * kNsPerSec);
    ASSERT_TRUE(pair.agreed());
    const std::size_t started = pair.ends[0].started + pair.ends[1].started;
    pair.run_for(20 * kNsPerSec);
    ASSERT_TRUE(pair.agreed());
    ASSERT_EQ(pair.ends[0].started + pair.ends[1].started, started);  // no session is begun for nothing
  }
}

TEST(peer_session, recovers_from_restarts_and_losses_at_any_time) {
  std::size_t late = 0;
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Pair pair(seed, {.loss = 0.1, .duplicate = 0.1, .delay_max_ns = 60 * kNsPerMs});
    Rng rng(seed * 77);
    for (int event = 0; event < 6; ++event) {
      pair.run_for(rng.below(2 * kNsPerSec));
      const std::size_t who = rng.below(2);
      rng.chance(0.5) ? pair.begin(who) : pair.lose(who);
    }
    pair.run_for(Pair::kSessionTimeoutNs / 2);
    if (!pair.agreed()) ++late;
    pair.run_for(4 * Pair::kSessionTimeoutNs);
    ASSERT_TRUE(pair.agreed());
  }
  // Only a restart in the middle of the exchange after another restart may have to wait for the session timeout.
  EXPECT_LE(late, 3U);
}

// The answer that settles a restart is one packet; losing it must not leave the pair apart until the session times out.
TEST(peer_session, a_lost_last_hello_does_not_keep_the_pair_apart) {
  std::size_t apart = 0;
  for (std::uint64_t seed = 1; seed <= 400; ++seed) {
    Pair pair(seed, {.loss = 0.1, .delay_max_ns = 10 * kNsPerMs});
    pair.run_for(10 * kNsPerSec);
    ASSERT_TRUE(pair.agreed());
    pair.begin(seed % 2);
    pair.run_for(5 * kNsPerSec);
    if (!pair.agreed()) ++apart;
  }
  EXPECT_EQ(apart, 0U);
}

TEST(peer_session, an_old_hello_ends_nothing) {
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Pair pair(seed, {.loss = 0.05, .delay_max_ns = 30 * kNsPerMs});
    pair.run_for(5 * kNsPerSec);
    pair.begin(seed % 2);
    pair.run_for(10 * kNsPerSec);
    pair.lose(0);
    pair.lose(1);
    pair.run_for(10 * kNsPerSec);
    ASSERT_TRUE(pair.agreed());
    const std::size_t started = pair.ends[0].started + pair.ends[1].started;
    // An eavesdropper says again all that was ever said, to both, in any order and together.
    Rng rng(seed);
    std::array<std::vector<Hello>, 2> said = {pair.ends[0].said, pair.ends[1].said};
    for (int i = 0; i < 300; ++i) {
      const std::size_t to = rng.below(2);
      if (!said[1 - to].empty()) pair.give(to, said[1 - to][rng.below(said[1 - to].size())]);
      pair.run_for(rng.below(30 * kNsPerMs));
    }
    pair.run_for(5 * kNsPerSec);
    ASSERT_TRUE(pair.agreed());
    ASSERT_EQ(pair.ends[0].started + pair.ends[1].started, started);
    // And a real restart is still understood.
    pair.begin(0);
    pair.run_for(10 * kNsPerSec);
    ASSERT_TRUE(pair.agreed());
  }
}

// Many lanes: a session number names its lane, and the agreed parameters are the peer's.
TEST(peer_session, numbers_name_the_lane_and_parameters_are_handed_on) {
  Rng rng(5);
  PeerSessionsConfig config;
  config.name = "hub";
  for (std::size_t i = 0; i < kLanesMax; ++i) config.peers.push_back("p" + std::to_string(i));
  config.window_bytes = wire::kFrameBytesMax;
  config.frame_window = 64;
  std::vector<Hello> said(kLanesMax);
  std::vector<LaneSession> started(kLanesMax);
  PeerSessions hub(config, {.send_hello = [&](std::uint16_t lane, const Hello& hello) { said[lane] = hello; },
                            .start = [&](std::uint16_t lane, const LaneSession& session) { started[lane] = session; },
                            .random = [&] { return rng.next(); },
                            .recall =
                                [](std::uint64_t now_ns, std::uint16_t lane) {
                                  return ResumePoint{.bandwidth_bytes_per_sec = now_ns, .min_rtt_ns = lane + 1U};
                                }});
  hub.on_time(kNsPerSec);
  for (std::uint16_t lane = 0; lane < kLanesMax; ++lane) {
    EXPECT_EQ(view(said[lane]).session % kLanesMax, lane);
    EXPECT_GE(view(said[lane]).session, kLanesMax);
    EXPECT_TRUE(wire::unseal(said[lane]));
    Hello answer = said[lane];
    auto& hello = *reinterpret_cast<wire::HelloPacket*>(answer.data());
    hello.echo_nonce = hello.nonce;
    hello.nonce = std::uint64_t{7};
    hello.session = std::uint32_t{4711};
    hello.flows = std::uint32_t{3};
    hello.datagram_bytes = std::uint16_t{1300};
    hello.window_bytes = std::uint64_t{1} << 30;
    hello.frame_window = std::uint32_t{5};
    hello.flags = 0;
    const std::string name = "p" + std::to_string(lane);
    hello.name_bytes = static_cast<std::uint8_t>(name.size());
    std::memcpy(hello.name, name.data(), name.size());
    std::string why;
    ASSERT_TRUE(hub.on_hello(kNsPerSec, lane, answer, why)) << why;
    EXPECT_EQ(hub.state(lane), PeerState::kStarting);
    EXPECT_EQ(started[lane].remote_session, 4711U);
    EXPECT_EQ(started[lane].peer_flows_max, 3U);
    EXPECT_EQ(started[lane].peer_datagram_bytes, 1300U);
    EXPECT_EQ(started[lane].peer_window_bytes, std::uint64_t{1} << 30);
    EXPECT_EQ(started[lane].peer_frame_window, 5U);
    EXPECT_EQ(started[lane].resume.bandwidth_bytes_per_sec, kNsPerSec);
    EXPECT_EQ(started[lane].resume.min_rtt_ns, lane + 1U);
  }
}

class RefusalTest : public testing::Test {
 protected:
  RefusalTest() {
    pair_.run_for(kNsPerMs);
    good_ = pair_.ends[1].said.front();
  }
  // Why west refuses the hello; "" when it does not.
  template <typename Change>
  std::string refused(Change change) {
    Hello bad = good_;
    change(*reinterpret_cast<wire::HelloPacket*>(bad.data()));
    std::size_t sent = 0;
    Rng rng(3);
    PeerSessions west(config_of("west", "east"), {.send_hello = [&](std::uint16_t, const Hello&) { ++sent; },
                                                  .start = [](std::uint16_t, const LaneSession&) { ADD_FAILURE(); },
                                                  .random = [&] { return rng.next(); }});
    std::string why;
    if (west.on_hello(kNsPerSec, 0, bad, why)) return "";
    EXPECT_EQ(sent, 0U);
    EXPECT_EQ(west.state(0), PeerState::kDown);
    return why;
  }

  Pair pair_{9, {.delay_max_ns = 1}};
  Hello good_{};
};

TEST_F(RefusalTest, out_of_range_parameters) {
  const std::string range = "its parameters are out of range";
  EXPECT_EQ(refused([](wire::HelloPacket&) {}), "");
  EXPECT_EQ(refused([](wire::HelloPacket& h) { h.name_bytes = 0; }), range);
  EXPECT_EQ(refused([](wire::HelloPacket& h) { h.name_bytes = 65; }), range);
  EXPECT_EQ(refused([](wire::HelloPacket& h) { h.name_bytes = 255; }), range);
  EXPECT_EQ(refused([](wire::HelloPacket& h) { h.nonce = std::uint64_t{0}; }), range);
  EXPECT_EQ(refused([](wire::HelloPacket& h) { h.session = std::uint32_t{0}; }), range);
  EXPECT_EQ(refused([](wire::HelloPacket& h) { h.datagram_bytes = std::uint16_t{1199}; }), range);
  EXPECT_EQ(refused([](wire::HelloPacket& h) { h.datagram_bytes = std::uint16_t{1200}; }), "");
  EXPECT_EQ(refused([](wire::HelloPacket& h) { h.flows = std::uint32_t{0}; }), range);
  EXPECT_EQ(refused([](wire::HelloPacket& h) { h.streams = 0; }), range);
  EXPECT_EQ(refused([](wire::HelloPacket& h) { h.frame_window = std::uint32_t{0}; }), range);
  EXPECT_EQ(refused([](wire::HelloPacket& h) { h.window_bytes = wire::kFrameBytesMax - 1; }), range);
}

TEST_F(RefusalTest, wrong_names_are_printed_without_what_they_must_not_hold) {
  EXPECT_EQ(refused([](wire::HelloPacket& h) { std::memcpy(h.name, "eas\n", 4); }),
            "it calls itself \"eas?\", the configuration says \"east\"");
  EXPECT_EQ(refused([](wire::HelloPacket& h) { std::memcpy(h.name, "\x1b[\"\xff", 4); }),
            "it calls itself \"?[??\", the configuration says \"east\"");
  EXPECT_EQ(refused([](wire::HelloPacket& h) { h.name_bytes = 3; }),
            "it calls itself \"eas\", the configuration says \"east\"");
}

}  // namespace
}  // namespace dwcp
