// SPDX-License-Identifier: Apache-2.0
// NetRole: frames between the codec lcores and the lanes.
#include <algorithm>

#include "base/assert.h"
#include "dataplane/lcore/net_role.h"

namespace dwcp {
namespace {

constexpr std::size_t kMessagesPerStep = 64;
constexpr std::size_t kEventsPerStep = 256;

}  // namespace

FlowRef NetRole::ref(std::uint16_t index, FlowId flow) const noexcept {
  return {.net = config_.index, .lane = index, .session = links_[index]->lane.session().local_session, .flow = flow};
}

NetRole::FlowOwner* NetRole::owner_of(Link& link, FlowId flow) noexcept {
  const auto found = std::find_if(link.owners.begin(), link.owners.end(),
                                  [flow](const FlowOwner& owner) { return owner.used && owner.flow == flow; });
  return found == link.owners.end() ? nullptr : &*found;
}

NetRole::FlowOwner& NetRole::add_owner(Link& link, FlowId flow, std::uint16_t codec) noexcept {
  const auto free = std::find_if(link.owners.begin(), link.owners.end(), [](const FlowOwner& owner) { return !owner.used; });
  DWCP_ASSERT(free != link.owners.end());  // as many places as the lane has flows, and each is given up with its flow
  *free = {.flow = flow, .codec = codec, .used = true};
  return *free;
}

void NetRole::tell_codec(std::uint16_t codec, const NetToCodec& message) noexcept {
  const bool pushed = codecs_[codec]->to_codec.push(message);
  DWCP_ASSERT(pushed);  // see CodecNetRings
}

std::size_t NetRole::take_codec(std::uint64_t now_ns) noexcept {
  std::size_t taken = 0;
  CodecToNet message;
  for (std::uint16_t codec = 0; codec < codecs_.size(); ++codec) {
    for (std::size_t i = 0; i < kMessagesPerStep && codecs_[codec]->to_net.pop(message); ++i, ++taken) {
      take_codec_message(now_ns, codec, message);
    }
  }
  return taken;
}

void NetRole::take_codec_message(std::uint64_t now_ns, std::uint16_t codec, const CodecToNet& message) noexcept {
  Link& link = *links_[message.flow.lane];
  Lane& lane = link.lane;
  const bool current = lane.active() && lane.session().local_session == message.flow.session;
  switch (message.kind) {
    case CodecToNetKind::kOpenFlow: {
      NetToCodec answer{.migration = message.migration, .kind = NetToCodecKind::kOpenRefused, .reason = EndReason::kPeerDown};
      if (lane.active()) {
        answer.reason = EndReason::kResourceExhausted;
        if (const auto flow = lane.open_flow()) {
          add_owner(link, *flow, codec);
          answer.kind = NetToCodecKind::kFlowOpened;
          answer.reason = EndReason::kNone;
          answer.flow = ref(message.flow.lane, *flow);
        }
      }
      return tell_codec(codec, answer);
    }
    case CodecToNetKind::kSubmit:
      if (current && lane.submit(message.flow.flow, *message.body)) {
        if (FlowOwner* owner = owner_of(link, message.flow.flow)) owner->slot = &migrations_[message.migration.slot];
        return;
      }
      DWCP_ASSERT(!current || !lane.flow_open(message.flow.flow));  // a lane has as many places as the codecs have bodies
      // The flow is over; the codec hears of it by its own message, and has its body back.
      return tell_codec(codec, {.flow = message.flow, .body = message.body, .kind = NetToCodecKind::kBodyReturn});
    case CodecToNetKind::kConsume:
      return lane.consume(now_ns, message.rx_slot);  // also of a session that is over
    case CodecToNetKind::kReset:
    case CodecToNetKind::kCloseFlow:
      if (!current) return;
      if (FlowOwner* owner = owner_of(link, message.flow.flow)) owner->used = false;
      if (message.kind == CodecToNetKind::kReset) {
        lane.reset_flow(message.flow.flow, message.reason);
      } else {
        lane.close_flow(message.flow.flow);
      }
      return;
  }
}

std::size_t NetRole::take_lane_events(std::uint64_t now_ns) noexcept {
  std::size_t taken = 0;
  LaneEvent event;
  // Another link first each time, so that a busy peer cannot use up the step's share for ever.
  event_turn_ = (event_turn_ + 1) % std::max<std::size_t>(links_.size(), 1);
  for (std::size_t i = 0; i < links_.size(); ++i) {
    const auto index = static_cast<std::uint16_t>((event_turn_ + i) % links_.size());
    while (taken < kEventsPerStep && links_[index]->lane.poll_event(event)) {
      give_event(now_ns, index, event);
      ++taken;
    }
  }
  return taken;
}

void NetRole::give_event(std::uint64_t now_ns, std::uint16_t index, const LaneEvent& event) noexcept {
  Link& link = *links_[index];
  FlowOwner* owner = owner_of(link, event.flow);
  switch (event.kind) {
    case LaneEventKind::kFrameAcked:
    case LaneEventKind::kFrameDropped: {
      // The flow may be gone already; its bodies name their codec.
      NetToCodec message{.flow = ref(index, event.flow), .body = event.body, .kind = NetToCodecKind::kBodyReturn};
      message.acked = event.kind == LaneEventKind::kFrameAcked;
      return tell_codec(event.body->owner, message);
    }
    case LaneEventKind::kFrameReceived: {
      if (owner == nullptr) {
        if (!link.lane.active() || !link.lane.flow_open(event.flow)) return link.lane.consume(now_ns, event.rx_slot);
        owner = &add_owner(link, event.flow, static_cast<std::uint16_t>(raw(event.flow) / 2 % codecs_.size()));
        tell_codec(owner->codec, {.flow = ref(index, event.flow), .kind = NetToCodecKind::kFlowArrived});
      }
      return tell_codec(owner->codec, {.flow = ref(index, event.flow),
                                       .body = &link.lane.rx_frame(event.rx_slot).body,
                                       .rx_slot = event.rx_slot,
                                       .seq = event.seq,
                                       .kind = NetToCodecKind::kFrame});
    }
    case LaneEventKind::kFlowReset:
      if (owner == nullptr) return;
      owner->used = false;
      return tell_codec(owner->codec,
                        {.flow = ref(index, event.flow), .kind = NetToCodecKind::kFlowReset, .reason = event.reason});
  }
}

}  // namespace dwcp
