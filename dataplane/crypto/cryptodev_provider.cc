// SPDX-License-Identifier: Apache-2.0
#include "dataplane/crypto/cryptodev_provider.h"

#include <rte_bus_vdev.h>
#include <rte_cryptodev.h>
#include <rte_errno.h>
#include <rte_launch.h>
#include <rte_lcore.h>

#include <algorithm>

#include "dataplane/crypto/self_test.h"

namespace dwcp {
namespace {

std::vector<std::uint8_t> accelerators() {
  std::vector<std::uint8_t> ids;
  for (unsigned id = 0; id < RTE_CRYPTO_MAX_DEVS; ++id) {
    if (rte_cryptodev_is_valid_dev(static_cast<std::uint8_t>(id)) == 0) continue;
    rte_cryptodev_info info{};
    rte_cryptodev_info_get(static_cast<std::uint8_t>(id), &info);
    if ((info.feature_flags & RTE_CRYPTODEV_FF_HW_ACCELERATED) != 0) ids.push_back(static_cast<std::uint8_t>(id));
  }
  return ids;
}

std::string package_of(const std::string& driver) {
  return driver == "crypto_openssl" ? "librte-crypto-openssl23" : "librte-crypto-ipsec-mb23";
}

struct Proof {
  std::array<std::unique_ptr<AeadKey>, kCiphers> keys;
};

int run_self_tests(void* argument) {
  const auto& proof = *static_cast<Proof*>(argument);
  int failed = 0;
  for (std::size_t i = 0; i < kCiphers; ++i) {
    if (proof.keys[i] && !self_test(*proof.keys[i], static_cast<Cipher>(i))) ++failed;
  }
  return failed;
}

}  // namespace

CryptodevProvider::CryptodevProvider(CryptodevConfig config) : config_(std::move(config)) {
  for (std::size_t i = 0; i < kCiphers; ++i) choose(static_cast<Cipher>(i));
}

CryptodevProvider::~CryptodevProvider() = default;

void CryptodevProvider::choose(Cipher cipher) {
  Choice& choice = choices_[static_cast<std::size_t>(cipher)];
  for (const std::string& driver : config_.drivers) {
    try_driver(driver, cipher, choice);
    if (choice.device != nullptr) return;
  }
}

void CryptodevProvider::try_driver(const std::string& driver, Cipher cipher, Choice& choice) {
  const auto say = [&choice](const std::string& who, const std::string& what) {
    choice.tried += (choice.tried.empty() ? "" : "; ") + who + ": " + what;
  };
  const auto ids = candidates(driver);
  if (!ids) return say(driver, ids.error());
  if (ids->empty()) return say(driver, "none found");
  for (const std::uint8_t id : *ids) {
    const std::string name = rte_cryptodev_name_get(id);
    if (!CryptoDevice::lists(id, cipher)) {
      say(name, "does not do it");
      continue;
    }
    std::string failure;
    CryptoDevice* const device = opened(id, failure);
    if (device == nullptr) {
      say(name, failure);
    } else if (const auto proven = device->prove(cipher); !proven) {
      say(name, proven.error());
    } else {
      choice.device = device;
      return;
    }
  }
}

// The devices of a driver; when there are none, one is created.
expected<std::vector<std::uint8_t>, std::string> CryptodevProvider::candidates(const std::string& driver) {
  if (driver == CryptodevConfig::kHardware) return accelerators();
  if (rte_cryptodev_driver_id_get(driver.c_str()) < 0) {
    return unexpected<std::string>("not loaded, install " + package_of(driver) + " or name its library with EAL's -d");
  }
  std::vector<std::uint8_t> ids(RTE_CRYPTO_MAX_DEVS);
  ids.resize(rte_cryptodev_devices_get(driver.c_str(), ids.data(), static_cast<std::uint8_t>(ids.size())));
  if (!ids.empty()) return ids;
  if (const int code = rte_vdev_init(driver.c_str(), nullptr); code != 0) {
    return unexpected<std::string>("cannot be created: " + std::string(rte_strerror(code < 0 ? -code : code)) +
                                   ", try EAL's --vdev=" + driver);
  }
  const int id = rte_cryptodev_get_dev_id(driver.c_str());
  if (id < 0) return unexpected<std::string>("made no device");
  created_.push_back(static_cast<std::uint8_t>(id));
  return std::vector{static_cast<std::uint8_t>(id)};
}

CryptoDevice* CryptodevProvider::opened(std::uint8_t id, std::string& failure) {
  auto found = devices_.find(id);
  if (found == devices_.end()) {
    const bool created = std::find(created_.begin(), created_.end(), id) != created_.end();
    found = devices_
                .emplace(id, CryptoDevice::open(id, {.keys_max = config_.keys_max,
                                                     .cpu_crypto = config_.cpu_crypto,
                                                     .created = created}))
                .first;
  }
  if (found->second) return found->second->get();
  failure = found->second.error();
  return nullptr;
}

std::string CryptodevProvider::device(Cipher cipher) const {
  const CryptoDevice* const device = choice(cipher).device;
  return device == nullptr ? "" : device->driver();
}

std::string CryptodevProvider::why_not(Cipher cipher) const {
  if (supports(cipher)) return "";
  return "no crypto device does " + std::string(cipher_name(cipher)) + " (" + choice(cipher).tried +
         "): install a driver, name a device to EAL with --vdev or -a, or leave the cipher out of security.ciphers";
}

bool CryptodevProvider::synchronous(Cipher cipher) const noexcept {
  const CryptoDevice* const device = choice(cipher).device;
  return device != nullptr && device->synchronous(cipher);
}

expected<std::unique_ptr<AeadKey>, std::string> CryptodevProvider::make_key(Cipher cipher, std::span<const std::uint8_t> key) {
  if (!supports(cipher)) return unexpected<std::string>(why_not(cipher));
  return choice(cipher).device->make_key(cipher, key);
}

expected<void, std::string> CryptodevProvider::prepare_lcore(unsigned lcore) {
  Proof proof;
  for (std::size_t i = 0; i < kCiphers; ++i) {
    const auto cipher = static_cast<Cipher>(i);
    if (!supports(cipher)) continue;
    auto key = make_key(cipher, known_answer(cipher).key);
    if (!key) return unexpected<std::string>(key.error());
    proof.keys[i] = std::move(*key);
  }
  int failed = 0;
  if (lcore == rte_lcore_id()) {
    failed = run_self_tests(&proof);
  } else {
    if (const int code = rte_eal_remote_launch(run_self_tests, &proof, lcore); code != 0) {
      return unexpected<std::string>("lcore " + std::to_string(lcore) + " is not idle: " + rte_strerror(-code));
    }
    failed = rte_eal_wait_lcore(lcore);
  }
  if (failed != 0) return unexpected<std::string>("a cipher failed its self-test on lcore " + std::to_string(lcore));
  return {};
}

std::uint32_t CryptodevProvider::overdue() const noexcept {
  std::uint32_t count = 0;
  for (const auto& [id, device] : devices_) count += device ? (*device)->overdue() : 0;
  return count;
}

}  // namespace dwcp
