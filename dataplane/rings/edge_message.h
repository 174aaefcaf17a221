// SPDX-License-Identifier: Apache-2.0
// What crosses between an edge thread and a codec lcore: one SPSC ring each way and pair.
//
//   edge  -> codec   kOpen?  kConnected?  kData* kEof?  ...  kClosed          (kBlockReturn between)
//   codec -> edge    kConnect?  kData* kEof?  kAbort?                         (kBlockReturn between)
//
// Outgoing migration: the edge accepted a hypervisor, claimed a slot and says kOpen.  Incoming: the codec claimed a slot
// and says kConnect; the edge answers kConnected or, if it cannot connect, kClosed with the reason.
// kEof is a half-close and follows the direction's last kData.  kAbort tells the edge to reset the connection at once.
// kClosed is the edge's last word for a slot: after it the edge never touches the slot again, and it comes exactly once
// after kOpen or kConnect, whatever happened.  Messages for a generation that is over are ignored, but their blocks are
// returned.  Ingress blocks (edge pool) travel edge -> codec by kData and come back by kBlockReturn; egress blocks (codec
// pool) travel codec -> edge by kData and come back by kBlockReturn.
#pragma once

#include <cstdint>
#include <type_traits>

#include "dataplane/rings/block.h"
#include "dataplane/rings/migration_table.h"
#include "dataplane/rings/ring.h"

namespace dwcp {

enum class EdgeToCodecKind : std::uint8_t { kOpen, kConnected, kData, kEof, kClosed, kBlockReturn };
enum class CodecToEdgeKind : std::uint8_t { kConnect, kData, kEof, kAbort, kBlockReturn };

struct EdgeToCodec {
  MigrationRef migration{};
  Block* block = nullptr;                  // kData, kBlockReturn
  EdgeToCodecKind kind = EdgeToCodecKind::kData;
  EndReason reason = EndReason::kNone;     // kClosed: kNone after both half-closes in order
  std::uint16_t spare = 0;
  std::uint32_t spare2 = 0;
};

struct CodecToEdge {
  MigrationRef migration{};
  Block* block = nullptr;                  // kData, kBlockReturn
  CodecToEdgeKind kind = CodecToEdgeKind::kData;
  EndReason reason = EndReason::kNone;     // kAbort
  std::uint16_t service = 0;               // kConnect: index into Config::services
  std::uint32_t spare = 0;
};

static_assert(sizeof(EdgeToCodec) == 24 && sizeof(CodecToEdge) == 24);

// Messages without a block that one slot may have under way in one direction.  To the edge: a generation that the edge has
// ended may still have kEof and kAbort unread, and the next one adds kConnect, kEof and kAbort.  To the codec at most kOpen
// or kConnected, kEof and kClosed, since a slot is claimed again only after its kClosed was read.
inline constexpr std::size_t kEdgeMessagesPerSlotMax = 5;

// The pair of rings between one edge thread and one codec lcore.  Sized so that neither can be full: every block is in at
// most one message and a slot has at most kEdgeMessagesPerSlotMax others under way per direction.
struct EdgeCodecRings {
  EdgeCodecRings(std::size_t ingress_blocks, std::size_t egress_blocks, std::size_t migrations_max)
      : to_codec(ingress_blocks + egress_blocks + kEdgeMessagesPerSlotMax * migrations_max),
        to_edge(ingress_blocks + egress_blocks + kEdgeMessagesPerSlotMax * migrations_max) {}
  SpscRing<EdgeToCodec> to_codec;
  SpscRing<CodecToEdge> to_edge;
};

}  // namespace dwcp
