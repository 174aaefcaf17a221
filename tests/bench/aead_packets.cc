// SPDX-License-Identifier: Apache-2.0
// aead_packets
// What sealing and opening cost on one core, by cipher and crypto device: TSC cycles a packet, median over many bursts of
// 32, and the rate that comes to.  Packets are in ordinary memory, more of them than a burst, as a port's are.
#include <rte_cycles.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <string>
#include <vector>

#include "base/rng.h"
#include "dataplane/crypto/cryptodev_provider.h"
#include "dataplane/crypto/lab_null/unencrypted_lab_aead.h"
#include "drivers/dpdk/eal.h"

namespace {

using namespace dwcp;

constexpr std::size_t kBurst = 32;
constexpr std::size_t kBursts = 16;  // that take turns: 512 packets
constexpr int kRounds = 100;

class Packets {
 public:
  explicit Packets(std::uint32_t bytes) : memory_(kBurst * kBursts * kStride), packets_(kBurst * kBursts) {
    Rng rng(1);
    for (std::uint8_t& byte : memory_) byte = static_cast<std::uint8_t>(rng.next());
    for (std::size_t i = 0; i < packets_.size(); ++i) {
      packets_[i].data = &memory_[i * kStride];
      packets_[i].bytes = static_cast<std::uint32_t>(bytes - kTagBytes);
      packets_[i].nonce[11] = static_cast<std::uint8_t>(i);
      packets_[i].nonce[10] = static_cast<std::uint8_t>(i >> 8);
    }
  }
  [[nodiscard]] std::span<AeadPacket> burst(std::size_t i) { return std::span(packets_).subspan(i * kBurst, kBurst); }

 private:
  static constexpr std::size_t kStride = 9344;  // a mempool's, with its headers
  std::vector<std::uint8_t> memory_;
  std::vector<AeadPacket> packets_;
};

double median(std::vector<double>& values) {
  std::nth_element(values.begin(), values.begin() + values.size() / 2, values.end());
  return values[values.size() / 2];
}

void row(const std::string& device, const std::string& cipher, AeadKey& key, std::uint32_t bytes) {
  Packets packets(bytes);
  std::vector<double> seal, open;
  bool good = true;
  for (int round = -10; round < kRounds; ++round) {
    for (const bool sealing : {true, false}) {
      for (std::size_t i = 0; i < kBursts; ++i) {
        const auto burst = packets.burst(i);
        const std::uint64_t begin = rte_rdtsc_precise();
        sealing ? key.seal(burst) : key.open(burst);
        const std::uint64_t cycles = rte_rdtsc_precise() - begin;
        if (round >= 0) (sealing ? seal : open).push_back(static_cast<double>(cycles) / kBurst);
        good = good && std::all_of(burst.begin(), burst.end(), [](const AeadPacket& packet) { return packet.good; });
      }
    }
  }
  const double gbps = 8e-9 * bytes * static_cast<double>(rte_get_tsc_hz());
  const double seal_cycles = median(seal), open_cycles = median(open);
  std::printf("%-32s %-18s %6u %8.0f %8.0f %9.1f %9.1f%s\n", device.c_str(), cipher.c_str(), bytes, seal_cycles, open_cycles,
              gbps / seal_cycles, gbps / open_cycles, good ? "" : "  NOT GOOD");
}

void rows(const std::string& driver, Cipher cipher, bool cpu_crypto) {
  CryptodevProvider provider({.drivers = {driver}, .keys_max = 4, .cpu_crypto = cpu_crypto});
  if (!provider.supports(cipher)) return (void)std::printf("%s\n", provider.why_not(cipher).c_str());
  auto key = provider.make_key(cipher, std::vector<std::uint8_t>(cipher_key_bytes(cipher), 9));
  if (!key) return (void)std::printf("%s\n", key.error().c_str());
  const std::string device = driver + (provider.synchronous(cipher) ? "" : " (queue)");
  for (const std::uint32_t bytes : {1472U, 8972U}) row(device, std::string(cipher_name(cipher)), **key, bytes);
}

}  // namespace

int main(int, char** argv) {
  const std::array<const char*, 6> eal = {argv[0], "--no-huge", "--no-pci", "--file-prefix=dwcp-aead-packets", "--lcores=0@(0-1)", "--log-level=*:error"};
  if (const auto started = start_eal(eal.size(), eal.data(), {.memory_mb = 128}); !started) {
    return std::fprintf(stderr, "aead_packets: %s\n", started.error().c_str()), 1;
  }
  std::printf("%-32s %-18s %6s %8s %8s %9s %9s\n", "device", "cipher", "bytes", "seal", "open", "seal Gb/s", "open Gb/s");
  for (const Cipher cipher : {Cipher::kAes128Gcm, Cipher::kAes256Gcm}) {
    rows("crypto_aesni_gcm", cipher, true);
    rows("crypto_aesni_gcm", cipher, false);
    rows("crypto_aesni_mb", cipher, true);
    rows("crypto_openssl", cipher, true);
  }
  rows("crypto_aesni_mb", Cipher::kChaCha20Poly1305, true);
  rows("crypto_aesni_mb", Cipher::kChaCha20Poly1305, false);
  rows("crypto_chacha20_poly1305", Cipher::kChaCha20Poly1305, true);
  UnencryptedLabKey none;
  for (const std::uint32_t bytes : {1472U, 8972U}) row("UNENCRYPTED-LAB-ONLY", "none, CRC-32C", none, bytes);
  stop_eal();
  return 0;
}
