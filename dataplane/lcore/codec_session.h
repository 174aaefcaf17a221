// SPDX-License-Identifier: Apache-2.0
// CodecSession: what a codec lcore keeps of one migration.  Plain state; CodecRole moves it.
//
//   outgoing   kOpening ── kFlowOpened ──▶ kRunning ─┐                        ┌─ edge closed, flow over, bodies home ─▶ free
//   incoming   kOpening ── kConnected  ──▶ kRunning ─┴─ both directions done ─┴─ or failed
//
// A direction of the flow is done when our EOF and VERDICT are acknowledged, and the peer's EOF and VERDICT have come; and of
// one with a STOP, its DELIVERED and PAUSE too.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "compress/block_decoder.h"
#include "compress/block_encoder.h"
#include "dataplane/lcore/pause_meter.h"
#include "dataplane/rings/block.h"
#include "dataplane/rings/frame_message.h"
#include "dataplane/rings/migration_table.h"
#include "dataplane/wire/limits.h"

namespace dwcp {

// A complete frame that waits for its turn.
struct HeldFrame {
  FrameBody* body = nullptr;  // null: not here yet
  std::uint32_t rx_slot = 0;
};

struct CodecSession {
  explicit CodecSession(const EncoderOptions& options) : encoder(options), held(wire::kFramesPerFlowMax) {}

  bool used = false;
  MigrationRef migration{};
  MigrationSlot* slot = nullptr;
  std::uint16_t edge = 0;
  FlowRef flow{};
  bool flow_known = false;   // kFlowOpened or kFlowArrived has come
  bool flow_over = false;    // closed, reset, or never opened: nothing more is sent to the net lcore
  bool edge_known = false;   // the edge has, or was told to make, a connection
  bool edge_closed = false;  // kClosed has come
  EndReason failure = EndReason::kNone;

  // Hypervisor -> peer.
  BlockEncoder encoder;
  std::vector<Block*> ingress;  // a queue, oldest first; capacity reserved at start
  bool open_sent = false;       // incoming migrations have none to send
  bool edge_eof = false;        // the hypervisor has said all
  bool eof_sent = false;
  std::uint32_t bodies_out = 0;
  std::uint64_t held_bytes = 0;       // of frames submitted and not yet back
  std::uint64_t submitted_bytes = 0;  // in all
  std::uint32_t blocks_out = 0;       // of bodies_out
  bool stop_sent = false;             // the guest was stopped: `pause` runs
  std::uint64_t tail_bytes = 0;       // of frames since, as long as they count as the tail
  std::uint64_t recent_raw_bytes = 0;      // of the last blocks, older ones counting less
  std::uint64_t recent_encoded_bytes = 0;  // what they became
  std::uint64_t last_read_ns = 0;     // of the last block encoded: when its last byte was read
  SenderPause pause;
  PauseTimes pause_times;             // once delivered_received
  bool delivered_received = false;
  bool pause_sent = false;

  // Peer -> hypervisor.
  BlockDecoder decoder;
  std::vector<HeldFrame> held;   // by frame number modulo the window
  std::uint32_t next_frame = 0;
  std::uint64_t held_frames = 0;
  bool opened = false;           // OPEN has come (incoming), or is ours (outgoing)
  bool eof_received = false;
  bool verdict_due = false;
  bool verdict_sent = false;
  bool verdict_received = false;
  std::uint32_t egress_out = 0;  // blocks with the edge
  bool stop_received = false;
  ReceiverPause far_pause;
  bool delivered_sent = false;
  bool pause_received = false;

  // The hypervisor here has all of a direction in which the guest was stopped.
  [[nodiscard]] bool delivered_due() const noexcept { return stop_received && eof_received && egress_out == 0; }

  // No mark is still to be sent, or to come.
  [[nodiscard]] bool all_sent() const noexcept {
    return eof_sent && verdict_sent && delivered_sent == stop_received && pause_sent == stop_sent;
  }
  [[nodiscard]] bool all_received() const noexcept {
    return eof_received && verdict_received && delivered_received == stop_sent && pause_received == stop_received;
  }

  [[nodiscard]] HeldFrame& held_at(std::uint32_t seq) noexcept { return held[seq % held.size()]; }
};

}  // namespace dwcp
