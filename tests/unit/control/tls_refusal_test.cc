// SPDX-License-Identifier: Apache-2.0
// Peers that must not get in, each told by what is wrong with it, whichever side it is on.
#include "raw_peer.h"

namespace dwcp {
namespace {

// b is the one with a fault.  a finds it in both roles, and b learns that it was refused, and why.
void expect_refused(Pair& pair, const std::string& reason, int alert) {
  pair.load();
  for (const bool b_initiates : {false, true}) {
    SCOPED_TRACE(b_initiates ? "b initiates" : "a initiates");
    Handshake shake(b_initiates ? pair.b : pair.a, b_initiates ? pair.a : pair.b);
    shake.run();
    const Tls& a = b_initiates ? *shake.responder : *shake.initiator;
    const Tls& b = b_initiates ? *shake.initiator : *shake.responder;
    EXPECT_EQ(a.state(), TlsState::kFailed);
    EXPECT_EQ(b.state(), TlsState::kFailed);
    EXPECT_HAS(a.failure(), reason);
    EXPECT_HAS(b.failure(), "the peer refused: alert " + std::to_string(alert) + ' ');
    EXPECT_EQ(a.failure().find('\n'), std::string::npos);
    EXPECT_EQ(pair.a.factory->distrust(0), "");  // nothing was noted of who did not get in
    Bytes out(16);
    EXPECT_FALSE(shake.initiator->export_secret({}, out));
    EXPECT_FALSE(shake.responder->export_secret({}, out));
  }
}

TEST(tls_refusal, another_ca) {
  Pair pair;
  pair.b.certified(make_ca("Foreign CA"), gateway_spec("site-b"));
  expect_refused(pair, "is from another CA: its issuer \"CN=Foreign CA\" is not in " + pair.a.files.ca, 48);
}

TEST(tls_refusal, another_ca_of_the_same_name) {
  Pair pair;
  pair.b.certified(make_ca("Test CA"), gateway_spec("site-b"));
  expect_refused(pair, "is from another CA", 48);
}

TEST(tls_refusal, the_ca_of_another_peer) {
  Pair pair;
  const Ca other = make_ca("Group 2 CA");
  pair.b.certified(other, gateway_spec("site-b"));
  pair.a.files.peers.push_back({"site-c", pair.folder.write(pki::to_pem(other.certificate.get())), ""});
  expect_refused(pair, "is from another CA", 48);
}

TEST(tls_refusal, a_gateway_that_signs_for_another) {
  Pair pair;
  Ca rogue;  // a gateway's certificate, used as if it were a CA's
  rogue.certificate =
      pki::make_certificate(gateway_spec("site-c"), rogue.key.get(), pair.ca.certificate.get(), pair.ca.key.get());
  pair.b.certified(rogue, gateway_spec("site-b"), &rogue);
  pair.load();
  for (const bool turned : {false, true}) {
    Handshake shake(turned ? pair.b : pair.a, turned ? pair.a : pair.b);
    shake.run();
    EXPECT_EQ((turned ? shake.responder : shake.initiator)->state(), TlsState::kFailed);
  }
}

TEST(tls_refusal, another_name) {
  Pair pair;
  auto spec = gateway_spec("site-x");
  spec.dns_names = {"site-x", "site-y"};
  pair.b.files.gateway = "site-x";
  pair.b.certified(pair.ca, spec);
  expect_refused(pair, "is for site-x, site-y, expected was DNS name site-b", 42);
}

TEST(tls_refusal, expired) {
  Pair pair;
  pair.b.certified(pair.ca, gateway_spec("site-b", {kNow - 30 * kDayS, kNow - kDayS}));
  pair.b.now_unix_s = kNow - 2 * kDayS;
  expect_refused(pair, "expired on 2027-01-14", 45);
}

TEST(tls_refusal, not_yet_valid) {
  Pair pair;
  pair.b.certified(pair.ca, gateway_spec("site-b", {kNow + kDayS, kNow + 30 * kDayS}));
  pair.b.now_unix_s = kNow + 2 * kDayS;
  expect_refused(pair, "is not valid before 2027-01-16", 42);
}

TEST(tls_refusal, revoked) {
  Pair pair;
  pair.a.knowing(crl_pem(pair.ca, {pair.b.certificate.get()}));
  expect_refused(pair, "was revoked by \"CN=Test CA\"", 44);
}

TEST(tls_refusal, no_list_for_the_ca) {
  Pair pair;
  pair.a.knowing(crl_pem(make_ca("Other CA"), {}));
  expect_refused(pair, "security.crl has no list by its issuer \"CN=Test CA\"", 46);
}

TEST(tls_refusal, a_list_by_a_ca_of_the_same_name) {
  Pair pair;
  pair.a.knowing(crl_pem(make_ca("Test CA"), {}));
  pair.load();
  EXPECT_HAS(Handshake(pair.a, pair.b).run().initiator->failure(), "can not be checked");
}

TEST(tls_refusal, a_list_out_of_date) {
  Pair pair;
  pair.a.knowing(crl_pem(pair.ca, {}, {kNow - 30 * kDayS, kNow - kDayS}));
  expect_refused(pair, "the list by \"CN=Test CA\" in security.crl is out of date", 46);
}

TEST(tls_refusal, the_answers_error_is_the_failure) {
  Pair pair;
  pair.load();
  auto initiator = pair.a.factory->initiate(0, bytes_of("x"));
  auto responder = pair.b.factory->respond(0, [](std::span<const std::uint8_t>) -> expected<Bytes, std::string> {
    return unexpected<std::string>("no cipher in common");
  });
  talk(*initiator, *responder);
  EXPECT_EQ(responder->failure(), "no cipher in common");
  EXPECT_HAS(initiator->failure(), "the peer refused: alert 40 ");
}

TEST(tls_refusal, an_answer_too_long) {
  Pair pair;
  pair.load();
  auto initiator = pair.a.factory->initiate(0, bytes_of("x"));
  auto responder = pair.b.factory->respond(0, answering(std::string(kTlsParamsBytesMax + 1, 'x')));
  talk(*initiator, *responder);
  EXPECT_HAS(responder->failure(), "longer than 1024");
}

// Told at the hello, before our certificate has gone out.
TEST(tls_refusal, an_initiator_without_parameters) {
  Pair pair;
  pair.load();
  auto responder = pair.b.factory->respond(0, answering("x"));
  RawPeer raw(TlsSide::kInitiator, &pair.a.factory->credentials(), nullptr);
  responder->receive(raw.step());
  EXPECT_EQ(responder->state(), TlsState::kFailed);
  EXPECT_HAS(responder->failure(), "sends no parameters");
  EXPECT_EQ(responder->take_output().size(), 7U);  // an alert
}

TEST(tls_refusal, a_responder_without_parameters) {
  Pair pair;
  pair.load();
  auto initiator = pair.a.factory->initiate(0, bytes_of("x"));
  RawPeer raw(TlsSide::kResponder, &pair.b.factory->credentials(), nullptr);
  raw.talk(*initiator);
  EXPECT_EQ(initiator->state(), TlsState::kFailed);
  EXPECT_HAS(initiator->failure(), "sends no parameters");
  EXPECT_FALSE(SSL_is_init_finished(raw.ssl()));  // no Finished of ours went out
}

TEST(tls_refusal, parameters_too_long) {
  Pair pair;
  pair.load();
  const Bytes params(kTlsParamsBytesMax + 1, 1);
  auto responder = pair.b.factory->respond(0, answering("x"));
  RawPeer(TlsSide::kInitiator, &pair.a.factory->credentials(), &params).talk(*responder);
  EXPECT_HAS(responder->failure(), "parameters are 1025 bytes");
  auto initiator = pair.a.factory->initiate(0, bytes_of("x"));
  RawPeer(TlsSide::kResponder, &pair.b.factory->credentials(), &params).talk(*initiator);
  EXPECT_HAS(initiator->failure(), "parameters are 1025 bytes");
}

TEST(tls_refusal, no_certificate_at_all) {
  Pair pair;
  pair.load();
  const Bytes params(8, 1);
  auto responder = pair.b.factory->respond(0, answering("x"));
  RawPeer raw(TlsSide::kInitiator, nullptr, &params);
  raw.talk(*responder);
  EXPECT_EQ(responder->state(), TlsState::kFailed);
  EXPECT_HAS(responder->failure(), "did not return a certificate");
}

// A server that asks for no certificate is still judged by ours; one that is right gets no further for it.
TEST(tls_refusal, a_responder_that_asks_for_no_certificate_still_shows_its_own) {
  Pair pair;
  pair.load();
  const Bytes params(8, 1);
  auto initiator = pair.a.factory->initiate(0, bytes_of("x"));
  RawPeer raw(TlsSide::kResponder, &pair.a.factory->credentials(), &params);  // a's own, reflected
  raw.talk(*initiator);
  EXPECT_HAS(initiator->failure(), "expected was DNS name site-b");
}

TEST(tls_refusal, tls_1_2) {
  Pair pair;
  pair.load();
  const Bytes params(8, 1);
  auto responder = pair.b.factory->respond(0, answering("x"));
  RawPeer(TlsSide::kInitiator, &pair.a.factory->credentials(), &params, TLS1_2_VERSION).talk(*responder);
  EXPECT_EQ(responder->state(), TlsState::kFailed);
  auto initiator = pair.a.factory->initiate(0, bytes_of("x"));
  RawPeer(TlsSide::kResponder, &pair.b.factory->credentials(), &params, TLS1_2_VERSION).talk(*initiator);
  EXPECT_HAS(initiator->failure(), "alert 70 ");
}

TEST(tls_refusal, application_data_or_a_goodbye_after_the_handshake) {
  Pair pair;
  pair.load();
  const Bytes params(8, 1);
  for (const bool says_goodbye : {false, true}) {
    auto responder = pair.b.factory->respond(0, answering("x"));
    RawPeer raw(TlsSide::kInitiator, &pair.a.factory->credentials(), &params);
    raw.talk(*responder);
    ASSERT_EQ(responder->state(), TlsState::kDone) << responder->failure();
    if (says_goodbye) {
      SSL_shutdown(raw.ssl());
    } else {
      SSL_write(raw.ssl(), "x", 1);
    }
    raw.talk(*responder);
    EXPECT_EQ(responder->state(), TlsState::kFailed);
    EXPECT_HAS(responder->failure(), says_goodbye ? "ended the handshake" : "application data");
  }
}

// What the files' own checks keep from being loaded, shown to the judge directly.
class Judge : public testing::Test {
 protected:
  static std::string verdict(const pki::CertificateSpec& spec, PeerRole role, const Ca& ca, const Ca& trusted,
                             bool with_crl = false) {
    const PkeyPtr key = pki::make_key();
    PeerChain chain;
    chain.leaf = pki::make_certificate(spec, key.get(), ca.certificate.get(), ca.key.get());
    std::vector<X509Ptr> anchors;
    anchors.emplace_back(X509_dup(trusted.certificate.get()));
    std::vector<CrlPtr> crls;
    if (with_crl) crls.push_back(pki::make_crl(ca.certificate.get(), ca.key.get(), {}, 1, kYear));
    const PeerTrust trust("site-b", "ca.pem", anchors, crls, with_crl);
    const auto judged = trust.judge(chain, role, kNow);
    return judged ? "" : judged.error().text;
  }
};

TEST_F(Judge, wants_the_use_of_the_role) {
  const Ca ca = make_ca("Test CA");
  auto spec = gateway_spec("site-b");
  EXPECT_EQ(verdict(spec, PeerRole::kInitiator, ca, ca), "");
  spec.client_auth = false;
  EXPECT_EQ(verdict(spec, PeerRole::kResponder, ca, ca), "");
  EXPECT_HAS(verdict(spec, PeerRole::kInitiator, ca, ca), "may not be used here");
  spec.client_auth = true, spec.server_auth = false;
  EXPECT_EQ(verdict(spec, PeerRole::kInitiator, ca, ca), "");
  EXPECT_HAS(verdict(spec, PeerRole::kResponder, ca, ca), "may not be used here");
}

TEST_F(Judge, wants_a_key_that_may_sign) {
  const Ca ca = make_ca("Test CA");
  auto spec = gateway_spec("site-b");
  spec.key_usage = "keyEncipherment,keyAgreement";
  EXPECT_HAS(verdict(spec, PeerRole::kInitiator, ca, ca), "may not be used here");
  EXPECT_HAS(verdict(spec, PeerRole::kResponder, ca, ca), "may not be used here");
}

TEST_F(Judge, takes_no_ca_certificate_for_a_gateways) {
  const Ca root = make_ca("Root", kYear, 1);
  auto spec = gateway_spec("site-b");
  spec.ca = true;  // its key may sign certificates, not handshakes
  EXPECT_HAS(verdict(spec, PeerRole::kInitiator, root, root), "may not be used here");
}

TEST_F(Judge, takes_no_common_name_no_wildcard_and_no_part) {
  const Ca ca = make_ca("Test CA");
  for (const std::vector<std::string>& names :
       std::vector<std::vector<std::string>>{{}, {"*"}, {"*.b"}, {"site-b.example"}, {"site"}}) {
    auto spec = gateway_spec("site-b");
    spec.dns_names = names;
    EXPECT_HAS(verdict(spec, PeerRole::kInitiator, ca, ca), "expected was DNS name site-b");
  }
  auto spec = gateway_spec("site-b");
  spec.dns_names = {"site-c", "site-b"};
  EXPECT_EQ(verdict(spec, PeerRole::kInitiator, ca, ca), "");
}

TEST_F(Judge, takes_an_intermediate_for_an_anchor_and_needs_no_list_above_it) {
  const Ca root = make_ca("Root", kYear, 1);
  const Ca middle = make_ca("Middle", kYear, 0, &root);
  EXPECT_EQ(verdict(gateway_spec("site-b"), PeerRole::kInitiator, middle, middle), "");
  EXPECT_EQ(verdict(gateway_spec("site-b"), PeerRole::kInitiator, middle, middle, true), "");
  EXPECT_HAS(verdict(gateway_spec("site-b"), PeerRole::kInitiator, root, middle), "another CA");
}

TEST_F(Judge, finds_a_ca_that_expired) {
  const Ca ca = make_ca("Test CA", {kNow - 10 * kDayS, kNow - kDayS});
  EXPECT_HAS(verdict(gateway_spec("site-b"), PeerRole::kInitiator, ca, ca), "\"CN=Test CA\"");
  EXPECT_HAS(verdict(gateway_spec("site-b"), PeerRole::kInitiator, ca, ca), "expired on");
}

}  // namespace
}  // namespace dwcp
