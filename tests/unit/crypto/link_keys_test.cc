// SPDX-License-Identifier: Apache-2.0
#include "dataplane/crypto/link_keys.h"

#include <gtest/gtest.h>

#include <set>
#include <vector>

#include "base/rng.h"
#include "dataplane/wire/packet.h"

namespace dwcp {
namespace {

constexpr std::uint64_t kMs = 1'000'000;

// Writes its name and the nonce as the tag, so that a test sees which key sealed what, and with what.
class NamedKey final : public AeadKey {
 public:
  NamedKey(std::uint32_t name, std::set<std::pair<std::uint32_t, Nonce>>* used) : name_(name), used_(used) {}
  void seal(std::span<AeadPacket> packets) noexcept override {
    for (AeadPacket& packet : packets) {
      const bool fresh = used_ == nullptr || used_->emplace(name_, packet.nonce).second;
      EXPECT_TRUE(fresh) << "a nonce twice";
      std::memcpy(packet.data + packet.bytes, &name_, 4);
      std::memcpy(packet.data + packet.bytes + 4, packet.nonce.data(), kNonceBytes);
      packet.good = true;
    }
  }
  void open(std::span<AeadPacket> packets) noexcept override {
    for (AeadPacket& packet : packets) {
      packet.good = std::memcmp(packet.data + packet.bytes, &name_, 4) == 0 &&
                    std::memcmp(packet.data + packet.bytes + 4, packet.nonce.data(), kNonceBytes) == 0;
    }
  }

 private:
  std::uint32_t name_;
  std::set<std::pair<std::uint32_t, Nonce>>* used_;
};

std::set<std::pair<std::uint32_t, Nonce>> g_used;

// Of handshake `handshake`, for one end.
std::unique_ptr<EpochKeys> keys_of(std::uint32_t epoch, bool responder, std::uint32_t handshake = 0) {
  auto keys = std::make_unique<EpochKeys>();
  keys->epoch = epoch;
  keys->send_at_once = responder;
  const std::uint32_t there = 1000 * handshake + 2 * epoch;
  keys->tx = std::make_unique<NamedKey>(there + responder, &g_used);
  keys->rx = std::make_unique<NamedKey>(there + !responder, nullptr);
  keys->tx_iv.fill(static_cast<std::uint8_t>(there + responder));
  keys->rx_iv.fill(static_cast<std::uint8_t>(there + !responder));
  return keys;
}

struct Packet {
  std::vector<std::uint8_t> bytes;
  std::uint8_t stream;
  std::uint64_t number;
};

struct End {
  LinkKeys keys;
  std::array<std::uint64_t, 4> next{};

  Packet make(std::uint8_t stream = 0) {
    Packet packet{std::vector<std::uint8_t>(sizeof(wire::PacketHeader) + 20 + kTagBytes), stream, next[stream]++};
    const SealedPacket sealed{packet.bytes.data(), static_cast<std::uint32_t>(packet.bytes.size() - kTagBytes), stream, packet.number};
    EXPECT_EQ(keys.seal({&sealed, 1}), 1U);
    return packet;
  }
  bool take(std::uint64_t now_ns, Packet packet) {
    const std::uint8_t bits = wire::epoch_bits_of(packet.bytes[1]);
    if (!keys.can_open(bits)) return false;
    const SealedPacket sealed{packet.bytes.data(), static_cast<std::uint32_t>(packet.bytes.size() - kTagBytes), packet.stream, packet.number};
    return keys.open(now_ns, bits, {&sealed, 1}) == 1;
  }
  std::size_t retired() {
    std::size_t count = 0;
    while (keys.retired() != nullptr) ++count;
    return count;
  }
  std::uint32_t confirmed() {
    std::uint32_t epoch = ~0U;
    (void)keys.take_confirmed(epoch);
    return epoch;
  }
};

TEST(link_keys, an_initiator_waits_for_the_responder) {
  g_used.clear();
  End initiator, responder;
  initiator.keys.begin(keys_of(0, false));
  EXPECT_FALSE(initiator.keys.can_seal());
  responder.keys.begin(keys_of(0, true));
  ASSERT_TRUE(responder.keys.can_seal());
  EXPECT_TRUE(initiator.take(1, responder.make()));
  ASSERT_TRUE(initiator.keys.can_seal());
  EXPECT_EQ(initiator.confirmed(), 0U);
  EXPECT_EQ(initiator.confirmed(), ~0U);  // told once
  EXPECT_TRUE(responder.take(1, initiator.make()));
  EXPECT_EQ(responder.confirmed(), 0U);
}

TEST(link_keys, what_is_forged_confirms_nothing_and_is_counted) {
  g_used.clear();
  End initiator, responder;
  initiator.keys.begin(keys_of(0, false));
  responder.keys.begin(keys_of(0, true));
  Packet packet = responder.make();
  packet.number += 1;
  EXPECT_FALSE(initiator.take(1, packet));
  EXPECT_FALSE(initiator.keys.can_seal());
  EXPECT_EQ(initiator.confirmed(), ~0U);
  EXPECT_EQ(initiator.keys.forgeries(), 1U);
}

TEST(link_keys, a_change_of_keys_loses_nothing) {
  g_used.clear();
  End initiator, responder;
  initiator.keys.begin(keys_of(0, false));
  responder.keys.begin(keys_of(0, true));
  ASSERT_TRUE(initiator.take(1, responder.make()));
  ASSERT_TRUE(responder.take(1, initiator.make()));
  const Packet late = responder.make();
  ASSERT_TRUE(initiator.keys.add(keys_of(1, false)));
  const Packet before = initiator.make();  // still under the old keys
  EXPECT_EQ(wire::epoch_bits_of(before.bytes[1]), 0);
  ASSERT_TRUE(responder.keys.add(keys_of(1, true)));
  EXPECT_TRUE(responder.take(2, before));
  const Packet first = responder.make();
  EXPECT_EQ(wire::epoch_bits_of(first.bytes[1]), 1);
  EXPECT_TRUE(initiator.take(3, first));
  EXPECT_TRUE(initiator.take(3, late));  // overtaken, and good
  const Packet answer = initiator.make();
  EXPECT_EQ(wire::epoch_bits_of(answer.bytes[1]), 1);
  EXPECT_TRUE(responder.take(4, answer));
  EXPECT_EQ(initiator.retired() + responder.retired(), 0U);
  for (End* end : {&initiator, &responder}) {
    end->keys.on_time(3 + LinkKeys::kKeepNs + kMs);
    EXPECT_EQ(end->retired(), 1U);
    EXPECT_FALSE(end->keys.can_open(0));
    EXPECT_TRUE(end->keys.can_open(1));
  }
}

// Handshakes that end at one side only, as the last flight is lost, leave keys that are never used.
TEST(link_keys, unconfirmed_keys_do_not_push_out_those_in_use) {
  g_used.clear();
  End initiator, responder;
  initiator.keys.begin(keys_of(0, false));
  responder.keys.begin(keys_of(0, true));
  ASSERT_TRUE(initiator.take(1, responder.make()));
  for (std::uint32_t epoch = 1; epoch < wire::kEpochsTold; ++epoch) EXPECT_TRUE(initiator.keys.add(keys_of(epoch, false, epoch)));
  EXPECT_FALSE(initiator.keys.add(keys_of(wire::kEpochsTold, false)));
  EXPECT_EQ(initiator.retired(), 1U);
  EXPECT_TRUE(initiator.take(2, responder.make()));
  EXPECT_TRUE(responder.take(2, initiator.make()));
  // The third of them went through after all.
  ASSERT_TRUE(responder.keys.add(keys_of(3, true, 3)));
  EXPECT_TRUE(initiator.take(3, responder.make()));
  EXPECT_EQ(initiator.confirmed(), 3U);
  EXPECT_TRUE(responder.take(3, initiator.make()));
  initiator.keys.on_time(3 + LinkKeys::kKeepNs + kMs);
  EXPECT_EQ(initiator.retired(), 3U);
  EXPECT_TRUE(initiator.keys.add(keys_of(4, false)));
}

// The peer never finished the handshake that gave the first ones.
TEST(link_keys, unused_keys_of_the_newest_epoch_give_way) {
  g_used.clear();
  End initiator, responder;
  initiator.keys.begin(keys_of(0, false));
  responder.keys.begin(keys_of(0, true));
  ASSERT_TRUE(initiator.take(1, responder.make()));
  ASSERT_TRUE(initiator.keys.add(keys_of(1, false, 1)));
  ASSERT_TRUE(initiator.keys.add(keys_of(1, false, 2)));
  EXPECT_EQ(initiator.retired(), 1U);
  ASSERT_TRUE(responder.keys.add(keys_of(1, true, 2)));
  EXPECT_TRUE(initiator.take(2, responder.make()));
  EXPECT_FALSE(initiator.keys.add(keys_of(1, false, 3)));  // used now
}

TEST(link_keys, keys_that_are_not_newer_are_refused) {
  g_used.clear();
  End end;
  end.keys.begin(keys_of(0, true));
  EXPECT_FALSE(end.keys.add(keys_of(0, true)));
  EXPECT_FALSE(end.keys.add(keys_of(wire::kEpochsTold, true)));  // its bits are those of epoch 0
  EXPECT_TRUE(end.keys.add(keys_of(2, true)));
  EXPECT_FALSE(end.keys.add(keys_of(1, true)));
  EXPECT_EQ(end.retired(), 3U);
}

TEST(link_keys, the_end_of_a_session_retires_all) {
  g_used.clear();
  End end;
  end.keys.begin(keys_of(0, true));
  ASSERT_TRUE(end.keys.add(keys_of(1, true)));
  end.keys.end();
  EXPECT_EQ(end.retired(), 2U);
  EXPECT_FALSE(end.keys.can_seal());
  for (std::uint8_t bits = 0; bits < wire::kEpochsTold; ++bits) EXPECT_FALSE(end.keys.can_open(bits));
}

// Claims any length and touches nothing.
class IdleKey final : public AeadKey {
 public:
  void seal(std::span<AeadPacket> packets) noexcept override {
    for (AeadPacket& packet : packets) packet.good = true;
  }
  void open(std::span<AeadPacket> packets) noexcept override { seal(packets); }
};

TEST(link_keys, a_worn_key_seals_no_more_and_the_next_does) {
  LinkKeys keys;
  const auto made = [](std::uint32_t epoch) {
    auto of = std::make_unique<EpochKeys>();
    of->epoch = epoch;
    of->send_at_once = true;
    of->tx = std::make_unique<IdleKey>();
    of->rx = std::make_unique<IdleKey>();
    return of;
  };
  keys.begin(made(0));
  std::array<std::uint8_t, 64> memory{};
  constexpr std::uint32_t kBytes = 1U << 31;
  std::uint64_t number = 0;
  for (std::uint64_t sealed = 0; sealed < LinkKeys::kSealedBytesMax; sealed += kBytes) {
    ASSERT_TRUE(keys.can_seal()) << sealed;
    const SealedPacket packet{memory.data(), kBytes, 0, number++};
    ASSERT_EQ(keys.seal({&packet, 1}), 1U);
  }
  EXPECT_FALSE(keys.can_seal());
  EXPECT_EQ(keys.used_bytes(), LinkKeys::kSealedBytesMax);
  ASSERT_TRUE(keys.add(made(1)));
  EXPECT_TRUE(keys.can_seal());
  EXPECT_EQ(keys.used_bytes(), 0U);
}

TEST(link_keys_death, a_number_used_twice_is_never_sealed) {
  g_used.clear();
  End end;
  end.keys.begin(keys_of(0, true));
  (void)end.make();
  end.next[0] = 0;
  EXPECT_DEATH((void)end.make(), "");
}

// Streams, epochs and handshakes by seed: no key seals two packets with one nonce (NamedKey looks), and what one end seals
// the other opens for as long as it may be on its way.
TEST(link_keys, changes_by_seed) {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE(seed);
    g_used.clear();
    Rng rng(seed);
    End ends[2];
    ends[0].keys.begin(keys_of(0, false));
    ends[1].keys.begin(keys_of(0, true));
    std::uint32_t epoch = 0;
    std::uint64_t now_ns = 0;
    struct Flying {
      std::uint64_t at_ns;
      std::size_t to;
      Packet packet;
    };
    std::vector<Flying> flying;
    std::uint64_t rekey_ns = 0;
    bool half = false;  // the initiator has new keys, the responder not yet
    std::size_t delivered = 0;
    for (int i = 0; i < 2000; ++i) {
      now_ns += kMs;
      for (std::size_t side = 0; side < 2; ++side) {
        if (!ends[side].keys.can_seal()) continue;
        flying.push_back({now_ns + (1 + rng.below(300)) * kMs, 1 - side, ends[side].make(static_cast<std::uint8_t>(rng.below(4)))});
      }
      if (half && rng.chance(0.02)) {
        ASSERT_TRUE(ends[1].keys.add(keys_of(epoch, true)));
        half = false;
      } else if (!half && now_ns > rekey_ns) {
        rekey_ns = now_ns + 500 * kMs;
        half = ends[0].keys.add(keys_of(epoch + 1, false));
        epoch += half;
      }
      for (std::size_t at = 0; at < flying.size();) {
        if (flying[at].at_ns > now_ns) {
          ++at;
          continue;
        }
        EXPECT_TRUE(ends[flying[at].to].take(now_ns, std::move(flying[at].packet)));
        ++delivered;
        flying[at] = std::move(flying.back());
        flying.pop_back();
      }
      for (End& end : ends) {
        end.keys.on_time(now_ns);
        (void)end.retired();
      }
    }
    EXPECT_GT(epoch, 2U);
    EXPECT_GT(delivered, 3000U);
  }
}

}  // namespace
}  // namespace dwcp
