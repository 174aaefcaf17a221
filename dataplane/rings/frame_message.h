// SPDX-License-Identifier: Apache-2.0
// What crosses between a codec lcore and a net lcore: one SPSC ring each way and pair, also where one lcore holds both roles.
//
//   codec -> net   kOpenFlow                  ask for a flow to the peer of flow.lane
//                  kSubmit body               send a frame; the body comes back by kBodyReturn, exactly once
//                  kConsume rx_slot           the frame lent by kFrame is used up: its memory back, credit to the peer
//                  kReset                     end the flow at both sides, now
//                  kCloseFlow                 both directions are done
//   net -> codec   kFlowOpened | kOpenRefused answer to kOpenFlow
//                  kFlowArrived              the peer opened a flow; its frames follow
//                  kFrame rx_slot, body       a complete frame, in any order, lent until kConsume
//                  kBodyReturn body           acked: whole at the peer; not acked: its flow is over
//                  kFlowReset reason          the flow is over; no more for it
//
// A flow is named by its lane, the lane's session (so that what is under way for an old session is told apart) and its id.
#pragma once

#include <cstdint>

#include "dataplane/rings/migration_table.h"
#include "dataplane/rings/ring.h"
#include "dataplane/transport/cell_pool.h"
#include "dataplane/transport/ids.h"
#include "dataplane/wire/end_reason.h"

namespace dwcp {

struct FlowRef {
  std::uint16_t net = 0;      // net lcore
  std::uint16_t lane = 0;     // its lane, one per peer: the index into Config::peers
  std::uint32_t session = 0;  // the lane's local session number
  FlowId flow{};
  friend bool operator==(const FlowRef&, const FlowRef&) = default;
};

enum class CodecToNetKind : std::uint8_t { kOpenFlow, kSubmit, kConsume, kReset, kCloseFlow };
enum class NetToCodecKind : std::uint8_t { kFlowOpened, kOpenRefused, kFlowArrived, kFrame, kBodyReturn, kFlowReset };

struct CodecToNet {
  FlowRef flow{};              // kOpenFlow: lane only
  MigrationRef migration{};    // kOpenFlow: comes back in the answer
  FrameBody* body = nullptr;   // kSubmit
  std::uint32_t rx_slot = 0;   // kConsume
  CodecToNetKind kind = CodecToNetKind::kSubmit;
  EndReason reason = EndReason::kNone;  // kReset
  std::uint16_t spare = 0;
  std::uint32_t spare2 = 0;
};

struct NetToCodec {
  FlowRef flow{};
  MigrationRef migration{};        // kFlowOpened, kOpenRefused
  FrameBody* body = nullptr;       // kBodyReturn; kFrame: where the frame's bytes are
  std::uint32_t rx_slot = 0;       // kFrame
  FrameSeq seq{};                  // kFrame
  NetToCodecKind kind = NetToCodecKind::kFrame;
  EndReason reason = EndReason::kNone;  // kOpenRefused, kFlowReset
  bool acked = false;              // kBodyReturn
  std::uint8_t spare = 0;
  std::uint32_t spare2 = 0;
};

static_assert(sizeof(CodecToNet) % 8 == 0 && sizeof(NetToCodec) % 8 == 0);

// Sized so that neither ring can be full, however late its reader: every body is in at most one message.  A peer may open
// and end flows as fast as it likes, but each costs it a frame that is lent until the codec has read of it; so there are at
// most kFlowArrived, kFrame and kFlowReset for each lent frame, and kConsume and kReset in answer.  The flows we open have
// at most a handful each.
struct CodecNetRings {
  CodecNetRings(std::size_t bodies, std::size_t rx_frames, std::size_t flows)
      : to_net(bodies + 2 * rx_frames + 8 * flows), to_codec(bodies + 3 * rx_frames + 8 * flows) {}
  SpscRing<CodecToNet> to_net;
  SpscRing<NetToCodec> to_codec;
};

}  // namespace dwcp
