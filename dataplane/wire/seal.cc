// SPDX-License-Identifier: Apache-2.0
#include "dataplane/wire/seal.h"

#include <isa-l/crc.h>

#include <cstring>

#include "base/byte_order.h"

namespace dwcp::wire {
namespace {

// The CRC's 4 bytes, then zeros, which are checked too: a bit flipped there is damage as well.
struct Seal {
  be32 crc;
  std::uint8_t zero[kSealBytes - 4];
};
static_assert(sizeof(Seal) == kSealBytes);

Seal make(const std::uint8_t* packet, std::size_t length) noexcept {
  Seal result{};
  // ISA-L takes a non-const pointer and an int but only reads.
  result.crc = ~crc32_iscsi(const_cast<unsigned char*>(packet), static_cast<int>(length), 0xffffffffU);
  return result;
}

}  // namespace

void seal(std::uint8_t* packet, std::size_t length) noexcept {
  const Seal made = make(packet, length);
  std::memcpy(packet + length, &made, kSealBytes);
}

bool unseal(std::span<const std::uint8_t> packet) noexcept {
  if (packet.size() < kSealBytes) return false;
  const std::size_t length = packet.size() - kSealBytes;
  const Seal made = make(packet.data(), length);
  return std::memcmp(packet.data() + length, &made, kSealBytes) == 0;
}

}  // namespace dwcp::wire
