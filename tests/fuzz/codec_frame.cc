// SPDX-License-Identifier: Apache-2.0
// Contract: whatever frames a peer sends in a migration, in either direction and at any time of its life, a codec lcore takes each
// once and gives it back once, hands the hypervisor only whole blocks whose digest agreed, ends what contradicts the protocol,
// and is idle again when flow and connection are over.
//
// Input: a byte (1: the migration is ours, else the peer opens it), then steps.  The low three bits of the first byte say what:
//   0: two bytes l (be16), l bytes: a frame as it is     1: the same as raw bytes of a block that is as it should be; bit 3: a stop
//   2: EOF, or bit 3: VERDICT, bit 4: DELIVERED, bit 5: PAUSE, as they should be     3: OPEN of a service
//   4: the hypervisor: bit 3 connected, bit 4 sends l x 8 bytes (a byte), bit 5 sends no more, bit 6 has read all
//   5: the flow: bit 3: frames of ours are acknowledged, bit 4: it is reset      6: the hypervisor closes; bit 3: though all was said
//   7: the next frame changes places with the one after it
#include <cstring>
#include <memory>
#include <optional>
#include <vector>

#include "dataplane/lcore/codec_role.h"
#include "dataplane/wire/frame.h"
#include "input.h"

namespace {

using namespace dwcp;
using fuzz::require;
using Bytes = std::vector<std::uint8_t>;

constexpr std::size_t kBlocks = 8, kBodies = 64, kFrames = 64;

struct Held {
  FrameBody body;
  bool lent = false;
};

// One for all inputs: building it costs more than an input; each leaves it idle.
struct Bench {
  struct NoWaker final : Waker {
    void wake() noexcept override {}
  };
  MigrationTable table{2};
  BlockPool blocks{kBlocks};
  EdgeCodecRings edge{kBlocks, kBlocks, 2};
  CodecNetRings net{kBodies, kFrames, 8};
  LaneShared lane;
  NoWaker waker;
  CodecRole codec{config(), table, std::vector<CodecEdge>{{.rings = &edge, .waker = &waker}},
                  std::vector<CodecNet>{{.rings = &net, .lanes = {&lane}}}};
  CellPool cells{kFrames * 8 * wire::kCellBytes};
  std::vector<Held> frames = std::vector<Held>(kFrames);
  BlockEncoder peer{{.zstd_level = 1, .zstd_level_max = 1}};
  std::uint64_t now_ns = kNsPerSec;

  // Of the input under way.
  MigrationRef migration{};
  FlowRef flow{.session = 1};
  bool edge_live = false;      // has it, and has not said kClosed
  bool flow_live = false;
  bool edge_eof = false;       // it has said so
  bool heard_eof = false;      // the codec has
  std::uint32_t next = 0;
  std::optional<std::uint32_t> later;  // a number left out, to come after the next
  std::vector<FrameBody*> submitted;
  std::vector<Block*> with_edge;
  std::uint64_t delivered_bytes = 0;

  Bench() { lane.backlog_limit_bytes.set(64U << 20); }

  static CodecRoleConfig config() {
    CodecRoleConfig made;
    made.sessions_max = 2;
    made.encoder.zstd_level_max = 1;
    made.tx_arena_bytes = 8U << 20;
    made.bodies_max = kBodies;
    made.egress_blocks = kBlocks;
    made.egress_blocks_per_migration = 4;
    made.ingress_blocks = kBlocks;
    made.listener_services = {"vm"};
    made.services = {"other", "vm"};
    return made;
  }

  void begin(bool ours) {
    peer.reset();
    ++flow.session;
    edge_live = flow_live = edge_eof = heard_eof = false;
    next = 0;
    later.reset();
    delivered_bytes = 0;
    if (ours) {
      migration = *table.claim();
      edge_live = true;
      require(edge.to_codec.push({.migration = migration, .kind = EdgeToCodecKind::kOpen}));
    } else {
      flow_live = true;
      require(net.to_codec.push({.flow = flow, .kind = NetToCodecKind::kFlowArrived}));
    }
    run();
  }

  void run() {
    for (int i = 0; i < 40; ++i) {
      (void)codec.step(now_ns += kNsPerUs);
      take();
    }
  }

  void take() {
    CodecToNet to_net;
    while (net.to_net.pop(to_net)) take_net(to_net);
    CodecToEdge to_edge;
    while (edge.to_edge.pop(to_edge)) take_edge(to_edge);
  }

  void take_net(const CodecToNet& message) {
    switch (message.kind) {
      case CodecToNetKind::kOpenFlow:
        flow_live = true;
        return require(net.to_codec.push({.flow = flow, .migration = message.migration, .kind = NetToCodecKind::kFlowOpened}));
      case CodecToNetKind::kSubmit:
        require(message.flow == flow && message.body->bytes <= wire::kFrameBytesMax);
        return submitted.push_back(message.body);
      case CodecToNetKind::kConsume: {
        Held& held = frames[message.rx_slot];
        require(held.lent);
        held.lent = false;
        return cells.release(held.body);
      }
      case CodecToNetKind::kReset:
      case CodecToNetKind::kCloseFlow:
        require(flow_live);
        flow_live = false;
        return;
    }
  }

  void take_edge(const CodecToEdge& message) {
    switch (message.kind) {
      case CodecToEdgeKind::kConnect:
        require(!edge_live);
        edge_live = true;
        migration = message.migration;
        return;
      case CodecToEdgeKind::kData:
        require(message.block->length <= kBlockBytes);
        delivered_bytes += message.block->length;
        return with_edge.push_back(message.block);
      case CodecToEdgeKind::kBlockReturn: return blocks.put(message.block);
      case CodecToEdgeKind::kEof:
        heard_eof = true;
        return;
      case CodecToEdgeKind::kAbort: return close(EndReason::kHypervisorReset);
    }
  }

  // Its last word: what it was lent goes before.
  void close(EndReason reason) {
    if (!edge_live) return;
    read_all();
    edge_live = false;
    require(edge.to_codec.push({.migration = migration, .kind = EdgeToCodecKind::kClosed, .reason = reason}));
  }

  void read_all() {
    for (Block* block : with_edge) {
      block->written_ns = now_ns;
      require(edge.to_codec.push({.migration = migration, .block = block, .kind = EdgeToCodecKind::kBlockReturn}));
    }
    with_edge.clear();
  }

  void frame(std::span<const std::uint8_t> bytes) {
    const auto free = std::find_if(frames.begin(), frames.end(), [](const Held& held) { return !held.lent; });
    if (!flow_live || bytes.empty() || free == frames.end() || !cells.allocate(free->body, bytes.size())) return;
    free->lent = true;
    free->body.write(0, bytes);
    const bool out_of_turn = later && *later == next;
    const std::uint32_t seq = out_of_turn ? next + 1 : next;
    require(net.to_codec.push({.flow = flow, .body = &free->body, .rx_slot = static_cast<std::uint32_t>(free - frames.begin()),
                               .seq = FrameSeq{seq}, .kind = NetToCodecKind::kFrame}));
    if (out_of_turn) {
      later = next + 1;  // that one is there
    } else {
      next += later && *later == next + 1 ? 2 : 1;
      later.reset();
    }
    run();
  }

  void block(std::span<const std::uint8_t> raw, bool stop) {
    Bytes made(1 + encoded_bound(raw.size()));
    made[0] = static_cast<std::uint8_t>(stop ? wire::FrameKind::kStop : wire::FrameKind::kBlock);
    peer.begin(raw, std::span(made).subspan(1));
    while (!peer.step()) {
    }
    frame(std::span(made).first(1 + peer.size()));
  }

  template <typename Frame>
  void mark(const Frame& made) {
    frame({reinterpret_cast<const std::uint8_t*>(&made), sizeof(made)});
  }

  void marks(std::uint8_t what) {
    const auto kind = [](wire::FrameKind k) { return static_cast<std::uint8_t>(k); };
    const Digest digest = peer.digest();
    if ((what & 8) != 0) {
      const MigrationSlot& slot = table[migration.slot];
      return mark(wire::VerdictFrame{kind(wire::FrameKind::kVerdict), 1, slot.encoded_raw_bytes.get(), slot.digest_in_lo.get(), slot.digest_in_hi.get()});
    }
    if ((what & 16) != 0) return mark(wire::DeliveredFrame{kind(wire::FrameKind::kDelivered), 1U, 2U, 1U});
    if ((what & 32) != 0) return mark(wire::PauseFrame{kind(wire::FrameKind::kPause), 4U, 2U, 1U});
    mark(wire::EofFrame{kind(wire::FrameKind::kEof), peer.counters().raw_bytes, digest.low, digest.high});
  }

  void hypervisor(std::uint8_t what, fuzz::Input& input) {
    if ((what & 64) != 0) read_all();
    if (edge_live && (what & 8) != 0) require(edge.to_codec.push({.migration = migration, .kind = EdgeToCodecKind::kConnected}));
    if (edge_live && !edge_eof && (what & 16) != 0) {
      const auto bytes = input.take(input.byte() * std::size_t{8});
      if (Block* taken = bytes.empty() ? nullptr : blocks.take()) {
        std::copy(bytes.begin(), bytes.end(), taken->data);
        taken->length = static_cast<std::uint32_t>(bytes.size());
        require(edge.to_codec.push({.migration = migration, .block = taken, .kind = EdgeToCodecKind::kData}));
      }
    }
    if (edge_live && !edge_eof && (what & 32) != 0) {
      edge_eof = true;
      require(edge.to_codec.push({.migration = migration, .kind = EdgeToCodecKind::kEof}));
    }
    run();
  }

  void acknowledge() {
    for (FrameBody* body : submitted) require(net.to_codec.push({.flow = flow, .body = body, .kind = NetToCodecKind::kBodyReturn, .acked = flow_live}));
    submitted.clear();
  }

  void reset_flow() {
    if (!flow_live) return;
    flow_live = false;
    require(net.to_codec.push({.flow = flow, .kind = NetToCodecKind::kFlowReset, .reason = EndReason::kLinkLost}));
  }

  void end() {
    reset_flow();
    for (int i = 0; i < 4; ++i) {
      acknowledge();
      read_all();
      run();
      close(EndReason::kHypervisorReset);
    }
    for (const Held& held : frames) require(!held.lent);
    require(codec.idle() && blocks.available() == kBlocks && submitted.empty() && with_edge.empty());
    require(delivered_bytes <= table[migration.slot].decoded_frame_bytes.get() * kBlockBytes);
  }
};

void step(Bench& bench, std::uint8_t what, fuzz::Input& input) {
  switch (what & 7) {
    case 0: return bench.frame(input.take(input.be16()));
    case 1: return bench.block(input.take(input.be16()), (what & 8) != 0);
    case 2: return bench.marks(what);
    case 3: return bench.frame(Bytes{static_cast<std::uint8_t>(wire::FrameKind::kOpen), kBlockVersion, 2, 'v', 'm'});
    case 4: return bench.hypervisor(what, input);
    case 5:
      if ((what & 8) != 0) bench.acknowledge();
      if ((what & 16) != 0) bench.reset_flow();
      return bench.run();
    case 6:
      bench.close((what & 8) == 0 && bench.edge_eof && bench.heard_eof ? EndReason::kNone : EndReason::kHypervisorReset);
      return bench.run();
    default:
      if (!bench.later) bench.later = bench.next;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static Bench bench;
  fuzz::Input input(data, size);
  bench.begin((input.byte() & 1) != 0);
  for (int steps = 0; !input.empty() && steps < 100; ++steps) step(bench, input.byte(), input);
  bench.end();
  return 0;
}
