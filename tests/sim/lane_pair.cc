// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/lane_pair.h"

#include <algorithm>
#include <cstring>
#include <stdexcept>

#include "tests/sim/lab_seal.h"

namespace dwcp::sim {
namespace {

constexpr std::size_t kPatternBytes = 1U << 20;
constexpr std::uint32_t kIpv4UdpBytes = 28;

const std::vector<std::uint8_t>& pattern() {
  static const std::vector<std::uint8_t> bytes = [] {
    std::vector<std::uint8_t> made(kPatternBytes + wire::kFrameBytesMax);
    Rng rng(20261124);
    for (std::size_t i = 0; i + 8 <= made.size(); i += 8) {
      const std::uint64_t word = rng.next();
      std::memcpy(made.data() + i, &word, 8);
    }
    return made;
  }();
  return bytes;
}

// Where the contents of a frame stand in the pattern.
std::size_t pattern_offset(std::uint64_t epoch, FlowId flow, FrameSeq seq) {
  return Rng(epoch * 7919 + raw(flow) * 1000003ULL + raw(seq)).below(kPatternBytes);
}

}  // namespace

LinkProfile path(double mbps, double rtt_ms, double loss, double queue_bdp) {
  LinkProfile profile;
  profile.rate_bps = static_cast<std::uint64_t>(mbps * 1e6);
  profile.delay_ns = static_cast<std::uint64_t>(rtt_ms / 2 * 1e6);
  profile.queue_bytes =
      std::max<std::uint64_t>(static_cast<std::uint64_t>(queue_bdp * mbps * 1e6 / 8 * rtt_ms * 1e-3), 65536);
  profile.loss = loss;
  return profile;
}

Side::Side(const PairSetup& setup, const LaneSession& session)
    : setup_(setup),
      lane_(setup.lane),
      tx_cells_(setup.tx_arena_bytes),
      rng_(setup.seed * 2 + session.local_session),
      datagram_(wire::kDatagramBytesMax) {
  lane_.start(kNsPerSec, session, lane_.make_streams(session));
}

void Side::fail(const std::string& what) const {
  throw std::runtime_error("seed " + std::to_string(setup_.seed) + ": " + what);
}

Offer& Side::offer(FlowId flow, std::uint64_t frames, std::uint32_t bytes_min, std::uint32_t bytes_max) {
  offers_.push_back({.flow = flow, .frames = frames, .frame_bytes_min = bytes_min, .frame_bytes_max = bytes_max});
  return offers_.back();
}

bool Side::all_acked() const noexcept {
  return std::all_of(offers_.begin(), offers_.end(), [](const Offer& o) { return o.acked + o.dropped == o.frames; });
}

std::uint64_t Side::frames_delivered(FlowId flow) const {
  const auto found = delivered_.find(raw(flow));
  return found == delivered_.end() ? 0 : found->second.size();
}

std::uint64_t Side::deadline_ns() const noexcept {
  std::uint64_t least = lane_.deadline_ns();
  if (!waiting_.empty()) least = std::min(least, waiting_.front().ready_ns);
  return least;
}

void Side::reset(FlowId flow, EndReason reason) {
  lane_.reset_flow(flow, reason);
  stop_offering(flow);
}

void Side::stop_offering(FlowId flow) noexcept {
  for (Offer& offer : offers_) {
    if (offer.flow == flow) offer.frames = offer.submitted;
  }
}

void Side::restart(std::uint64_t now_ns, const LaneSession& session) {
  lane_.abandon(EndReason::kLinkLost);
  if (lane_.deadline_ns() != kNever) fail("an abandoned lane wants to run");
  for (Offer& offer : offers_) offer.frames = offer.submitted;
  consume_free_ns_ = 0;
  take_events(now_ns);
  while (!waiting_.empty()) {
    lane_.consume(now_ns, waiting_.front().rx_slot);
    waiting_.pop_front();
  }
  if (!lane_.drained() || !lane_.parity_idle()) fail("an abandoned lane is not drained");
  if (!bodies_out_.empty() || !all_acked()) fail("an abandoned lane kept a body");
  if (lane_.rx_free_bytes() != setup_.lane.rx_arena_bytes / wire::kCellBytes * wire::kCellBytes) {
    fail("an abandoned lane kept cells");
  }
  (void)lane_.start(now_ns, session, lane_.make_streams(session));
  offers_.clear();
  delivered_.clear();
  resets_.clear();
  ++epoch_;
}

// False when the lane or the arena has no room.
bool Side::submit_next(Offer& offer) {
  if (free_bodies_.empty()) {
    bodies_.push_back(std::make_unique<FrameBody>());
    free_bodies_.push_back(bodies_.back().get());
  }
  FrameBody* body = free_bodies_.back();
  Rng sizes(setup_.seed * 77 + raw(offer.flow) * 1000003ULL + offer.submitted);
  const auto bytes = static_cast<std::uint32_t>(offer.frame_bytes_min +
                                                sizes.below(offer.frame_bytes_max - offer.frame_bytes_min + 1));
  if (!tx_cells_.allocate(*body, bytes)) return false;
  body->tail = offer.submitted % offer.tail_period >= offer.tail_from;
  const auto seq = static_cast<FrameSeq>(offer.submitted);
  if (setup_.contents) body->write(0, std::span(pattern()).subspan(pattern_offset(epoch_, offer.flow, seq), bytes));
  if (!lane_.submit(offer.flow, *body)) {
    tx_cells_.release(*body);
    return false;
  }
  free_bodies_.pop_back();
  bodies_out_.insert(body);
  ++offer.submitted;
  return true;
}

void Side::submit_offers() {
  const std::size_t share = setup_.share_slots ? lane_.config().tx_frames_max / std::max<std::size_t>(offers_.size(), 1)
                                               : lane_.config().tx_frames_max;
  for (bool any = true; any;) {
    any = false;
    for (Offer& offer : offers_) {
      if (offer.submitted - offer.acked - offer.dropped >= share) continue;
      if (offer.submitted == offer.frames || lane_.tx_frames_free() == 0 || !lane_.flow_open(offer.flow)) continue;
      any = submit_next(offer) || any;
    }
  }
}

void Side::check_frame(const LaneEvent& event) {
  const RxFrame& frame = lane_.rx_frame(event.rx_slot);
  if (!delivered_[raw(event.flow)].insert(raw(event.seq)).second) fail("a frame was delivered twice");
  if (frame.flow != event.flow || frame.seq != event.seq) fail("a frame was delivered under another name");
  const std::uint8_t* want = pattern().data() + pattern_offset(epoch_, event.flow, event.seq);
  for (std::size_t done = 0; setup_.contents && done < frame.body.bytes; done += wire::kCellBytes) {
    const std::size_t n = std::min<std::size_t>(wire::kCellBytes, frame.body.bytes - done);
    if (std::memcmp(frame.body.cells[done / wire::kCellBytes], want + done, n) != 0)
      fail("a frame was delivered damaged");
  }
  bytes_delivered_ += frame.body.bytes;
}

void Side::take_body(const LaneEvent& event) {
  if (bodies_out_.erase(event.body) != 1) fail("a body came back that was not out");
  const bool acked = event.kind == LaneEventKind::kFrameAcked;
  for (Offer& offer : offers_) {
    if (offer.flow == event.flow) ++(acked ? offer.acked : offer.dropped);
  }
  tx_cells_.release(*event.body);
  free_bodies_.push_back(event.body);
}

void Side::take_events(std::uint64_t now_ns) {
  LaneEvent event;
  while (lane_.poll_event(event)) {
    if (resets_.contains(raw(event.flow))) fail("an event for a flow that was reported over");
    switch (event.kind) {
      case LaneEventKind::kFrameReceived:
        check_frame(event);
        consume_free_ns_ = std::max(consume_free_ns_, now_ns);
        if (setup_.consume_bytes_per_sec != 0) {
          consume_free_ns_ += lane_.rx_frame(event.rx_slot).body.bytes * kNsPerSec / setup_.consume_bytes_per_sec;
        }
        waiting_.push_back({.ready_ns = consume_free_ns_ + setup_.consume_delay_ns, .rx_slot = event.rx_slot});
        break;
      case LaneEventKind::kFrameAcked:
      case LaneEventKind::kFrameDropped:
        take_body(event);
        break;
      case LaneEventKind::kFlowReset:
        resets_.emplace(raw(event.flow), event.reason);
        stop_offering(event.flow);
        break;
    }
  }
  while (!waiting_.empty() && waiting_.front().ready_ns <= now_ns) {
    lane_.consume(now_ns, waiting_.front().rx_slot);
    waiting_.pop_front();
  }
}

void Side::pump(std::uint64_t now_ns, PathBundle& in, PathBundle& out) {
  while (const auto delivery = in.receive(now_ns)) (void)sim::receive(lane_, now_ns, delivery->bytes, delivery->ecn);
  take_events(now_ns);
  submit_offers();
  lane_.on_time(now_ns);
  TxDatagram datagram{.data = datagram_.data(), .capacity = static_cast<std::uint32_t>(datagram_.size())};
  while (lane_.transmit(now_ns, {&datagram, 1}) == 1) {
    seal(datagram);
    const std::size_t side = lane_.session().opens_odd_flows ? 0 : 1;
    if (setup_.path_down && setup_.path_down(now_ns, side, datagram.stream, datagram.path)) continue;
    if (setup_.datagram_down && setup_.datagram_down(side, datagram)) continue;
    if (setup_.path_bytes && datagram.length > setup_.path_bytes(now_ns, side, datagram.stream, datagram.path)) continue;
    const DropReason fate =
        out.send(now_ns, {datagram.data, datagram.length},
                 flow_name(lane_.session().local_session, datagram.stream, datagram.path), datagram.ecn);
    if (fate == DropReason::kMtu && setup_.too_big_reports) {
      lane_.on_mtu_report(now_ns, datagram.stream, out.link().profile().mtu - kIpv4UdpBytes);
    }
  }
  take_events(now_ns);
}

LanePair::LanePair(const PairSetup& setup) : setup_(setup) {
  std::vector<LinkProfile> forward = {setup.forward};
  forward.insert(forward.end(), setup.forward_more.begin(), setup.forward_more.end());
  pipes_[0] = std::make_unique<PathBundle>(forward, setup.seed * 4 + 1);
  pipes_[1] = std::make_unique<PathBundle>(std::vector{setup.backward}, setup.seed * 4 + 2);
  for (std::uint32_t i = 0; i < 2; ++i) sides_[i] = std::make_unique<Side>(setup_, session(i));
}

LaneSession LanePair::session(std::uint32_t side) const noexcept {
  LaneSession session;
  session.local_session = 100 + 2 * epoch_ + side;
  session.remote_session = 101 + 2 * epoch_ - side;
  session.opens_odd_flows = side == 0;
  session.peer_flows_max = setup_.lane.flows_max;
  session.peer_streams = setup_.lane.stream_limits().max;
  session.peer_window_bytes = Lane::window_initial(setup_.lane);
  session.peer_frame_window = Lane::frame_window(setup_.lane);
  session.seed = setup_.seed;
  session.resume = setup_.resume;
  return session;
}

void LanePair::restart() {
  ++epoch_;
  for (std::uint32_t i = 0; i < 2; ++i) sides_[i]->restart(now_ns_, session(i));
}

void LanePair::pump() {
  if (others_ != nullptr) others_->pump_before(now_ns_, pipes_[0]->link(), pipes_[1]->link());
  sides_[0]->pump(now_ns_, *pipes_[1], *pipes_[0]);
  sides_[1]->pump(now_ns_, *pipes_[0], *pipes_[1]);
  if (others_ != nullptr) others_->pump_after(now_ns_, pipes_[0]->link(), pipes_[1]->link());
}

bool LanePair::run_until(std::uint64_t deadline_ns, const std::function<bool()>& stop) {
  while (now_ns_ < deadline_ns) {
    pump();
    if (stop && stop()) return true;
    const std::uint64_t next = std::min({pipes_[0]->next_event_ns(), pipes_[1]->next_event_ns(),
                                         sides_[0]->deadline_ns(), sides_[1]->deadline_ns(),
                                         others_ == nullptr ? kNever : others_->deadline_ns(), deadline_ns});
    now_ns_ = std::min(std::max(next, now_ns_ + setup_.poll_ns), std::max(deadline_ns, now_ns_ + 1));
  }
  return stop && stop();
}

bool LanePair::settled() const noexcept {
  return sides_[0]->all_acked() && sides_[1]->all_acked() && sides_[0]->bodies_home() && sides_[1]->bodies_home() &&
         sides_[0]->idle() && sides_[1]->idle();
}

}  // namespace dwcp::sim
