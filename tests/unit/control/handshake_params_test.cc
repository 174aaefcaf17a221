// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cstring>

#include "control/handshake/link_params.h"
#include "dataplane/wire/limits.h"

namespace dwcp {
namespace {

using wire::HandshakeParams;

LinkOffer offer_of(std::vector<Cipher> ciphers = {Cipher::kAes128Gcm, Cipher::kAes256Gcm}) {
  return {.datagram_bytes = 1472, .flows = 16, .window_bytes = wire::kFrameBytesMax, .frame_window = 64, .streams = 8, .ciphers = std::move(ciphers)};
}

std::span<const std::uint8_t> bytes_of(const HandshakeParams& params) {
  return {reinterpret_cast<const std::uint8_t*>(&params), sizeof(params)};
}

template <typename Change>
std::string refused(Change change) {
  HandshakeParams params = offer_params(offer_of(), {}, 640);
  change(params);
  const auto answer = answer_params(offer_of(), {}, 704, bytes_of(params));
  return answer ? "" : answer.error();
}

TEST(handshake_params, a_session_begins_with_what_each_said) {
  LinkOffer theirs = offer_of();
  theirs.datagram_bytes = 9000;
  theirs.flows = 3;
  theirs.frame_window = 5;
  theirs.streams = 200;
  theirs.window_bytes = std::uint64_t{1} << 33;
  const HandshakeParams offered = offer_params(theirs, {}, 640);
  const auto answer = answer_params(offer_of(), {}, 704, bytes_of(offered));
  ASSERT_TRUE(answer) << answer.error();
  EXPECT_FALSE(answer->agreed.rekey);
  EXPECT_EQ(answer->agreed.epoch, 0U);
  EXPECT_EQ(answer->agreed.session.local_session, 704U);
  EXPECT_EQ(answer->agreed.session.remote_session, 640U);
  EXPECT_EQ(answer->agreed.session.peer_datagram_bytes, 9000U);
  EXPECT_EQ(answer->agreed.session.peer_flows_max, 3U);
  EXPECT_EQ(answer->agreed.session.peer_frame_window, 5U);
  EXPECT_EQ(answer->agreed.session.peer_streams, wire::kStreamsMax);
  EXPECT_EQ(answer->agreed.session.peer_window_bytes, std::uint64_t{1} << 33);
  const auto accepted = accept_params(theirs, offered, {}, bytes_of(answer->params));
  ASSERT_TRUE(accepted) << accepted.error();
  EXPECT_EQ(accepted->session.local_session, 640U);
  EXPECT_EQ(accepted->session.remote_session, 704U);
  EXPECT_EQ(accepted->session.peer_datagram_bytes, 1472U);
  EXPECT_EQ(accepted->cipher, answer->agreed.cipher);
}

TEST(handshake_params, the_responders_first_cipher_that_both_have) {
  const HandshakeParams offered = offer_params(offer_of({Cipher::kAes128Gcm, Cipher::kChaCha20Poly1305}), {}, 640);
  const auto answer = answer_params(offer_of({Cipher::kAes256Gcm, Cipher::kChaCha20Poly1305, Cipher::kAes128Gcm}), {}, 704, bytes_of(offered));
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->agreed.cipher, Cipher::kChaCha20Poly1305);
  EXPECT_EQ(answer->params.ciphers, cipher_bit(Cipher::kChaCha20Poly1305));
  const auto none = answer_params(offer_of({Cipher::kAes256Gcm}), {}, 704, bytes_of(offered));
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error(), "no cipher in common: the peer takes aes-128-gcm chacha20-poly1305, this gateway aes-256-gcm");
}

TEST(handshake_params, what_cannot_be_is_refused_with_reasons) {
  EXPECT_EQ(refused([](HandshakeParams&) {}), "");
  EXPECT_EQ(refused([](HandshakeParams& p) { p.version = 9; }), "");  // a later one only adds
  EXPECT_NE(refused([](HandshakeParams& p) { p.version = 0; }), "");
  EXPECT_NE(refused([](HandshakeParams& p) { p.session = std::uint32_t{0}; }), "");
  EXPECT_EQ(refused([](HandshakeParams& p) { p.datagram_bytes = std::uint16_t{1199}; }), "the peer's datagram size (1199) is below 1200");
  EXPECT_EQ(refused([](HandshakeParams& p) { p.datagram_bytes = std::uint16_t{1200}; }), "");
  EXPECT_NE(refused([](HandshakeParams& p) { p.window_bytes = wire::kFrameBytesMax - 1; }), "");
  EXPECT_NE(refused([](HandshakeParams& p) { p.flows = std::uint32_t{0}; }), "");
  EXPECT_NE(refused([](HandshakeParams& p) { p.frame_window = std::uint32_t{0}; }), "");
  EXPECT_NE(refused([](HandshakeParams& p) { p.streams = 0; }), "");
  EXPECT_EQ(refused([](HandshakeParams& p) { p.lanes = 2; }), "the peer has 2 lanes, this gateway 1");
  EXPECT_NE(refused([](HandshakeParams& p) { p.codecs = std::uint16_t{2}; }), "");
  EXPECT_NE(refused([](HandshakeParams& p) { p.ciphers = 0; }), "");
  const HandshakeParams good = offer_params(offer_of(), {}, 640);
  EXPECT_FALSE(answer_params(offer_of(), {}, 704, bytes_of(good).first(sizeof(good) - 1)));
  std::vector<std::uint8_t> longer(bytes_of(good).begin(), bytes_of(good).end());
  longer.resize(longer.size() + 20);
  EXPECT_TRUE(answer_params(offer_of(), {}, 704, longer));
}

// Sure epochs of initiator and responder, and what they go on with; -1: a session begins.
TEST(handshake_params, epochs_follow_from_what_both_are_sure_of) {
  const auto epoch = [](std::uint32_t initiator, std::uint32_t responder) -> int {
    const RunningSession west{.local = 640, .remote = 704, .sure_epoch = initiator};
    const RunningSession east{.local = 704, .remote = 640, .sure_epoch = responder};
    const HandshakeParams offered = offer_params(offer_of(), west, 1280);
    const auto answer = answer_params(offer_of(), east, 1344, bytes_of(offered));
    if (!answer) return -2;
    const auto accepted = accept_params(offer_of(), offered, west, bytes_of(answer->params));
    if (!accepted || accepted->rekey != answer->agreed.rekey || accepted->epoch != answer->agreed.epoch) return -2;
    EXPECT_EQ(accepted->session.local_session, answer->agreed.session.remote_session);
    return accepted->rekey ? static_cast<int>(accepted->epoch) : -1;
  };
  EXPECT_EQ(epoch(0, 0), 1);
  EXPECT_EQ(epoch(4, 4), 5);
  EXPECT_EQ(epoch(4, 5), 6);  // the responder finished what the initiator did not see
  EXPECT_EQ(epoch(5, 4), 6);
  EXPECT_EQ(epoch(4, 6), -1);
  EXPECT_EQ(epoch(6, 4), -1);
}

TEST(handshake_params, another_session_is_not_given_new_keys) {
  const RunningSession west{.local = 640, .remote = 704};
  const HandshakeParams offered = offer_params(offer_of(), west, 1280);
  for (const RunningSession east : {RunningSession{}, RunningSession{.local = 704, .remote = 641}}) {
    const auto answer = answer_params(offer_of(), east, 1344, bytes_of(offered));
    ASSERT_TRUE(answer);
    EXPECT_FALSE(answer->agreed.rekey);
    EXPECT_EQ(answer->agreed.session.local_session, 1344U);
    EXPECT_EQ(answer->agreed.session.remote_session, 1280U);
    EXPECT_EQ(answer->params.rekey_session, 0U);
  }
}

TEST(handshake_params, an_answer_to_what_was_not_offered_is_refused) {
  const RunningSession west{.local = 640, .remote = 704, .sure_epoch = 3};
  const HandshakeParams offered = offer_params(offer_of(), west, 1280);
  const auto answer = answer_params(offer_of(), {.local = 704, .remote = 640, .sure_epoch = 3}, 1344, bytes_of(offered));
  ASSERT_TRUE(answer && answer->agreed.rekey);
  const auto accepts = [&](auto change, RunningSession running) {
    HandshakeParams params = answer->params;
    change(params);
    return accept_params(offer_of(), offered, running, bytes_of(params)).has_value();
  };
  EXPECT_TRUE(accepts([](HandshakeParams&) {}, west));
  EXPECT_FALSE(accepts([](HandshakeParams&) {}, {}));  // it ended meanwhile
  EXPECT_FALSE(accepts([](HandshakeParams& p) { p.rekey_session = std::uint32_t{704}; }, west));
  EXPECT_FALSE(accepts([](HandshakeParams& p) { p.rekey_session = std::uint32_t{0}; }, west));  // and epoch 4
  EXPECT_FALSE(accepts([](HandshakeParams& p) { p.epoch = std::uint32_t{3}; }, west));
  EXPECT_FALSE(accepts([](HandshakeParams& p) { p.epoch = std::uint32_t{6}; }, west));
  EXPECT_FALSE(accepts([](HandshakeParams& p) { p.ciphers = 3; }, west));
  EXPECT_FALSE(accepts([](HandshakeParams& p) { p.ciphers = 0; }, west));
  EXPECT_FALSE(accepts([](HandshakeParams& p) { p.ciphers = cipher_bit(Cipher::kChaCha20Poly1305); }, west));
}

}  // namespace
}  // namespace dwcp
