// SPDX-License-Identifier: Apache-2.0
#include "dataplane/crypto/lab_null/unencrypted_lab_aead.h"

#include <isa-l/crc.h>

#include <cstring>

#include "base/byte_order.h"

namespace dwcp {
namespace {

// The CRC's 4 bytes, then zeros, which are checked too: a bit flipped there is damage as well.
struct CrcTag {
  be32 crc;
  std::uint8_t zero[kTagBytes - 4];
};
static_assert(sizeof(CrcTag) == kTagBytes);

CrcTag tag_of(const AeadPacket& packet) noexcept {
  CrcTag tag{};
  tag.crc = ~crc32_iscsi(packet.data, static_cast<int>(packet.bytes), 0xffffffffU);
  return tag;
}

bool whole(const AeadPacket& packet) noexcept { return packet.bytes >= sizeof(wire::PacketHeader); }

}  // namespace

void UnencryptedLabKey::seal(std::span<AeadPacket> packets) noexcept {
  for (AeadPacket& packet : packets) {
    packet.good = whole(packet);
    if (!packet.good) continue;
    const CrcTag tag = tag_of(packet);
    std::memcpy(packet.data + packet.bytes, &tag, kTagBytes);
  }
}

void UnencryptedLabKey::open(std::span<AeadPacket> packets) noexcept {
  for (AeadPacket& packet : packets) {
    packet.good = whole(packet);
    if (!packet.good) continue;
    const CrcTag tag = tag_of(packet);
    packet.good = std::memcmp(packet.data + packet.bytes, &tag, kTagBytes) == 0;
  }
}

bool UnencryptedLabProvider::supports(Cipher) const noexcept { return true; }

std::string UnencryptedLabProvider::device(Cipher) const { return "UNENCRYPTED-LAB-ONLY"; }

expected<std::unique_ptr<AeadKey>, std::string> UnencryptedLabProvider::make_key(Cipher cipher,
                                                                                 std::span<const std::uint8_t> key) {
  if (key.size() != cipher_key_bytes(cipher)) {
    return unexpected<std::string>("a key of " + std::to_string(key.size()) + " bytes for " + std::string(cipher_name(cipher)));
  }
  return std::make_unique<UnencryptedLabKey>();
}

}  // namespace dwcp
