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

}  // namespace

// Frame memory for `bytes`, and the migration within its share and its backlog bound.
bool CodecRole::may_submit(const CodecSession& session, std::size_t bytes) const noexcept {
  if (free_bodies_.empty() || cells_.free_bytes() < wire::frame_charge(bytes)) return false;
  // No migration may take all frame memory, be it cells or, with small frames, bodies: a peer that grants it no credit
  // would stop the others.  One alone leaves a quarter for whoever comes next.
  const std::size_t active = static_cast<std::size_t>(
      std::count_if(sessions_.begin(), sessions_.end(), [](const auto& s) { return s->used; }));
  const auto share = [active](std::uint64_t all) { return active == 1 ? all / 4 * 3 : all / (active + 1); };
  const LaneShared& lane = *nets_[session.flow.net].lanes[session.flow.lane];
  // One frame may always be under way: with many migrations a share can be less than a block.  A frame takes memory until
  // all of it is acknowledged, but only what is not acknowledged counts as backlog.
  return session.held_bytes == 0 ||
         (session.held_bytes + bytes <= share(cells_.arena_bytes()) && session.bodies_out < share(bodies_.size()) &&
          backlog(session) < lane.backlog_limit_bytes.get());
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
    if (session->used && session->flow_known && !session->flow_over) send_marks(*session);
  }
  if (encoding_ == nullptr) {
    encoding_ = next_to_encode();
    if (encoding_ == nullptr) return 0;
    encoding_block_ = encoding_->ingress.front();
    encoding_->ingress.erase(encoding_->ingress.begin());
    encode_scratch_[0] = static_cast<std::uint8_t>(wire::FrameKind::kBlock);
    encoding_->encoder.begin({encoding_block_->data, encoding_block_->length}, std::span(encode_scratch_).subspan(1));
  }
  if (encoding_->encoder.step()) finish_block(*encoding_);
  return 1;
}

void CodecRole::finish_block(CodecSession& session) noexcept {
  const std::uint32_t raw_bytes = encoding_block_->length;
  tell_edge(session.edge, {.migration = session.migration, .block = encoding_block_, .kind = CodecToEdgeKind::kBlockReturn});
  encoding_ = nullptr;
  encoding_block_ = nullptr;
  submit(session, std::span(encode_scratch_).first(1 + session.encoder.size()), false);

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

// The small frames around the blocks: OPEN first, EOF after the last block, VERDICT when there is one.
void CodecRole::send_marks(CodecSession& session) noexcept {
  std::array<std::uint8_t, sizeof(wire::OpenFrame) + wire::kServiceNameBytesMax> buffer;
  static_assert(sizeof(buffer) >= sizeof(wire::VerdictFrame) && sizeof(buffer) >= sizeof(wire::EofFrame));
  // The block being encoded was begun on the promise of a body and cells for it.
  const std::size_t promised = encoding_ == nullptr ? 0 : wire::frame_charge(1 + encoded_bound(encoding_block_->length));
  if (free_bodies_.size() < (encoding_ == nullptr ? 1U : 2U) || cells_.free_bytes() < wire::kCellBytes + promised) return;
  if (!session.open_sent) {
    const std::string& service = config_.listener_services[session.slot->listener];
    auto& open = *reinterpret_cast<wire::OpenFrame*>(buffer.data());
    open.kind = static_cast<std::uint8_t>(wire::FrameKind::kOpen);
    open.codec_version = kBlockVersion;
    open.name_bytes = static_cast<std::uint8_t>(service.size());
    std::memcpy(buffer.data() + sizeof(open), service.data(), service.size());
    session.open_sent = true;
    return submit(session, std::span(buffer).first(sizeof(open) + service.size()), false);
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
    return submit(session, std::span(buffer).first(sizeof(eof)), true);
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
    submit(session, std::span(buffer).first(sizeof(verdict)), true);
    settle(session);
  }
}

// Requires free_bodies_ and cells for the frame.  `tail`: of the migration's last window, where a loss costs downtime.
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
  cells_.release(*message.body);
  free_bodies_.push_back(message.body);
  if (session->bodies_out == 0) settle(*session);
}

}  // namespace dwcp
