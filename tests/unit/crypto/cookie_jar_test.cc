// SPDX-License-Identifier: Apache-2.0
#include "dataplane/crypto/cookie_jar.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>

#include <cstring>

#include "counted_allocations.h"

namespace dwcp {
namespace {

using Subject = std::array<std::uint8_t, CookieJar::kSubjectBytes>;

constexpr CookieJar::Key kKeyA = {0x2b, 0x7e, 0x15, 0x16, 0x28, 0xae, 0xd2, 0xa6, 0xab, 0xf7, 0x15, 0x88, 0x09, 0xcf, 0x4f, 0x3c};
constexpr CookieJar::Key kKeyB = {9, 8, 7};
constexpr CookieJar::Key kKeyC = {5};
constexpr Subject kPeer = {192, 0, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x12, 0x5c};

TEST(cookie_jar, a_cookie_is_good_for_its_address_and_port_only) {
  CookieJar jar;
  EXPECT_FALSE(jar.ready());
  jar.set_key(7, kKeyA);
  ASSERT_TRUE(jar.ready());
  const wire::Cookie cookie = jar.make(kPeer);
  EXPECT_EQ(cookie[0], 7);
  EXPECT_TRUE(jar.check(kPeer, cookie));
  EXPECT_EQ(jar.make(kPeer), cookie);
  for (std::size_t bit = 0; bit < 8 * kPeer.size(); ++bit) {
    Subject other = kPeer;
    other[bit / 8] ^= static_cast<std::uint8_t>(1U << bit % 8);
    EXPECT_FALSE(jar.check(other, cookie)) << bit;
  }
  for (std::size_t bit = 0; bit < 8 * cookie.size(); ++bit) {
    wire::Cookie other = cookie;
    other[bit / 8] ^= static_cast<std::uint8_t>(1U << bit % 8);
    EXPECT_FALSE(jar.check(kPeer, other)) << bit;
  }
}

TEST(cookie_jar, the_last_two_keys_are_good) {
  CookieJar jar;
  EXPECT_FALSE(jar.check(kPeer, {}));
  jar.set_key(255, kKeyA);
  const wire::Cookie first = jar.make(kPeer);
  jar.set_key(0, kKeyB);
  const wire::Cookie second = jar.make(kPeer);
  EXPECT_NE(first, second);
  EXPECT_TRUE(jar.check(kPeer, first));
  EXPECT_TRUE(jar.check(kPeer, second));
  jar.set_key(1, kKeyC);
  EXPECT_FALSE(jar.check(kPeer, first));
  EXPECT_TRUE(jar.check(kPeer, second));
}

// Against OpenSSL's own one-shot interface.
TEST(cookie_jar, it_is_aes_cmac) {
  CookieJar jar;
  jar.set_key(1, kKeyA);
  std::array<std::uint8_t, 16> mac{};
  std::size_t bytes = 0;
  char cipher[] = "AES-128-CBC";
  ASSERT_NE(EVP_Q_mac(nullptr, "CMAC", nullptr, cipher, nullptr, kKeyA.data(), kKeyA.size(), kPeer.data(), kPeer.size(), mac.data(),
                      mac.size(), &bytes),
            nullptr);
  const wire::Cookie cookie = jar.make(kPeer);
  EXPECT_EQ(std::memcmp(cookie.data() + 1, mac.data(), 15), 0);
}

TEST(cookie_jar, a_packet_costs_no_allocation) {
#ifdef DWCP_SANITIZED
  GTEST_SKIP() << "SKIPPED: the sanitizer owns malloc";
#endif
  CookieJar jar;
  jar.set_key(1, kKeyA);
  jar.set_key(2, kKeyB);
  const std::uint64_t before = allocations;
  bool good = true;
  for (int i = 0; i < 1000; ++i) {
    const wire::Cookie cookie = jar.make(kPeer);
    good = good && jar.check(kPeer, cookie);
  }
  const std::uint64_t after = allocations;
  EXPECT_GT(before, 0U) << "allocations are not counted";
  EXPECT_TRUE(good);
  EXPECT_EQ(after, before);
}

}  // namespace
}  // namespace dwcp
