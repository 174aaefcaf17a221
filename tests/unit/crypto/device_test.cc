// SPDX-License-Identifier: Apache-2.0
// Every cipher on every device that does it, by either API, against OpenSSL's EVP.
#include <gtest/gtest.h>

#include <algorithm>

#include "dataplane/crypto/cryptodev_provider.h"
#include "eal.h"
#include "evp.h"

namespace dwcp {
namespace {

using evp::Burst;
using evp::Bytes;

constexpr std::size_t kHeaderBytes = sizeof(wire::PacketHeader);
constexpr std::size_t kContentsMax = 9000 - kHeaderBytes - kTagBytes;

class device : public testing::TestWithParam<Way> {
 protected:
  void SetUp() override {
    auto made = provider_.make_key(cipher_, secret_);
    ASSERT_TRUE(made) << made.error();
    key_ = std::move(*made);
  }

  // Each of the burst as OpenSSL would have sealed it, in place, and nothing beside it written.
  void expect_sealed(const Burst& burst) {
    for (std::size_t i = 0; i < burst.packets.size(); ++i) {
      const auto before = std::span(burst.before[i]);
      const Bytes expected = evp::seal(cipher_, secret_, burst.packets[i].nonce, before.first(kHeaderBytes), before.subspan(kHeaderBytes));
      EXPECT_TRUE(burst.packets[i].good);
      EXPECT_TRUE(std::ranges::equal(burst.sealed(i), expected)) << "packet " << i << " of " << before.size() << " bytes";
      expect_rest_untouched(burst, i);
    }
  }
  void expect_opened(const Burst& burst) {
    for (std::size_t i = 0; i < burst.packets.size(); ++i) {
      EXPECT_TRUE(burst.packets[i].good);
      EXPECT_TRUE(std::ranges::equal(burst.contents(i), std::span(burst.before[i]).subspan(kHeaderBytes))) << "packet " << i;
      expect_rest_untouched(burst, i);
    }
  }
  void expect_rest_untouched(const Burst& burst, std::size_t i) {
    EXPECT_TRUE(std::ranges::equal(burst.header(i), std::span(burst.before[i]).first(kHeaderBytes)));
    EXPECT_TRUE(std::all_of(burst.memory[i].end() - evp::kGuardBytes, burst.memory[i].end(),
                            [](std::uint8_t byte) { return byte == evp::kGuard; }));
  }
  // What the other end sends.
  void seal_by_evp(Burst& burst) {
    for (std::size_t i = 0; i < burst.packets.size(); ++i) {
      const Bytes sealed = evp::seal(cipher_, secret_, burst.packets[i].nonce, burst.header(i), burst.contents(i));
      std::copy(sealed.begin(), sealed.end(), burst.memory[i].begin() + kHeaderBytes);
    }
  }

  const Cipher cipher_ = GetParam().cipher;
  Rng rng_{7};
  const Bytes secret_ = evp::random_bytes(rng_, cipher_key_bytes(cipher_));
  CryptodevProvider provider_{config_of(GetParam())};
  std::unique_ptr<AeadKey> key_;
};
INSTANTIATE_TEST_SUITE_P(crypto, device, testing::ValuesIn(kWays), way_name);

TEST_P(device, is_the_one_asked_for) {
  EXPECT_EQ(provider_.device(cipher_), GetParam().driver);
  EXPECT_EQ(provider_.synchronous(cipher_), GetParam().synchronous);
}

// Every length around the blocks of 16 and 64 bytes and of the widest vectors, and the ends of the range.
TEST_P(device, gives_the_answers_of_openssl_both_ways) {
  std::vector<std::size_t> sizes;
  for (std::size_t bytes = 0; bytes <= 1100; ++bytes) sizes.push_back(bytes);
  for (const std::size_t bytes : {std::size_t{1456}, std::size_t{4096}, std::size_t{8946}, kContentsMax}) sizes.push_back(bytes);
  Burst burst(rng_, sizes);
  key_->seal(burst.packets);
  expect_sealed(burst);
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    EXPECT_EQ(evp::open(cipher_, secret_, burst.packets[i].nonce, burst.header(i), burst.sealed(i)),
              Bytes(burst.before[i].begin() + kHeaderBytes, burst.before[i].end()));
  }
  Burst other(rng_, sizes);
  seal_by_evp(other);
  key_->open(other.packets);
  expect_opened(other);
}

TEST_P(device, takes_bursts_of_any_length) {
  for (std::size_t count = 1; count <= 64; ++count) {
    std::vector<std::size_t> sizes(count);
    for (std::size_t& bytes : sizes) bytes = rng_.below(kContentsMax + 1);
    Burst burst(rng_, sizes);
    key_->seal(burst.packets);
    expect_sealed(burst);
    burst.refresh();
    key_->open(burst.packets);
    expect_opened(burst);
  }
  key_->seal({});
  key_->open({});
}

// One bit of one packet, in turn of each kind and at each place of it; the others of the burst open.
TEST_P(device, refuses_every_flipped_bit_and_no_other_packet) {
  const std::vector<std::size_t> sizes = {64, 1456, 0, 333, 77, 1};
  constexpr std::size_t kVictim = 4;
  const std::size_t contents = sizes[kVictim];
  const std::size_t sealed_bits = (kHeaderBytes + contents + kTagBytes) * 8;
  for (std::size_t bit = 0; bit < sealed_bits + kNonceBytes * 8; ++bit) {
    Burst burst(rng_, sizes);
    seal_by_evp(burst);
    const auto mask = static_cast<std::uint8_t>(1U << (bit % 8));
    if (bit < sealed_bits) {
      burst.memory[kVictim][bit / 8] ^= mask;
    } else {
      burst.packets[kVictim].nonce[(bit - sealed_bits) / 8] ^= mask;
    }
    key_->open(burst.packets);
    for (std::size_t i = 0; i < sizes.size(); ++i) {
      ASSERT_EQ(burst.packets[i].good, i != kVictim) << "bit " << bit << ", packet " << i;
      if (i == kVictim) continue;
      ASSERT_TRUE(std::ranges::equal(burst.contents(i), std::span(burst.before[i]).subspan(kHeaderBytes)));
    }
  }
}

TEST_P(device, refuses_another_key_and_another_length) {
  const std::vector<std::size_t> sizes = {100, 100, 100};
  Burst burst(rng_, sizes);
  key_->seal(burst.packets);
  Bytes other_secret = secret_;
  other_secret[5] ^= 4;
  auto other = provider_.make_key(cipher_, other_secret);
  ASSERT_TRUE(other) << other.error();
  Burst copy = burst;
  copy.refresh();
  (*other)->open(copy.packets);
  EXPECT_TRUE(std::none_of(copy.packets.begin(), copy.packets.end(), [](const AeadPacket& packet) { return packet.good; }));
  burst.refresh();
  burst.packets[0].bytes -= 1;   // as if cut by a byte
  burst.packets[2].bytes += 1;
  key_->open(burst.packets);
  EXPECT_FALSE(burst.packets[0].good);
  EXPECT_TRUE(burst.packets[1].good);
  EXPECT_FALSE(burst.packets[2].good);
}

// What is shorter than a header is no packet; it is not touched, and its neighbours do not suffer.
TEST_P(device, refuses_what_is_shorter_than_a_header) {
  const std::vector<std::size_t> sizes = {50, 50, 50, 50};
  for (const bool seal : {true, false}) {
    Burst burst(rng_, sizes);
    if (!seal) seal_by_evp(burst);
    const Bytes before = burst.memory[1], before_last = burst.memory[3];
    burst.packets[1].bytes = kHeaderBytes - 1;
    burst.packets[1].good = true;
    burst.packets[3].bytes = 0;
    burst.packets[3].good = true;
    seal ? key_->seal(burst.packets) : key_->open(burst.packets);
    EXPECT_TRUE(burst.packets[0].good);
    EXPECT_FALSE(burst.packets[1].good);
    EXPECT_TRUE(burst.packets[2].good);
    EXPECT_FALSE(burst.packets[3].good);
    EXPECT_EQ(burst.memory[1], before);
    EXPECT_EQ(burst.memory[3], before_last);
  }
}

}  // namespace
}  // namespace dwcp
