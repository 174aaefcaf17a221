// SPDX-License-Identifier: Apache-2.0
// Tail repair: parity for the frames of a migration's last window, where a lost packet would cost a round trip of downtime.
// Here is its memory; what is done with it is in lane_parity.cc, the arithmetic in erasure.h, how much in loss_meter.h.
//
//  - The submitter marks frames (FrameBody::tail); nothing else is protected, bulk never.  A flow that marks more than
//    kTailBytesMin and a quarter of all it sends has the rest sent like any other, whatever its hypervisor does.
//  - What is in flight when a tail begins can be lost as well, and on a long path is most of it.  When the flow has nothing else
//    to send, the frames of it that are still unacknowledged get parity too, each made at once (260 KiB: 40 us of a core for
//    8 rows, 190 us for 38).  So the last window of a flow is protected from its last frame alone, which EOF is.
//  - A frame is a codeword.  Its bytes are k symbols of equal size, each in a packet of its own (never two lost with one
//    packet); m parity symbols follow in PARITY chunks.  A frame of one symbol is sent again as it is.
//  - Parity of a marked frame is made as its symbols are sent, out of the packet just filled: 0.2 us a packet for 8 rows, 1 us
//    for 38.  A receiver that must reconstruct does it at once, copying aside: 13 us for 260 KiB with two symbols missing, 45 us with 8, 1.6 ms
//    with 64, the most a peer can ask for with a frame, and only by sending 64 symbols of at least 512 bytes.
//  - Where losses come in bursts the frames of a tail are sent in turns, as many as a burst is long, at most
//    kInterleaveMax: each codeword has its share of the burst only.
//  - Recovery by acknowledgement goes on as if there were no parity: a lost range of a mended frame is sent again, once, after
//    the tail.  That wastes what the tail lost and leaves parity free of promises: a receiver may drop it at any time.
//  - Both pools are bounded; without room a frame has no parity, or what came of it is dropped.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/assert.h"
#include "dataplane/transport/frame_table.h"
#include "dataplane/wire/limits.h"

namespace dwcp {

// Symbols of one size from an arena sized and touched at construction.  Packets are as large as the path carries, which may be
// far less than the port: whenever nothing of it is in use the arena is cut anew, for an Ethernet's packets or for the port's.
class SymbolPool {
 public:
  SymbolPool(std::size_t arena_bytes, std::size_t usual_bytes, std::size_t most_bytes)
      : usual_bytes_(std::min(usual_bytes, most_bytes)), most_bytes_(most_bytes), arena_bytes_(arena_bytes),
        arena_(std::make_unique<std::uint8_t[]>(arena_bytes)) {
    free_.reserve(arena_bytes / usual_bytes_);
    cut(usual_bytes_);
  }

  // Whether take() gives symbols of at least `bytes`.
  [[nodiscard]] bool fit(std::size_t bytes) noexcept {
    const std::size_t wanted = bytes <= usual_bytes_ ? usual_bytes_ : most_bytes_;
    if (wanted != symbol_bytes_ && free_.size() == size_) cut(wanted);
    return bytes <= symbol_bytes_;
  }
  // Null when all are in use.
  [[nodiscard]] std::uint8_t* take() noexcept {
    if (free_.empty()) return nullptr;
    std::uint8_t* symbol = free_.back();
    free_.pop_back();
    return symbol;
  }
  void put(std::uint8_t* symbol) noexcept {
    DWCP_DCHECK(free_.size() < size_);
    free_.push_back(symbol);
  }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] std::size_t free_count() const noexcept { return free_.size(); }

 private:
  void cut(std::size_t symbol_bytes) noexcept {
    symbol_bytes_ = symbol_bytes;
    size_ = arena_bytes_ / symbol_bytes;
    free_.clear();
    for (std::size_t i = size_; i-- > 0;) free_.push_back(arena_.get() + i * symbol_bytes);
  }

  std::size_t usual_bytes_;
  std::size_t most_bytes_;
  std::size_t arena_bytes_;
  std::size_t symbol_bytes_ = 0;
  std::size_t size_ = 0;
  std::unique_ptr<std::uint8_t[]> arena_;
  std::vector<std::uint8_t*> free_;  // never grows: the first cut is into the most
};

// Parity of a frame being sent.  TxFrame::parity says where it is.
struct TxParity {
  std::uint32_t frame_slot = kNoSlot;
  std::uint32_t next = kNoSlot;        // in the free list
  std::uint16_t symbol_bytes = 0;
  std::uint8_t rows = 0;               // to send; of a frame of one symbol: copies of it
  std::uint8_t rows_sent = 0;
  bool ready = false;                  // all symbols of the frame were sent and are in the rows
  bool copies = false;                 // one symbol: `symbols` is empty
  std::array<std::uint8_t*, wire::kParityRowsMax> symbols;  // the first `rows`
};

// Parity of a frame being received.  RxFrame::parity says where it is.
struct RxParity {
  std::uint32_t next = kNoSlot;        // in the free list
  std::uint16_t symbol_bytes = 0;
  std::uint8_t count = 0;
  std::uint64_t seen = 0;              // bit i: row i is here
  std::array<std::uint8_t, wire::kParityRowsMax> rows;      // the first `count`
  std::array<std::uint8_t*, wire::kParityRowsMax> symbols;  // the first `count`
};
static_assert(wire::kParityRowsMax <= 64, "RxParity::seen");

struct ParityConfig {
  // Of each direction's pool: eight frames of 260 KiB with the most parity the default allows, and as much again.
  static constexpr std::size_t kPoolBytes = 1U << 20;
  static constexpr std::size_t kTxSets = 64;
  static constexpr std::size_t kRxSets = 64;
  static constexpr std::size_t kInterleaveMax = 8;
  // Two for the smallest: one copy of one packet is not enough where a packet in a hundred is lost.
  static constexpr std::size_t kRowsAlways = 2;
  // A stop-and-copy of half a second at 1 Gb/s.
  static constexpr std::uint64_t kTailBytesMin = 64U << 20;
};

}  // namespace dwcp
