// SPDX-License-Identifier: Apache-2.0
// The secrets of one epoch of a session, on their way from the handshake to the AEAD.  Wiped when destroyed; never printed.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>

#include "dataplane/crypto/aead.h"

namespace dwcp {

struct EpochSecrets {
  std::uint32_t epoch = 0;
  Cipher cipher = Cipher::kAes128Gcm;
  // The responder: the initiator had these keys before it sent the last of the handshake, so they can be used at once.  The
  // initiator waits for the first packet under them.
  bool send_at_once = false;
  std::array<std::uint8_t, kCipherKeyBytesMax> tx_key{};
  std::array<std::uint8_t, kCipherKeyBytesMax> rx_key{};
  Nonce tx_iv{};
  Nonce rx_iv{};

  EpochSecrets() = default;
  EpochSecrets(const EpochSecrets&) = delete;
  EpochSecrets& operator=(const EpochSecrets&) = delete;
  ~EpochSecrets() {
    explicit_bzero(tx_key.data(), tx_key.size());
    explicit_bzero(rx_key.data(), rx_key.size());
    explicit_bzero(tx_iv.data(), tx_iv.size());
    explicit_bzero(rx_iv.data(), rx_iv.size());
  }
};

}  // namespace dwcp
