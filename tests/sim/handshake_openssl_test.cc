// SPDX-License-Identifier: Apache-2.0
// The handshake simulation with TLS 1.3 as it is: certificates made for the test, OpenSSL at both ends.  Keys are not
// reproducible, so a seed replays the path only.
#include <gtest/gtest.h>

#include <ctime>
#include <filesystem>

#include "control/security/openssl_tls_factory.h"
#include "control/security/pki_site.h"
#include "tests/sim/handshake_pair.h"

namespace dwcp::sim {
namespace {

class HandshakeOpensslTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    std::string folder = testing::TempDir() + "dwcp-handshake-XXXXXX";
    ASSERT_NE(mkdtemp(folder.data()), nullptr);
    dir = new std::string(folder);
    ASSERT_TRUE(pki::init(*dir, "", pki::kCaDays, std::time(nullptr)));
    for (const char* name : {"east", "west", "mallory"}) {
      ASSERT_TRUE(pki::issue(*dir, name, pki::kGatewayDays, "", false, std::time(nullptr)));
    }
  }
  static void TearDownTestSuite() {
    std::filesystem::remove_all(*dir);
    delete dir;
  }

  // `shows`: whose certificate each site has.
  static HandshakePair::MakeTls tls(std::array<std::string, 2> shows = {"east", "west"}) {
    return [shows](std::size_t site) -> std::unique_ptr<TlsFactory> {
      CredentialFiles files;
      files.gateway = shows[site];
      files.certificate = *dir + "/" + shows[site] + ".crt";
      files.private_key = *dir + "/" + shows[site] + ".key";
      files.ca = *dir + "/ca.crt";
      files.peers = {{.name = site == 0 ? "west" : "east", .ca = "", .psk_file = ""}};
      auto loaded = Credentials::load(files, std::time(nullptr));
      if (!loaded) throw std::runtime_error(loaded.error().front());
      return std::make_unique<OpensslTlsFactory>(*loaded, [] { return std::time(nullptr); });
    };
  }

  static std::string* dir;
};
std::string* HandshakeOpensslTest::dir = nullptr;

std::size_t starts(const HandshakePair& pair) { return pair.sites[0].lcore->starts + pair.sites[1].lcore->starts; }

TEST_F(HandshakeOpensslTest, agrees_in_three_round_trips_and_resumes) {
  HandshakePair pair(1, {.delay_min_ns = 50 * kNsPerMs, .jitter_ns = 1}, usual_sites(), tls());
  ASSERT_TRUE(pair.run_until([&] { return pair.agreed(); }, 400 * kNsPerMs)) << pair.disagreement();
  EXPECT_EQ(pair.link(0).peer().name, "west");
  EXPECT_EQ(pair.link(1).peer().name, "east");
  EXPECT_EQ(pair.link(0).counters().resumed, 0U);
  pair.run_for(12 * kNsPerSec);
  pair.sites[0].links->renew(0);
  pair.run_for(kNsPerSec);
  EXPECT_TRUE(pair.agreed()) << pair.disagreement();
  EXPECT_EQ(pair.link(0).epoch(), 1U);
  EXPECT_EQ(pair.link(0).counters().resumed, 1U);
  EXPECT_EQ(pair.link(1).counters().resumed, 1U);
  EXPECT_EQ(starts(pair), 2U);
}

TEST_F(HandshakeOpensslTest, agrees_over_bad_paths_with_damage_and_restarts) {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    HandshakePair pair(seed, {.loss = 0.15, .duplicate = 0.2, .damage = 0.02, .delay_min_ns = 10 * kNsPerMs, .jitter_ns = 40 * kNsPerMs},
                       usual_sites(), tls());
    pair.run_for(pair.rng.below(3 * kNsPerSec));
    pair.boot(seed % 2);
    ASSERT_TRUE(pair.run_until([&] { return pair.agreed(); }, 60 * kNsPerSec)) << pair.disagreement();
    pair.run_for(12 * kNsPerSec);
    ASSERT_TRUE(pair.agreed()) << pair.disagreement();
    // And new keys, a few times.
    const std::size_t before = starts(pair);
    for (int i = 0; i < 3; ++i) {
      pair.sites[i % 2].links->renew(0);
      pair.run_for(8 * kNsPerSec);
    }
    pair.path.loss = pair.path.damage = 0;
    pair.run_for(20 * kNsPerSec);
    ASSERT_TRUE(pair.agreed()) << pair.disagreement();
    ASSERT_EQ(starts(pair), before);
    ASSERT_GE(pair.link(0).epoch(), 1U);
    ASSERT_EQ(pair.sites[0].lcore->unopened + pair.sites[1].lcore->unopened, 0U);
    ASSERT_EQ(pair.sites[0].lcore->refused_keys + pair.sites[1].lcore->refused_keys, 0U);
    for (const auto& site : pair.sites) ASSERT_LE(site.bytes_held_max, 2 * 4 * wire::kHandshakeStreamBytesMax);
  }
}

TEST_F(HandshakeOpensslTest, another_name_is_refused_and_told_so_on_both_sides) {
  for (std::size_t bad = 0; bad < 2; ++bad) {
    SCOPED_TRACE(bad);
    std::array<std::string, 2> shows = {"east", "west"};
    shows[bad] = "mallory";
    HandshakePair pair(3, {.delay_min_ns = 10 * kNsPerMs, .jitter_ns = 1}, usual_sites(), tls(shows));
    bool up = false;
    pair.run_until([&] { return up = up || pair.link(0).state() == LinkState::kUp || pair.link(1).state() == LinkState::kUp; }, 20 * kNsPerSec);
    EXPECT_FALSE(up);
    EXPECT_NE(pair.link(1 - bad).failure().text.find("mallory"), std::string::npos) << pair.link(1 - bad).failure().text;
    EXPECT_NE(pair.link(bad).failure().text, "");
    EXPECT_EQ(pair.link(bad).failure().text.find("10 s"), std::string::npos) << pair.link(bad).failure().text;
    EXPECT_LE(pair.link(0).counters().attempts, 12U);
  }
}

}  // namespace
}  // namespace dwcp::sim
