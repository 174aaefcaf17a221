// SPDX-License-Identifier: Apache-2.0
// A crypto device's queue pair, used as if it were synchronous: a burst goes in, and all of it is waited for.  For hardware,
// and for software devices without the synchronous API (crypto_openssl, crypto_chacha20_poly1305).  Opened and closed by the
// control thread; process() belongs to one net lcore.
//
// The device works on buffers of the queue's own, never on a packet's memory: the packet is copied in, and back out when it
// is good.  So whatever a device does with an operation that it returns late, or never, it cannot write into a packet that
// has been dropped, sent or reused meanwhile; and packets may be in memory the device cannot reach.  The copies are small
// beside what a device on such a path costs.
//
// An operation that does not come back within a bounded number of polls makes its packet not good.  Its slot stays out until
// the device returns it, however late, and is never used for another meanwhile; its session is told (CryptoSession::overdue).
// With every slot out nothing is good, and that costs one poll a burst.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "base/expected.h"
#include "dataplane/crypto/aead.h"
#include "dataplane/crypto/crypto_session.h"

struct rte_crypto_op;
struct rte_mempool;

namespace dwcp {

class CryptoQueue {
 public:
  static constexpr std::size_t kPieceMax = 32;  // operations under way at once
  static constexpr std::size_t kSlots = 4 * kPieceMax;
  static constexpr std::uint32_t kContentsBytesMax = 9216;
  // Where an operation holds its nonce: the session must be made with this offset.
  [[nodiscard]] static std::uint16_t nonce_offset() noexcept;

  // `tailroom_bytes`: what the device wants behind the data.
  [[nodiscard]] static expected<std::unique_ptr<CryptoQueue>, std::string> open(std::uint8_t device, int socket,
                                                                                std::uint16_t tailroom_bytes);
  // After the device was stopped.
  ~CryptoQueue();
  CryptoQueue(const CryptoQueue&) = delete;
  CryptoQueue& operator=(const CryptoQueue&) = delete;

  // As AeadKey::seal() and open().
  void process(std::span<AeadPacket> packets, CryptoSession& session, bool seal) noexcept;

  // Operations the device has not given back so far.  Any thread.
  [[nodiscard]] std::uint32_t overdue() const noexcept { return overdue_.load(std::memory_order_relaxed); }

 private:
  // Empty polls in a row before a burst is given up: some milliseconds, a hundred times what an accelerator needs.  A device
  // that then gave back nothing at all is waited for only briefly until it gives back something.
  static constexpr std::uint32_t kPollsPatient = 50'000;
  static constexpr std::uint32_t kPollsSilent = 100;
  // Offers of an operation that an idle device refuses.
  static constexpr std::uint32_t kOffers = 16;

  struct Slot {
    rte_crypto_op* op = nullptr;
    std::uint8_t* data = nullptr;
    AeadPacket* packet = nullptr;      // null once its burst was given up
    CryptoSession* session = nullptr;  // of an overdue operation
  };

  explicit CryptoQueue(std::uint8_t device) noexcept : device_(device) {}
  void process_piece(std::span<AeadPacket> packets, CryptoSession& session, bool seal) noexcept;
  [[nodiscard]] std::size_t fill(std::span<AeadPacket> packets, CryptoSession& session, bool seal) noexcept;
  void fill_slot(Slot& slot, AeadPacket& packet, void* session, bool seal) noexcept;
  void exchange(std::size_t count, CryptoSession& session, bool seal) noexcept;
  [[nodiscard]] std::size_t collect(bool seal) noexcept;
  void give_up(std::span<rte_crypto_op* const> sent, CryptoSession& session) noexcept;
  [[nodiscard]] Slot& slot_of(rte_crypto_op* op) noexcept;
  void release(Slot& slot) noexcept;

  std::uint8_t device_;
  bool silent_ = false;
  rte_mempool* ops_ = nullptr;
  rte_mempool* buffers_ = nullptr;
  std::array<Slot, kSlots> slots_{};
  std::array<std::uint16_t, kSlots> free_{};
  std::size_t free_count_ = 0;
  std::array<rte_crypto_op*, kPieceMax> burst_{};
  std::size_t returned_ = 0;  // of the burst under way
  std::atomic<std::uint32_t> overdue_{0};
};

}  // namespace dwcp
