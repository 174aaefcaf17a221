// SPDX-License-Identifier: Apache-2.0
// What a frame holds: the messages of one direction of a migration, in frame order.  Prose twin: docs/WIRE.md §6.
// The transport does not look inside.
//
//   the opener's direction    OPEN  BLOCK* [STOP BLOCK*] EOF
//   the other direction             BLOCK* [STOP BLOCK*] EOF
//
// and, speaking of the opposite direction, VERDICT, which follows its EOF and so may stand before or after this direction's
// own; DELIVERED likewise, if the opposite direction had a STOP.  PAUSE answers DELIVERED.
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
  kStop = 5,     // a block, as kBlock, and the first with bytes that the hypervisor wrote with its guest stopped
  kDelivered = 6,  // the hypervisor here has all bytes of the direction that had a kStop
  kPause = 7,      // how long the guest's pause was, as far as the gateways see it
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

// Times the receiver of a STOP knows by itself.
struct DeliveredFrame {
  std::uint8_t kind;
  be32 age_us;   // from when the hypervisor's socket had taken the last byte to when this was made
  be32 span_us;  // from when the STOP frame had come to the last byte taken
  be32 far_us;   // from when all frames of the direction had come to the last byte taken
};
static_assert(sizeof(DeliveredFrame) == 13);

// What the sender of the STOP makes of them.
struct PauseFrame {
  std::uint8_t kind;
  be32 pause_us;    // from when the first byte behind the stop was read to the last byte delivered
  be32 backlog_us;  // of it: until what had been read before was out of the sender's gateway
  be32 path_us;     // of it: until all frames had come; the rest is the receiver's far_us
};
static_assert(sizeof(PauseFrame) == 13);

[[nodiscard]] constexpr bool is_block(FrameKind kind) noexcept { return kind == FrameKind::kBlock || kind == FrameKind::kStop; }

}  // namespace dwcp::wire
