// SPDX-License-Identifier: Apache-2.0
#include "dataplane/crypto/crypto_device.h"

#include <rte_bus_vdev.h>
#include <rte_cryptodev.h>
#include <rte_errno.h>
#include <rte_mbuf_core.h>
#include <rte_mempool.h>

#include <algorithm>
#include <cstring>

#include "base/assert.h"
#include "dataplane/crypto/self_test.h"
#include "dataplane/wire/packet.h"

namespace dwcp {
namespace {

constexpr std::uint32_t kDescriptors = 256;
static_assert(kDescriptors > CryptoQueue::kSlots, "a full queue is never why an operation is refused");

rte_crypto_aead_algorithm algorithm_of(Cipher cipher) noexcept {
  return cipher == Cipher::kChaCha20Poly1305 ? RTE_CRYPTO_AEAD_CHACHA20_POLY1305 : RTE_CRYPTO_AEAD_AES_GCM;
}

std::string reason(int code) { return rte_strerror(code < 0 ? -code : code); }

}  // namespace

bool CryptoDevice::lists(std::uint8_t id, Cipher cipher) noexcept {
  rte_cryptodev_sym_capability_idx index{};
  index.type = RTE_CRYPTO_SYM_XFORM_AEAD;
  index.algo.aead = algorithm_of(cipher);
  const auto* const capability = rte_cryptodev_sym_capability_get(id, &index);
  return capability != nullptr &&
         rte_cryptodev_sym_capability_check_aead(capability, static_cast<std::uint16_t>(cipher_key_bytes(cipher)), kTagBytes,
                                                 sizeof(wire::PacketHeader), kNonceBytes) == 0;
}

expected<std::unique_ptr<CryptoDevice>, std::string> CryptoDevice::open(std::uint8_t id, const CryptoDeviceOptions& options) {
  std::unique_ptr<CryptoDevice> device(new CryptoDevice(id, options));
  if (auto up = device->bring_up(); !up) return unexpected<std::string>(up.error());
  return device;
}

expected<void, std::string> CryptoDevice::bring_up() {
  rte_cryptodev_info info{};
  rte_cryptodev_info_get(id_, &info);
  name_ = rte_cryptodev_name_get(id_);
  driver_ = info.driver_name;
  socket_ = rte_cryptodev_socket_id(id_);
  if (info.min_mbuf_headroom_req > RTE_PKTMBUF_HEADROOM) return unexpected<std::string>("it wants more headroom than a buffer has");
  tailroom_bytes_ = info.min_mbuf_tailroom_req;
  const bool synchronous = options_.cpu_crypto && (info.feature_flags & RTE_CRYPTODEV_FF_SYM_CPU_CRYPTO) != 0;
  synchronous_.fill(synchronous);

  rte_cryptodev_config config{};
  config.socket_id = socket_;
  config.nb_queue_pairs = 1;
  config.ff_disable = RTE_CRYPTODEV_FF_ASYMMETRIC_CRYPTO;
  if (const int code = rte_cryptodev_configure(id_, &config); code != 0) {
    return unexpected<std::string>("cannot be configured: " + reason(code));
  }
  // The size of its sessions may depend on the number of queue pairs.  Two sessions to a key.
  sessions_ = rte_cryptodev_sym_session_pool_create(("dwcp_crypto_sess_" + std::to_string(id_)).c_str(), 2 * options_.keys_max,
                                                    rte_cryptodev_sym_get_private_session_size(id_), 0, 0, socket_);
  if (sessions_ == nullptr) {
    return unexpected<std::string>("no memory for the sessions of " + std::to_string(options_.keys_max) + " keys: " +
                                   reason(rte_errno) + "; give EAL more with -m or hugepages");
  }
  rte_cryptodev_qp_conf pair{};
  pair.nb_descriptors = kDescriptors;
  pair.mp_session = sessions_;
  if (const int code = rte_cryptodev_queue_pair_setup(id_, 0, &pair, socket_); code != 0) {
    return unexpected<std::string>("its queue pair cannot be set up: " + reason(code));
  }
  if (const int code = rte_cryptodev_start(id_); code != 0) return unexpected<std::string>("cannot be started: " + reason(code));
  started_ = true;
  return {};
}

CryptoDevice::~CryptoDevice() {
  if (started_) rte_cryptodev_stop(id_);
  // A stopped device works on nothing.
  for (CryptoSession* session : abandoned_) free_session(session);
  DWCP_ASSERT(sessions_used_ == 0);
  queue_.reset();
  // One that EAL's arguments named is left as found: closing is for good, and DPDK does it when it ends.
  if (options_.created) rte_vdev_uninit(name_.c_str());
  rte_mempool_free(sessions_);
}

expected<void, std::string> CryptoDevice::prove(Cipher cipher) {
  // crypto_chacha20_poly1305 of DPDK 22.11 says it has the synchronous API and has not, so the flag is not believed.
  for (bool& synchronous = synchronous_[static_cast<std::size_t>(cipher)];; synchronous = false) {
    if (!synchronous && !queue_) {
      auto queue = CryptoQueue::open(id_, socket_, tailroom_bytes_);
      if (!queue) return unexpected<std::string>(queue.error());
      queue_ = std::move(*queue);
    }
    auto key = make_key(cipher, known_answer(cipher).key);
    if (!key) return unexpected<std::string>(key.error());
    if (self_test(**key, cipher)) return {};
    if (!synchronous) return unexpected<std::string>("it failed the self-test");
  }
}

expected<std::unique_ptr<AeadKey>, std::string> CryptoDevice::make_key(Cipher cipher, std::span<const std::uint8_t> key) {
  if (key.size() != cipher_key_bytes(cipher)) {
    return unexpected<std::string>("a key of " + std::to_string(key.size()) + " bytes, " + std::string(cipher_name(cipher)) +
                                   " takes " + std::to_string(cipher_key_bytes(cipher)));
  }
  free_abandoned();
  auto seal = make_session(cipher, key, true);
  if (!seal) return unexpected<std::string>(seal.error());
  auto open = make_session(cipher, key, false);
  if (!open) return unexpected<std::string>(open.error());
  if (synchronous(cipher)) return std::make_unique<CpuCryptoKey>(id_, std::move(*seal), std::move(*open));
  return std::make_unique<QueueCryptoKey>(*queue_, std::move(*seal), std::move(*open));
}

expected<SessionPtr, std::string> CryptoDevice::make_session(Cipher cipher, std::span<const std::uint8_t> key, bool seal) {
  if (sessions_used_ == 2 * options_.keys_max) {
    return unexpected<std::string>("all " + std::to_string(options_.keys_max) + " keys of " + driver_ + " are in use");
  }
  rte_crypto_sym_xform form{};
  form.type = RTE_CRYPTO_SYM_XFORM_AEAD;
  form.aead.op = seal ? RTE_CRYPTO_AEAD_OP_ENCRYPT : RTE_CRYPTO_AEAD_OP_DECRYPT;
  form.aead.algo = algorithm_of(cipher);
  form.aead.key.data = key.data();  // the caller's, which wipes it: there is no copy here
  form.aead.key.length = static_cast<std::uint16_t>(key.size());
  form.aead.iv.offset = CryptoQueue::nonce_offset();
  form.aead.iv.length = kNonceBytes;
  form.aead.digest_length = kTagBytes;
  form.aead.aad_length = sizeof(wire::PacketHeader);
  auto session = std::make_unique<CryptoSession>();
  session->handle = rte_cryptodev_sym_session_create(id_, &form, sessions_);
  if (session->handle == nullptr) {
    const int code = rte_errno;
    wipe_free_sessions();
    return unexpected<std::string>(driver_ + " makes no session: " + reason(code));
  }
  ++sessions_used_;
  return SessionPtr(session.release(), ReleaseSession{this});
}

void CryptoDevice::release(CryptoSession* session) noexcept {
  free_abandoned();
  if (session->overdue.load(std::memory_order_acquire) > 0) {
    abandoned_.push_back(session);
  } else {
    free_session(session);
  }
}

void CryptoDevice::free_session(CryptoSession* session) noexcept {
  DWCP_ASSERT(rte_cryptodev_sym_session_free(id_, session->handle) == 0);
  --sessions_used_;
  delete session;
}

void CryptoDevice::free_abandoned() noexcept {
  std::erase_if(abandoned_, [this](CryptoSession* session) {
    if (session->overdue.load(std::memory_order_acquire) > 0) return false;
    free_session(session);
    return true;
  });
}

void CryptoDevice::wipe_free_sessions() noexcept {
  std::vector<void*> taken;
  for (void* session = nullptr; rte_mempool_get(sessions_, &session) == 0;) {
    explicit_bzero(session, sessions_->elt_size);
    taken.push_back(session);
  }
  for (void* session : taken) rte_mempool_put(sessions_, session);
}

}  // namespace dwcp
