// SPDX-License-Identifier: Apache-2.0
#include "dataplane/crypto/cryptodev_key.h"

#include <rte_cryptodev.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "dataplane/crypto/crypto_device.h"
#include "dataplane/crypto/crypto_queue.h"
#include "dataplane/wire/packet.h"

namespace dwcp {

void ReleaseSession::operator()(CryptoSession* session) const noexcept { device->release(session); }

void CpuCryptoKey::process(std::span<AeadPacket> packets, CryptoSession& session) noexcept {
  while (!packets.empty()) {
    const std::size_t piece = std::min(packets.size(), kPieceMax);
    process_piece(packets.first(piece), session);
    packets = packets.subspan(piece);
  }
}

void CpuCryptoKey::process_piece(std::span<AeadPacket> packets, CryptoSession& session) noexcept {
  constexpr std::uint32_t kHeaderBytes = sizeof(wire::PacketHeader);
  std::array<rte_crypto_vec, kPieceMax> contents;
  std::array<rte_crypto_sgl, kPieceMax> lists;
  std::array<rte_crypto_va_iova_ptr, kPieceMax> headers, nonces, tags;
  std::array<std::int32_t, kPieceMax> status;
  std::array<AeadPacket*, kPieceMax> packet_of;
  std::uint32_t count = 0;
  for (AeadPacket& packet : packets) {
    packet.good = false;
    if (packet.bytes < kHeaderBytes) continue;
    const std::uint32_t bytes = packet.bytes - kHeaderBytes;
    contents[count] = {.base = packet.data + kHeaderBytes, .iova = RTE_BAD_IOVA, .len = bytes, .tot_len = bytes};
    lists[count] = {.vec = &contents[count], .num = 1};
    headers[count] = {.va = packet.data, .iova = RTE_BAD_IOVA};
    nonces[count] = {.va = packet.nonce.data(), .iova = RTE_BAD_IOVA};
    tags[count] = {.va = packet.data + packet.bytes, .iova = RTE_BAD_IOVA};
    status[count] = EINVAL;  // a driver that cannot begin (crypto_aesni_gcm without memory) sets none
    packet_of[count++] = &packet;
  }
  if (count == 0) return;
  rte_crypto_sym_vec burst{};
  burst.num = count;
  burst.src_sgl = lists.data();
  burst.iv = nonces.data();
  burst.digest = tags.data();
  burst.aad = headers.data();
  burst.status = status.data();
  (void)rte_cryptodev_sym_cpu_crypto_process(device_, session.handle, {.raw = 0}, &burst);
  for (std::uint32_t i = 0; i < count; ++i) packet_of[i]->good = status[i] == 0;
}

void QueueCryptoKey::seal(std::span<AeadPacket> packets) noexcept { queue_.process(packets, *seal_, true); }

void QueueCryptoKey::open(std::span<AeadPacket> packets) noexcept { queue_.process(packets, *open_, false); }

}  // namespace dwcp
