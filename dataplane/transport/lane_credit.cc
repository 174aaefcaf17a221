// SPDX-License-Identifier: Apache-2.0
// Lane: credit, given to the peer and taken from it.
#include <algorithm>

#include "dataplane/transport/lane.h"

namespace dwcp {

std::uint64_t Lane::window_initial(const LaneConfig& config) noexcept {
  return std::max<std::uint64_t>(config.rx_arena_bytes / (3 * flow_places(config)) / wire::kCellBytes * wire::kCellBytes,
                                 wire::kFrameBytesMax);
}

std::uint32_t Lane::frame_window(const LaneConfig& config) noexcept {
  return static_cast<std::uint32_t>(
      std::clamp<std::size_t>(config.rx_frames_max / (2 * flow_places(config)), 1, wire::kFramesPerFlowMax));
}

// A value that is lower than one before is stale.
void Lane::note_credit(FlowId id, std::uint64_t charge_limit, std::uint32_t frame_limit) noexcept {
  Flow* flow = find(id);
  if (flow == nullptr && raw(id) == next_local_flow_) {
    if (id != tx_ahead_.flow) tx_ahead_ = {.flow = id};
    tx_ahead_.charge_limit = std::max(tx_ahead_.charge_limit, charge_limit);
    tx_ahead_.frame_limit = std::max(tx_ahead_.frame_limit, frame_limit);
  }
  if (flow == nullptr || flow->state != FlowState::kOpen) return;
  flow->tx_charge_limit = std::max(flow->tx_charge_limit, charge_limit);
  flow->tx_frame_limit = std::max(flow->tx_frame_limit, frame_limit);
}

std::size_t Lane::put_credits(SentPacket& record, std::span<std::uint8_t> room) noexcept {
  std::size_t size = 0;
  if (credits_pending_ == 0) return 0;
  const auto put = [&](FlowId flow, std::uint64_t charge_limit, std::uint32_t frame_limit) {
    auto& chunk = *reinterpret_cast<wire::CreditChunk*>(room.data() + size);
    chunk.type = static_cast<std::uint8_t>(wire::ChunkType::kCredit);
    chunk.flow = raw(flow);
    chunk.charge_limit = charge_limit;
    chunk.frame_limit = frame_limit;
    record.has_credit = true;
    size += sizeof(chunk);
  };
  if (ahead_pending_ && room.size() >= sizeof(wire::CreditChunk)) {
    put(rx_ahead_.flow, rx_ahead_.charge_limit, rx_ahead_.frame_limit);
    set_ahead_pending(false);
  }
  for (Flow& flow : flows_) {
    if (credits_pending_ == 0 || room.size() - size < sizeof(wire::CreditChunk)) break;
    if (!flow.credit_pending) continue;
    put(flow.id, flow.rx_charge_limit, flow.rx_frame_limit);
    set_credit_pending(flow, false);
  }
  return size;
}

// Tells the peer how far it may go, when that has moved on enough to be worth saying.
void Lane::grant(std::uint64_t now_ns, Flow& flow) noexcept {
  grow_window(now_ns, flow);
  grow_frame_window(now_ns, flow);
  const std::uint64_t limit = flow.rx_consumed + flow.rx_window;
  const std::uint32_t frames = flow.rx_floor + flow.rx_frame_window;
  // Said again in steps of an eighth of the window, so that credit costs few packets and never holds the peer back; but
  // what is left unsaid must never keep the largest frame from going once all before it is consumed.
  const std::uint64_t step = std::min(flow.rx_window / 8, flow.rx_window - wire::kFrameBytesMax);
  if (limit < flow.rx_charge_limit + step && frames < flow.rx_frame_limit + flow.rx_frame_window / 8) return;
  if (limit == flow.rx_charge_limit && frames == flow.rx_frame_limit) return;
  flow.rx_charge_limit = std::max(flow.rx_charge_limit, limit);
  flow.rx_frame_limit = std::max(flow.rx_frame_limit, frames);
  set_credit_pending(flow, true);
}

// A flow that fills half its window within four round trips may be held back by it: the window doubles while the arena has
// room that is promised to nobody (after the receive-buffer tuning of Fisk and Feng, 2001).  Frames count as soon as they
// begin to arrive: on a path that loses much they take several round trips to complete, and a window that waited for that
// would hold start-up back.  The first frame of a flow is worth a window of its own at once, an eighth of the arena or half
// of what is left, since start-up may triple its rate every round trip.
void Lane::grow_window(std::uint64_t now_ns, Flow& flow) noexcept {
  const std::uint64_t total = flow.rx_consumed + flow.rx_held;
  const bool first = flow.rx_grown_ns == 0;
  if (!first && total - flow.rx_grown_total < flow.rx_window / 2) return;
  const std::uint64_t rtt = smoothed_rtt_ns();
  const bool fast = now_ns - flow.rx_grown_ns < 4 * rtt;
  flow.rx_grown_ns = now_ns;
  flow.rx_grown_total = total;
  if (!first && !fast) return;
  // Every flow that may still be opened starts with its first window, whatever the others have grown to.
  const std::uint64_t promised = rx_committed_ + window_initial(config_) * (flows_.size() - flows_open());
  const std::uint64_t room = config_.rx_arena_bytes - std::min<std::uint64_t>(promised, config_.rx_arena_bytes);
  const std::uint64_t cap = std::max(config_.window_max_bytes, flow.rx_window);
  const std::uint64_t step = first ? std::min<std::uint64_t>(config_.rx_arena_bytes / 8, room / 2) : flow.rx_window;
  const std::uint64_t more = std::min({step, room, cap - flow.rx_window});
  flow.rx_window += more;
  rx_committed_ += more;
}

// The same for the number of frames: what compresses well comes in many small ones, which reach this limit first.
void Lane::grow_frame_window(std::uint64_t now_ns, Flow& flow) noexcept {
  const bool first = flow.rx_frames_grown_ns == 0;
  if (!first && flow.rx_floor - flow.rx_frames_grown_at < flow.rx_frame_window / 2) return;
  const bool fast = now_ns - flow.rx_frames_grown_ns < 4 * smoothed_rtt_ns();
  flow.rx_frames_grown_ns = now_ns;
  flow.rx_frames_grown_at = flow.rx_floor;
  if (!first && !fast) return;
  const std::uint64_t promised = rx_frames_committed_ + std::uint64_t{frame_window(config_)} * (flows_.size() - flows_open());
  const std::uint64_t room = config_.rx_frames_max - std::min<std::uint64_t>(promised, config_.rx_frames_max);
  const std::uint64_t step = first ? std::min<std::uint64_t>(config_.rx_frames_max / 8, room / 2) : flow.rx_frame_window;
  const auto more =
      static_cast<std::uint32_t>(std::min<std::uint64_t>({step, room, wire::kFramesPerFlowMax - flow.rx_frame_window}));
  flow.rx_frame_window += more;
  rx_frames_committed_ += more;
}

// Ahead of the peer's next flow, while nothing else is under way here: on a path whose rate is known from before, the first
// round trip carries what the first window allows, and a window of its own can only follow a round trip later.  A quarter of
// the arena, or half of what is left: the rest is for flows that come beside it.
void Lane::grant_ahead() noexcept {
  if (!active_ || rx_ahead_.flow != FlowId{} || flows_open() != 0) return;
  const std::uint64_t charge = window_initial(config_);
  const std::uint64_t frames = frame_window(config_);
  const std::uint64_t room = config_.rx_arena_bytes - std::min<std::uint64_t>(charge * flows_.size(), config_.rx_arena_bytes);
  const std::uint64_t cap = std::max(config_.window_max_bytes, charge);
  const std::uint64_t frame_room = config_.rx_frames_max - std::min<std::uint64_t>(frames * flows_.size(), config_.rx_frames_max);
  const std::uint64_t more = std::min<std::uint64_t>({config_.rx_arena_bytes / 4, room / 2, cap - charge});
  const std::uint64_t more_frames =
      std::min<std::uint64_t>({config_.rx_frames_max / 4, frame_room / 2, wire::kFramesPerFlowMax - frames});
  if (more == 0) return;
  const std::uint32_t first = session_.opens_odd_flows ? 2 : 1;
  const std::uint32_t next = peer_flow_highest_ == 0 ? first : peer_flow_highest_ + 2;
  if (next <= peer_flow_highest_) return;  // ids are used up
  rx_ahead_ = {.flow = static_cast<FlowId>(next),
               .charge_limit = charge + more,
               .frame_limit = static_cast<std::uint32_t>(frames + more_frames)};
  rx_committed_ += more;
  rx_frames_committed_ += more_frames;
  set_ahead_pending(true);
}

// What was said ahead cannot be used any more.
void Lane::take_back_ahead() noexcept {
  if (rx_ahead_.flow == FlowId{}) return;
  rx_committed_ -= rx_ahead_.charge_limit - window_initial(config_);
  rx_frames_committed_ -= rx_ahead_.frame_limit - frame_window(config_);
  rx_ahead_ = {};
  set_ahead_pending(false);
}

// The flow just made is the one that either side was granted credit for.
void Lane::use_credit_ahead(Flow& flow) noexcept {
  if (flow.id == tx_ahead_.flow) {
    flow.tx_charge_limit = std::max(flow.tx_charge_limit, tx_ahead_.charge_limit);
    flow.tx_frame_limit = std::max(flow.tx_frame_limit, tx_ahead_.frame_limit);
    tx_ahead_ = {};
  }
  if (flow.id != rx_ahead_.flow) return;
  const NextFlowCredit ahead = rx_ahead_;
  const bool unsaid = ahead_pending_;
  take_back_ahead();
  rx_committed_ += ahead.charge_limit - flow.rx_window;
  rx_frames_committed_ += ahead.frame_limit - flow.rx_frame_window;
  flow.rx_window = flow.rx_charge_limit = ahead.charge_limit;
  flow.rx_frame_window = flow.rx_frame_limit = ahead.frame_limit;
  set_credit_pending(flow, unsaid);
}

void Lane::set_ahead_pending(bool pending) noexcept {
  if (ahead_pending_ == pending) return;
  ahead_pending_ = pending;
  pending ? ++credits_pending_ : --credits_pending_;
}

void Lane::set_credit_pending(Flow& flow, bool pending) noexcept {
  if (flow.credit_pending == pending) return;
  flow.credit_pending = pending;
  pending ? ++credits_pending_ : --credits_pending_;
}

}  // namespace dwcp
