// SPDX-License-Identifier: Apache-2.0
// What a frame holds: the messages of one direction of a migration, in frame order.  Prose twin: docs/WIRE.md §6.
// The transport does not look inside.
//
//   the opener's direction    OPEN  BLOCK*  EOF  VERDICT
//   the other direction             BLOCK*  EOF  VERDICT
//
// VERDICT speaks of the opposite direction and follows its EOF, so it may stand before or after this direction's own EOF.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/byte_order.h"

namespace dwcp::wire {

enum class FrameKind : std::uint8_t {
  kOpen = 1,     // OpenFrame and the service's name: connect to it
  kBlock = 2,    // one encoded block (docs/CODEC.md) behind the kind byte
  kEof = 3,      // the hypervisor has said all it has to say
  kVerdict = 4,  // what became of the bytes received
};

inline constexpr std::size_t kServiceNameBytesMax = 64;

struct OpenFrame {
  std::uint8_t kind;
  std::uint8_t codec_version;
  std::uint8_t name_bytes;  // 1 .. kServiceNameBytesMax, then the name
};
static_assert(sizeof(OpenFrame) == 3);

// The digest of all raw bytes of the direction, XXH3-128.
struct EofFrame {
  std::uint8_t kind;
  be64 raw_bytes;
  be64 digest_low;
  be64 digest_high;
};
static_assert(sizeof(EofFrame) == 25);

struct VerdictFrame {
  std::uint8_t kind;
  std::uint8_t match;  // 1: the bytes decoded have the digest of the bytes encoded
  be64 raw_bytes;
  be64 digest_low;
  be64 digest_high;
};
static_assert(sizeof(VerdictFrame) == 26);

}  // namespace dwcp::wire
