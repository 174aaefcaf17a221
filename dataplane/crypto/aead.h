// SPDX-License-Identifier: Apache-2.0
// The seam to authenticated encryption: a key of one direction and epoch, used in bursts.  Behind it is rte_cryptodev
// (cryptodev_provider.h); tests of what lies above it use a fake.
//
// Keys are made and destroyed by the control thread, and used by one net lcore in between.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "base/expected.h"
#include "dataplane/wire/cipher.h"
#include "dataplane/wire/packet.h"

namespace dwcp {

inline constexpr std::size_t kNonceBytes = 12;
inline constexpr std::size_t kTagBytes = wire::kSealBytes;
inline constexpr std::size_t kCipherKeyBytesMax = 32;
using Nonce = std::array<std::uint8_t, kNonceBytes>;

// A packet to seal or open in place: PacketHeader, which is authenticated only, then what is encrypted, then the tag.
struct AeadPacket {
  std::uint8_t* data = nullptr;
  std::uint32_t bytes = 0;  // header and contents, without the tag
  bool good = false;        // out: sealed; or authentic, and open
  Nonce nonce{};
};

class AeadKey {
 public:
  virtual ~AeadKey() = default;
  // Both set AeadPacket::good of each.  What is not good must not be sent, or must be dropped: its contents are undefined.
  virtual void seal(std::span<AeadPacket> packets) noexcept = 0;
  virtual void open(std::span<AeadPacket> packets) noexcept = 0;
};

// What makes keys.  The control thread's.
class AeadProvider {
 public:
  virtual ~AeadProvider() = default;
  [[nodiscard]] virtual bool supports(Cipher cipher) const noexcept = 0;
  // What does the work, for log and telemetry: "crypto_aesni_gcm".  Empty when the cipher is not supported.
  [[nodiscard]] virtual std::string device(Cipher cipher) const = 0;
  // `key`: cipher_key_bytes(cipher) bytes, which the caller wipes.
  [[nodiscard]] virtual expected<std::unique_ptr<AeadKey>, std::string> make_key(Cipher cipher, std::span<const std::uint8_t> key) = 0;
};

}  // namespace dwcp
