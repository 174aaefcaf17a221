// SPDX-License-Identifier: Apache-2.0
// Lane: tail repair, both sides of it.  parity.h says what and why.
#include <algorithm>
#include <array>
#include <cstring>

#include "dataplane/transport/lane.h"
#include "dataplane/wire/chunk.h"

namespace dwcp {
namespace {

using wire::DropReason;

constexpr std::array<std::uint8_t, wire::kParityRowsMax> kRows = [] {
  std::array<std::uint8_t, wire::kParityRowsMax> rows{};
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = static_cast<std::uint8_t>(i);
  return rows;
}();

constexpr std::uint32_t symbols_of(std::uint32_t frame_bytes, std::uint32_t symbol_bytes) {
  return (frame_bytes + symbol_bytes - 1) / symbol_bytes;
}

constexpr std::uint32_t symbol_end(std::uint32_t symbol, std::uint32_t symbol_bytes, std::uint32_t frame_bytes) {
  return std::min((symbol + 1) * symbol_bytes, frame_bytes);
}

}  // namespace

// --- Sending ---------------------------------------------------------------------------------------------------------

std::size_t Lane::tail_turns() const noexcept {
  const auto burst = static_cast<std::size_t>(loss_.burst() + 0.5);
  return std::clamp<std::size_t>(burst, 1, ParityConfig::kInterleaveMax);
}

// The frame of the flow whose turn it is; `before` is the one ahead of it in the queue.  Bulk goes in order; frames of the
// tail take turns, as many as a burst is long.  kNoSlot when credit covers none.
std::uint32_t Lane::next_frame(Flow& flow, std::uint32_t& before) noexcept {
  before = kNoSlot;
  if (!admit(flow, tx_frames_[flow.tx_head])) return kNoSlot;
  if (config_.tail_parity_max_percent == 0 || !tx_frames_[flow.tx_head].body->tail) return flow.tx_head;
  std::array<std::uint32_t, ParityConfig::kInterleaveMax> turns;
  std::size_t count = 0;
  const std::size_t most = tail_turns();
  for (std::uint32_t slot = flow.tx_head; slot != kNoSlot && count < most; slot = tx_frames_[slot].next) {
    if (!tx_frames_[slot].body->tail || !admit(flow, tx_frames_[slot])) break;
    turns[count++] = slot;
  }
  const std::size_t turn = flow.tx_turn++ % count;
  if (turn != 0) before = turns[turn - 1];
  return turns[turn];
}

bool Lane::within_tail_budget(const Flow& flow, std::uint32_t bytes) const noexcept {
  return flow.tx_tail_bytes + bytes <= ParityConfig::kTailBytesMin + flow.tx_submitted_bytes / 4;
}

// Decides, as a frame's first byte is sent, what parity it gets.
void Lane::protect(Flow& flow, std::uint32_t slot) noexcept {
  const bool tail = tx_frames_[slot].body->tail;
  if (tail && !flow.tx_tail_begun && config_.tail_parity_max_percent != 0) set_guarding(flow, 0);
  flow.tx_tail_begun = tail;
  if (!tail || config_.tail_parity_max_percent == 0 || !within_tail_budget(flow, tx_frames_[slot].body->bytes)) return;
  if (!give_parity(flow, slot, true)) ++counters_.parity_no_room;
}

// What every active stream's path carries: a symbol may go on any.
std::uint32_t Lane::least_datagram_bytes() const noexcept {
  std::uint32_t least = datagram_bytes_;
  for_each(sending_, [&](const Stream& stream) {
    if (stream.state() == StreamState::kActive) least = std::min(least, stream.mtu().bytes());
  });
  return least;
}

// `aligned`: the frame will be sent in symbols.  False when the pool has no room.
bool Lane::give_parity(Flow& flow, std::uint32_t slot, bool aligned) noexcept {
  TxFrame& frame = tx_frames_[slot];
  const std::uint32_t bytes = frame.body->bytes;
  const auto symbol_max = static_cast<std::uint32_t>(wire::chunk_room(least_datagram_bytes()) - sizeof(wire::DataChunk));
  const std::uint32_t symbols = symbols_of(bytes, symbol_max);
  const std::uint32_t symbol_bytes = symbols_of(bytes, symbols);
  const std::size_t most = std::min({std::max<std::size_t>((symbols * config_.tail_parity_max_percent + 99) / 100, ParityConfig::kRowsAlways),
                                     wire::kParityRowsMax, wire::kCodewordMax - symbols});
  const std::size_t open = symbols_of(bytes - frame.acked_bytes, symbol_max);
  std::size_t rows = aligned ? loss_.parity_symbols(symbols, tail_turns(), 0, most) : loss_.parity_symbols(open, 1, 1, most);
  // What is left of a frame that is partly acknowledged is more likely lost than not: enough for all of it.
  if (frame.acked_bytes != 0) rows = std::clamp(open + 1, rows, most);
  const std::size_t rows_held = symbols == 1 ? 0 : rows;
  if (rows_held != 0 && (!tx_symbols_.fit(symbol_bytes) || tx_symbols_.free_count() < rows_held)) return false;
  const std::uint32_t set = tx_parity_.take();
  if (set == kNoSlot) return false;
  TxParity& parity = tx_parity_[set];
  parity.frame_slot = slot;
  parity.symbol_bytes = static_cast<std::uint16_t>(symbol_bytes);
  parity.rows = static_cast<std::uint8_t>(rows);
  parity.rows_sent = 0;
  parity.ready = false;
  parity.copies = symbols == 1;
  for (std::size_t i = 0; i < rows_held; ++i) {
    parity.symbols[i] = tx_symbols_.take();
    std::memset(parity.symbols[i], 0, symbol_bytes);
  }
  frame.parity = set;
  frame.guarded = true;
  flow.tx_tail_bytes += bytes;
  return true;
}

// The flow whose next frame in flight, from tx_guard_next on, is to get parity; null when there is none, or no room for it.
Flow* Lane::next_in_flight() noexcept {
  if (guarding_ == 0 || tx_parity_.free_count() == 0 || tx_symbols_.free_count() < wire::kParityRowsMax) return nullptr;
  for (std::size_t i = 0; i < flows_end_; ++i) {
    Flow& flow = flows_[i];
    if (flow.tx_guard_next == kNoSlot || flow.tx_head != kNoSlot) continue;
    for (; flow.tx_guard_next < tx_frames_.size(); ++flow.tx_guard_next) {
      if (tx_owners_[flow.tx_guard_next] != flow.id) continue;
      const TxFrame& frame = tx_frames_[flow.tx_guard_next];
      if (frame.guarded) continue;
      if (!within_tail_budget(flow, frame.body->bytes)) break;
      return &flow;
    }
    set_guarding(flow, kNoSlot);
  }
  return nullptr;
}

// The flow's queue is empty, its last frames were of the tail: what was in flight before them can still be lost, and would
// cost as much.  One frame at a time, whole: see parity.h.
void Lane::protect_in_flight() noexcept {
  Flow* flow = next_in_flight();
  if (flow == nullptr) return;
  const std::uint32_t slot = flow->tx_guard_next++;
  if (!give_parity(*flow, slot, false)) return;
  TxFrame& frame = tx_frames_[slot];
  TxParity& parity = tx_parity_[frame.parity];
  for (std::uint32_t symbol = 0; !parity.copies && symbol < symbols_of(frame.body->bytes, parity.symbol_bytes); ++symbol) {
    const std::uint32_t begin = symbol * parity.symbol_bytes;
    const auto bytes = std::span(symbol_scratch_).first(symbol_end(symbol, parity.symbol_bytes, frame.body->bytes) - begin);
    frame.body->read(begin, bytes);
    accumulate(bytes, symbol, std::span(kRows).first(parity.rows), parity.symbols.data());
  }
  parity.ready = true;
  ++parity_ready_;
}

void Lane::set_guarding(Flow& flow, std::uint32_t next) noexcept {
  if (flow.tx_guard_next == kNoSlot && next != kNoSlot) ++guarding_;
  if (flow.tx_guard_next != kNoSlot && next == kNoSlot) --guarding_;
  flow.tx_guard_next = next;
}

// How much of a protected frame goes into the packet: never past the end of a symbol, and never part of one behind something
// else, so that a packet lost is a symbol lost.  0: none in this packet.
std::uint32_t Lane::cut_to_symbol(const TxFrame& frame, std::uint32_t length_max, bool alone) noexcept {
  const std::uint32_t whole = frame.body->bytes - frame.sent_bytes;
  if (frame.parity == kNoSlot) return std::min(whole, length_max);
  const std::uint32_t symbol_bytes = tx_parity_[frame.parity].symbol_bytes;
  const std::uint32_t symbol =
      symbol_end(frame.sent_bytes / symbol_bytes, symbol_bytes, frame.body->bytes) - frame.sent_bytes;
  if (symbol <= length_max) return symbol;
  return alone ? length_max : 0;
}

// `range`, new, of a protected frame, stands in the packet as `bytes`.
void Lane::add_to_parity(TxFrame& frame, const SentRange& range, std::span<const std::uint8_t> bytes) noexcept {
  TxParity& parity = tx_parity_[frame.parity];
  const std::uint32_t end = range.offset + range.length;
  const std::uint32_t symbol = (end - 1) / parity.symbol_bytes;
  const std::uint32_t begin = symbol * parity.symbol_bytes;
  if (end != symbol_end(symbol, parity.symbol_bytes, frame.body->bytes)) return;  // the rest of it comes
  if (!parity.copies) {
    if (begin != range.offset) {  // its first part went with an earlier packet
      bytes = std::span(symbol_scratch_).first(end - begin);
      frame.body->read(begin, std::span(symbol_scratch_).first(end - begin));
    }
    accumulate(bytes, symbol, std::span(kRows).first(parity.rows), parity.symbols.data());
  }
  if (end != frame.body->bytes) return;
  parity.ready = true;
  ++parity_ready_;
  parity_turn_over_ = true;
}

// One parity symbol of a frame all of whose data was sent, in an earlier packet.  `room_max`: of the largest packet with
// nothing else in it.
std::size_t Lane::put_parity(SentPacket& record, std::span<std::uint8_t> room, std::size_t room_max) noexcept {
  if (parity_ready_ == 0 && guarding_ != 0 && !frames_waiting()) protect_in_flight();
  for (std::size_t i = 0; parity_ready_ != 0 && i < tx_parity_.size(); ++i) {
    const std::size_t at = (parity_turn_ + i) % tx_parity_.size();
    TxParity& parity = tx_parity_[static_cast<std::uint32_t>(at)];
    if (parity.frame_slot == kNoSlot || !parity.ready) continue;
    const TxFrame& frame = tx_frames_[parity.frame_slot];
    const std::size_t header = parity.copies ? sizeof(wire::DataChunk) : sizeof(wire::ParityChunk);
    if (header + parity.symbol_bytes > room.size()) {
      // Packets have become smaller: it will never fit.
      if (header + parity.symbol_bytes > room_max) release_tx_parity(parity.frame_slot);
      continue;
    }
    if (parity.copies) {
      const SentRange range{.slot = parity.frame_slot, .generation = frame.generation, .offset = 0, .length = static_cast<std::uint16_t>(frame.body->bytes)};
      put_range(range, room);
      record.ranges[record.range_count++] = range;
    } else {
      auto& chunk = *reinterpret_cast<wire::ParityChunk*>(room.data());
      chunk.type = static_cast<std::uint8_t>(wire::ChunkType::kParity);
      chunk.flow = raw(frame.flow);
      chunk.frame = raw(frame.seq);
      chunk.frame_bytes = frame.body->bytes;
      chunk.symbol_bytes = parity.symbol_bytes;
      chunk.row = parity.rows_sent;
      std::memcpy(room.data() + sizeof(chunk), parity.symbols[parity.rows_sent], parity.symbol_bytes);
    }
    const std::size_t put = header + parity.symbol_bytes;
    ++counters_.parity_packets_sent;
    counters_.parity_bytes_sent += parity.symbol_bytes;
    parity_turn_ = at + 1;
    parity_turn_over_ = true;  // the next goes another way, where there are several
    if (++parity.rows_sent == parity.rows) release_tx_parity(parity.frame_slot);
    return put;
  }
  return 0;
}

// The frame needs no parity any more, or cannot have it.
void Lane::release_tx_parity(std::uint32_t frame_slot) noexcept {
  TxFrame& frame = tx_frames_[frame_slot];
  if (frame.parity == kNoSlot) return;
  TxParity& parity = tx_parity_[frame.parity];
  if (!parity.copies) {
    for (std::size_t i = 0; i < parity.rows; ++i) tx_symbols_.put(parity.symbols[i]);
  }
  if (parity.ready) --parity_ready_;
  parity.frame_slot = kNoSlot;
  tx_parity_.put(frame.parity);
  frame.parity = kNoSlot;
}

// Losses closer than four packets at the rate of the lane are one burst; pacing sends in steps, which must not cut it up.
std::uint64_t Lane::burst_gap_ns() const noexcept {
  constexpr std::uint64_t kPacingStepNs = 60 * kNsPerUs;
  const std::uint64_t rate = std::max<std::uint64_t>(bandwidth_bytes_per_sec(), 1'000'000);
  return kPacingStepNs + 4 * std::uint64_t{least_datagram_bytes()} * kNsPerSec / rate;
}

// --- Receiving -------------------------------------------------------------------------------------------------------

DropReason Lane::store_parity(std::uint64_t now_ns, Flow& flow, const wire::ParityChunk& chunk,
                              std::span<const std::uint8_t> bytes) noexcept {
  const std::uint32_t frame_bytes = chunk.frame_bytes;
  const auto symbol_bytes = static_cast<std::uint32_t>(bytes.size());
  if (frame_bytes > wire::kFrameBytesMax || symbol_bytes < wire::kSymbolBytesMin || symbol_bytes >= frame_bytes ||
      chunk.row >= wire::kParityRowsMax || symbols_of(frame_bytes, symbol_bytes) + chunk.row >= wire::kCodewordMax) {
    return violate(flow, DropReason::kBadFrame);
  }
  ++counters_.parity_packets_received;
  std::uint32_t slot = kNoSlot;
  const DropReason reason = rx_frame_for(now_ns, flow, static_cast<FrameSeq>(chunk.frame.value()), frame_bytes, slot);
  if (reason != DropReason::kNone) return reason;
  if (slot == kNoSlot) {
    ++counters_.parity_useless;
    return DropReason::kNone;
  }
  RxFrame& frame = rx_frames_[slot];
  if (frame.parity == kNoSlot) {
    frame.parity = rx_parity_.take();
    if (frame.parity == kNoSlot) {
      ++counters_.parity_no_room;
      return DropReason::kNone;
    }
    RxParity& parity = rx_parity_[frame.parity];
    parity.symbol_bytes = static_cast<std::uint16_t>(symbol_bytes);
    parity.count = 0;
    parity.seen = 0;
  }
  RxParity& parity = rx_parity_[frame.parity];
  if (parity.symbol_bytes != symbol_bytes) return violate(flow, DropReason::kBadFrame);
  if ((parity.seen >> chunk.row & 1) != 0) return DropReason::kNone;  // a network's duplicate has its number seen before
  std::uint8_t* symbol = rx_symbols_.fit(symbol_bytes) ? rx_symbols_.take() : nullptr;
  if (symbol == nullptr) {
    ++counters_.parity_no_room;
    return DropReason::kNone;
  }
  std::memcpy(symbol, bytes.data(), symbol_bytes);
  parity.seen |= std::uint64_t{1} << chunk.row;
  parity.rows[parity.count] = chunk.row;
  parity.symbols[parity.count++] = symbol;
  if (recover(frame)) complete(flow, slot);
  return DropReason::kNone;
}

// The symbols of which anything is missing; more than `most` reads as most + 1.
std::size_t Lane::missing_symbols(const RxFrame& frame, std::size_t most, std::span<std::uint8_t> missing) const noexcept {
  const std::uint32_t symbol_bytes = rx_parity_[frame.parity].symbol_bytes;
  std::size_t count = 0;
  for (std::uint32_t at = 0; at < frame.body.bytes;) {
    const auto hole = frame.received.first_hole(at, frame.body.bytes);
    if (hole.begin == hole.end) break;
    const std::uint32_t symbol = hole.begin / symbol_bytes;
    if (count == most) return most + 1;
    missing[count++] = static_cast<std::uint8_t>(symbol);
    at = symbol_end(symbol, symbol_bytes, frame.body.bytes);
  }
  return count;
}

// Fills the frame's holes from its parity; false when there are more than that covers.
bool Lane::recover(RxFrame& frame) noexcept {
  RxParity& parity = rx_parity_[frame.parity];
  const std::uint32_t symbol_bytes = parity.symbol_bytes;
  const std::uint32_t frame_bytes = frame.body.bytes;
  // The short last symbol makes one more than the bytes say.
  if (frame_bytes - frame.received_bytes > parity.count * symbol_bytes) return false;
  std::array<std::uint8_t, wire::kParityRowsMax> missing;
  const std::size_t count = missing_symbols(frame, parity.count, missing);
  if (count > parity.count) return false;
  const std::span<const std::uint8_t> rows = std::span(parity.rows).first(count);
  if (!decoder_.prepare(std::span(missing).first(count), rows)) return false;
  std::size_t next_missing = 0;
  for (std::uint32_t symbol = 0; symbol < symbols_of(frame_bytes, symbol_bytes); ++symbol) {
    if (next_missing < count && missing[next_missing] == symbol) {
      ++next_missing;
      continue;
    }
    const std::uint32_t begin = symbol * symbol_bytes;
    const auto bytes = std::span(symbol_scratch_).first(symbol_end(symbol, symbol_bytes, frame_bytes) - begin);
    frame.body.read(begin, bytes);
    accumulate(bytes, symbol, rows, parity.symbols.data());
  }
  for (std::size_t i = 0; i < count; ++i) {
    decoder_.solve(i, parity.symbols.data(), symbol_bytes, symbol_scratch_.data());
    const std::uint32_t begin = missing[i] * symbol_bytes;
    frame.body.write(begin, std::span(symbol_scratch_).first(symbol_end(missing[i], symbol_bytes, frame_bytes) - begin));
  }
  ++counters_.frames_recovered;
  counters_.parity_useless += parity.count - count;
  for (std::size_t i = 0; i < parity.count; ++i) rx_symbols_.put(parity.symbols[i]);
  parity.count = 0;
  return true;
}

// The frame is complete, or over.
void Lane::release_rx_parity(RxFrame& frame) noexcept {
  if (frame.parity == kNoSlot) return;
  RxParity& parity = rx_parity_[frame.parity];
  counters_.parity_useless += parity.count;
  for (std::size_t i = 0; i < parity.count; ++i) rx_symbols_.put(parity.symbols[i]);
  rx_parity_.put(frame.parity);
  frame.parity = kNoSlot;
}

}  // namespace dwcp
