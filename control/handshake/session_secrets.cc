// SPDX-License-Identifier: Apache-2.0
#include "control/handshake/session_secrets.h"

#include <algorithm>
#include <cstring>

#include "base/byte_order.h"

namespace dwcp {
namespace {

struct ExportContext {
  char label[7];
  std::uint8_t direction;
  be16 lane;
  be32 epoch;
  std::uint8_t cipher;
};
static_assert(sizeof(ExportContext) == 15 && alignof(ExportContext) == 1);

}  // namespace

bool export_secrets(Tls& tls, bool initiator, std::uint16_t lane, std::uint32_t epoch, Cipher cipher, EpochSecrets& secrets) {
  secrets.epoch = epoch;
  secrets.cipher = cipher;
  const std::size_t key_bytes = cipher_key_bytes(cipher);
  std::array<std::uint8_t, kCipherKeyBytesMax + kNonceBytes> buffer{};
  const auto out = std::span(buffer).first(key_bytes + kNonceBytes);
  bool good = true;
  for (std::uint8_t direction = 0; direction < 2; ++direction) {
    ExportContext context{};
    std::memcpy(context.label, "dwcp v3", sizeof(context.label));
    context.direction = direction;
    context.lane = lane;
    context.epoch = epoch;
    context.cipher = static_cast<std::uint8_t>(cipher);
    good = good && tls.export_secret({reinterpret_cast<const std::uint8_t*>(&context), sizeof(context)}, out);
    const bool tx = (direction == 0) == initiator;
    std::copy_n(out.begin(), key_bytes, (tx ? secrets.tx_key : secrets.rx_key).begin());
    std::copy_n(out.begin() + static_cast<std::ptrdiff_t>(key_bytes), kNonceBytes, (tx ? secrets.tx_iv : secrets.rx_iv).begin());
  }
  explicit_bzero(buffer.data(), buffer.size());
  return good;
}

}  // namespace dwcp
