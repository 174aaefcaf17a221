// SPDX-License-Identifier: Apache-2.0
// Sizes both gateways must agree on, with the arithmetic that ties them together.
#pragma once

#include <cstddef>
#include <cstdint>

#include "dataplane/wire/chunk.h"
#include "dataplane/wire/packet.h"

namespace dwcp::wire {

// A frame is held in cells, and flow control charges whole cells, so that the memory a peer can make us hold is exact.
inline constexpr std::size_t kCellBytes = 4096;

// One encoded block: 256 KiB raw and the growth its encoding may have, in whole cells.
inline constexpr std::size_t kFrameBytesMax = 256 * 1024 + kCellBytes;
inline constexpr std::size_t kCellsPerFrameMax = kFrameBytesMax / kCellBytes;
static_assert(kFrameBytesMax % kCellBytes == 0 && kFrameBytesMax < (1U << 24), "frame_bytes and offset are be24");

// Frames of one flow the receiver keeps track of at once: a sender stays below next-to-consume + this.  2 GiB of the largest
// frames: 10 Gb/s x 320 ms five times over, since a frame that was lost twice makes three round trips of others wait.
inline constexpr std::uint32_t kFramesPerFlowMax = 8192;

// Streams of a lane.
inline constexpr std::size_t kStreamsMax = 64;
static_assert(kStreamsMax <= 64, "stream is six bits");

// UDP payload: every path must carry the least; the most is a 9000-byte MTU less IPv4 and UDP headers.
inline constexpr std::size_t kDatagramBytesMin = 1200;
inline constexpr std::size_t kDatagramBytesMax = 9000 - 28;

// Bytes of a datagram left for chunks.
[[nodiscard]] constexpr std::size_t chunk_room(std::size_t datagram_bytes) noexcept {
  return datagram_bytes - sizeof(PacketHeader) - kSealBytes;
}

// Tail repair: a frame's bytes are data symbols of one codeword, each with its DATA header within a datagram.
inline constexpr std::size_t kCodewordMax = 255;    // data symbols and parity rows together: elements of GF(2^8) but one
inline constexpr std::size_t kParityRowsMax = 64;
inline constexpr std::size_t kSymbolBytesMin = 512;  // what a receiver works through for each byte that came is bounded by it
static_assert((kFrameBytesMax + chunk_room(kDatagramBytesMin) - sizeof(DataChunk) - 1) / (chunk_room(kDatagramBytesMin) - sizeof(DataChunk)) <
              kCodewordMax - 20, "the largest frame in the smallest datagrams has room for parity");
static_assert((chunk_room(kDatagramBytesMin) - sizeof(DataChunk)) / 2 >= kSymbolBytesMin, "two symbols of equal size");

[[nodiscard]] constexpr std::size_t frame_charge(std::size_t frame_bytes) noexcept {
  return (frame_bytes + kCellBytes - 1) / kCellBytes * kCellBytes;
}

}  // namespace dwcp::wire
