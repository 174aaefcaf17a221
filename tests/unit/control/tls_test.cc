// SPDX-License-Identifier: Apache-2.0
// Handshakes that come to an end: who the peer is, parameters, secrets, resumption, pre-shared keys, reloads.
#include <openssl/hmac.h>

#include <algorithm>

#include "control/security/external_psk.h"
#include "tls_site.h"

namespace dwcp {
namespace {

const std::string kKey(64, 'a');
const std::string kOtherKey(64, 'b');

bool holds(const Bytes& bytes, std::string_view part) {
  return std::search(bytes.begin(), bytes.end(), part.begin(), part.end()) != bytes.end();
}

TEST(tls, both_know_who_the_other_is) {
  Pair pair;
  pair.load();
  Handshake shake(pair.a, pair.b);
  shake.run();
  ASSERT_TRUE(shake.done()) << shake.failures();
  EXPECT_EQ(shake.initiator->peer().name, "site-b");
  EXPECT_EQ(shake.responder->peer().name, "site-a");
  EXPECT_EQ(shake.responder->peer().subject, "CN=site-a");
  EXPECT_EQ(shake.responder->peer().issuer, "CN=Test CA");
  EXPECT_EQ(shake.responder->peer().serial, serial_text(pair.a.certificate.get()));
  EXPECT_EQ(shake.responder->peer().not_after_unix_s, kYear.not_after_unix_s);
  EXPECT_EQ(shake.responder->peer().cipher_suite, "TLS_AES_256_GCM_SHA384");
  EXPECT_FALSE(shake.initiator->peer().resumed);
}

TEST(tls, parameters_arrive_both_ways) {
  Pair pair;
  pair.load();
  auto initiator = pair.a.factory->initiate(0, bytes_of("mine"));
  auto responder = pair.b.factory->respond(0, [](std::span<const std::uint8_t> theirs) -> expected<Bytes, std::string> {
    Bytes answer(theirs.begin(), theirs.end());
    answer.push_back('!');
    return answer;
  });
  EXPECT_TRUE(responder->peer_params().empty());
  talk(*initiator, *responder);
  EXPECT_EQ(Bytes(responder->peer_params().begin(), responder->peer_params().end()), bytes_of("mine"));
  EXPECT_EQ(Bytes(initiator->peer_params().begin(), initiator->peer_params().end()), bytes_of("mine!"));
}

TEST(tls, parameters_of_no_bytes_and_of_the_most) {
  Pair pair;
  pair.load();
  for (const std::size_t bytes : {std::size_t{0}, kTlsParamsBytesMax}) {
    auto initiator = pair.a.factory->initiate(0, Bytes(bytes, 7));
    auto responder = pair.b.factory->respond(0, answering(std::string(bytes, 'x')));
    talk(*initiator, *responder);
    EXPECT_EQ(initiator->state(), TlsState::kDone) << initiator->failure();
    EXPECT_EQ(responder->peer_params().size(), bytes);
    EXPECT_EQ(initiator->peer_params().size(), bytes);
  }
}

TEST(tls, exported_secrets_are_the_same_at_both_ends_and_differ_by_context_and_handshake) {
  Pair pair;
  pair.load();
  Handshake one(pair.a, pair.b);
  Bytes out(32);
  EXPECT_FALSE(one.initiator->export_secret({}, out));  // not before it is done
  one.run();
  ASSERT_TRUE(one.done()) << one.failures();
  EXPECT_EQ(exported(*one.initiator, "x"), exported(*one.responder, "x"));
  EXPECT_NE(exported(*one.initiator, "x"), exported(*one.initiator, "y"));
  Handshake two(pair.a, pair.b);
  two.run();
  EXPECT_NE(exported(*one.initiator, "x"), exported(*two.initiator, "x"));
}

TEST(tls, names_are_not_in_the_clear_with_certificates) {
  Pair pair;
  pair.load();
  Handshake shake(pair.a, pair.b);
  Bytes all = shake.initiator->take_output();
  shake.responder->receive(all);
  const Bytes answer = shake.responder->take_output();
  all.insert(all.end(), answer.begin(), answer.end());
  EXPECT_TRUE(holds(all, "from initiator"));  // the search finds what is there
  EXPECT_FALSE(holds(all, "site-"));
  EXPECT_FALSE(holds(all, "from responder"));
}

TEST(tls, intermediates_are_sent_along) {
  Pair pair;
  const Ca root = make_ca("Root", kYear, 1);
  const Ca middle = make_ca("Middle", kYear, 0, &root);
  pair.b.certified(middle, gateway_spec("site-b"), &middle);
  pair.a.trusting(root);
  pair.load();
  EXPECT_TRUE(Handshake(pair.a, pair.b).run().done());
  EXPECT_TRUE(Handshake(pair.b, pair.a).run().done());
}

TEST(tls, the_second_handshake_is_resumed_and_makes_a_ticket_for_the_third) {
  Pair pair;
  pair.load();
  Handshake(pair.a, pair.b).run();
  for (int i = 0; i < 3; ++i) {
    Handshake shake(pair.a, pair.b);
    const Bytes hello = shake.initiator->take_output();
    EXPECT_TRUE(holds(hello, std::string_view("\x00\x2d\x00\x02\x01\x01", 6)));  // psk_dhe_ke, and no other mode
    shake.responder->receive(hello);
    shake.run();
    ASSERT_TRUE(shake.done()) << shake.failures();
    EXPECT_TRUE(shake.initiator->peer().resumed);
    EXPECT_TRUE(shake.responder->peer().resumed);
    EXPECT_EQ(shake.responder->peer().serial, serial_text(pair.a.certificate.get()));
    EXPECT_EQ(exported(*shake.initiator, "x"), exported(*shake.responder, "x"));
  }
}

TEST(tls, a_ticket_serves_once) {
  Pair pair;
  pair.load();
  Handshake(pair.a, pair.b).run();
  Handshake first(pair.a, pair.b), second(pair.a, pair.b);
  first.run();
  second.run();
  ASSERT_TRUE(first.done() && second.done());
  EXPECT_TRUE(first.initiator->peer().resumed);
  EXPECT_FALSE(second.initiator->peer().resumed);
}

TEST(tls, a_replayed_hello_with_a_ticket_finds_the_ticket_used) {
  Pair pair;
  pair.load();
  Handshake(pair.a, pair.b).run();
  Handshake shake(pair.a, pair.b);
  const Bytes hello = shake.initiator->take_output();
  auto replayed = pair.b.factory->respond(0, answering("x"));
  shake.responder->receive(hello);
  replayed->receive(hello);
  EXPECT_GT(replayed->take_output().size(), shake.responder->take_output().size() + 300);  // certificates again
}

TEST(tls, the_responder_judges_the_tickets_certificate_again) {
  Pair pair;
  pair.a.certified(pair.ca, gateway_spec("site-a", {kYear.not_before_unix_s, kNow + kDayS}));
  pair.load();
  ASSERT_TRUE(Handshake(pair.a, pair.b).run().done());
  pair.b.now_unix_s = kNow + 2 * kDayS;
  Handshake shake(pair.a, pair.b);
  shake.run();
  EXPECT_EQ(shake.responder->state(), TlsState::kFailed);
  EXPECT_HAS(shake.responder->failure(), "expired on");
  EXPECT_HAS(shake.initiator->failure(), "alert 45");
}

TEST(tls, the_initiator_judges_the_tickets_certificate_again) {
  Pair pair;
  pair.b.certified(pair.ca, gateway_spec("site-b", {kYear.not_before_unix_s, kNow + kDayS}));
  pair.load();
  ASSERT_TRUE(Handshake(pair.a, pair.b).run().done());
  pair.a.now_unix_s = kNow + 2 * kDayS;
  Handshake shake(pair.a, pair.b);
  shake.run();
  EXPECT_EQ(shake.initiator->state(), TlsState::kFailed);
  EXPECT_HAS(shake.initiator->failure(), "expired on");
}

TEST(tls, a_revocation_list_out_of_date_ends_resumption_too) {
  Pair pair;
  pair.b.knowing(crl_pem(pair.ca, {}, {kYear.not_before_unix_s, kNow + kDayS}));
  pair.load();
  ASSERT_TRUE(Handshake(pair.a, pair.b).run().done());
  ASSERT_TRUE(Handshake(pair.a, pair.b).run().responder->peer().resumed);
  pair.b.now_unix_s = kNow + 2 * kDayS;
  EXPECT_HAS(Handshake(pair.a, pair.b).run().responder->failure(), "out of date");
}

TEST(tls, new_credentials_make_tickets_useless_and_revocation_counts_at_once) {
  Pair pair;
  pair.load();
  Handshake(pair.a, pair.b).run();
  pair.b.load();
  Handshake full(pair.a, pair.b);
  full.run();
  ASSERT_TRUE(full.done()) << full.failures();
  EXPECT_FALSE(full.responder->peer().resumed);
  pair.b.knowing(crl_pem(pair.ca, {pair.a.certificate.get()})).load();
  EXPECT_HAS(Handshake(pair.a, pair.b).run().responder->failure(), "was revoked");
}

TEST(tls, a_ca_that_is_no_longer_trusted_ends_it_for_ticket_holders) {
  Pair pair;
  pair.load();
  Handshake(pair.a, pair.b).run();
  const Ca other = make_ca("Other CA");
  pair.b.trusting(other).load();
  EXPECT_HAS(Handshake(pair.a, pair.b).run().responder->failure(), "another CA");
}

TEST(tls, a_handshake_under_way_does_not_end_under_credentials_that_were_replaced) {
  Pair pair;
  pair.load();
  Handshake shake(pair.a, pair.b);
  shake.responder->receive(shake.initiator->take_output());
  shake.initiator->receive(shake.responder->take_output());
  pair.b.knowing(crl_pem(pair.ca, {pair.a.certificate.get()})).load();
  shake.responder->receive(shake.initiator->take_output());
  EXPECT_EQ(shake.responder->state(), TlsState::kFailed);
  EXPECT_HAS(shake.responder->failure(), "replaced");
}

TEST(tls, distrust_tells_of_peers_whose_sessions_should_end) {
  Pair pair;
  pair.load();
  EXPECT_EQ(pair.b.factory->distrust(0), "");  // nobody yet
  ASSERT_TRUE(Handshake(pair.a, pair.b).run().done());
  EXPECT_EQ(pair.b.factory->distrust(0), "");
  EXPECT_EQ(pair.a.factory->distrust(0), "");
  pair.b.knowing(crl_pem(pair.ca, {pair.a.certificate.get()})).load();
  EXPECT_HAS(pair.b.factory->distrust(0), "was revoked");
  pair.b.knowing(crl_pem(pair.ca, {})).load();
  EXPECT_EQ(pair.b.factory->distrust(0), "");
  pair.b.trusting(make_ca("Other CA")).load();
  EXPECT_HAS(pair.b.factory->distrust(0), "another CA");
  pair.b.sharing(kKey).load();
  EXPECT_HAS(pair.b.factory->distrust(0), "psk_file");
  pair.a.now_unix_s = kYear.not_after_unix_s + 1;
  EXPECT_HAS(pair.a.factory->distrust(0), "expired on");
}

TEST(tls, distrust_finds_a_peer_by_name_after_the_order_changed) {
  Pair pair;
  pair.load();
  ASSERT_TRUE(Handshake(pair.a, pair.b).run().done());
  pair.b.files.peers.insert(pair.b.files.peers.begin(), {"site-c", "", ""});
  pair.b.knowing(crl_pem(pair.ca, {pair.a.certificate.get()})).load();
  EXPECT_EQ(pair.b.factory->distrust(0), "");
  EXPECT_HAS(pair.b.factory->distrust(1), "was revoked");
}

struct PskPair : Pair {
  PskPair() {
    for (Gateway* gateway : {&a, &b}) {
      gateway->files.certificate.clear(), gateway->files.private_key.clear(), gateway->files.ca.clear();
    }
  }
};

TEST(tls_psk, both_know_who_the_other_is_and_nothing_is_resumed) {
  PskPair pair;
  pair.a.sharing(kKey);
  pair.b.sharing(" \n" + kKey + "\r\n\t");
  pair.load();
  for (int i = 0; i < 2; ++i) {
    for (const bool turned : {false, true}) {
      Handshake shake(turned ? pair.b : pair.a, turned ? pair.a : pair.b);
      shake.run();
      ASSERT_TRUE(shake.done()) << shake.failures();
      EXPECT_EQ(exported(*shake.initiator, "x"), exported(*shake.responder, "x"));
      EXPECT_EQ(Bytes(shake.initiator->peer_params().begin(), shake.initiator->peer_params().end()),
                bytes_of("from responder"));
      EXPECT_FALSE(shake.initiator->peer().resumed);
      EXPECT_TRUE(shake.initiator->peer().subject.empty());
      EXPECT_TRUE(shake.responder->peer().cipher_suite.ends_with("_SHA256"));
    }
  }
}

Bytes hmac(const Bytes& key, const Bytes& data) {
  Bytes out(32);
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), data.data(), data.size(), out.data(), nullptr);
  return out;
}

// HKDF by RFC 5869's own words; another release has to get the same.
TEST(tls_psk, the_key_is_derived_for_the_two_roles) {
  Psk psk, derived, turned;
  std::fill(std::begin(psk.bytes), std::end(psk.bytes), 7);
  const std::string identity = psk_identity("site-a", "site-b");
  EXPECT_EQ(identity, "dwcp:site-a>site-b");
  ASSERT_TRUE(derive_from_psk(psk, identity, derived) &&
              derive_from_psk(psk, psk_identity("site-b", "site-a"), turned));
  Bytes info = bytes_of(identity);
  info.push_back(1);
  const Bytes extracted = hmac(bytes_of("dwcp pre-shared key"), Bytes(32, 7));
  EXPECT_EQ(Bytes(std::begin(derived.bytes), std::end(derived.bytes)), hmac(extracted, info));
  EXPECT_FALSE(std::equal(std::begin(derived.bytes), std::end(derived.bytes), std::begin(turned.bytes)));
}

TEST(tls_psk, a_wrong_key_is_told) {
  PskPair pair;
  pair.a.sharing(kKey);
  pair.b.sharing(kOtherKey);
  pair.load();
  Handshake shake(pair.a, pair.b);
  shake.run();
  EXPECT_HAS(shake.responder->failure(), "pre-shared key is not ours");
  EXPECT_HAS(shake.initiator->failure(), "the peer refused: alert");
}

TEST(tls_psk, a_handshake_that_comes_back_is_told) {
  PskPair pair;
  pair.a.sharing(kKey).load();
  auto initiator = pair.a.factory->initiate(0, bytes_of("x"));
  auto responder = pair.a.factory->respond(0, answering("y"));
  talk(*initiator, *responder);
  EXPECT_EQ(responder->state(), TlsState::kFailed);
  EXPECT_HAS(responder->failure(), "own handshake came back");
  EXPECT_EQ(initiator->state(), TlsState::kFailed);
}

TEST(tls_psk, another_name_is_told) {
  PskPair pair;
  pair.a.files.gateway = "site-x";
  pair.a.sharing(kKey);
  pair.b.sharing(kKey);
  pair.load();
  Handshake shake(pair.a, pair.b);
  shake.run();
  EXPECT_HAS(shake.responder->failure(), "dwcp:site-x>site-b");
  EXPECT_HAS(shake.responder->failure(), "dwcp:site-a>site-b");
  EXPECT_EQ(shake.initiator->state(), TlsState::kFailed);
}

// Neither may stand in for the other, whoever initiates.
TEST(tls_psk, a_certificate_does_not_do_for_a_key_nor_a_key_for_a_certificate) {
  Pair pair;
  pair.a.sharing(kKey);
  pair.load();  // a wants the key, b the certificate; both have both
  Handshake by_psk(pair.a, pair.b), by_certificate(pair.b, pair.a);
  by_psk.run();
  by_certificate.run();
  EXPECT_EQ(by_psk.initiator->state(), TlsState::kFailed);
  EXPECT_EQ(by_psk.responder->state(), TlsState::kFailed);
  EXPECT_HAS(by_psk.initiator->failure(), "peer.psk_file is set for it");
  EXPECT_EQ(by_certificate.initiator->state(), TlsState::kFailed);
  EXPECT_EQ(by_certificate.responder->state(), TlsState::kFailed);
  EXPECT_HAS(by_certificate.responder->failure(), "shows no pre-shared key");
}

TEST(tls_psk, distrust_tells_of_a_key_that_was_replaced) {
  PskPair pair;
  pair.a.sharing(kKey);
  pair.b.sharing(kKey);
  pair.load();
  ASSERT_TRUE(Handshake(pair.a, pair.b).run().done());
  pair.b.load();
  EXPECT_EQ(pair.b.factory->distrust(0), "");
  pair.b.sharing(kOtherKey).load();
  EXPECT_HAS(pair.b.factory->distrust(0), "was replaced");
}

}  // namespace
}  // namespace dwcp
