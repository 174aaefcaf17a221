// SPDX-License-Identifier: Apache-2.0
// CodecRole: from a hypervisor's blocks to frames.
#include <algorithm>
#include <cstring>

#include "base/assert.h"
#include "dataplane/lcore/codec_role.h"
#include "dataplane/wire/frame.h"

namespace dwcp {

static_assert(kBlockBytes <= kRawBlockMax);
static_assert(encoded_bound(kBlockBytes) + 1 <= wire::kFrameBytesMax, "a kind byte and an encoded block are one frame");

namespace {

// The net lcore tells what was acknowledged with a delay, and for an instant that of the slot's last tenant.
std::uint64_t backlog(const CodecSession& session) noexcept {
  const std::uint64_t acked = session.slot->acked_bytes.get();
  return session.submitted_bytes - std::min(session.submitted_bytes, acked);
}

bool is_block(const FrameBody& body) noexcept { return wire::is_block(static_cast<wire::FrameKind>(body.cells[0][0])); }

}  // namespace

// Frame memory for `bytes`, and the migration within its share and its backlog bound.
bool CodecRole::may_submit(const CodecSession& session, std::size_t bytes) const noexcept {
  if (free_bodies_.empty() || cells_.free_bytes() < wire::frame_charge(bytes)) return false;
  // No migration may take all frame memory, be it cells or, with small frames, bodies: a peer that grants it no credit
  // would stop the others.  One alone leaves a quarter for whoever comes next.
  const std::size_t active = static_cast<std::size_t>(
      std::count_if(sessions_.begin(), sessions_.end(), [](const auto& s) { return s->used; }));
  const auto share = [active](std::uint64_t all) { return active == 1 ? all / 4 * 3 : all / (active + 1); };
  // The lane reckons with the largest frames for the two that may always be under way; ours may be smaller.
  const LaneShared& lane = *nets_[session.flow.net].lanes[session.flow.lane];
  const std::uint64_t largest = lane.backlog_limit_bytes.get();
  const std::uint64_t limit = largest - std::min(largest, 2 * (wire::kFrameBytesMax - bytes));
  // One frame may always be under way: with many migrations a share can be less than a block.  A frame takes memory until
  // all of it is acknowledged, but only what is not acknowledged counts as backlog.
  return session.held_bytes == 0 ||
         (session.held_bytes + bytes <= share(cells_.arena_bytes()) && session.bodies_out < share(bodies_.size()) &&
          backlog(session) < limit);
}

CodecSession* CodecRole::next_to_encode() noexcept {
  for (std::size_t i = 0; i < sessions_.size(); ++i) {
    CodecSession& session = *sessions_[(encode_turn_ + i) % sessions_.size()];
    if (!session.used || session.ingress.empty() || !session.flow_known || session.flow_over || !session.open_sent) continue;
    if (!may_submit(session, 1 + encoded_bound(session.ingress.front()->length))) continue;
    encode_turn_ = (encode_turn_ + i + 1) % sessions_.size();
    return &session;
  }
  return nullptr;
}

std::size_t CodecRole::encode() noexcept {
  for (auto& session : sessions_) {
    if (!session->used || !session->flow_known || session->flow_over) continue;
    if (session->stop_sent) session->pause.on_acked(now_ns_, session->slot->acked_bytes.get());
    send_marks(*session);
  }
  if (encoding_ == nullptr) {
    encoding_ = next_to_encode();
    if (encoding_ == nullptr) return 0;
    encoding_block_ = encoding_->ingress.front();
    encoding_->ingress.erase(encoding_->ingress.begin());
    encoding_->encoder.begin({encoding_block_->data, encoding_block_->length}, std::span(encode_scratch_).subspan(1));
  }
  if (encoding_->encoder.step()) finish_block(*encoding_);
  return 1;
}

void CodecRole::finish_block(CodecSession& session) noexcept {
  const std::uint32_t raw_bytes = encoding_block_->length;
  const bool stop = !session.stop_sent && session.encoder.stop_offset();
  if (stop) note_stop(session);
  session.last_read_ns = encoding_block_->read_times.last_ns();
  tell_edge(session.edge, {.migration = session.migration, .block = encoding_block_, .kind = CodecToEdgeKind::kBlockReturn});
  encoding_ = nullptr;
  encoding_block_ = nullptr;

  encode_scratch_[0] = static_cast<std::uint8_t>(stop ? wire::FrameKind::kStop : wire::FrameKind::kBlock);
  const auto frame = std::span(encode_scratch_).first(1 + session.encoder.size());
  if (session.stop_sent) {
    session.pause.on_submitted(now_ns_);
    session.tail_bytes += frame.size();
  }
  ++session.blocks_out;
  submit(session, frame, session.stop_sent && session.tail_bytes <= config_.tail_bytes_max);
  limit_ingress(session, raw_bytes, frame.size());

  MigrationSlot& slot = *session.slot;
  const EncoderCounters& counters = session.encoder.counters();
  const Digest digest = session.encoder.digest();
  slot.blocks_in.add(1);
  slot.encoded_raw_bytes.add(raw_bytes);
  slot.zero_pages.set(counters.zero_pages);
  slot.normal_pages.set(counters.normal_pages);
  slot.opaque_bytes.set(counters.opaque_bytes);
  slot.digest_in_lo.set(digest.low);
  slot.digest_in_hi.set(digest.high);
}

// What the edge holds is worth a quarter of what may wait behind it.
void CodecRole::limit_ingress(CodecSession& session, std::uint64_t raw_bytes, std::uint64_t encoded_bytes) noexcept {
  session.recent_raw_bytes += raw_bytes - session.recent_raw_bytes / 8;
  session.recent_encoded_bytes += encoded_bytes - session.recent_encoded_bytes / 8;
  const std::uint64_t slack = nets_[session.flow.net].lanes[session.flow.lane]->backlog_slack_bytes.get();
  const double raw_per_encoded =
      static_cast<double>(session.recent_raw_bytes) / static_cast<double>(std::max<std::uint64_t>(session.recent_encoded_bytes, 1));
  session.slot->ingress_limit_bytes.set(static_cast<std::uint64_t>(static_cast<double>(slack / 4) * raw_per_encoded));
}

// The guest was stopped in the block just encoded, or in the last bytes of the one before.
void CodecRole::note_stop(CodecSession& session) noexcept {
  const std::uint64_t before = session.encoder.counters().raw_bytes - encoding_block_->length;
  const std::uint64_t stop = *session.encoder.stop_offset();
  const std::uint64_t read_ns =
      stop < before ? session.last_read_ns : encoding_block_->read_times.of(static_cast<std::uint32_t>(stop - before));
  session.stop_sent = true;
  session.pause.on_stop(now_ns_, read_ns, session.submitted_bytes);
  session.slot->stop_backlog_bytes.set(backlog(session));
}

// The small frames around the blocks.
void CodecRole::send_marks(CodecSession& session) noexcept {
  std::array<std::uint8_t, sizeof(wire::OpenFrame) + wire::kServiceNameBytesMax> buffer;
  // The block being encoded was begun on the promise of a body and cells for it.
  const std::size_t promised = encoding_ == nullptr ? 0 : wire::frame_charge(1 + encoded_bound(encoding_block_->length));
  if (free_bodies_.size() < (encoding_ == nullptr ? 1U : 2U) || cells_.free_bytes() < wire::kCellBytes + promised) return;
  const bool opening = !session.open_sent;
  const std::size_t bytes = next_mark(session, buffer);
  if (bytes == 0) return;
  // All but OPEN belong to the tail: both sides wait for each of them to end.
  submit(session, std::span(buffer).first(bytes), !opening);
  settle(session);
}

// Writes the mark whose turn it is: OPEN first, EOF after the last block, VERDICT, DELIVERED and PAUSE when there is something
// to say.  0: none.
std::size_t CodecRole::next_mark(CodecSession& session, std::span<std::uint8_t> buffer) noexcept {
  if (!session.open_sent) {
    const std::string& service = config_.listener_services[session.slot->listener];
    auto& open = *reinterpret_cast<wire::OpenFrame*>(buffer.data());
    open.kind = static_cast<std::uint8_t>(wire::FrameKind::kOpen);
    open.codec_version = kBlockVersion;
    open.name_bytes = static_cast<std::uint8_t>(service.size());
    std::memcpy(buffer.data() + sizeof(open), service.data(), service.size());
    session.open_sent = true;
    return sizeof(open) + service.size();
  }
  const bool all_encoded = session.ingress.empty() && encoding_ != &session;
  if (session.edge_eof && !session.eof_sent && all_encoded) {
    const Digest digest = session.encoder.digest();
    auto& eof = *reinterpret_cast<wire::EofFrame*>(buffer.data());
    eof.kind = static_cast<std::uint8_t>(wire::FrameKind::kEof);
    eof.raw_bytes = session.encoder.counters().raw_bytes;
    eof.digest_low = digest.low;
    eof.digest_high = digest.high;
    session.eof_sent = true;
    session.slot->phase.set(static_cast<std::uint64_t>(MigrationPhase::kDraining));
    return sizeof(eof);
  }
  if (session.verdict_due && !session.verdict_sent) {
    const Digest digest = session.decoder.digest();
    auto& verdict = *reinterpret_cast<wire::VerdictFrame*>(buffer.data());
    verdict.kind = static_cast<std::uint8_t>(wire::FrameKind::kVerdict);
    verdict.match = 1;  // a mismatch ends the migration instead
    verdict.raw_bytes = session.decoder.counters().raw_bytes;
    verdict.digest_low = digest.low;
    verdict.digest_high = digest.high;
    session.verdict_sent = true;
    return sizeof(verdict);
  }
  if (session.delivered_due() && !session.delivered_sent) {
    auto& delivered = *reinterpret_cast<wire::DeliveredFrame*>(buffer.data());
    delivered.kind = static_cast<std::uint8_t>(wire::FrameKind::kDelivered);
    delivered.age_us = session.far_pause.age_us(now_ns_);
    delivered.span_us = session.far_pause.span_us();
    delivered.far_us = session.far_pause.far_us();
    session.delivered_sent = true;
    return sizeof(delivered);
  }
  if (session.delivered_received && !session.pause_sent) {
    auto& pause = *reinterpret_cast<wire::PauseFrame*>(buffer.data());
    pause.kind = static_cast<std::uint8_t>(wire::FrameKind::kPause);
    pause.pause_us = session.pause_times.pause_us;
    pause.backlog_us = session.pause_times.backlog_us;
    pause.path_us = session.pause_times.path_us;
    session.pause_sent = true;
    return sizeof(pause);
  }
  return 0;
}

// Requires free_bodies_ and cells for the frame.
void CodecRole::submit(CodecSession& session, std::span<const std::uint8_t> frame, bool tail) noexcept {
  FrameBody* body = free_bodies_.back();
  const bool allocated = cells_.allocate(*body, frame.size());
  DWCP_ASSERT(allocated);
  free_bodies_.pop_back();
  body->tail = tail;
  body->write(0, frame);
  body_session_[static_cast<std::size_t>(body - bodies_.data())] = session.migration;
  ++session.bodies_out;
  session.held_bytes += frame.size();
  session.submitted_bytes += frame.size();
  session.slot->encoded_bytes.add(frame.size());
  session.slot->frames_out.add(1);
  session.slot->backlog_bytes.set(backlog(session));
  tell_net(session.flow.net, {.flow = session.flow, .migration = session.migration, .body = body, .kind = CodecToNetKind::kSubmit});
}

void CodecRole::take_body_back(const NetToCodec& message) noexcept {
  CodecSession* session = find(body_session_[static_cast<std::size_t>(message.body - bodies_.data())]);
  DWCP_ASSERT(session != nullptr);  // a session is not released before its bodies are home
  session->held_bytes -= message.body->bytes;
  session->slot->backlog_bytes.set(backlog(*session));
  --session->bodies_out;
  if (is_block(*message.body) && --session->blocks_out == 0 && message.acked) session->pause.on_blocks_acked(now_ns_);
  cells_.release(*message.body);
  free_bodies_.push_back(message.body);
  if (session->bodies_out == 0) settle(*session);
}

}  // namespace dwcp
