// SPDX-License-Identifier: Apache-2.0
// The ciphers by OpenSSL's EVP, as an implementation that shares nothing with the devices under test, and packets to try
// them with.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/rng.h"
#include "dataplane/crypto/aead.h"

namespace dwcp::evp {

using Bytes = std::vector<std::uint8_t>;

// Contents sealed, and the tag behind them.
[[nodiscard]] Bytes seal(Cipher cipher, std::span<const std::uint8_t> key, std::span<const std::uint8_t> nonce,
                         std::span<const std::uint8_t> header, std::span<const std::uint8_t> contents);
// Nothing when the tag is wrong.
[[nodiscard]] std::optional<Bytes> open(Cipher cipher, std::span<const std::uint8_t> key, std::span<const std::uint8_t> nonce,
                                        std::span<const std::uint8_t> header, std::span<const std::uint8_t> sealed);

[[nodiscard]] Bytes random_bytes(Rng& rng, std::size_t count);

// Packets of these many bytes of contents, random, in heap memory.  AeadPackets point into it.
struct Burst {
  Burst(Rng& rng, std::span<const std::size_t> contents);
  [[nodiscard]] std::span<const std::uint8_t> header(std::size_t i) const;
  [[nodiscard]] std::span<const std::uint8_t> contents(std::size_t i) const;  // as it is now
  [[nodiscard]] std::span<const std::uint8_t> sealed(std::size_t i) const;    // with the tag
  [[nodiscard]] bool all_good() const;
  void refresh();  // AeadPackets anew over `memory`

  std::vector<Bytes> memory;  // header, contents, room for the tag, guard
  std::vector<Bytes> before;  // header and contents as made
  std::vector<AeadPacket> packets;
};
inline constexpr std::size_t kGuardBytes = 16;
inline constexpr std::uint8_t kGuard = 0x5a;

}  // namespace dwcp::evp
