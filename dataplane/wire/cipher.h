// SPDX-License-Identifier: Apache-2.0
// The AEAD ciphers data packets are sealed with.  The values are bit numbers in HandshakeParams::ciphers.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace dwcp {

enum class Cipher : std::uint8_t {
  kAes128Gcm,         // RFC 5116, AEAD_AES_128_GCM
  kAes256Gcm,         // RFC 5116, AEAD_AES_256_GCM
  kChaCha20Poly1305,  // RFC 8439
};

inline constexpr std::size_t kCiphers = 3;
inline constexpr std::array<std::string_view, kCiphers> kCipherNames = {"aes-128-gcm", "aes-256-gcm", "chacha20-poly1305"};

[[nodiscard]] constexpr std::string_view cipher_name(Cipher cipher) noexcept { return kCipherNames[static_cast<std::size_t>(cipher)]; }
[[nodiscard]] constexpr std::size_t cipher_key_bytes(Cipher cipher) noexcept { return cipher == Cipher::kAes128Gcm ? 16 : 32; }
[[nodiscard]] constexpr std::uint8_t cipher_bit(Cipher cipher) noexcept { return static_cast<std::uint8_t>(1U << static_cast<unsigned>(cipher)); }

}  // namespace dwcp
