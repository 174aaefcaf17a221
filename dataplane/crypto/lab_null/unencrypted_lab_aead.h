// SPDX-License-Identifier: Apache-2.0
// FOR THE LAB ONLY: no encryption and no authentication.  Keys that leave contents readable and write a CRC-32C
// (Castagnoli, RFC 3720 appendix B.4) over header and contents where the tag would be: it finds damage, and anyone can make
// one.  For measuring what encryption costs, and for simulations of the transport in which damage must be found but time is
// better spent elsewhere.  dwcp-gateway does not link it (tests/layering/no_lab_null.py).
//
// Key and nonce are not used, so that whoever holds this holds no secret.  Any thread.
#pragma once

#include "dataplane/crypto/aead.h"

namespace dwcp {

class UnencryptedLabKey final : public AeadKey {
 public:
  void seal(std::span<AeadPacket> packets) noexcept override;
  void open(std::span<AeadPacket> packets) noexcept override;
};

class UnencryptedLabProvider final : public AeadProvider {
 public:
  [[nodiscard]] bool supports(Cipher cipher) const noexcept override;
  [[nodiscard]] std::string device(Cipher cipher) const override;
  [[nodiscard]] expected<std::unique_ptr<AeadKey>, std::string> make_key(Cipher cipher,
                                                                         std::span<const std::uint8_t> key) override;
};

}  // namespace dwcp
