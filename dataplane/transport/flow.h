// SPDX-License-Identifier: Apache-2.0
// A flow is one migration (and shard) on a lane, both directions under one id: a queue of frames to send, a window of
// frames being received, and the credit of each direction.
//
//            open_flow / first DATA of a new id
//                       │
//                       ▼            reset_flow, or the peer broke the rules            RESET acknowledged
//                    kOpen ──────────────────────────────────────────▶ kResetting ────────────────────▶ (free)
//                       │ close_flow: both directions done; or RESET from the peer                        ▲
//                       └──────────────────────────────────────────────────────────────────────────────────┘
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "dataplane/transport/frame_table.h"
#include "dataplane/transport/ids.h"
#include "dataplane/wire/end_reason.h"
#include "dataplane/wire/limits.h"

namespace dwcp {

enum class FlowState : std::uint8_t {
  kFree,
  kOpen,       // frames go both ways
  kResetting,  // we ended it; RESET is repeated until acknowledged, all else for this id is ignored
};

// Credit for the flow that one side opens next, granted before it does.
struct NextFlowCredit {
  FlowId flow{};  // 0 = none
  std::uint64_t charge_limit = 0;
  std::uint32_t frame_limit = 0;
};

struct Flow {
  // Where an incoming frame number stands.
  static constexpr std::uint32_t kEmpty = kNoSlot;
  static constexpr std::uint32_t kConsumed = kNoSlot - 1;

  FlowId id{};
  FlowState state = FlowState::kFree;
  EndReason reset_reason = EndReason::kNone;
  bool reset_pending = false;   // RESET is to be (re)sent
  bool credit_pending = false;  // CREDIT is to be (re)sent

  // --- Sending: frames submitted and not wholly sent, in order, linked by TxFrame::next.
  std::uint32_t tx_head = kNoSlot;
  std::uint32_t tx_tail = kNoSlot;
  std::uint32_t tx_frames = 0;          // submitted and not acknowledged
  std::uint64_t tx_bytes = 0;           // of those frames
  std::uint64_t tx_acked_bytes = 0;     // of all frames so far, parts of frames included
  std::uint64_t tx_submitted_bytes = 0; // of all frames so far
  std::uint64_t tx_tail_bytes = 0;      // of those that got parity
  std::uint32_t tx_turn = 0;            // of the tail's frames, which are sent in turns
  std::uint32_t tx_guard_next = kNoSlot; // slot from which on frames in flight are to get parity; kNoSlot = none are
  bool tx_tail_begun = false;           // the last frame begun was of the tail
  FrameSeq tx_next_seq{};               // of the next frame submitted
  std::uint64_t tx_charge = 0;          // charges of the frames admitted under credit so far
  std::uint64_t tx_charge_limit = 0;    // granted by the peer
  std::uint32_t tx_admitted = 0;        // frames below this number are under credit
  std::uint32_t tx_frame_limit = 0;     // granted by the peer

  // --- Receiving: frames [rx_floor, rx_floor + kFramesPerFlowMax) by number modulo the window.
  std::vector<std::uint32_t> rx_slots;  // kEmpty, kConsumed or a slot of the lane's RxFrame table
  std::uint32_t rx_floor = 0;           // frames below were consumed
  std::uint32_t rx_frame_limit = 0;     // granted to the peer
  std::uint64_t rx_held = 0;            // charges of frames held, complete or not
  std::uint64_t rx_consumed = 0;        // charges of frames consumed
  std::uint64_t rx_window = 0;          // charges the peer may have outstanding
  std::uint32_t rx_frame_window = 0;    // frames likewise
  std::uint64_t rx_charge_limit = 0;    // granted to the peer: never shrinks
  std::uint64_t rx_grown_ns = 0;        // when the window was last judged
  std::uint64_t rx_grown_total = 0;     // charges of frames begun by then
  std::uint64_t rx_frames_grown_ns = 0;   // the same of the frame window
  std::uint32_t rx_frames_grown_at = 0;   // frames consumed by then

  [[nodiscard]] std::uint32_t& rx_slot(std::uint32_t seq) noexcept { return rx_slots[seq % wire::kFramesPerFlowMax]; }
};

}  // namespace dwcp
