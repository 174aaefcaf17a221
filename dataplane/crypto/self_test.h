// SPDX-License-Identifier: Apache-2.0
// A known answer per cipher, and the test whether a key gives it.  A device is used for a cipher only after it has passed;
// run on an lcore, it also makes the PMDs' memory of that thread (CryptodevProvider::prepare_lcore).
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "dataplane/crypto/aead.h"

namespace dwcp {

struct KnownAnswer {
  static constexpr std::size_t kPacketBytes = 10 + 53;  // header, and contents that end in the middle of a block

  std::span<const std::uint8_t> key;
  Nonce nonce;
  std::array<std::uint8_t, kPacketBytes> packet;
  std::array<std::uint8_t, kTagBytes> tag;
};

[[nodiscard]] const KnownAnswer& known_answer(Cipher cipher) noexcept;

// Seals, compares the tag, opens, and must refuse the packet with a bit flipped.  `key` was made of known_answer(cipher).key.
[[nodiscard]] bool self_test(AeadKey& key, Cipher cipher) noexcept;

}  // namespace dwcp
