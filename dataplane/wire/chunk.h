// SPDX-License-Identifier: Apache-2.0
// Chunks: what a data packet carries.  Prose twin: docs/WIRE.md §4.  A chunk is a type byte and the fixed fields below;
// DATA is followed by its bytes, ACK by its ranges.  Unknown types end the packet as malformed: there is no skipping,
// since both sides speak the version agreed on in the handshake.
//
// A frame is one encoded block of a flow; a flow is one migration (and shard) on this lane, both directions under one id.
// The side that initiated the handshake opens odd flow ids, the other even ones; ids are never used twice in a session.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/byte_order.h"

namespace dwcp::wire {

enum class ChunkType : std::uint8_t {
  kPadding = 0,  // one byte, ignored
  kPing = 1,     // asks for an acknowledgement, nothing else
  kAck = 2,      // packets of a stream received
  kData = 3,     // bytes of a frame
  kCredit = 4,   // how far the peer may go in a flow
  kReset = 5,    // a flow is over in both directions
  kClose = 6,    // the session is over
  kAckEcn = 7,   // kAck, and what the packets came with
  kParity = 8,   // a parity symbol of a frame
};

// DATA: `length` bytes from `offset` of frame `frame`, which has `frame_bytes` in all.  Carried in any packet of any
// stream; a receiver takes overlaps and repetitions.
struct DataChunk {
  std::uint8_t type;
  be32 flow;
  be32 frame;
  be24 frame_bytes;  // 1 .. kFrameBytesMax
  be24 offset;
  be16 length;  // >= 1; offset + length <= frame_bytes
};
static_assert(sizeof(DataChunk) == 17 && alignof(DataChunk) == 1);

// ACK of `stream`: `largest` (low 32 bits), received `delay_8us` x 8 us before this was sent, then range_count pairs of
// be16: {gap: packets not received below the previous range - 1, length: packets received - 1}, the first gap omitted.
// Ranges run downwards as in RFC 9000 §19.3.1.  A gap or length above 65536 packets splits or ends the list.
struct AckChunk {
  std::uint8_t type;
  std::uint8_t stream;
  be32 largest;
  be16 delay_8us;
  be16 first_length;  // packets received contiguously up to largest, - 1
  std::uint8_t range_count;
};
static_assert(sizeof(AckChunk) == 11 && alignof(AckChunk) == 1);

struct AckRange {
  be16 gap;
  be16 length;
};
static_assert(sizeof(AckRange) == 4);

// Behind the ranges of an ACK_ECN: packets of the stream received so far with each ECN codepoint (RFC 9000 §19.3.2), low
// 32 bits; none is counted twice.  Used from the first packet on that came with any.
struct AckEcnCounts {
  be32 ect0;
  be32 ect1;
  be32 ce;
};
static_assert(sizeof(AckEcnCounts) == 12 && alignof(AckEcnCounts) == 1);

// CREDIT: the peer may send frames of `flow` numbered below frame_limit whose charges (bytes rounded up to whole cells)
// sum to at most `charge_limit` since the flow began.  Never shrinks; a lower value is stale and ignored.
struct CreditChunk {
  std::uint8_t type;
  be32 flow;
  be64 charge_limit;
  be32 frame_limit;
};
static_assert(sizeof(CreditChunk) == 17);

struct ResetChunk {
  std::uint8_t type;
  be32 flow;
  std::uint8_t reason;  // EndReason
};
static_assert(sizeof(ResetChunk) == 6);

struct CloseChunk {
  std::uint8_t type;
  std::uint8_t reason;  // EndReason
};
static_assert(sizeof(CloseChunk) == 2);

// PARITY: row `row` of the Reed-Solomon parity of frame `frame`, whose `frame_bytes` are symbols of `symbol_bytes`, the last
// one short; followed by symbol_bytes bytes.  Never larger than the DATA chunk of one symbol.
struct ParityChunk {
  std::uint8_t type;
  be32 flow;
  be32 frame;
  be24 frame_bytes;   // > symbol_bytes
  be16 symbol_bytes;  // kSymbolBytesMin ..
  std::uint8_t row;   // < kParityRowsMax; symbols + row < kCodewordMax
};
static_assert(sizeof(ParityChunk) == 15 && sizeof(ParityChunk) <= sizeof(DataChunk));

inline constexpr std::size_t kAckRangesMax = 255;  // in one ACK chunk: all that range_count can say

}  // namespace dwcp::wire
