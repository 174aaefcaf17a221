// SPDX-License-Identifier: Apache-2.0
// What someone on the way can do to a handshake: change any byte, cut it in any pieces, send anything.
#include <random>

#include "tls_site.h"

namespace dwcp {
namespace {

// An honest one: hello, answer, end.  One byte is changed on the way.
struct Flight {
  int number = 0;  // 0, 1, 2
  std::size_t byte = 0;
  std::uint8_t flip = 0;
};

void carry(Tls& from, Tls& to, int number, const Flight& changed, std::size_t& bytes) {
  Bytes flight = from.take_output();
  if (number == changed.number) {
    bytes = flight.size();
    if (changed.byte < bytes) flight[changed.byte] ^= changed.flip;
  }
  to.receive(flight);
}

bool equal(std::span<const std::uint8_t> bytes, std::string_view text) {
  return std::equal(bytes.begin(), bytes.end(), text.begin(), text.end());
}

// Whoever is done has what the other sent, and if both are, the same secrets.  Returns whether both ended well.
bool check_views(Handshake& shake) {
  const bool a = shake.initiator->state() == TlsState::kDone, b = shake.responder->state() == TlsState::kDone;
  EXPECT_TRUE(!a || equal(shake.initiator->peer_params(), "from responder"));
  EXPECT_TRUE(!b || equal(shake.responder->peer_params(), "from initiator"));
  EXPECT_TRUE(!a || !b || exported(*shake.initiator, "x") == exported(*shake.responder, "x"));
  return a && b;
}

void change_every_byte(Gateway& a, Gateway& b) {
  for (const std::uint8_t flip : {std::uint8_t{0x01}, std::uint8_t{0x80}}) {
    for (int number = 0; number < 3; ++number) {
      std::size_t survived = 0, bytes = 1;
      for (std::size_t at = 0; at < bytes; ++at) {
        Handshake shake(a, b);
        const Flight changed{number, at, flip};
        carry(*shake.initiator, *shake.responder, 0, changed, bytes);
        carry(*shake.responder, *shake.initiator, 1, changed, bytes);
        carry(*shake.initiator, *shake.responder, 2, changed, bytes);
        shake.run();
        SCOPED_TRACE("flight " + std::to_string(number) + " byte " + std::to_string(at));
        survived += check_views(shake);
      }
      EXPECT_GT(bytes, 50U);
      // Bytes that mean nothing and are covered by nothing: the record's version, in the two records that go in the
      // clear.
      EXPECT_LE(survived, 4U) << "flight " << number << " of " << bytes;
    }
  }
}

TEST(tls_attack, no_byte_can_be_changed_with_certificates) {
  Pair pair;
  pair.load();
  change_every_byte(pair.a, pair.b);
}

TEST(tls_attack, no_byte_can_be_changed_with_a_pre_shared_key) {
  Pair pair;
  pair.a.sharing(std::string(64, 'c'));
  pair.b.sharing(std::string(64, 'c'));
  pair.load();
  change_every_byte(pair.a, pair.b);
}

TEST(tls_attack, byte_by_byte_is_as_good) {
  Pair pair;
  pair.load();
  Handshake shake(pair.a, pair.b);
  for (int silent = 0; silent < 2;) {
    silent = 0;
    for (const bool turned : {false, true}) {
      const Bytes flight = (turned ? shake.responder : shake.initiator)->take_output();
      for (const std::uint8_t& byte : flight) (turned ? shake.initiator : shake.responder)->receive({&byte, 1});
      silent += flight.empty();
    }
  }
  EXPECT_TRUE(shake.done()) << shake.failures();
}

TEST(tls_attack, random_pieces_are_as_good) {
  Pair pair;
  pair.load();
  for (unsigned seed = 1; seed <= 50; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random(seed);
    Handshake shake(pair.a, pair.b);
    Bytes waiting[2];
    for (int silent = 0; silent < 100 && !(shake.done() && silent > 20); ++silent) {
      for (const int side : {0, 1}) {
        const Bytes more = (side == 0 ? shake.initiator : shake.responder)->take_output();
        waiting[side].insert(waiting[side].end(), more.begin(), more.end());
        const std::size_t piece = std::min<std::size_t>(waiting[side].size(), random() % 700);
        if (piece > 0) silent = 0;
        (side == 0 ? shake.responder : shake.initiator)->receive({waiting[side].data(), piece});
        waiting[side].erase(waiting[side].begin(), waiting[side].begin() + static_cast<std::ptrdiff_t>(piece));
      }
    }
    ASSERT_TRUE(check_views(shake)) << shake.failures();
  }
}

TEST(tls_attack, garbage_fails_or_waits_and_nothing_else) {
  Pair pair;
  pair.load();
  unsigned failed = 0;
  for (unsigned seed = 1; seed <= 2000; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random(seed);
    std::unique_ptr<Tls> tls =
        seed % 2 ? pair.a.factory->initiate(0, bytes_of("x")) : pair.a.factory->respond(0, answering("x"));
    Bytes junk(random() % 400 + 1);
    for (std::uint8_t& byte : junk) byte = static_cast<std::uint8_t>(random());
    // Most begin as a record of the handshake does, so that not all end at its first byte.
    if (seed % 8 && junk.size() > 9) {
      const std::size_t body = junk.size() - 5;
      const std::uint8_t head[] = {22,
                                   3,
                                   3,
                                   static_cast<std::uint8_t>(body >> 8),
                                   static_cast<std::uint8_t>(body),
                                   static_cast<std::uint8_t>(seed % 2 ? 2 : 1),
                                   0,
                                   static_cast<std::uint8_t>((body - 4) >> 8),
                                   static_cast<std::uint8_t>(body - 4)};
      std::copy(std::begin(head), std::end(head), junk.begin());
    }
    tls->receive(junk);
    EXPECT_NE(tls->state(), TlsState::kDone);
    EXPECT_EQ(tls->state() == TlsState::kFailed, !tls->failure().empty());
    failed += tls->state() == TlsState::kFailed;
    tls->receive(junk);  // once more into one that may have failed
  }
  EXPECT_GT(failed, 1500U);
}

TEST(tls_attack, more_than_64_kib_is_not_taken) {
  Pair pair;
  pair.load();
  auto responder = pair.b.factory->respond(0, answering("x"));
  // Records of a ClientHello that claims 128 KiB and goes on.
  Bytes record(5 + 16384, 0);
  record[0] = 22, record[1] = 3, record[2] = 1, record[3] = 0x40;
  record[5] = 1, record[6] = 1, record[7] = 0xff, record[8] = 0xff;
  for (int i = 0; i < 3; ++i) {
    responder->receive(record);
    std::fill(record.begin() + 5, record.end(), 0);
    ASSERT_EQ(responder->state(), TlsState::kRunning) << i << responder->failure();
  }
  responder->receive(record);
  EXPECT_EQ(responder->state(), TlsState::kFailed);
  EXPECT_HAS(responder->failure(), "more than 64 KiB");
}

TEST(tls_attack, a_hello_alone_costs_the_responder_no_ticket_of_another) {
  Pair pair;
  pair.load();
  Handshake(pair.a, pair.b).run();
  for (int i = 0; i < 10; ++i) {  // strangers say hello
    auto responder = pair.b.factory->respond(0, answering("x"));
    Pair strangers;
    strangers.load();
    responder->receive(strangers.a.factory->initiate(0, bytes_of("x"))->take_output());
  }
  EXPECT_TRUE(Handshake(pair.a, pair.b).run().responder->peer().resumed);
}

}  // namespace
}  // namespace dwcp
