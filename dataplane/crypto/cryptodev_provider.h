// SPDX-License-Identifier: Apache-2.0
// CryptodevProvider: keys by DPDK's crypto devices.  For each cipher the first of CryptodevConfig::drivers that does it and
// passes a self-test is taken.  A software device that EAL's arguments do not name is created when it is needed.
//
// The control thread's, after EAL has started; its keys are used by one net lcore (crypto devices are brought up with one
// queue pair).  All keys are destroyed before it.
//
// Use:
//   CryptodevProvider aead({.keys_max = ...});
//   if (!aead.supports(cipher)) say(aead.why_not(cipher));
//   log(aead.device(cipher));
//   aead.prepare_lcore(lcore);                          before the net lcore's loop is launched there
//   auto key = aead.make_key(cipher, secret);
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/expected.h"
#include "dataplane/crypto/aead.h"
#include "dataplane/crypto/crypto_device.h"

namespace dwcp {

struct CryptodevConfig {
  // Stands for every accelerator that EAL found.
  static constexpr std::string_view kHardware = "hardware";
  // By DPDK's names, best first.
  std::vector<std::string> drivers = {std::string(kHardware), "crypto_aesni_gcm", "crypto_aesni_mb", "crypto_chacha20_poly1305",
                                      "crypto_openssl"};
  // At once, per device.  Room for them is made at start: up to 3 KiB each.
  std::uint32_t keys_max = 512;
  bool cpu_crypto = true;  // false: by queue, even where a device has the synchronous API; for tests
};

class CryptodevProvider final : public AeadProvider {
 public:
  explicit CryptodevProvider(CryptodevConfig config = {});
  ~CryptodevProvider() override;

  [[nodiscard]] bool supports(Cipher cipher) const noexcept override { return choice(cipher).device != nullptr; }
  [[nodiscard]] std::string device(Cipher cipher) const override;
  [[nodiscard]] expected<std::unique_ptr<AeadKey>, std::string> make_key(Cipher cipher,
                                                                         std::span<const std::uint8_t> key) override;
  // What was tried for a cipher that is not supported, and what to do.  One line.
  [[nodiscard]] std::string why_not(Cipher cipher) const;
  // True when the cipher is done on the packets where they are, by the synchronous API.
  [[nodiscard]] bool synchronous(Cipher cipher) const noexcept;

  // Runs the self-tests on that lcore, which must be idle or the caller's.  The PMDs allocate on a thread's first use of
  // them, so that happens here and not with the first packet.
  [[nodiscard]] expected<void, std::string> prepare_lcore(unsigned lcore);

  // Operations devices should have given back and have not: other than 0 for long, a device is broken.  Any thread.
  [[nodiscard]] std::uint32_t overdue() const noexcept;

 private:
  struct Choice {
    CryptoDevice* device = nullptr;
    std::string tried;  // while there is none
  };

  [[nodiscard]] const Choice& choice(Cipher cipher) const noexcept { return choices_[static_cast<std::size_t>(cipher)]; }
  void choose(Cipher cipher);
  void try_driver(const std::string& driver, Cipher cipher, Choice& choice);
  [[nodiscard]] expected<std::vector<std::uint8_t>, std::string> candidates(const std::string& driver);
  [[nodiscard]] CryptoDevice* opened(std::uint8_t id, std::string& failure);

  CryptodevConfig config_;
  std::vector<std::uint8_t> created_;  // ids
  std::map<std::uint8_t, expected<std::unique_ptr<CryptoDevice>, std::string>> devices_;
  std::array<Choice, kCiphers> choices_;
};

}  // namespace dwcp
