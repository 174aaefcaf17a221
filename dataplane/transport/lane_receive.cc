// SPDX-License-Identifier: Apache-2.0
// Lane: what comes from the network.  Everything here is written by a peer that is hostile until proven otherwise:
// every size is checked before it is used, and what contradicts the protocol is dropped, counted, and at worst ends its
// own flow.
#include <algorithm>
#include <array>
#include <cstring>

#include "dataplane/transport/lane.h"
#include "dataplane/wire/chunk.h"
#include "dataplane/wire/packet.h"

namespace dwcp {

using wire::DropReason;

struct Lane::Received {
  Stream& stream;
  std::span<const std::uint8_t> rest;  // chunks not yet taken
  std::uint64_t acked_streams = 0;     // bit i: an ACK of stream i was among those taken
  bool ack_eliciting = false;

  // The fixed part of the next chunk; null when the packet is too short for it.
  template <typename Chunk>
  [[nodiscard]] const Chunk* take() noexcept {
    if (rest.size() < sizeof(Chunk)) return nullptr;
    const auto* chunk = reinterpret_cast<const Chunk*>(rest.data());
    rest = rest.subspan(sizeof(Chunk));
    return chunk;
  }
};

DropReason Lane::examine(std::span<const std::uint8_t> datagram, PacketNumber& number) noexcept {
  if (datagram.size() < sizeof(wire::PacketHeader) + wire::kSealBytes) return drop(DropReason::kTruncated);
  if (datagram.size() > wire::kDatagramBytesMax) return drop(DropReason::kOversized);
  const auto& header = *reinterpret_cast<const wire::PacketHeader*>(datagram.data());
  if (wire::version_of(header.type) != wire::kVersion) return drop(DropReason::kWrongVersion);
  if (header.type != wire::type_byte(wire::PacketType::kData)) return drop(DropReason::kUnknownType);
  if (!active_ || header.session != session_.local_session) return drop(DropReason::kWrongSession);
  const std::size_t index = wire::stream_of(header.stream);
  if (index >= streams_.size()) return drop(DropReason::kWrongStream);
  const AckTracker& received = streams_[index].received();
  number = wire::expand_packet_number(received.expected(), header.number);
  if (const DropReason reason = received.admit(number); reason != DropReason::kNone) return drop(reason);
  return DropReason::kNone;
}

DropReason Lane::receive(std::uint64_t now_ns, std::span<const std::uint8_t> datagram, PacketNumber number, Ecn ecn) noexcept {
  const auto& header = *reinterpret_cast<const wire::PacketHeader*>(datagram.data());
  const std::uint8_t index = wire::stream_of(header.stream);
  Stream& stream = streams_[index];
  // Twice in one burst: the network's doing, or somebody's, for a sender never uses a number twice.
  if (const DropReason reason = stream.received().admit(number); reason != DropReason::kNone) return drop(reason);
  Received packet{.stream = stream,
                  .rest = datagram.subspan(sizeof(header), datagram.size() - sizeof(header) - wire::kSealBytes)};
  if (const DropReason reason = take_chunks(now_ns, packet); reason != DropReason::kNone) return drop(reason);
  receiving_ |= std::uint64_t{1} << index;
  ++stream.counters().packets_received;
  stream.counters().bytes_received += datagram.size();
  stream.received().on_received(now_ns, number, packet.ack_eliciting,
                                stream.rtt().sampled() ? stream.rtt().smoothed_ns() : 8 * kNsPerMs, ecn);
  last_received_ns_ = now_ns;
  return DropReason::kNone;
}

DropReason Lane::take_chunks(std::uint64_t now_ns, Received& packet) noexcept {
  while (!packet.rest.empty()) {
    DropReason reason = DropReason::kNone;
    switch (static_cast<wire::ChunkType>(packet.rest.front())) {
      case wire::ChunkType::kPadding: packet.rest = packet.rest.subspan(1); break;
      case wire::ChunkType::kPing:
        packet.rest = packet.rest.subspan(1);
        packet.ack_eliciting = true;
        break;
      case wire::ChunkType::kAck:
      case wire::ChunkType::kAckEcn: reason = take_ack(now_ns, packet); break;
      case wire::ChunkType::kData: reason = take_data(now_ns, packet); break;
      case wire::ChunkType::kParity: reason = take_parity(now_ns, packet); break;
      case wire::ChunkType::kCredit: reason = take_credit(packet); break;
      case wire::ChunkType::kReset: reason = take_reset(packet); break;
      case wire::ChunkType::kClose:
        if (packet.take<wire::CloseChunk>() == nullptr) return DropReason::kMalformedChunk;
        closed_by_peer_ = true;  // the peer's reason is its own business: for us the link is lost
        break;
      default: return DropReason::kMalformedChunk;
    }
    if (reason != DropReason::kNone) return reason;
  }
  return DropReason::kNone;
}

DropReason Lane::take_ack(std::uint64_t now_ns, Received& packet) noexcept {
  const auto* ack = packet.take<wire::AckChunk>();
  if (ack == nullptr || packet.rest.size() < ack->range_count * sizeof(wire::AckRange)) return DropReason::kMalformedChunk;
  if (ack->stream >= streams_.size()) return DropReason::kBadAck;
  // One says all there is to say; an ACK costs far more time than bytes.
  const std::uint64_t bit = std::uint64_t{1} << ack->stream;
  if ((packet.acked_streams & bit) != 0) return DropReason::kBadAck;
  packet.acked_streams |= bit;
  Stream& stream = streams_[ack->stream];
  const auto* wire_ranges = reinterpret_cast<const wire::AckRange*>(packet.rest.data());
  packet.rest = packet.rest.subspan(ack->range_count * sizeof(wire::AckRange));
  EcnCounts ecn;
  const bool with_ecn = ack->type == static_cast<std::uint8_t>(wire::ChunkType::kAckEcn);
  if (with_ecn) {
    const auto* counts = packet.take<wire::AckEcnCounts>();
    if (counts == nullptr) return DropReason::kMalformedChunk;
    ecn = {.ect0 = counts->ect0, .ect1 = counts->ect1, .ce = counts->ce};
  }

  std::array<AckedRange, wire::kAckRangesMax + 1> ranges;
  std::size_t count = 0;
  PacketNumber last = wire::expand_packet_number(stream.next_number(), ack->largest);
  if (last >= stream.next_number() || ack->first_length > last) return DropReason::kBadAck;
  ranges[count++] = {.first = last - ack->first_length, .last = last};
  for (std::size_t i = 0; i < ack->range_count; ++i) {
    const PacketNumber below = ranges[count - 1].first;
    const PacketNumber skip = PacketNumber{wire_ranges[i].gap} + 2;  // RFC 9000 §19.3.1
    if (below < skip || below - skip < wire_ranges[i].length) return DropReason::kBadAck;
    last = below - skip;
    ranges[count++] = {.first = last - wire_ranges[i].length, .last = last};
  }
  const std::uint64_t delay_ns = std::uint64_t{ack->delay_8us} * 8 * kNsPerUs;
  const bool taken = stream.on_ack(now_ns, {ranges.data(), count}, delay_ns, *this, with_ecn ? &ecn : nullptr);
  if (taken) return DropReason::kNone;
  // One that lies about what it got lies about the path: what it is sent would be a flood.
  if (!stream.lied_to()) return DropReason::kBadAck;
  lied_to_ = true;
  return DropReason::kFalseAck;
}

DropReason Lane::take_credit(Received& packet) noexcept {
  const auto* credit = packet.take<wire::CreditChunk>();
  if (credit == nullptr) return DropReason::kMalformedChunk;
  packet.ack_eliciting = true;
  note_credit(static_cast<FlowId>(credit->flow.value()), credit->charge_limit, credit->frame_limit);
  return DropReason::kNone;
}

DropReason Lane::take_reset(Received& packet) noexcept {
  const auto* reset = packet.take<wire::ResetChunk>();
  if (reset == nullptr) return DropReason::kMalformedChunk;
  packet.ack_eliciting = true;
  const auto id = static_cast<FlowId>(reset->flow.value());
  Flow* flow = find(id);
  if (flow == nullptr) {
    // Over before anything of it came: nobody here knows of it, so nobody is told and no place is taken.
    if (peer_may_open(id)) {
      note_peer_flow(id);
      grant_ahead();
    }
    return DropReason::kNone;
  }
  if (flow->state == FlowState::kOpen) {
    const bool known = reset->reason != 0 && reset->reason <= static_cast<std::uint8_t>(EndReason::kMaxValue);
    end_flow(*flow, true, known ? static_cast<EndReason>(reset->reason) : EndReason::kProtocolError);
  }
  return DropReason::kNone;
}

DropReason Lane::take_data(std::uint64_t now_ns, Received& packet) noexcept {
  const auto* data = packet.take<wire::DataChunk>();
  if (data == nullptr) return DropReason::kMalformedChunk;
  const std::uint32_t length = data->length;
  if (length == 0 || packet.rest.size() < length) return DropReason::kMalformedChunk;
  const auto bytes = packet.rest.first(length);
  packet.rest = packet.rest.subspan(length);
  packet.ack_eliciting = true;

  Flow* flow = nullptr;
  if (!flow_of_peer(static_cast<FlowId>(data->flow.value()), flow)) return DropReason::kNoRoom;
  if (flow == nullptr || flow->state != FlowState::kOpen) return DropReason::kNone;  // over already: the rest is late
  const std::uint32_t frame_bytes = data->frame_bytes;
  if (frame_bytes == 0 || frame_bytes > wire::kFrameBytesMax || data->offset + length > frame_bytes) {
    return violate(*flow, DropReason::kBadFrame);
  }
  return store(now_ns, *flow, static_cast<FrameSeq>(data->frame.value()), frame_bytes, data->offset, bytes);
}

DropReason Lane::take_parity(std::uint64_t now_ns, Received& packet) noexcept {
  const auto* parity = packet.take<wire::ParityChunk>();
  if (parity == nullptr || packet.rest.size() < parity->symbol_bytes) return DropReason::kMalformedChunk;
  const auto bytes = packet.rest.first(parity->symbol_bytes);
  packet.rest = packet.rest.subspan(bytes.size());
  packet.ack_eliciting = true;

  Flow* flow = nullptr;
  if (!flow_of_peer(static_cast<FlowId>(parity->flow.value()), flow)) return DropReason::kNoRoom;
  if (flow == nullptr || flow->state != FlowState::kOpen) return DropReason::kNone;
  return store_parity(now_ns, *flow, *parity, bytes);
}

// Ids of the peer's parity that it has not used yet, as far as the last 64 are remembered.
bool Lane::peer_may_open(FlowId id) const noexcept {
  if (raw(id) == 0 || (raw(id) % 2 == 1) == session_.opens_odd_flows) return false;
  if (raw(id) > peer_flow_highest_) return true;
  const std::uint32_t steps = (peer_flow_highest_ - raw(id)) / 2;
  return steps < 64 && (peer_flow_seen_ >> steps & 1) == 0;
}

void Lane::note_peer_flow(FlowId id) noexcept {
  if (raw(id) <= peer_flow_highest_) {
    peer_flow_seen_ |= std::uint64_t{1} << (peer_flow_highest_ - raw(id)) / 2;
  } else {
    const std::uint32_t steps = (raw(id) - peer_flow_highest_) / 2;
    peer_flow_seen_ = steps >= 64 ? 1 : peer_flow_seen_ << steps | 1;
    peer_flow_highest_ = raw(id);
  }
  // Credit promised to a flow that will never be must not stay promised.
  if (!peer_may_open(rx_ahead_.flow)) take_back_ahead();
}

// The flow a chunk of the peer speaks of: one that is open, or a new one the peer may open.  Null for flows that are over
// and for ids the peer may not use.
bool Lane::flow_of_peer(FlowId id, Flow*& flow) noexcept {
  flow = find(id);
  if (flow != nullptr || !peer_may_open(id)) return true;
  // As many as we announced, and some whose end has not reached us yet.
  const auto theirs = std::count_if(flows_.begin(), flows_.end(), [this](const Flow& f) {
    return f.state != FlowState::kFree && (raw(f.id) % 2 == 1) != session_.opens_odd_flows;
  });
  if (static_cast<std::size_t>(theirs) >= peer_flow_places(config_)) return false;
  flow = make_flow(id);
  if (flow == nullptr) return false;
  note_peer_flow(id);
  return true;
}

// The peer broke the flow's rules: it is over, and both codecs hear of it.
DropReason Lane::violate(Flow& flow, DropReason reason) noexcept {
  fail_flow(flow, EndReason::kProtocolError);
  push_event({.flow = flow.id, .kind = LaneEventKind::kFlowReset, .reason = EndReason::kProtocolError});
  return reason;
}

DropReason Lane::rx_frame_for(std::uint64_t now_ns, Flow& flow, FrameSeq seq, std::uint32_t frame_bytes,
                              std::uint32_t& found) noexcept {
  found = kNoSlot;
  const std::uint32_t number = raw(seq);
  if (number < flow.rx_floor) return DropReason::kNone;
  if (number >= flow.rx_frame_limit) return violate(flow, DropReason::kOverCredit);
  std::uint32_t& place = flow.rx_slot(number);
  if (place == Flow::kConsumed || (place != Flow::kEmpty && rx_frames_[place].lent)) return DropReason::kNone;
  if (place == Flow::kEmpty) {
    if (flow.rx_consumed + flow.rx_held + wire::frame_charge(frame_bytes) > flow.rx_charge_limit) {
      return violate(flow, DropReason::kOverCredit);
    }
    const std::uint32_t slot = rx_frames_.take();
    if (slot == kNoSlot || !rx_cells_.allocate(rx_frames_[slot].body, frame_bytes)) {
      // Frames of ended flows still lent to the codec can take what was promised; the peer repairs this one.
      if (slot != kNoSlot) rx_frames_.put(slot);
      return DropReason::kNoRoom;
    }
    RxFrame& frame = rx_frames_[slot];
    frame.flow = flow.id;
    frame.seq = seq;
    frame.received_bytes = 0;
    frame.received.clear();
    flow.rx_held += frame.body.charge();
    place = slot;
    grant(now_ns, flow);
  }
  if (rx_frames_[place].body.bytes != frame_bytes) return violate(flow, DropReason::kBadFrame);
  found = place;
  return DropReason::kNone;
}

DropReason Lane::store(std::uint64_t now_ns, Flow& flow, FrameSeq seq, std::uint32_t frame_bytes, std::uint32_t offset,
                       std::span<const std::uint8_t> bytes) noexcept {
  std::uint32_t slot = kNoSlot;
  if (const DropReason reason = rx_frame_for(now_ns, flow, seq, frame_bytes, slot); reason != DropReason::kNone) return reason;
  if (slot == kNoSlot) {
    counters_.data_bytes_duplicate += bytes.size();
    return DropReason::kNone;
  }
  RxFrame& frame = rx_frames_[slot];
  std::uint32_t added = 0;
  const auto end = static_cast<std::uint32_t>(offset + bytes.size());
  if (frame.received.insert(offset, end, added) == FrameRanges::Inserted::kFull) return DropReason::kNoRoom;
  counters_.data_bytes_duplicate += bytes.size() - added;
  if (added == 0) return DropReason::kNone;
  frame.body.write(offset, bytes);
  frame.received_bytes += added;
  if (frame.received_bytes == frame_bytes || (frame.parity != kNoSlot && recover(frame))) complete(flow, slot);
  return DropReason::kNone;
}

void Lane::complete(Flow& flow, std::uint32_t slot) noexcept {
  RxFrame& frame = rx_frames_[slot];
  release_rx_parity(frame);
  frame.lent = true;
  ++counters_.frames_received;
  counters_.frame_bytes_received += frame.body.bytes;
  push_event({.flow = flow.id, .seq = frame.seq, .rx_slot = slot, .kind = LaneEventKind::kFrameReceived});
}

}  // namespace dwcp
