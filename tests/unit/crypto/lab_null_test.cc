// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <vector>

#include "dataplane/crypto/lab_null/unencrypted_lab_aead.h"

namespace dwcp {
namespace {

using Bytes = std::vector<std::uint8_t>;

TEST(lab_null, seals_with_crc32c_and_hides_nothing) {
  UnencryptedLabProvider provider;
  const auto key = provider.make_key(Cipher::kAes128Gcm, std::array<std::uint8_t, 16>{});
  ASSERT_TRUE(key);
  Bytes memory(32 + kTagBytes, 0);
  std::fill(memory.begin() + 32, memory.end(), 0xee);
  AeadPacket packet{.data = memory.data(), .bytes = 32};
  (*key)->seal({&packet, 1});
  EXPECT_TRUE(packet.good);
  // RFC 3720 appendix B.4: 32 bytes of zeros.  The seal is big-endian.
  Bytes expected(32 + kTagBytes, 0);
  const std::array<std::uint8_t, 4> crc = {0x8a, 0x91, 0x36, 0xaa};
  std::copy(crc.begin(), crc.end(), expected.begin() + 32);
  EXPECT_EQ(memory, expected);
  (*key)->open({&packet, 1});
  EXPECT_TRUE(packet.good);
}

TEST(lab_null, finds_every_flipped_bit) {
  UnencryptedLabKey key;
  Bytes memory(100 + kTagBytes);
  for (std::size_t i = 0; i < 100; ++i) memory[i] = static_cast<std::uint8_t>(i * 3);
  AeadPacket packet{.data = memory.data(), .bytes = 100};
  key.seal({&packet, 1});
  for (std::size_t bit = 0; bit < memory.size() * 8; ++bit) {
    std::array<Bytes, 3> copies = {memory, memory, memory};
    copies[1][bit / 8] ^= static_cast<std::uint8_t>(1U << (bit % 8));
    std::array<AeadPacket, 3> burst;
    for (std::size_t i = 0; i < 3; ++i) burst[i] = {.data = copies[i].data(), .bytes = 100};
    key.open(burst);
    EXPECT_TRUE(burst[0].good && !burst[1].good && burst[2].good) << bit;
  }
}

TEST(lab_null, refuses_what_is_no_packet_and_keys_of_the_wrong_length) {
  UnencryptedLabProvider provider;
  Bytes memory(64);
  AeadPacket packet{.data = memory.data(), .bytes = sizeof(wire::PacketHeader) - 1, .good = true};
  UnencryptedLabKey().seal({&packet, 1});
  EXPECT_FALSE(packet.good);
  packet.good = true;
  UnencryptedLabKey().open({&packet, 1});
  EXPECT_FALSE(packet.good);
  EXPECT_EQ(memory, Bytes(64));
  EXPECT_FALSE(provider.make_key(Cipher::kAes256Gcm, std::array<std::uint8_t, 16>{}));
  EXPECT_EQ(provider.device(Cipher::kAes256Gcm), "UNENCRYPTED-LAB-ONLY");
}

}  // namespace
}  // namespace dwcp
