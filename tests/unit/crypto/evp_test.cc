// SPDX-License-Identifier: Apache-2.0
// The reference is what the standards say.
#include "evp.h"

#include <gtest/gtest.h>

#include <string>

#include "dataplane/crypto/self_test.h"

namespace dwcp {
namespace {

using evp::Bytes;

Bytes hex(const std::string& digits) {
  Bytes bytes;
  for (std::size_t i = 0; i < digits.size(); i += 2) {
    bytes.push_back(static_cast<std::uint8_t>(std::stoi(digits.substr(i, 2), nullptr, 16)));
  }
  return bytes;
}

void check(Cipher cipher, const Bytes& key, const Bytes& nonce, const Bytes& header, const Bytes& contents, const Bytes& sealed) {
  EXPECT_EQ(evp::seal(cipher, key, nonce, header, contents), sealed);
  EXPECT_EQ(evp::open(cipher, key, nonce, header, sealed), contents);
  Bytes forged = sealed;
  forged.back() ^= 1;
  EXPECT_FALSE(evp::open(cipher, key, nonce, header, forged));
}

// McGrew and Viega, The Galois/Counter Mode of Operation (GCM), appendix B, test cases 4 and 16.
TEST(evp, gives_the_published_answers_of_gcm) {
  const Bytes key = hex("feffe9928665731c6d6a8f9467308308");
  Bytes key256 = key;
  key256.insert(key256.end(), key.begin(), key.end());
  const Bytes nonce = hex("cafebabefacedbaddecaf888");
  const Bytes header = hex("feedfacedeadbeeffeedfacedeadbeefabaddad2");
  const Bytes contents =
      hex("d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
          "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39");
  check(Cipher::kAes128Gcm, key, nonce, header, contents,
        hex("42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e"
            "21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e0915bc94fbc3221a5db94fae95ae7121a47"));
  check(Cipher::kAes256Gcm, key256, nonce, header, contents,
        hex("522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
            "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f66276fc6ece0f4e1768cddf8853bb2d551b"));
}

// RFC 8439 section 2.8.2.
TEST(evp, gives_the_published_answer_of_chacha20_poly1305) {
  const std::string text =
      "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.";
  check(Cipher::kChaCha20Poly1305, hex("808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f"),
        hex("070000004041424344454647"), hex("50515253c0c1c2c3c4c5c6c7"), Bytes(text.begin(), text.end()),
        hex("d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d6"
            "3dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b36"
            "92ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc"
            "3ff4def08e4b7a9de576d26586cec64b61161ae10b594f09e26a7e902ecbd0600691"));
}

// A key by EVP, with one thing wrong.
enum class Fault { kNone, kWritesNoTag, kAuthenticatesNothing, kDecryptsNothing, kSaysNothingIsGood };
class EvpKey final : public AeadKey {
 public:
  EvpKey(Cipher cipher, Fault fault) : cipher_(cipher), fault_(fault) {}
  void seal(std::span<AeadPacket> packets) noexcept override {
    for (AeadPacket& packet : packets) {
      Bytes sealed = evp::seal(cipher_, secret(), packet.nonce, {packet.data, 10}, {packet.data + 10, packet.bytes - 10});
      if (fault_ == Fault::kWritesNoTag) sealed.resize(packet.bytes - 10);
      std::copy(sealed.begin(), sealed.end(), packet.data + 10);
      packet.good = fault_ != Fault::kSaysNothingIsGood;
    }
  }
  void open(std::span<AeadPacket> packets) noexcept override {
    for (AeadPacket& packet : packets) {
      const auto opened = evp::open(cipher_, secret(), packet.nonce, {packet.data, 10}, {packet.data + 10, packet.bytes - 10 + kTagBytes});
      packet.good = opened.has_value() || fault_ == Fault::kAuthenticatesNothing;
      if (opened && fault_ != Fault::kDecryptsNothing) std::copy(opened->begin(), opened->end(), packet.data + 10);
    }
  }

 private:
  [[nodiscard]] std::span<const std::uint8_t> secret() const { return known_answer(cipher_).key; }
  Cipher cipher_;
  Fault fault_;
};

TEST(self_test, passes_what_is_right_and_nothing_else) {
  for (const Cipher cipher : {Cipher::kAes128Gcm, Cipher::kAes256Gcm, Cipher::kChaCha20Poly1305}) {
    for (const Fault fault : {Fault::kNone, Fault::kWritesNoTag, Fault::kAuthenticatesNothing, Fault::kDecryptsNothing, Fault::kSaysNothingIsGood}) {
      EvpKey key(cipher, fault);
      EXPECT_EQ(self_test(key, cipher), fault == Fault::kNone) << cipher_name(cipher) << ' ' << static_cast<int>(fault);
    }
  }
}

TEST(evp, agrees_with_the_self_test) {
  for (const Cipher cipher : {Cipher::kAes128Gcm, Cipher::kAes256Gcm, Cipher::kChaCha20Poly1305}) {
    const KnownAnswer& answer = known_answer(cipher);
    ASSERT_EQ(answer.key.size(), cipher_key_bytes(cipher));
    const auto packet = std::span(answer.packet);
    const Bytes sealed = evp::seal(cipher, answer.key, answer.nonce, packet.first(10), packet.subspan(10));
    EXPECT_TRUE(std::equal(answer.tag.begin(), answer.tag.end(), sealed.end() - kTagBytes)) << cipher_name(cipher);
  }
}

}  // namespace
}  // namespace dwcp
