// SPDX-License-Identifier: Apache-2.0
// CodecRole: messages, and how migrations open and end.  The data paths are codec_encode.cc and codec_decode.cc.
#include "dataplane/lcore/codec_role.h"

#include <algorithm>

#include "base/assert.h"
#include "dataplane/wire/frame.h"

namespace dwcp {
namespace {

constexpr std::size_t kMessagesPerStep = 64;

void set_phase(CodecSession& session, MigrationPhase phase) noexcept {
  session.slot->phase.set(static_cast<std::uint64_t>(phase));
}

// From opening only: a direction may have ended already.
void set_running(CodecSession& session) noexcept {
  if (session.slot->phase.get() == static_cast<std::uint64_t>(MigrationPhase::kOpening)) {
    set_phase(session, MigrationPhase::kRunning);
  }
}

}  // namespace

CodecRole::CodecRole(const CodecRoleConfig& config, MigrationTable& table, std::vector<CodecEdge> edges,
                     std::vector<CodecNet> nets)
    : config_(config),
      table_(table),
      edges_(std::move(edges)),
      edge_told_(edges_.size()),
      nets_(std::move(nets)),
      cells_(config.tx_arena_bytes),
      bodies_(config.bodies_max),
      body_session_(config.bodies_max),
      egress_(config.egress_blocks),
      encode_scratch_(kScratchBytes),
      decode_scratch_(kScratchBytes) {
  for (std::size_t i = 0; i < config.sessions_max; ++i) {
    sessions_.push_back(std::make_unique<CodecSession>(config.encoder));
    sessions_.back()->ingress.reserve(config.ingress_blocks);
  }
  free_bodies_.reserve(bodies_.size());
  for (FrameBody& body : bodies_) {
    body.owner = config.index;
    free_bodies_.push_back(&body);
  }
}

std::size_t CodecRole::step(std::uint64_t now_ns) noexcept {
  now_ns_ = now_ns;
  std::size_t work = take_net();
  work += take_edge();
  work += encode();
  work += decode();
  for (std::size_t i = 0; i < edges_.size(); ++i) {
    if (!edge_told_[i]) continue;
    edge_told_[i] = false;
    edges_[i].waker->wake();
  }
  return work;
}

bool CodecRole::idle() const noexcept {
  return std::none_of(sessions_.begin(), sessions_.end(), [](const auto& s) { return s->used; }) &&
         free_bodies_.size() == bodies_.size() && cells_.free_bytes() == cells_.arena_bytes() &&
         egress_.available() == egress_.size();
}

CodecSession* CodecRole::find(MigrationRef migration) noexcept {
  const auto found = std::find_if(sessions_.begin(), sessions_.end(),
                                  [&](const auto& s) { return s->used && s->migration == migration; });
  return found == sessions_.end() ? nullptr : found->get();
}

CodecSession* CodecRole::find(const FlowRef& flow) noexcept {
  const auto found = std::find_if(sessions_.begin(), sessions_.end(), [&](const auto& s) {
    return s->used && s->flow_known && !s->flow_over && s->flow == flow;
  });
  return found == sessions_.end() ? nullptr : found->get();
}

CodecSession* CodecRole::take_session(MigrationRef migration) noexcept {
  const auto free = std::find_if(sessions_.begin(), sessions_.end(), [](const auto& s) { return !s->used; });
  DWCP_ASSERT(free != sessions_.end());  // as many as the table has slots
  CodecSession& session = **free;
  session.encoder.reset();
  session.decoder.reset();
  session.used = true;
  session.migration = migration;
  session.slot = &table_[migration.slot];
  session.flow = {};
  session.flow_known = session.flow_over = session.edge_known = session.edge_closed = false;
  session.failure = EndReason::kNone;
  session.open_sent = session.edge_eof = session.eof_sent = session.stop_sent = false;
  session.delivered_received = session.delivered_sent = session.pause_received = session.pause_sent = false;
  session.stop_received = false;
  session.bodies_out = session.blocks_out = 0;
  session.held_bytes = session.submitted_bytes = session.tail_bytes = session.last_read_ns = 0;
  session.recent_raw_bytes = session.recent_encoded_bytes = 0;
  session.pause = {};
  session.far_pause = {};
  session.next_frame = 0;
  session.held_frames = 0;
  session.opened = session.eof_received = session.verdict_due = session.verdict_sent = session.verdict_received = false;
  session.egress_out = 0;
  return &session;
}

void CodecRole::tell_edge(std::uint16_t edge, const CodecToEdge& message) noexcept {
  const bool pushed = edges_[edge].rings->to_edge.push(message);
  DWCP_ASSERT(pushed);  // see EdgeCodecRings
  edge_told_[edge] = true;
}

void CodecRole::tell_net(std::uint16_t net, const CodecToNet& message) noexcept {
  const bool pushed = nets_[net].rings->to_net.push(message);
  DWCP_ASSERT(pushed);  // see CodecNetRings
}

std::size_t CodecRole::take_edge() noexcept {
  std::size_t taken = 0;
  EdgeToCodec message;
  for (std::uint16_t edge = 0; edge < edges_.size(); ++edge) {
    for (std::size_t i = 0; i < kMessagesPerStep && edges_[edge].rings->to_codec.pop(message); ++i, ++taken) {
      take_edge_message(edge, message);
    }
  }
  return taken;
}

void CodecRole::take_edge_message(std::uint16_t edge, const EdgeToCodec& message) noexcept {
  CodecSession* session = find(message.migration);
  switch (message.kind) {
    case EdgeToCodecKind::kOpen:
      return open_outgoing(edge, message.migration);
    case EdgeToCodecKind::kConnected:
      if (session != nullptr) set_running(*session);
      return;
    case EdgeToCodecKind::kData:
      if (session == nullptr || session->failure != EndReason::kNone) {
        return tell_edge(edge, {.migration = message.migration, .block = message.block, .kind = CodecToEdgeKind::kBlockReturn});
      }
      session->ingress.push_back(message.block);
      return;
    case EdgeToCodecKind::kEof:
      if (session != nullptr) session->edge_eof = true;
      return;
    case EdgeToCodecKind::kBlockReturn:
      if (session != nullptr) {
        --session->egress_out;
        session->far_pause.on_written(message.block->written_ns);
      }
      egress_.put(message.block);
      return;
    case EdgeToCodecKind::kClosed:
      if (session == nullptr) return;
      session->edge_closed = true;
      if (message.reason != EndReason::kNone) fail(*session, message.reason, true);
      return settle(*session);
  }
}

void CodecRole::open_outgoing(std::uint16_t edge, MigrationRef migration) noexcept {
  CodecSession& session = *take_session(migration);
  session.edge = edge;
  session.edge_known = true;
  session.opened = true;
  session.slot->started_ns.set(now_ns_);
  set_phase(session, MigrationPhase::kOpening);
  const auto net = static_cast<std::uint16_t>(migration.slot % nets_.size());
  session.flow = {.net = net, .lane = session.slot->peer};
  tell_net(net, {.flow = session.flow, .migration = migration, .kind = CodecToNetKind::kOpenFlow});
}

void CodecRole::open_incoming(const FlowRef& flow) noexcept {
  const auto migration = table_.claim(config_.index, config_.codecs);
  if (!migration) {
    return tell_net(flow.net, {.flow = flow, .kind = CodecToNetKind::kReset, .reason = EndReason::kResourceExhausted});
  }
  CodecSession& session = *take_session(*migration);
  session.flow = flow;
  session.flow_known = true;
  session.open_sent = true;
  session.slot->direction = MigrationDirection::kIncoming;
  session.slot->peer = flow.lane;
  session.slot->listener = 0;
  session.slot->service = kServiceNone;
  session.slot->started_ns.set(now_ns_);
  set_phase(session, MigrationPhase::kOpening);
}

std::size_t CodecRole::take_net() noexcept {
  std::size_t taken = 0;
  NetToCodec message;
  for (const CodecNet& net : nets_) {
    for (std::size_t i = 0; i < kMessagesPerStep && net.rings->to_codec.pop(message); ++i, ++taken) {
      take_net_message(message);
    }
  }
  return taken;
}

void CodecRole::take_net_message(const NetToCodec& message) noexcept {
  switch (message.kind) {
    case NetToCodecKind::kFlowOpened: {
      CodecSession* session = find(message.migration);
      if (session == nullptr || session->failure != EndReason::kNone) {
        const EndReason reason = session == nullptr ? EndReason::kHypervisorReset : session->failure;
        tell_net(message.flow.net, {.flow = message.flow, .kind = CodecToNetKind::kReset, .reason = reason});
        if (session != nullptr) {
          session->flow_over = true;
          settle(*session);
        }
        return;
      }
      session->flow = message.flow;
      session->flow_known = true;
      set_running(*session);
      return;
    }
    case NetToCodecKind::kOpenRefused:
      if (CodecSession* session = find(message.migration)) {
        session->flow_over = true;
        fail(*session, message.reason, false);
        settle(*session);
      }
      return;
    case NetToCodecKind::kFlowArrived:
      return open_incoming(message.flow);
    case NetToCodecKind::kFrame:
      return take_frame(message);
    case NetToCodecKind::kBodyReturn:
      take_body_back(message);
      return;
    case NetToCodecKind::kFlowReset:
      if (CodecSession* session = find(message.flow)) {
        session->flow_over = true;
        fail(*session, message.reason, false);
        settle(*session);
      }
      return;
  }
}

void CodecRole::take_frame(const NetToCodec& message) noexcept {
  CodecSession* session = find(message.flow);
  // The lane hands a number up once and within its window, so its place is free.
  if (session == nullptr) {
    return tell_net(message.flow.net, {.flow = message.flow, .rx_slot = message.rx_slot, .kind = CodecToNetKind::kConsume});
  }
  if (const auto kind = static_cast<wire::FrameKind>(message.body->cells[0][0]); wire::is_block(kind)) {
    session->far_pause.on_block(now_ns_, kind == wire::FrameKind::kStop);
  }
  session->held_at(raw(message.seq)) = {.body = message.body, .rx_slot = message.rx_slot};
  ++session->held_frames;
}

// Ends a migration at once: nothing half-delivered goes on.  Both hypervisors see their connection reset.
void CodecRole::fail(CodecSession& session, EndReason reason, bool tell_peer) noexcept {
  if (session.failure != EndReason::kNone) return;
  session.failure = reason;
  session.slot->end_reason.set(static_cast<std::uint64_t>(reason));
  session.slot->ended_ns.set(now_ns_);
  set_phase(session, MigrationPhase::kFailed);
  table_.count_end(false);

  for (Block* block : session.ingress) {
    tell_edge(session.edge, {.migration = session.migration, .block = block, .kind = CodecToEdgeKind::kBlockReturn});
  }
  session.ingress.clear();
  if (encoding_ == &session) {
    tell_edge(session.edge, {.migration = session.migration, .block = encoding_block_, .kind = CodecToEdgeKind::kBlockReturn});
    encoding_ = nullptr;
  }
  if (decoding_ == &session) {
    egress_.put(decoding_block_);
    decoding_ = nullptr;
  }
  for (HeldFrame& held : session.held) {
    if (held.body == nullptr) continue;
    tell_net(session.flow.net, {.flow = session.flow, .rx_slot = held.rx_slot, .kind = CodecToNetKind::kConsume});
    held.body = nullptr;
  }
  session.held_frames = 0;
  if (session.flow_known && !session.flow_over) {
    if (tell_peer) {
      tell_net(session.flow.net, {.flow = session.flow, .kind = CodecToNetKind::kReset, .reason = reason});
    }
    session.flow_over = true;
  }
  if (session.edge_known && !session.edge_closed) {
    tell_edge(session.edge, {.migration = session.migration, .kind = CodecToEdgeKind::kAbort, .reason = reason});
  }
}

// Moves a session on when something it waited for has come: completion, then the end of its slot.
void CodecRole::settle(CodecSession& session) noexcept {
  const bool sent = session.all_sent() && session.bodies_out == 0;
  const bool received = session.all_received() && session.held_frames == 0;
  if (session.failure == EndReason::kNone && !session.flow_over && sent && received && session.edge_closed) {
    tell_net(session.flow.net, {.flow = session.flow, .kind = CodecToNetKind::kCloseFlow});
    session.flow_over = true;
    session.slot->ended_ns.set(now_ns_);
    set_phase(session, MigrationPhase::kCompleted);
    table_.count_end(true);
  }
  // An outgoing migration whose flow has not been answered for yet waits for the answer.
  const bool flow_settled = session.flow_over || (session.failure != EndReason::kNone && session.flow_known);
  const bool edge_settled = session.edge_closed || !session.edge_known;
  if (flow_settled && edge_settled && session.bodies_out == 0 && session.egress_out == 0) release(session);
}

void CodecRole::release(CodecSession& session) noexcept {
  session.used = false;
  table_.release(session.migration);
}

}  // namespace dwcp
