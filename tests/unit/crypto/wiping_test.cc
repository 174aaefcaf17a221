// SPDX-License-Identifier: Apache-2.0
// A destroyed key is gone: from the pool its sessions lived in, and from all writable memory of the process.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <rte_cryptodev.h>
#include <rte_mempool.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <sstream>
#include <unordered_set>

#include "dataplane/crypto/cryptodev_provider.h"
#include "eal.h"
#include "evp.h"
#include "sanitized.h"

namespace dwcp {
namespace {

using evp::Bytes;

#ifdef DWCP_SANITIZED
constexpr bool kScanProcess = false;  // the sanitizer's shadow is terabytes
#else
constexpr bool kScanProcess = true;
#endif

constexpr std::uint8_t kMask = 0xa5;  // what the test remembers it remembers masked, so as not to find itself
constexpr std::size_t kSessionHeaderBytes = 64;  // rte_cryptodev_sym_session's own fields; the PMD's data follow

Bytes masked(std::span<const std::uint8_t> bytes) {
  Bytes result(bytes.begin(), bytes.end());
  for (std::uint8_t& byte : result) byte ^= kMask;
  return result;
}

// Where masked_key, unmasked, stands in `bytes`.
std::size_t count_in(std::span<const std::uint8_t> bytes, const Bytes& masked_key) {
  std::size_t found = 0;
  for (std::size_t at = 0; at + masked_key.size() <= bytes.size(); ++at) {
    std::size_t same = 0;
    while (same < masked_key.size() && (bytes[at + same] ^ kMask) == masked_key[same]) ++same;
    found += same == masked_key.size() ? 1 : 0;
  }
  return found;
}

std::vector<std::span<const std::uint8_t>> pool_objects(std::uint8_t device) {
  std::vector<std::span<const std::uint8_t>> objects;
  rte_mempool* const pool = rte_mempool_lookup(("dwcp_crypto_sess_" + std::to_string(device)).c_str());
  EXPECT_NE(pool, nullptr);
  if (pool == nullptr) return objects;
  rte_mempool_obj_iter(pool,
                       [](rte_mempool* from, void* out, void* object, unsigned) {
                         static_cast<std::vector<std::span<const std::uint8_t>>*>(out)->emplace_back(
                             static_cast<const std::uint8_t*>(object), from->elt_size);
                       },
                       &objects);
  return objects;
}

std::size_t count_in_pool(std::uint8_t device, const Bytes& masked_key) {
  std::size_t found = 0;
  for (const auto object : pool_objects(device)) found += count_in(object, masked_key);
  return found;
}

// Blocks of the sessions' data that look like key material (round keys, powers of the hash key), masked.  None begins with
// zeros, which most of memory is.
std::unordered_set<std::string> secret_blocks(std::uint8_t device) {
  std::unordered_set<std::string> blocks;
  for (const auto object : pool_objects(device)) {
    for (std::size_t at = kSessionHeaderBytes; at + 16 <= object.size(); at += 4) {
      const auto block = object.subspan(at, 16);
      if (block[0] == 0 || block[1] == 0 || std::unordered_set<std::uint8_t>(block.begin(), block.end()).size() < 13) continue;
      const Bytes hidden = masked(block);
      blocks.emplace(hidden.begin(), hidden.end());
    }
  }
  return blocks;
}

// How many of the blocks stand somewhere in the process's writable memory.
std::size_t blocks_in_process(const std::unordered_set<std::string>& blocks) {
  std::size_t found = 0;
  std::ifstream maps("/proc/self/maps");
  const int memory = ::open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
  EXPECT_GE(memory, 0);
  static Bytes piece(1U << 20);
  std::vector<bool> begins(1U << 16);  // with which two bytes, unmasked, a block begins: most of memory is passed over by this
  for (const std::string& block : blocks) {
    begins[static_cast<std::uint8_t>(block[0] ^ kMask) | static_cast<std::uint8_t>(block[1] ^ kMask) << 8] = true;
  }
  for (std::string line; std::getline(maps, line);) {
    std::uintptr_t begin = 0, end = 0;
    char dash = 0;
    std::string rights;
    std::istringstream(line) >> std::hex >> begin >> dash >> end >> rights;
    if (rights.size() < 2 || rights[1] != 'w') continue;
    for (std::uintptr_t at = begin; at < end; at += piece.size()) {
      const auto got = ::pread(memory, piece.data(), std::min<std::size_t>(piece.size(), end - at), static_cast<off_t>(at));
      if (got <= 0) break;
      if (at <= reinterpret_cast<std::uintptr_t>(piece.data()) && reinterpret_cast<std::uintptr_t>(piece.data()) < at + piece.size()) continue;
      std::string block(16, '\0');
      for (std::size_t i = 0; i + 16 <= static_cast<std::size_t>(got); i += 4) {
        if (!begins[piece[i] | piece[i + 1] << 8]) continue;
        for (std::size_t j = 0; j < 16; ++j) block[j] = static_cast<char>(piece[i + j] ^ kMask);
        found += blocks.contains(block) ? 1 : 0;
      }
    }
  }
  ::close(memory);
  explicit_bzero(piece.data(), piece.size());
  return found;
}

class crypto_wiping : public testing::TestWithParam<Way> {};
INSTANTIATE_TEST_SUITE_P(crypto, crypto_wiping, testing::ValuesIn(kWays), way_name);

TEST_P(crypto_wiping, leaves_nothing_of_a_key) {
  const Cipher cipher = GetParam().cipher;
  CryptodevProvider provider(config_of(GetParam()));
  std::array<std::uint8_t, 1> ids{};
  ASSERT_EQ(rte_cryptodev_devices_get(GetParam().driver.c_str(), ids.data(), 1), 1);
  Rng rng(0x5eed + static_cast<unsigned>(GetParam().queue));
  const Bytes hidden = evp::random_bytes(rng, cipher_key_bytes(cipher));  // the key is never in the test's memory but here:
  std::array<std::uint8_t, kCipherKeyBytesMax> secret{};
  for (std::size_t i = 0; i < hidden.size(); ++i) secret[i] = hidden[i] ^ kMask;
  auto key = provider.make_key(cipher, std::span(secret).first(hidden.size()));
  ASSERT_TRUE(key) << key.error();
  explicit_bzero(secret.data(), secret.size());
  const std::vector<std::size_t> sizes = {100, 1456};
  evp::Burst burst(rng, sizes);
  (*key)->seal(burst.packets);
  (*key)->open(burst.packets);
  EXPECT_TRUE(burst.all_good());

  EXPECT_EQ(count_in_pool(ids[0], hidden), 2U);  // a session for each direction
  const auto blocks = secret_blocks(ids[0]);
  EXPECT_GT(blocks.size(), cipher == Cipher::kChaCha20Poly1305 || GetParam().driver == "crypto_openssl" ? 0U : 10U);
  if (kScanProcess) {
    EXPECT_GE(blocks_in_process(blocks), blocks.size());
  }
  key->reset();
  EXPECT_EQ(count_in_pool(ids[0], hidden), 0U);
  for (const auto object : pool_objects(ids[0])) {
    EXPECT_TRUE(std::all_of(object.begin() + kSessionHeaderBytes, object.end(), [](std::uint8_t byte) { return byte == 0; }));
  }
  if (kScanProcess) {
    EXPECT_EQ(blocks_in_process(blocks), 0U);
  }
}

}  // namespace
}  // namespace dwcp
