// SPDX-License-Identifier: Apache-2.0
// One crypto device of DPDK, brought up with one queue pair, and the sessions made on it.  The control thread's.
//
// Sessions live in a pool of the device's own.  Where a key's bytes go: into its sessions' private data, which the PMD
// expands it into and DPDK 22.11 zeroes when a session is freed (crypto_openssl keeps an EVP context besides, which OpenSSL
// cleanses).  DPDK does not zero a session that a PMD refused, so that is done here.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/expected.h"
#include "dataplane/crypto/aead.h"
#include "dataplane/crypto/crypto_queue.h"
#include "dataplane/crypto/cryptodev_key.h"

struct rte_mempool;

namespace dwcp {

struct CryptoDeviceOptions {
  std::uint32_t keys_max = 0;
  bool cpu_crypto = true;  // false: through the queue, even where the device has the synchronous API
  bool created = false;    // by rte_vdev_init: the device is removed with this object
};

class CryptoDevice {
 public:
  [[nodiscard]] static expected<std::unique_ptr<CryptoDevice>, std::string> open(std::uint8_t id,
                                                                                 const CryptoDeviceOptions& options);
  // After its keys.
  ~CryptoDevice();
  CryptoDevice(const CryptoDevice&) = delete;
  CryptoDevice& operator=(const CryptoDevice&) = delete;

  // By what the device says of itself.
  [[nodiscard]] static bool lists(std::uint8_t id, Cipher cipher) noexcept;

  // Decides how the cipher is done here, by trying it.  Needed once before make_key().
  [[nodiscard]] expected<void, std::string> prove(Cipher cipher);
  [[nodiscard]] expected<std::unique_ptr<AeadKey>, std::string> make_key(Cipher cipher, std::span<const std::uint8_t> key);
  void release(CryptoSession* session) noexcept;

  [[nodiscard]] std::uint8_t id() const noexcept { return id_; }
  [[nodiscard]] const std::string& driver() const noexcept { return driver_; }
  [[nodiscard]] bool synchronous(Cipher cipher) const noexcept { return synchronous_[static_cast<std::size_t>(cipher)]; }
  // Operations in the hands of a device that should have given them back.
  [[nodiscard]] std::uint32_t overdue() const noexcept { return queue_ ? queue_->overdue() : 0; }

 private:
  CryptoDevice(std::uint8_t id, const CryptoDeviceOptions& options) noexcept : id_(id), options_(options) {}
  [[nodiscard]] expected<void, std::string> bring_up();
  [[nodiscard]] expected<SessionPtr, std::string> make_session(Cipher cipher, std::span<const std::uint8_t> key, bool seal);
  void free_session(CryptoSession* session) noexcept;
  void free_abandoned() noexcept;
  void wipe_free_sessions() noexcept;

  std::uint8_t id_;
  CryptoDeviceOptions options_;
  std::string name_;
  std::string driver_;
  int socket_ = -1;
  std::uint16_t tailroom_bytes_ = 0;
  bool started_ = false;
  std::array<bool, kCiphers> synchronous_{};
  rte_mempool* sessions_ = nullptr;
  std::uint32_t sessions_used_ = 0;
  std::unique_ptr<CryptoQueue> queue_;     // made when the first cipher needs it
  std::vector<CryptoSession*> abandoned_;  // released while the device still had operations of theirs
};

}  // namespace dwcp
