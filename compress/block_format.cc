// SPDX-License-Identifier: Apache-2.0
#include "compress/block_format.h"

#include <cstring>

#include "base/assert.h"

namespace dwcp {

void write_header(const BlockInfo& info, std::span<std::uint8_t> out) noexcept {
  DWCP_ASSERT(out.size() >= kBlockHeaderBytes);
  BlockHeader header;
  header.version = kBlockVersion;
  header.flags = static_cast<std::uint8_t>(info.entropy);
  header.reserved = 0;
  header.raw_bytes = static_cast<std::uint32_t>(info.raw_bytes);
  header.digest = info.digest_low;
  std::memcpy(out.data(), &header, sizeof header);
}

expected<BlockInfo, DecodeError> read_header(std::span<const std::uint8_t> encoded) noexcept {
  using Refused = unexpected<DecodeError>;
  if (encoded.size() < kBlockHeaderBytes) return Refused(DecodeError::kTruncatedHeader);
  BlockHeader header;
  std::memcpy(&header, encoded.data(), sizeof header);
  if (header.version != kBlockVersion) return Refused(DecodeError::kBadVersion);
  if (header.flags > static_cast<std::uint8_t>(Entropy::kZstd)) return Refused(DecodeError::kBadFlags);
  if (header.reserved != 0) return Refused(DecodeError::kReservedNotZero);
  if (header.raw_bytes > kRawBlockMax) return Refused(DecodeError::kRawTooLarge);
  if (encoded.size() > encoded_bound(header.raw_bytes)) return Refused(DecodeError::kEncodedTooLarge);
  return BlockInfo{
      .entropy = static_cast<Entropy>(header.flags), .raw_bytes = header.raw_bytes, .digest_low = header.digest};
}

}  // namespace dwcp
