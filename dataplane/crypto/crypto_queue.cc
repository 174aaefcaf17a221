// SPDX-License-Identifier: Apache-2.0
#include "dataplane/crypto/crypto_queue.h"

#include <rte_crypto.h>
#include <rte_cryptodev.h>
#include <rte_errno.h>
#include <rte_mbuf.h>
#include <rte_pause.h>

#include <algorithm>
#include <cstring>

#include "dataplane/wire/packet.h"

namespace dwcp {
namespace {

constexpr std::uint32_t kHeaderBytes = sizeof(wire::PacketHeader);
// Accelerators read associated data in blocks of 16, so it has zeros behind it, and the contents begin on a block.
constexpr std::uint32_t kAadRoom = 16;
static_assert(kHeaderBytes <= kAadRoom);

// Behind each operation.
struct Private {
  std::array<std::uint8_t, 16> nonce;
  std::uint16_t slot;
};
constexpr std::uint16_t kPrivateOffset = sizeof(rte_crypto_op) + sizeof(rte_crypto_sym_op);

Private& private_of(rte_crypto_op* op) noexcept {
  return *reinterpret_cast<Private*>(reinterpret_cast<std::uint8_t*>(op) + kPrivateOffset);
}

}  // namespace

std::uint16_t CryptoQueue::nonce_offset() noexcept { return kPrivateOffset + offsetof(Private, nonce); }

expected<std::unique_ptr<CryptoQueue>, std::string> CryptoQueue::open(std::uint8_t device, int socket,
                                                                      std::uint16_t tailroom_bytes) {
  std::unique_ptr<CryptoQueue> queue(new CryptoQueue(device));
  const std::string suffix = std::to_string(device);
  const auto room = static_cast<std::uint16_t>(RTE_PKTMBUF_HEADROOM + kAadRoom + kContentsBytesMax + kTagBytes + tailroom_bytes);
  queue->ops_ = rte_crypto_op_pool_create(("dwcp_crypto_ops_" + suffix).c_str(), RTE_CRYPTO_OP_TYPE_SYMMETRIC, kSlots, 0,
                                          sizeof(Private), socket);
  queue->buffers_ = rte_pktmbuf_pool_create(("dwcp_crypto_buf_" + suffix).c_str(), kSlots, 0, 0, room, socket);
  std::array<rte_crypto_op*, kSlots> ops{};
  std::array<rte_mbuf*, kSlots> buffers{};
  if (queue->ops_ == nullptr || queue->buffers_ == nullptr ||
      rte_crypto_op_bulk_alloc(queue->ops_, RTE_CRYPTO_OP_TYPE_SYMMETRIC, ops.data(), kSlots) == 0 ||
      rte_pktmbuf_alloc_bulk(queue->buffers_, buffers.data(), kSlots) != 0) {
    return unexpected<std::string>("no memory for its queue: " + std::string(rte_strerror(rte_errno)) +
                                   "; give EAL more with -m or hugepages");
  }
  for (std::size_t i = 0; i < kSlots; ++i) {
    private_of(ops[i]).slot = static_cast<std::uint16_t>(i);
    // gcc 12 takes the zero-length array rte_crypto_op::sym for one without elements.
    reinterpret_cast<rte_crypto_sym_op*>(ops[i] + 1)->m_src = buffers[i];
    queue->slots_[i].op = ops[i];
    queue->slots_[i].data = rte_pktmbuf_mtod(buffers[i], std::uint8_t*);
    std::memset(queue->slots_[i].data, 0, kAadRoom);
    queue->release(queue->slots_[i]);
  }
  return queue;
}

CryptoQueue::~CryptoQueue() {
  rte_mempool_free(ops_);
  rte_mempool_free(buffers_);
}

CryptoQueue::Slot& CryptoQueue::slot_of(rte_crypto_op* op) noexcept { return slots_[private_of(op).slot]; }

void CryptoQueue::release(Slot& slot) noexcept {
  slot.packet = nullptr;
  slot.session = nullptr;
  free_[free_count_++] = private_of(slot.op).slot;
}

void CryptoQueue::process(std::span<AeadPacket> packets, CryptoSession& session, bool seal) noexcept {
  while (!packets.empty()) {
    const std::size_t piece = std::min(packets.size(), kPieceMax);
    process_piece(packets.first(piece), session, seal);
    packets = packets.subspan(piece);
  }
}

void CryptoQueue::process_piece(std::span<AeadPacket> packets, CryptoSession& session, bool seal) noexcept {
  returned_ = 0;
  if (overdue() > 0) (void)collect(seal);
  exchange(fill(packets, session, seal), session, seal);
}

// How many of `packets` are in burst_ now.
std::size_t CryptoQueue::fill(std::span<AeadPacket> packets, CryptoSession& session, bool seal) noexcept {
  std::size_t count = 0;
  for (AeadPacket& packet : packets) {
    packet.good = false;
    if (packet.bytes < kHeaderBytes || packet.bytes - kHeaderBytes > kContentsBytesMax || free_count_ == 0) continue;
    Slot& slot = slots_[free_[--free_count_]];
    fill_slot(slot, packet, session.handle, seal);
    burst_[count++] = slot.op;
  }
  return count;
}

void CryptoQueue::fill_slot(Slot& slot, AeadPacket& packet, void* session, bool seal) noexcept {
  const std::uint32_t contents = packet.bytes - kHeaderBytes;
  slot.packet = &packet;
  std::memcpy(slot.data, packet.data, kHeaderBytes);
  std::memcpy(slot.data + kAadRoom, packet.data + kHeaderBytes, contents + (seal ? 0 : kTagBytes));
  rte_crypto_op& op = *slot.op;
  std::memcpy(private_of(&op).nonce.data(), packet.nonce.data(), kNonceBytes);
  op.type = RTE_CRYPTO_OP_TYPE_SYMMETRIC;
  op.status = RTE_CRYPTO_OP_STATUS_NOT_PROCESSED;
  op.sess_type = RTE_CRYPTO_OP_WITH_SESSION;
  rte_crypto_sym_op& work = *op.sym;
  rte_mbuf& buffer = *work.m_src;
  buffer.data_len = static_cast<std::uint16_t>(kAadRoom + contents + kTagBytes);
  buffer.pkt_len = buffer.data_len;
  const rte_iova_t address = rte_pktmbuf_iova(&buffer);
  work.m_dst = nullptr;
  work.session = session;
  work.aead.data.offset = kAadRoom;
  work.aead.data.length = contents;
  work.aead.aad.data = slot.data;
  work.aead.aad.phys_addr = address;
  work.aead.digest.data = slot.data + kAadRoom + contents;
  work.aead.digest.phys_addr = address + kAadRoom + contents;
}

// Gives burst_[0, count) to the device and waits for it.
void CryptoQueue::exchange(std::size_t count, CryptoSession& session, bool seal) noexcept {
  std::size_t sent = 0, refused = 0;
  std::uint32_t empty_polls = 0, offers = 0;
  bool any = false;
  std::array<rte_crypto_op*, kPieceMax> given;  // in the order sent
  while (returned_ + refused < count && empty_polls < (silent_ ? kPollsSilent : kPollsPatient)) {
    std::size_t progress = 0;
    const std::size_t at = sent + refused;
    if (at < count) {
      const std::size_t taken = rte_cryptodev_enqueue_burst(device_, 0, &burst_[at], static_cast<std::uint16_t>(count - at));
      std::copy_n(&burst_[at], taken, &given[sent]);
      sent += taken;
      progress += taken;
      // A device that has nothing to do and does not take an operation does not like it (crypto_openssl on an error).
      if (taken == 0 && returned_ == sent && ++offers == kOffers) {
        release(slot_of(burst_[at]));
        ++refused;
        offers = 0;
      }
    }
    const std::size_t came = collect(seal);
    any = any || came > 0;
    progress += came;
    if (progress > 0) {
      empty_polls = 0;
    } else {
      ++empty_polls;
      rte_pause();
    }
  }
  for (std::size_t i = sent + refused; i < count; ++i) release(slot_of(burst_[i]));  // never given to the device
  if (returned_ < sent) {
    silent_ = !any;
    give_up(std::span(given).first(sent), session);
  }
}

// Takes what the device gives back, of this burst or of earlier ones.  How many.
std::size_t CryptoQueue::collect(bool seal) noexcept {
  std::array<rte_crypto_op*, kPieceMax> done;
  const std::size_t count = rte_cryptodev_dequeue_burst(device_, 0, done.data(), kPieceMax);
  for (std::size_t i = 0; i < count; ++i) {
    Slot& slot = slot_of(done[i]);
    if (slot.packet == nullptr) {
      slot.session->overdue.fetch_sub(1, std::memory_order_release);
      overdue_.store(overdue() - 1, std::memory_order_relaxed);
    } else {
      AeadPacket& packet = *slot.packet;
      packet.good = done[i]->status == RTE_CRYPTO_OP_STATUS_SUCCESS;
      if (packet.good) {
        const std::uint32_t contents = packet.bytes - kHeaderBytes;
        std::memcpy(packet.data + kHeaderBytes, slot.data + kAadRoom, contents + (seal ? kTagBytes : 0));
      }
      ++returned_;
    }
    release(slot);
  }
  if (count > 0) silent_ = false;
  return count;
}

// Those of `sent` that did not come back are overdue.
void CryptoQueue::give_up(std::span<rte_crypto_op* const> sent, CryptoSession& session) noexcept {
  for (rte_crypto_op* const op : sent) {
    Slot& slot = slot_of(op);
    if (slot.packet == nullptr) continue;
    slot.packet = nullptr;
    slot.session = &session;
    session.overdue.fetch_add(1, std::memory_order_relaxed);
    overdue_.store(overdue() + 1, std::memory_order_relaxed);
  }
}

}  // namespace dwcp
