// SPDX-License-Identifier: Apache-2.0
#include "evp.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>

#include <algorithm>
#include <memory>

namespace dwcp::evp {
namespace {

constexpr std::size_t kHeaderBytes = sizeof(wire::PacketHeader);

const EVP_CIPHER* cipher_of(Cipher cipher) {
  switch (cipher) {
    case Cipher::kAes128Gcm: return EVP_aes_128_gcm();
    case Cipher::kAes256Gcm: return EVP_aes_256_gcm();
    case Cipher::kChaCha20Poly1305: return EVP_chacha20_poly1305();
  }
  return nullptr;
}

struct Free {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};
using Context = std::unique_ptr<EVP_CIPHER_CTX, Free>;

// Header and contents run through; the end, with the tag, is the caller's.
Bytes run(EVP_CIPHER_CTX* context, Cipher cipher, std::span<const std::uint8_t> key, std::span<const std::uint8_t> nonce,
          std::span<const std::uint8_t> header, std::span<const std::uint8_t> in, int encrypt) {
  Bytes out(in.size() + 16);
  int length = 0;
  EXPECT_EQ(EVP_CipherInit_ex(context, cipher_of(cipher), nullptr, nullptr, nullptr, encrypt), 1);
  EXPECT_EQ(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_IVLEN, static_cast<int>(nonce.size()), nullptr), 1);
  EXPECT_EQ(EVP_CipherInit_ex(context, nullptr, nullptr, key.data(), nonce.data(), encrypt), 1);
  EXPECT_EQ(EVP_CipherUpdate(context, nullptr, &length, header.data(), static_cast<int>(header.size())), 1);
  if (!in.empty()) {
    EXPECT_EQ(EVP_CipherUpdate(context, out.data(), &length, in.data(), static_cast<int>(in.size())), 1);
  }
  out.resize(in.size());
  return out;
}

}  // namespace

Bytes seal(Cipher cipher, std::span<const std::uint8_t> key, std::span<const std::uint8_t> nonce,
           std::span<const std::uint8_t> header, std::span<const std::uint8_t> contents) {
  const Context context(EVP_CIPHER_CTX_new());
  Bytes out = run(context.get(), cipher, key, nonce, header, contents, 1);
  std::array<std::uint8_t, 32> rest;
  int length = 0;
  EXPECT_EQ(EVP_CipherFinal_ex(context.get(), rest.data(), &length), 1);
  EXPECT_EQ(length, 0);
  std::array<std::uint8_t, kTagBytes> tag;
  EXPECT_EQ(EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_GET_TAG, kTagBytes, tag.data()), 1);
  out.insert(out.end(), tag.begin(), tag.end());
  return out;
}

std::optional<Bytes> open(Cipher cipher, std::span<const std::uint8_t> key, std::span<const std::uint8_t> nonce,
                          std::span<const std::uint8_t> header, std::span<const std::uint8_t> sealed) {
  const Context context(EVP_CIPHER_CTX_new());
  Bytes tag(sealed.end() - kTagBytes, sealed.end());
  Bytes out = run(context.get(), cipher, key, nonce, header, sealed.first(sealed.size() - kTagBytes), 0);
  EXPECT_EQ(EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_SET_TAG, kTagBytes, tag.data()), 1);
  std::array<std::uint8_t, 32> rest;
  int length = 0;
  if (EVP_CipherFinal_ex(context.get(), rest.data(), &length) != 1) return std::nullopt;
  return out;
}

Bytes random_bytes(Rng& rng, std::size_t count) {
  Bytes bytes(count);
  for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(rng.next() >> 32);
  return bytes;
}

Burst::Burst(Rng& rng, std::span<const std::size_t> contents) {
  for (const std::size_t bytes : contents) {
    before.push_back(random_bytes(rng, kHeaderBytes + bytes));
    memory.push_back(before.back());
    memory.back().resize(kHeaderBytes + bytes + kTagBytes, 0);
    memory.back().resize(memory.back().size() + kGuardBytes, kGuard);
    AeadPacket packet;
    const Bytes nonce = random_bytes(rng, kNonceBytes);
    std::copy(nonce.begin(), nonce.end(), packet.nonce.begin());
    packets.push_back(packet);
  }
  refresh();
}

void Burst::refresh() {
  for (std::size_t i = 0; i < packets.size(); ++i) {
    packets[i].data = memory[i].data();
    packets[i].bytes = static_cast<std::uint32_t>(before[i].size());
    packets[i].good = false;
  }
}

std::span<const std::uint8_t> Burst::header(std::size_t i) const { return std::span(memory[i]).first(kHeaderBytes); }

std::span<const std::uint8_t> Burst::contents(std::size_t i) const {
  return std::span(memory[i]).subspan(kHeaderBytes, before[i].size() - kHeaderBytes);
}

std::span<const std::uint8_t> Burst::sealed(std::size_t i) const {
  return std::span(memory[i]).subspan(kHeaderBytes, before[i].size() - kHeaderBytes + kTagBytes);
}

bool Burst::all_good() const {
  return std::all_of(packets.begin(), packets.end(), [](const AeadPacket& packet) { return packet.good; });
}

}  // namespace dwcp::evp
