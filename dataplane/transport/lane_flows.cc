// SPDX-License-Identifier: Apache-2.0
// Lane: construction, and the life of flows and their frames.
#include <algorithm>

#include "base/assert.h"
#include "dataplane/transport/lane.h"

namespace dwcp {

Lane::Lane(const LaneConfig& config)
    : config_(config),
      sent_pages_(config.packets_max),
      rx_cells_(config.rx_arena_bytes),
      rx_frames_(config.rx_frames_max),
      tx_frames_(config.tx_frames_max),
      tx_owners_(config.tx_frames_max),
      repairs_(config.packets_max),
      tx_symbols_(ParityConfig::kPoolBytes, wire::chunk_room(PathMtu::kStartBytes), wire::chunk_room(config.datagram_bytes)),
      rx_symbols_(ParityConfig::kPoolBytes, wire::chunk_room(PathMtu::kStartBytes), wire::chunk_room(config.datagram_bytes)),
      flows_(flow_places(config)),
      events_(config.rx_frames_max + config.tx_frames_max + 2 * flow_places(config) + 1) {
  // Every flow's first window must be covered by the arena, for a peer may use all of them at once.
  DWCP_ASSERT(window_initial(config) * flow_places(config) <= config.rx_arena_bytes);
  const ScalerLimits limits = config.stream_limits();
  DWCP_ASSERT(limits.min >= 1 && limits.min <= limits.initial && limits.initial <= limits.max && limits.max <= wire::kStreamsMax);
  for (Flow& flow : flows_) flow.rx_slots.resize(wire::kFramesPerFlowMax);
}

Streams Lane::start(std::uint64_t now_ns, const LaneSession& session, Streams streams) noexcept {
  DWCP_ASSERT(drained());
  DWCP_ASSERT(rx_committed_ == 0 && rx_frames_committed_ == 0);
  session_ = session;
  datagram_bytes_ = std::min(config_.datagram_bytes, session.peer_datagram_bytes);
  std::swap(streams_, streams);
  for (const auto& stream : streams_.all) stream->begin(now_ns);
  begin_streams(now_ns);
  repairs_.clear();
  next_local_flow_ = session.opens_odd_flows ? 1 : 2;
  peer_flow_highest_ = 0;
  peer_flow_seen_ = 0;
  tx_ahead_ = {};
  closed_by_peer_ = lied_to_ = false;
  closes_pending_ = 0;
  last_received_ns_ = now_ns;
  active_ = true;
  grant_ahead();
  const wire::DropCounters drops = counters_.drops;  // of the lane; the rest is of the session, as the streams' are
  counters_ = {};
  counters_.drops = drops;
  return streams;
}

void Lane::abandon(EndReason reason) noexcept {
  for (Flow& flow : flows_) {
    if (flow.state == FlowState::kOpen) end_flow(flow, true, reason);
    set_reset_pending(flow, false);
    free_flow(flow);
  }
  for (const auto& stream : streams_.all) stream->forget_all();
  take_back_ahead();
  active_ = false;
}

bool Lane::drained() const noexcept {
  return !active_ && events_head_ == events_tail_ && rx_frames_.free_count() == rx_frames_.size() &&
         tx_frames_.free_count() == tx_frames_.size();
}

Flow* Lane::find(FlowId id) noexcept {
  if (flows_[flow_hint_].state != FlowState::kFree && flows_[flow_hint_].id == id) return &flows_[flow_hint_];
  for (std::size_t i = 0; i < flows_end_; ++i) {
    if (flows_[i].state == FlowState::kFree || flows_[i].id != id) continue;
    flow_hint_ = i;
    return &flows_[i];
  }
  return nullptr;
}

Flow* Lane::make_flow(FlowId id) noexcept {
  // A peer that opens flows only to end them waits until the ends were heard of: events_ is bounded.
  if (reset_events_ >= flows_.size()) return nullptr;
  const auto free = std::find_if(flows_.begin(), flows_.end(), [](const Flow& f) { return f.state == FlowState::kFree; });
  if (free == flows_.end()) return nullptr;
  auto slots = std::move(free->rx_slots);
  std::fill(slots.begin(), slots.end(), Flow::kEmpty);
  *free = Flow{};
  free->rx_slots = std::move(slots);
  free->id = id;
  free->state = FlowState::kOpen;
  free->tx_charge_limit = session_.peer_window_bytes;
  free->tx_frame_limit = session_.peer_frame_window;
  free->rx_window = window_initial(config_);
  free->rx_charge_limit = free->rx_window;
  free->rx_frame_window = frame_window(config_);
  free->rx_frame_limit = free->rx_frame_window;
  rx_frames_committed_ += free->rx_frame_window;
  rx_committed_ += free->rx_window;
  use_credit_ahead(*free);
  flows_end_ = std::max(flows_end_, static_cast<std::size_t>(free - flows_.begin()) + 1);
  return &*free;
}

std::optional<FlowId> Lane::open_flow() noexcept {
  const auto ours = std::count_if(flows_.begin(), flows_.end(), [this](const Flow& f) {
    return f.state != FlowState::kFree && (raw(f.id) % 2 == 1) == session_.opens_odd_flows;
  });
  if (ours >= std::min(config_.flows_max, session_.peer_flows_max)) return std::nullopt;
  Flow* flow = make_flow(static_cast<FlowId>(next_local_flow_));
  if (flow == nullptr) return std::nullopt;
  next_local_flow_ += 2;
  return flow->id;
}

bool Lane::submit(FlowId id, FrameBody& body) noexcept {
  Flow* flow = find(id);
  if (flow == nullptr || flow->state != FlowState::kOpen) return false;
  if (body_events_ >= tx_frames_.free_count()) return false;
  const std::uint32_t slot = tx_frames_.take();
  TxFrame& frame = tx_frames_[slot];
  frame.body = &body;
  frame.flow = tx_owners_[slot] = id;
  frame.seq = flow->tx_next_seq;
  frame.sent_bytes = 0;
  frame.acked_bytes = 0;
  frame.acked.clear();
  frame.parity = kNoSlot;
  frame.guarded = false;
  flow->tx_next_seq = static_cast<FrameSeq>(raw(flow->tx_next_seq) + 1);
  ++flow->tx_frames;
  flow->tx_bytes += body.bytes;
  flow->tx_submitted_bytes += body.bytes;
  (flow->tx_tail == kNoSlot ? flow->tx_head : tx_frames_[flow->tx_tail].next) = slot;
  flow->tx_tail = slot;
  return true;
}

void Lane::consume(std::uint64_t now_ns, std::uint32_t slot) noexcept {
  RxFrame& frame = rx_frames_[slot];
  DWCP_ASSERT(frame.lent);
  const std::uint64_t charge = frame.body.charge();
  const std::uint32_t seq = raw(frame.seq);
  Flow* flow = find(frame.flow);
  release_rx_frame(slot);
  if (flow == nullptr || flow->state != FlowState::kOpen) return;
  flow->rx_slot(seq) = Flow::kConsumed;
  flow->rx_held -= charge;
  flow->rx_consumed += charge;
  while (flow->rx_slot(flow->rx_floor) == Flow::kConsumed) {
    flow->rx_slot(flow->rx_floor) = Flow::kEmpty;
    ++flow->rx_floor;
  }
  grant(now_ns, *flow);
}

void Lane::reset_flow(FlowId id, EndReason reason) noexcept {
  Flow* flow = find(id);
  if (flow != nullptr && flow->state == FlowState::kOpen) fail_flow(*flow, reason);
}

// Ends the flow here and tells the peer until it has heard.
void Lane::fail_flow(Flow& flow, EndReason reason) noexcept {
  end_flow(flow, false, reason);
  flow.state = FlowState::kResetting;
  flows_end_ = std::max(flows_end_, static_cast<std::size_t>(&flow - flows_.data()) + 1);
  flow.reset_reason = reason;
  set_reset_pending(flow, true);
}

void Lane::close_flow(FlowId id) noexcept {
  Flow* flow = find(id);
  if (flow != nullptr && flow->state == FlowState::kOpen) end_flow(*flow, false, EndReason::kNone);
}

void Lane::close(EndReason reason) noexcept {
  close_reason_ = reason;
  closes_pending_ = 3;  // not acknowledged: said often enough that one loss does not matter
}

void Lane::on_mtu_report(std::uint64_t now_ns, StreamId stream, std::uint32_t bytes) noexcept {
  if (raw(stream) < streams_.size()) streams_[raw(stream)].on_mtu_report(now_ns, bytes);
}

void Lane::end_flow(Flow& flow, bool report, EndReason reason) noexcept {
  for (std::uint32_t slot = 0; flow.tx_frames != 0 && slot < tx_frames_.size(); ++slot) {
    if (tx_owners_[slot] == flow.id) drop_tx_frame(slot);
  }
  flow.tx_head = flow.tx_tail = kNoSlot;
  for (std::uint32_t& slot : flow.rx_slots) {
    if (slot < Flow::kConsumed && !rx_frames_[slot].lent) release_rx_frame(slot);
    slot = Flow::kEmpty;
  }
  rx_committed_ -= flow.rx_window;
  rx_frames_committed_ -= flow.rx_frame_window;
  flow.rx_window = 0;
  flow.rx_frame_window = 0;
  set_credit_pending(flow, false);
  set_guarding(flow, kNoSlot);
  free_flow(flow);
  grant_ahead();
  if (report) push_event({.flow = flow.id, .kind = LaneEventKind::kFlowReset, .reason = reason});
}

void Lane::free_flow(Flow& flow) noexcept {
  flow.state = FlowState::kFree;
  while (flows_end_ != 0 && flows_[flows_end_ - 1].state == FlowState::kFree) --flows_end_;
}

// Gives a body back unacknowledged.  The caller mends the flow's queue.
void Lane::drop_tx_frame(std::uint32_t slot) noexcept {
  TxFrame& frame = tx_frames_[slot];
  push_event({.body = frame.body, .flow = frame.flow, .seq = frame.seq, .kind = LaneEventKind::kFrameDropped});
  if (Flow* flow = find(frame.flow)) {
    --flow->tx_frames;
    flow->tx_bytes -= frame.body->bytes;
  }
  free_tx_frame(slot);
}

void Lane::free_tx_frame(std::uint32_t slot) noexcept {
  release_tx_parity(slot);
  tx_frames_[slot].body = nullptr;
  ++tx_frames_[slot].generation;
  tx_owners_[slot] = FlowId{};
  tx_frames_.put(slot);
}

void Lane::release_rx_frame(std::uint32_t slot) noexcept {
  RxFrame& frame = rx_frames_[slot];
  release_rx_parity(frame);
  rx_cells_.release(frame.body);
  frame.lent = false;
  rx_frames_.put(slot);
}

void Lane::on_packet_acked(const SentPacket& packet) noexcept {
  if (!packet.mtu_probe) loss_.on_acked();
  if (packet.has_reset) {
    Flow* flow = find(packet.reset_flow);
    if (flow != nullptr && flow->state == FlowState::kResetting) {
      set_reset_pending(*flow, false);
      free_flow(*flow);
    }
  }
  for (std::size_t i = 0; i < packet.range_count; ++i) {
    const SentRange& range = packet.ranges[i];
    TxFrame& frame = tx_frames_[range.slot];
    if (frame.generation != range.generation || frame.body == nullptr) continue;
    std::uint32_t added = 0;
    if (frame.acked.insert(range.offset, range.offset + range.length, added) == FrameRanges::Inserted::kFull) {
      repair(range);  // cannot be noted now: sent once more, it will be
      continue;
    }
    frame.acked_bytes += added;
    delivered_bytes_ += added;
    Flow* flow = find(frame.flow);
    if (flow != nullptr) flow->tx_acked_bytes += added;
    if (frame.acked_bytes != frame.body->bytes) continue;
    ++counters_.frames_sent;
    counters_.frame_bytes_sent += frame.body->bytes;
    push_event({.body = frame.body, .flow = frame.flow, .seq = frame.seq, .kind = LaneEventKind::kFrameAcked});
    if (flow != nullptr) {
      --flow->tx_frames;
      flow->tx_bytes -= frame.body->bytes;
    }
    free_tx_frame(range.slot);
  }
}

// A probe of the MTU that is larger than what the path carries tells nothing of what it loses.
void Lane::on_packet_lost(const SentPacket& packet) noexcept {
  if (!packet.mtu_probe) loss_.on_lost(packet.sent_ns, burst_gap_ns());
  say_again(packet);
}

// Queues what a packet said.
void Lane::say_again(const SentPacket& packet) noexcept {
  if (packet.has_credit) {
    // Which flows it spoke of is not kept: every open flow's current credit is said again.
    for (Flow& flow : flows_) {
      if (flow.state == FlowState::kOpen) set_credit_pending(flow, true);
    }
    set_ahead_pending(rx_ahead_.flow != FlowId{});
  }
  if (packet.has_reset) {
    Flow* flow = find(packet.reset_flow);
    if (flow != nullptr && flow->state == FlowState::kResetting) set_reset_pending(*flow, true);
  }
  for (std::size_t i = 0; i < packet.range_count; ++i) {
    const SentRange& range = packet.ranges[i];
    const TxFrame& frame = tx_frames_[range.slot];
    if (frame.generation == range.generation && frame.body != nullptr) repair(range);
  }
}

// Queues a range to be sent again.  What was lost twice goes twice: such bytes are few (at 1 % loss one packet in ten
// thousand), but each more loss would hold up the frames behind by another round trip, and receivers must hold those.  A
// flow that cannot be repaired cannot be completed: it ends, and says why.
void Lane::repair(const SentRange& range) noexcept {
  SentRange again = range;
  again.losses = static_cast<std::uint16_t>(std::min(range.losses + 1, 0xffff));
  const bool queued = repairs_.push(again);
  if (queued && again.losses >= kLossesForCopy) (void)repairs_.push(again);
  if (queued) return;
  Flow* flow = find(tx_frames_[range.slot].flow);
  if (flow == nullptr || flow->state != FlowState::kOpen) return;
  fail_flow(*flow, EndReason::kResourceExhausted);
  push_event({.flow = flow->id, .kind = LaneEventKind::kFlowReset, .reason = EndReason::kResourceExhausted});
}

void Lane::set_reset_pending(Flow& flow, bool pending) noexcept {
  if (flow.reset_pending == pending) return;
  flow.reset_pending = pending;
  pending ? ++resets_pending_ : --resets_pending_;
}

void Lane::push_event(const LaneEvent& event) noexcept {
  if (event.kind == LaneEventKind::kFlowReset) {
    ++reset_events_;
  } else if (event.kind != LaneEventKind::kFrameReceived) {
    ++body_events_;
  }
  events_[events_tail_] = event;
  events_tail_ = (events_tail_ + 1) % events_.size();
  DWCP_ASSERT(events_tail_ != events_head_);  // one place per frame that can exist and two per flow: see submit, make_flow
}

bool Lane::poll_event(LaneEvent& event) noexcept {
  if (events_head_ == events_tail_) return false;
  event = events_[events_head_];
  if (event.kind == LaneEventKind::kFlowReset) {
    --reset_events_;
  } else if (event.kind != LaneEventKind::kFrameReceived) {
    --body_events_;
  }
  events_head_ = (events_head_ + 1) % events_.size();
  return true;
}

std::uint64_t Lane::in_flight_bytes() const noexcept {
  std::uint64_t sum = 0;
  for (const auto& group : streams_.groups) sum += group->in_flight_bytes();
  return sum;
}

std::uint64_t Lane::window_bytes() const noexcept {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < streams_.groups.size(); ++i) {
    if (group_in_use(i)) sum += streams_.groups[i]->control().window_bytes();
  }
  return sum;
}

std::uint64_t Lane::bandwidth_bytes_per_sec() const noexcept {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < streams_.groups.size(); ++i) {
    if (group_in_use(i)) sum += streams_.groups[i]->control().bandwidth_bytes_per_sec();
  }
  return sum;
}

bool Lane::bandwidth_known() const noexcept {
  bool known = false;
  for (std::size_t i = 0; i < streams_.groups.size(); ++i) {
    if (!group_in_use(i)) continue;
    const CongestionControl& congestion = streams_.groups[i]->control();
    if (congestion.starting_up() || congestion.bandwidth_bytes_per_sec() == 0) return false;
    known = true;
  }
  return known;
}

std::uint64_t Lane::smoothed_rtt_ns() const noexcept {
  std::uint64_t least = kNever;
  for (const auto& stream : streams_.all) {
    if (stream->state() == StreamState::kActive && stream->rtt().sampled()) least = std::min(least, stream->rtt().smoothed_ns());
  }
  return least == kNever ? 0 : least;
}

std::uint64_t Lane::backlog_limit_bytes(std::uint64_t backlog_ns) const noexcept {
  std::uint64_t rtt_ns = 0;
  for_each(sending_, [&](const Stream& stream) {
    if (stream.rtt().sampled()) rtt_ns = std::max(rtt_ns, stream.rtt().smoothed_ns());
  });
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < streams_.groups.size(); ++i) {
    if (!group_in_use(i)) continue;
    const CongestionControl& congestion = streams_.groups[i]->control();
    const auto bandwidth = static_cast<double>(congestion.bandwidth_bytes_per_sec()) * 1e-9;
    const auto backlog = static_cast<std::uint64_t>(bandwidth * static_cast<double>(backlog_ns));
    const auto path = static_cast<std::uint64_t>(bandwidth * static_cast<double>(rtt_ns));
    sum += backlog + (congestion.starting_up() ? congestion.window_bytes() : path);
  }
  const auto sending = std::count_if(flows_.begin(), flows_.end(), [](const Flow& flow) { return flow.tx_frames != 0; });
  // One frame under way and one behind it, at the least.
  return 2 * wire::kFrameBytesMax + sum / static_cast<std::uint64_t>(std::max<std::ptrdiff_t>(sending, 1));
}

std::uint64_t Lane::flow_acked_bytes(FlowId id) noexcept {
  const Flow* flow = find(id);
  return flow == nullptr ? 0 : flow->tx_acked_bytes;
}

bool Lane::flow_open(FlowId id) noexcept {
  const Flow* flow = find(id);
  return flow != nullptr && flow->state == FlowState::kOpen;
}

std::uint64_t Lane::min_rtt_ns() const noexcept {
  std::uint64_t least = kNever;
  for (const auto& stream : streams_.all) {
    if (stream->rtt().sampled()) least = std::min(least, stream->rtt().min_ns());
  }
  return least == kNever ? 0 : least;
}

std::size_t Lane::flows_open() const noexcept {
  return static_cast<std::size_t>(
      std::count_if(flows_.begin(), flows_.end(), [](const Flow& f) { return f.state == FlowState::kOpen; }));
}

}  // namespace dwcp
