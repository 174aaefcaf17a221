// SPDX-License-Identifier: Apache-2.0
// EAL without root, hugepages or buses, and the devices the tests go through by name.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <string>
#include <string_view>
#include <vector>

#include "dataplane/crypto/cryptodev_provider.h"
#include "drivers/dpdk/eal.h"

namespace dwcp {

class Eal : public testing::Environment {
 public:
  explicit Eal(std::vector<std::string> more = {}) : more_(std::move(more)) {}
  void SetUp() override {
    std::vector<std::string> args = {"crypto_test", "--no-huge", "-m", "256", "--no-pci",
                                     "--file-prefix=dwcp_crypto_" + std::to_string(::getpid())};
    args.insert(args.end(), more_.begin(), more_.end());
    std::vector<const char*> argv;
    for (const std::string& arg : args) argv.push_back(arg.c_str());
    const auto eal = start_eal(static_cast<int>(argv.size()), argv.data(), {});
    ASSERT_TRUE(eal) << eal.error();
  }
  void TearDown() override { stop_eal(); }

 private:
  std::vector<std::string> more_;
};

// A cipher on a device, by its synchronous API or by its queue.
struct Way {
  std::string driver;
  Cipher cipher = Cipher::kAes128Gcm;
  bool queue = false;
  bool synchronous = true;  // what it comes to
};

inline const std::vector<Way> kWays = {
    {"crypto_aesni_gcm", Cipher::kAes128Gcm},
    {"crypto_aesni_gcm", Cipher::kAes256Gcm},
    {"crypto_aesni_gcm", Cipher::kAes128Gcm, true, false},
    {"crypto_aesni_gcm", Cipher::kAes256Gcm, true, false},
    {"crypto_aesni_mb", Cipher::kAes128Gcm},
    {"crypto_aesni_mb", Cipher::kAes256Gcm},
    {"crypto_aesni_mb", Cipher::kChaCha20Poly1305},
    {"crypto_aesni_mb", Cipher::kAes128Gcm, true, false},
    {"crypto_aesni_mb", Cipher::kAes256Gcm, true, false},
    {"crypto_aesni_mb", Cipher::kChaCha20Poly1305, true, false},
    {"crypto_chacha20_poly1305", Cipher::kChaCha20Poly1305, false, false},
    {"crypto_openssl", Cipher::kAes128Gcm, false, false},
    {"crypto_openssl", Cipher::kAes256Gcm, false, false},
};

inline std::string way_name(const testing::TestParamInfo<Way>& info) {
  std::string name = info.param.driver.substr(std::string_view("crypto_").size()) + "_" + std::string(cipher_name(info.param.cipher));
  for (char& letter : name) letter = letter == '-' ? '_' : letter;
  return name + (info.param.queue ? "_queue" : "");
}

inline CryptodevConfig config_of(const Way& way) {
  return {.drivers = {way.driver}, .keys_max = 8, .cpu_crypto = !way.queue};
}

}  // namespace dwcp
