// SPDX-License-Identifier: Apache-2.0
// Lane: what goes to the network, and time.
#include <algorithm>
#include <cstring>

#include "base/assert.h"
#include "dataplane/transport/lane.h"
#include "dataplane/wire/chunk.h"
#include "dataplane/wire/packet.h"

namespace dwcp {
namespace {

// A second DATA chunk in a packet is worth its header only for this many bytes.
constexpr std::size_t kSecondRangeMin = 64;
// An ACK leaves room for data behind it; more ranges than fit wait for the next.
constexpr std::size_t kAckRoomMin = sizeof(wire::AckChunk) + 4 * sizeof(wire::AckRange) + sizeof(wire::AckEcnCounts);
// Ranges said in every ACK, and more only as far down as there is news.
constexpr std::size_t kAckRangesUsual = 8;
// The ACKs of all streams go together: each for itself would be one for every second packet where many streams are slow.
constexpr std::uint64_t kAcksPerRtt = 16;
constexpr std::uint64_t kAckSpacingMaxNs = kNsPerMs;

}  // namespace

// Every stream is asked at least once before nothing is left to send: pings, probes and ACKs wait for no turn.
std::size_t Lane::transmit(std::uint64_t now_ns, std::span<TxDatagram> batch) noexcept {
  if (!active_) return 0;
  acks_due_ = ack_due(now_ns);
  std::size_t n = 0;
  std::size_t refused = 0;
  bool held = false;  // a stream could carry data, but has had its share
  std::size_t at = turns_.at();
  while (n < batch.size()) {
    const bool turn = turns_.has_credit(at);
    if ((sending_ >> at & 1) != 0 && build(now_ns, streams_[at], turn, batch[n])) {
      ++n;
      refused = 0;
      held = false;
      if (turn && data_sent_) turns_.spend(at, copy_follows_ || parity_turn_over_), at = turns_.at();
      parity_turn_over_ = false;
      continue;
    }
    held = held || (!turn && may_send(now_ns, streams_[at]));
    at = turns_.after(at);
    if (++refused < turns_.streams()) continue;
    if (!held || !data_waiting()) break;
    turns_.new_round();
    refused = 0;
    held = false;
  }
  return n;
}

bool Lane::ack_due(std::uint64_t now_ns) const noexcept {
  bool due = false;
  const bool spaced = now_ns >= acks_next_ns_;
  for_each(receiving_, [&](const Stream& stream) {
    due = due || (spaced ? stream.received().due(now_ns) : stream.received().urgent());
  });
  return due;
}

bool Lane::build(std::uint64_t now_ns, Stream& stream, bool turn, TxDatagram& out) noexcept {
  if (stream.state() == StreamState::kIdle) return false;
  data_sent_ = copy_follows_ = false;
  if (stream.probes_pending() == 0 && build_mtu_probe(now_ns, stream, out)) return true;
  const bool sendable = may_send(now_ns, stream);
  const bool waiting = data_waiting();
  if (sendable && !waiting) stream.on_app_limited();
  const bool data = sendable && waiting && turn;
  const bool control = sendable && control_waiting();
  const bool probe = stream.probes_pending() != 0;
  const bool ping = now_ns >= ping_due_ns(stream);
  // What we have received, and CLOSE, is said on a path that works, if there is one.
  const bool active = stream.state() == StreamState::kActive;
  const bool says = (acks_due_ || closes_pending_ != 0) && (active || streams_active() == 0);
  const bool ack = says && acks_due_;
  const bool closing = says && closes_pending_ != 0;
  if (!data && !control && !probe && !ping && !closing && !ack) return false;
  if (!stream.has_record_space()) return false;
  if (probe && !waiting) queue_probe(stream);

  const std::size_t size_max = std::min<std::size_t>(packet_bytes(now_ns, stream, probe), out.capacity);
  std::size_t size = put_header(stream, out);
  SentPacket& record = stream.begin_packet();
  const auto room = [&] { return std::span(out.data + size, size_max - wire::kSealBytes - size); };

  if (ack) size += put_acks(now_ns, room());
  const std::size_t before = size;
  if ((sendable || (probe && active)) && !closing) {
    size += put_resets(record, room());
    size += put_credits(record, room());
    const std::size_t parity = data || probe ? put_parity(record, room(), wire::chunk_room(stream.mtu().bytes())) : 0;
    size += parity;
    // Behind a copy of a small frame there is room; behind a parity symbol next to none.
    if ((data || probe) && (parity == 0 || record.range_count != 0)) size += put_data(record, room());
    data_sent_ = parity != 0 || record.range_count != 0;
  }
  if (closing) {
    *reinterpret_cast<wire::CloseChunk*>(out.data + size) = {static_cast<std::uint8_t>(wire::ChunkType::kClose),
                                                             static_cast<std::uint8_t>(close_reason_)};
    size += sizeof(wire::CloseChunk);
    --closes_pending_;
  }
  bool eliciting = size != before && !closing;  // CLOSE goes without data, so that nothing in it needs repair
  // Parity that waited may fit the path no more; then the packet at least asks for an answer.
  const bool empty = size == sizeof(wire::PacketHeader);
  if (!eliciting && (probe || ping || empty)) {
    out.data[size++] = static_cast<std::uint8_t>(wire::ChunkType::kPing);
    eliciting = true;
  }
  if (probe) stream.take_probe();
  finish(now_ns, stream, record, size, eliciting, out);
  return true;
}

// How large the next packet may be.  A probe after a PTO is small: if what went before fell into a black hole, it must not.
// Parity is as large as the path takes, and small packets can wait until it has gone.
std::uint32_t Lane::packet_bytes(std::uint64_t now_ns, const Stream& stream, bool probe) noexcept {
  if (probe) return PathMtu::kBaseBytes;
  if ((parity_ready_ != 0 || guarding_ != 0) && !frames_waiting()) return stream.mtu().bytes();
  return stream.datagram_bytes(now_ns);
}

// When the stream asks for an answer though it has nothing to say.
std::uint64_t Lane::ping_due_ns(const Stream& stream) const noexcept {
  if (stream.state() == StreamState::kProbing) return stream.probe_due_ns();
  return stream.last_eliciting_sent_ns() + config_.keepalive_ns;
}

// A packet that says nothing and is as large as the path may be found to carry.  No ACK rides on it, since it may well be
// lost.
bool Lane::build_mtu_probe(std::uint64_t now_ns, Stream& stream, TxDatagram& out) noexcept {
  if (now_ns < stream.mtu().probe_due_ns() || closes_pending_ != 0 || !may_send(now_ns, stream)) return false;
  const std::uint32_t bytes = stream.take_mtu_probe(now_ns);
  if (bytes == 0) return false;
  DWCP_DCHECK(bytes <= out.capacity);
  std::size_t size = put_header(stream, out);
  SentPacket& record = stream.begin_packet();
  record.mtu_probe = true;
  out.data[size++] = static_cast<std::uint8_t>(wire::ChunkType::kPing);
  std::memset(out.data + size, static_cast<int>(wire::ChunkType::kPadding), bytes - wire::kSealBytes - size);
  finish(now_ns, stream, record, bytes - wire::kSealBytes, true, out);
  return true;
}

std::size_t Lane::put_header(Stream& stream, TxDatagram& out) noexcept {
  auto& header = *reinterpret_cast<wire::PacketHeader*>(out.data);
  out.number = stream.next_number();
  header.type = wire::type_byte(wire::PacketType::kData);
  header.stream = raw(stream.id());
  header.session = session_.remote_session;
  header.number = static_cast<std::uint32_t>(out.number);
  return sizeof(header);
}

void Lane::finish(std::uint64_t now_ns, Stream& stream, SentPacket& record, std::size_t size, bool eliciting,
                  TxDatagram& out) noexcept {
  size += wire::kSealBytes;
  out.length = static_cast<std::uint32_t>(size);
  out.stream = stream.id();
  out.path = stream.path();
  // A copy follows (see Lane::repair): on another stream, and perhaps another path.
  copy_follows_ = record.range_count != 0 && record.ranges[0].losses >= kLossesForCopy;
  if (eliciting) rate_cap_.on_sent(now_ns, size);
  stream.on_sent(now_ns, record, size, eliciting);
  out.ecn = record.ect ? Ecn::kEct0 : Ecn::kNotEct;
}

// Says what has come on every stream, as far as there is room; what does not fit stays due for the next packet.
std::size_t Lane::put_acks(std::uint64_t now_ns, std::span<std::uint8_t> room) noexcept {
  std::size_t size = 0;
  acks_due_ = false;
  acks_next_ns_ = now_ns + std::min(smoothed_rtt_ns() / kAcksPerRtt, kAckSpacingMaxNs);
  for_each(receiving_, [&](Stream& stream) {
    if (!stream.received().wanted()) return;
    const std::size_t put = put_ack(now_ns, stream, room.subspan(size));
    if (put == 0 && stream.received().due(now_ns)) acks_due_ = true;
    size += put;
  });
  return size;
}

std::size_t Lane::put_ack(std::uint64_t now_ns, Stream& stream, std::span<std::uint8_t> room) noexcept {
  if (room.size() < kAckRoomMin) return 0;
  const AckTracker& received = stream.received();
  const auto intervals = received.received().intervals();
  auto& ack = *reinterpret_cast<wire::AckChunk*>(room.data());
  auto* ranges = reinterpret_cast<wire::AckRange*>(room.data() + sizeof(ack));
  constexpr PacketNumber kLengthMax = 0xffff;

  const auto& top = intervals.back();
  const bool with_ecn = received.ecn().any();
  ack.type = static_cast<std::uint8_t>(with_ecn ? wire::ChunkType::kAckEcn : wire::ChunkType::kAck);
  ack.stream = raw(stream.id());
  ack.largest = static_cast<std::uint32_t>(top.end - 1);
  ack.delay_8us = static_cast<std::uint16_t>(
      std::min<std::uint64_t>((now_ns - std::min(now_ns, received.largest_ns())) / (8 * kNsPerUs), 0xffff));
  PacketNumber length = std::min(top.end - top.begin - 1, kLengthMax);
  ack.first_length = static_cast<std::uint16_t>(length);
  std::size_t count = 0;
  // A range longer than its field ends the list: what lies below was acknowledged long ago.
  bool whole = length == top.end - top.begin - 1;
  const std::size_t count_max =
      std::min(wire::kAckRangesMax, (room.size() - sizeof(ack) - sizeof(wire::AckEcnCounts)) / sizeof(wire::AckRange));
  const PacketNumber news_low = received.news_low();
  for (std::size_t i = intervals.size() - 1; whole && i-- > 0 && count < count_max;) {
    if (count >= kAckRangesUsual && intervals[i].end <= news_low) break;
    const PacketNumber gap = intervals[i + 1].begin - intervals[i].end - 1;
    if (gap > kLengthMax) break;
    length = std::min(intervals[i].end - intervals[i].begin - 1, kLengthMax);
    whole = length == intervals[i].end - intervals[i].begin - 1;
    ranges[count].gap = static_cast<std::uint16_t>(gap);
    ranges[count].length = static_cast<std::uint16_t>(length);
    ++count;
  }
  ack.range_count = static_cast<std::uint8_t>(count);
  stream.received().on_ack_sent();
  ++counters_.acks_sent;
  const std::size_t size = sizeof(ack) + count * sizeof(wire::AckRange);
  if (!with_ecn) return size;
  auto& counts = *reinterpret_cast<wire::AckEcnCounts*>(room.data() + size);
  counts.ect0 = static_cast<std::uint32_t>(received.ecn().ect0);
  counts.ect1 = static_cast<std::uint32_t>(received.ecn().ect1);
  counts.ce = static_cast<std::uint32_t>(received.ecn().ce);
  return size + sizeof(counts);
}

std::size_t Lane::put_resets(SentPacket& record, std::span<std::uint8_t> room) noexcept {
  if (resets_pending_ == 0 || room.size() < sizeof(wire::ResetChunk)) return 0;
  for (Flow& flow : flows_) {
    if (!flow.reset_pending) continue;
    auto& chunk = *reinterpret_cast<wire::ResetChunk*>(room.data());
    chunk.type = static_cast<std::uint8_t>(wire::ChunkType::kReset);
    chunk.flow = raw(flow.id);
    chunk.reason = static_cast<std::uint8_t>(flow.reset_reason);
    set_reset_pending(flow, false);
    record.has_reset = true;
    record.reset_flow = flow.id;
    return sizeof(chunk);  // a record remembers one; the next packet takes the next
  }
  return 0;
}

std::size_t Lane::put_data(SentPacket& record, std::span<std::uint8_t> room) noexcept {
  std::size_t size = 0;
  while (record.range_count < SentPacket::kRangesMax) {
    const std::size_t least = sizeof(wire::DataChunk) + (record.range_count == 0 ? 1 : kSecondRangeMin);
    if (room.size() - size < least) break;
    const auto length_max = static_cast<std::uint32_t>(room.size() - size - sizeof(wire::DataChunk));
    SentRange range;
    bool repair = true;
    if (!next_repair(record, range, length_max)) {
      repair = false;
      if (!next_new(range, length_max, record.range_count == 0)) break;
    }
    const auto bytes = put_range(range, room.subspan(size));
    if (TxFrame& frame = tx_frames_[range.slot]; !repair && frame.parity != kNoSlot) add_to_parity(frame, range, bytes);
    size += sizeof(wire::DataChunk) + range.length;
    record.ranges[record.range_count++] = range;
    counters_.data_bytes_sent += range.length;
    if (repair) counters_.repair_bytes_sent += range.length;
  }
  return size;
}

std::span<const std::uint8_t> Lane::put_range(const SentRange& range, std::span<std::uint8_t> room) noexcept {
  const TxFrame& frame = tx_frames_[range.slot];
  auto& chunk = *reinterpret_cast<wire::DataChunk*>(room.data());
  chunk.type = static_cast<std::uint8_t>(wire::ChunkType::kData);
  chunk.flow = raw(frame.flow);
  chunk.frame = raw(frame.seq);
  chunk.frame_bytes = frame.body->bytes;
  chunk.offset = range.offset;
  chunk.length = static_cast<std::uint16_t>(range.length);
  const auto bytes = room.subspan(sizeof(chunk), range.length);
  frame.body->read(range.offset, bytes);
  return bytes;
}

// Whether a range is to be repaired.  What came through after all, or belongs to a frame that is over, is forgotten first.
bool Lane::repair_waiting() noexcept {
  while (!repairs_.empty()) {
    const SentRange& front = repairs_.front();
    const TxFrame& frame = tx_frames_[front.slot];
    if (frame.generation == front.generation && frame.body != nullptr &&
        !frame.acked.contains(front.offset, front.offset + front.length)) {
      return true;
    }
    repairs_.pop();
  }
  return false;
}

bool Lane::next_repair(const SentPacket& record, SentRange& range, std::uint32_t length_max) noexcept {
  if (!repair_waiting()) return false;
  const SentRange front = repairs_.front();
  // The copy of what was lost twice goes in another packet.
  const SentRange& before = record.ranges[0];
  if (record.range_count != 0 && before.slot == front.slot && before.offset == front.offset) return false;
  const auto hole = tx_frames_[front.slot].acked.first_hole(front.offset, front.offset + front.length);
  range = {.slot = front.slot,
           .generation = front.generation,
           .offset = hole.begin,
           .length = static_cast<std::uint16_t>(std::min(hole.end - hole.begin, length_max)),
           .losses = front.losses};
  repairs_.trim_front(hole.begin + range.length - front.offset);
  if (repairs_.front().length == 0) repairs_.pop();
  return true;
}

// A frame is admitted, in order, when the peer's credit covers all of it.
bool Lane::admit(Flow& flow, TxFrame& frame) noexcept {
  const std::uint32_t seq = raw(frame.seq);
  if (seq < flow.tx_admitted) return true;
  const std::uint64_t charge = frame.body->charge();
  if (flow.tx_charge + charge > flow.tx_charge_limit || seq >= flow.tx_frame_limit) return false;
  flow.tx_charge += charge;
  flow.tx_admitted = seq + 1;
  return true;
}

bool Lane::data_waiting() noexcept {
  return parity_ready_ != 0 || frames_waiting() || next_in_flight() != nullptr;
}

bool Lane::frames_waiting() noexcept {
  if (repair_waiting()) return true;
  const auto end = flows_.begin() + static_cast<std::ptrdiff_t>(flows_end_);
  return std::any_of(flows_.begin(), end, [this](Flow& flow) {
    return flow.state == FlowState::kOpen && flow.tx_head != kNoSlot && admit(flow, tx_frames_[flow.tx_head]);
  });
}

bool Lane::next_new(SentRange& range, std::uint32_t length_max, bool alone) noexcept {
  for (std::size_t i = 0; i < flows_end_; ++i) {
    Flow& flow = flows_[(flow_turn_ + i) % flows_end_];
    if (flow.state != FlowState::kOpen || flow.tx_head == kNoSlot) continue;
    std::uint32_t before = kNoSlot;
    const std::uint32_t slot = next_frame(flow, before);
    if (slot == kNoSlot) continue;
    TxFrame& frame = tx_frames_[slot];
    if (frame.sent_bytes == 0 && frame.parity == kNoSlot) protect(flow, slot);
    const std::uint32_t length = cut_to_symbol(frame, length_max, alone);
    if (length == 0) continue;
    range = {.slot = slot,
             .generation = frame.generation,
             .offset = frame.sent_bytes,
             .length = static_cast<std::uint16_t>(length)};
    frame.sent_bytes += range.length;
    if (frame.sent_bytes == frame.body->bytes) {
      (before == kNoSlot ? flow.tx_head : tx_frames_[before].next) = frame.next;
      if (flow.tx_tail == slot) flow.tx_tail = before;
      frame.next = kNoSlot;
    }
    flow_turn_ = (flow_turn_ + i + 1) % flows_end_;
    return true;
  }
  return false;
}

// A probe carries what is most likely missing: the oldest packet still outstanding (RFC 9002 §6.2.4).
void Lane::queue_probe(Stream& stream) noexcept {
  const SentPacket* oldest = stream.oldest_outstanding();
  if (oldest != nullptr) say_again(*oldest);
}

void Lane::on_time(std::uint64_t now_ns) noexcept {
  if (!active_) return;
  for (const auto& group : streams_.groups) last_acked_ns_ = std::max(last_acked_ns_, group->last_acked_ns());
  for_each(sending_, [&](Stream& stream) {
    stream.on_time(now_ns, *this);
    if (stream.looks_dead(last_acked_ns_)) stream.fail(now_ns, *this);
  });
  if (now_ns >= tend_due_ns_) tend_streams(now_ns);
}

std::uint64_t Lane::deadline_ns() const noexcept {
  if (!active_) return kNever;
  std::uint64_t least = kNever;
  const bool waiting = const_cast<Lane*>(this)->data_waiting() || control_waiting();
  for_each(receiving_, [&](const Stream& stream) {
    const AckTracker& received = stream.received();
    least = std::min(least, received.urgent() ? 0 : std::max(received.deadline_ns(), acks_next_ns_));
  });
  for_each(sending_, [&](const Stream& stream) {
    least = std::min(least, stream.timer_ns());
    if (stream.state() == StreamState::kIdle) return;
    least = std::min(least, ping_due_ns(stream));
    if (stream.probes_pending() != 0) least = 0;
    if (!stream.window_open()) return;
    const std::uint64_t wanted_ns = waiting ? 0 : stream.mtu().probe_due_ns();
    if (wanted_ns != kNever) least = std::min(least, std::max({wanted_ns, stream.pacing_next_ns(), rate_cap_.next_ns()}));
  });
  return least;
}

}  // namespace dwcp
