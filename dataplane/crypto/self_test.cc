// SPDX-License-Identifier: Apache-2.0
#include "dataplane/crypto/self_test.h"

#include <algorithm>

#include "dataplane/wire/packet.h"

namespace dwcp {
namespace {

template <std::size_t kCount>
constexpr std::array<std::uint8_t, kCount> counting(unsigned first, unsigned step) {
  std::array<std::uint8_t, kCount> bytes{};
  for (std::size_t i = 0; i < kCount; ++i) bytes[i] = static_cast<std::uint8_t>(first + step * i);
  return bytes;
}

constexpr auto kKey = counting<kCipherKeyBytesMax>(0x40, 1);
constexpr Nonce kNonce = counting<kNonceBytes>(0xa0, 1);
constexpr auto kPacket = counting<KnownAnswer::kPacketBytes>(1, 7);
constexpr std::size_t kHeaderBytes = sizeof(wire::PacketHeader);
static_assert(KnownAnswer::kPacketBytes == kHeaderBytes + 53);

// By OpenSSL's EVP; tests/unit/crypto computes them anew.
const std::array<KnownAnswer, kCiphers> kAnswers = {{
    {std::span(kKey).first(16), kNonce, kPacket,
     {0x8a, 0x0b, 0xde, 0x1c, 0x00, 0x95, 0x88, 0xb7, 0x82, 0xaf, 0xb4, 0x05, 0xaf, 0xdd, 0xce, 0x91}},
    {kKey, kNonce, kPacket, {0x5e, 0x69, 0x63, 0xcb, 0x54, 0x9a, 0xaf, 0x35, 0xd9, 0xfb, 0xf3, 0xde, 0x63, 0xd4, 0x42, 0xb4}},
    {kKey, kNonce, kPacket, {0xe4, 0x80, 0xc1, 0xd0, 0x35, 0xfc, 0xeb, 0x7e, 0x3a, 0x7e, 0x71, 0xf2, 0xdf, 0x9b, 0x3b, 0x73}},
}};

}  // namespace

const KnownAnswer& known_answer(Cipher cipher) noexcept { return kAnswers[static_cast<std::size_t>(cipher)]; }

bool self_test(AeadKey& key, Cipher cipher) noexcept {
  const KnownAnswer& answer = known_answer(cipher);
  std::array<std::uint8_t, KnownAnswer::kPacketBytes + kTagBytes> buffer{};
  std::copy(answer.packet.begin(), answer.packet.end(), buffer.begin());
  AeadPacket packet{.data = buffer.data(), .bytes = KnownAnswer::kPacketBytes, .nonce = answer.nonce};
  key.seal({&packet, 1});
  const bool sealed = packet.good && std::equal(answer.tag.begin(), answer.tag.end(), buffer.end() - kTagBytes) &&
                      !std::equal(answer.packet.begin() + kHeaderBytes, answer.packet.end(), buffer.begin() + kHeaderBytes);
  if (!sealed) return false;
  auto forged = buffer;
  key.open({&packet, 1});
  if (!packet.good || !std::equal(answer.packet.begin(), answer.packet.end(), buffer.begin())) return false;
  forged[kHeaderBytes] ^= 1;
  packet.data = forged.data();
  key.open({&packet, 1});
  return !packet.good;
}

}  // namespace dwcp
