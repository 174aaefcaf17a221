// SPDX-License-Identifier: Apache-2.0
// The keys behind AeadKey that a CryptoDevice makes: one for devices with DPDK's synchronous CPU crypto API, which works on
// the packets where they are, and one for those with a queue only.  Either holds two sessions, since a session of a crypto
// device works in one direction.  Use on one net lcore; destruction, which wipes the key, on the control thread.
#pragma once

#include <cstdint>
#include <memory>

#include "dataplane/crypto/aead.h"
#include "dataplane/crypto/crypto_session.h"

namespace dwcp {

class CryptoDevice;
class CryptoQueue;

struct ReleaseSession {
  CryptoDevice* device = nullptr;
  void operator()(CryptoSession* session) const noexcept;
};
using SessionPtr = std::unique_ptr<CryptoSession, ReleaseSession>;

class CpuCryptoKey final : public AeadKey {
 public:
  static constexpr std::size_t kPieceMax = 32;

  CpuCryptoKey(std::uint8_t device, SessionPtr seal, SessionPtr open) noexcept
      : device_(device), seal_(std::move(seal)), open_(std::move(open)) {}
  void seal(std::span<AeadPacket> packets) noexcept override { process(packets, *seal_); }
  void open(std::span<AeadPacket> packets) noexcept override { process(packets, *open_); }

 private:
  void process(std::span<AeadPacket> packets, CryptoSession& session) noexcept;
  void process_piece(std::span<AeadPacket> packets, CryptoSession& session) noexcept;

  std::uint8_t device_;
  SessionPtr seal_;
  SessionPtr open_;
};

class QueueCryptoKey final : public AeadKey {
 public:
  QueueCryptoKey(CryptoQueue& queue, SessionPtr seal, SessionPtr open) noexcept
      : queue_(queue), seal_(std::move(seal)), open_(std::move(open)) {}
  void seal(std::span<AeadPacket> packets) noexcept override;
  void open(std::span<AeadPacket> packets) noexcept override;

 private:
  CryptoQueue& queue_;
  SessionPtr seal_;
  SessionPtr open_;
};

}  // namespace dwcp
