// SPDX-License-Identifier: Apache-2.0
#include "dataplane/crypto/cryptodev_provider.h"

#include <gtest/gtest.h>
#include <rte_cryptodev.h>

#include "eal.h"
#include "evp.h"

namespace dwcp {
namespace {

constexpr std::array kAll = {Cipher::kAes128Gcm, Cipher::kAes256Gcm, Cipher::kChaCha20Poly1305};

evp::Bytes secret(Cipher cipher) { return evp::Bytes(cipher_key_bytes(cipher), 3); }

TEST(crypto_provider, takes_the_best_device_for_each_cipher) {
  const CryptodevProvider provider;
  EXPECT_EQ(provider.device(Cipher::kAes128Gcm), "crypto_aesni_gcm");
  EXPECT_EQ(provider.device(Cipher::kAes256Gcm), "crypto_aesni_gcm");
  EXPECT_EQ(provider.device(Cipher::kChaCha20Poly1305), "crypto_aesni_mb");
  for (const Cipher cipher : kAll) {
    EXPECT_TRUE(provider.supports(cipher));
    EXPECT_TRUE(provider.synchronous(cipher));
    EXPECT_EQ(provider.why_not(cipher), "");
  }
}

TEST(crypto_provider, takes_the_first_named_driver_that_does_a_cipher) {
  const CryptodevProvider provider({.drivers = {"hardware", "crypto_chacha20_poly1305", "crypto_openssl", "crypto_aesni_gcm"}, .keys_max = 4});
  EXPECT_EQ(provider.device(Cipher::kAes128Gcm), "crypto_openssl");
  EXPECT_EQ(provider.device(Cipher::kChaCha20Poly1305), "crypto_chacha20_poly1305");
}

TEST(crypto_provider, creates_what_eal_was_not_told_of_and_nothing_else) {
  const unsigned before = rte_cryptodev_count();
  EXPECT_EQ(rte_cryptodev_device_count_by_driver(static_cast<std::uint8_t>(rte_cryptodev_driver_id_get("crypto_openssl"))), 1);
  {
    const CryptodevProvider named({.drivers = {"crypto_openssl"}, .keys_max = 4});
    EXPECT_TRUE(named.supports(Cipher::kAes128Gcm));
    EXPECT_EQ(rte_cryptodev_count(), before);
  }
  {
    const CryptodevProvider best({.keys_max = 4});
    EXPECT_EQ(rte_cryptodev_count(), before + 2);  // crypto_aesni_gcm, and crypto_aesni_mb for ChaCha20-Poly1305
  }
  EXPECT_EQ(rte_cryptodev_count(), before);
}

TEST(crypto_provider, says_why_a_cipher_is_not_supported) {
  CryptodevProvider provider({.drivers = {"hardware", "crypto_no_such", "crypto_aesni_gcm"}, .keys_max = 4});
  EXPECT_TRUE(provider.supports(Cipher::kAes128Gcm));
  EXPECT_FALSE(provider.supports(Cipher::kChaCha20Poly1305));
  EXPECT_FALSE(provider.synchronous(Cipher::kChaCha20Poly1305));
  EXPECT_EQ(provider.device(Cipher::kChaCha20Poly1305), "");
  const auto key = provider.make_key(Cipher::kChaCha20Poly1305, secret(Cipher::kChaCha20Poly1305));
  ASSERT_FALSE(key);
  EXPECT_EQ(key.error(), provider.why_not(Cipher::kChaCha20Poly1305));
  for (const char* part : {"no crypto device does chacha20-poly1305", "hardware: none found", "crypto_no_such: not loaded, install",
                           "crypto_aesni_gcm: does not do it", "--vdev", "security.ciphers"}) {
    EXPECT_NE(key.error().find(part), std::string::npos) << part << " is not in: " << key.error();
  }
  EXPECT_EQ(key.error().find('\n'), std::string::npos);
}

TEST(crypto_provider, without_any_device_supports_nothing) {
  CryptodevProvider provider({.drivers = {"hardware"}, .keys_max = 4});
  for (const Cipher cipher : kAll) {
    EXPECT_FALSE(provider.supports(cipher));
    EXPECT_FALSE(provider.make_key(cipher, secret(cipher)));
  }
  EXPECT_TRUE(provider.prepare_lcore(0));
}

TEST(crypto_provider, says_when_memory_for_keys_is_short) {
  const CryptodevProvider provider({.drivers = {"crypto_aesni_gcm"}, .keys_max = 10'000'000});
  EXPECT_FALSE(provider.supports(Cipher::kAes128Gcm));
  EXPECT_NE(provider.why_not(Cipher::kAes128Gcm).find("no memory for the sessions of 10000000 keys"), std::string::npos)
      << provider.why_not(Cipher::kAes128Gcm);
}

TEST(crypto_provider, refuses_a_key_of_the_wrong_length) {
  CryptodevProvider provider({.keys_max = 4});
  for (const std::size_t bytes : {0, 15, 17, 24, 32}) {
    const auto key = provider.make_key(Cipher::kAes128Gcm, evp::Bytes(bytes));
    ASSERT_FALSE(key) << bytes;
    EXPECT_EQ(key.error(), "a key of " + std::to_string(bytes) + " bytes, aes-128-gcm takes 16");
  }
  EXPECT_FALSE(provider.make_key(Cipher::kAes256Gcm, evp::Bytes(16)));
  EXPECT_FALSE(provider.make_key(Cipher::kChaCha20Poly1305, evp::Bytes(16)));
}

TEST(crypto_provider, has_room_for_as_many_keys_as_it_was_told) {
  for (const Way& way : kWays) {
    CryptodevProvider provider({.drivers = {way.driver}, .keys_max = 3, .cpu_crypto = !way.queue});
    std::vector<std::unique_ptr<AeadKey>> keys;
    for (int round = 0; round < 3; ++round) {
      while (keys.size() < 3) {
        auto key = provider.make_key(way.cipher, secret(way.cipher));
        ASSERT_TRUE(key) << key.error();
        keys.push_back(std::move(*key));
      }
      const auto one_more = provider.make_key(way.cipher, secret(way.cipher));
      ASSERT_FALSE(one_more);
      EXPECT_EQ(one_more.error(), "all 3 keys of " + way.driver + " are in use");
      keys.pop_back();
      if (round == 1) keys.clear();
    }
  }
}

// The threads whose first use allocates: the caller's own, a worker, and one that is none.
TEST(crypto_provider, prepares_an_lcore) {
  CryptodevProvider provider({.keys_max = 4});
  for (const unsigned lcore : {0U, 1U, 1U}) {
    const auto prepared = provider.prepare_lcore(lcore);
    EXPECT_TRUE(prepared) << prepared.error();
  }
  const auto nowhere = provider.prepare_lcore(5);
  ASSERT_FALSE(nowhere);
  EXPECT_NE(nowhere.error().find("lcore 5"), std::string::npos) << nowhere.error();
}

}  // namespace
}  // namespace dwcp
