// SPDX-License-Identifier: Apache-2.0
// CodecRole: from frames to a hypervisor's blocks.  Frames come from a peer that is hostile until proven otherwise.
#include <algorithm>
#include <cstring>

#include "dataplane/lcore/codec_role.h"
#include "dataplane/wire/frame.h"

namespace dwcp {
namespace {

void show_pause(MigrationSlot& slot, const PauseTimes& times, std::uint32_t span_us) noexcept {
  slot.pause_backlog_us.set(std::uint64_t{times.backlog_us} + 1);
  slot.pause_path_us.set(std::uint64_t{times.path_us} + 1);
  slot.pause_far_us.set(std::uint64_t{times.far_us} + 1);
  slot.pause_span_us.set(std::uint64_t{span_us} + 1);
  slot.pause_us.set(std::uint64_t{times.pause_us} + 1);
}

}  // namespace

// A frame whose turn has come and, if it is a block, with a block at hand to decode into.  The marks around blocks need none:
// a hypervisor that does not read must not keep another migration from opening.
CodecSession* CodecRole::next_to_decode() noexcept {
  for (std::size_t i = 0; i < sessions_.size(); ++i) {
    CodecSession& session = *sessions_[(decode_turn_ + i) % sessions_.size()];
    if (!session.used || session.held_frames == 0 || session.held_at(session.next_frame).body == nullptr) continue;
    const auto kind = static_cast<wire::FrameKind>(session.held_at(session.next_frame).body->cells[0][0]);
    const bool room = session.egress_out < config_.egress_blocks_per_migration && egress_.available() != 0;
    if (wire::is_block(kind) && !room) continue;
    decode_turn_ = (decode_turn_ + i + 1) % sessions_.size();
    return &session;
  }
  return nullptr;
}

std::size_t CodecRole::decode() noexcept {
  if (decoding_ == nullptr) {
    CodecSession* session = next_to_decode();
    if (session == nullptr) return 0;
    if (const EndReason reason = begin_frame(*session); reason != EndReason::kNone) {
      fail(*session, reason, true);
      settle(*session);
    }
    return 1;
  }
  CodecSession& session = *decoding_;
  switch (session.decoder.step({decoding_block_->data, kBlockBytes})) {
    case BlockDecoder::StepResult::kMore:
      break;
    case BlockDecoder::StepResult::kDone: {
      Block* block = decoding_block_;
      decoding_ = nullptr;
      decoding_block_ = nullptr;
      const Digest digest = session.decoder.digest();
      session.slot->blocks_out.add(1);
      session.slot->digest_out_lo.set(digest.low);
      session.slot->digest_out_hi.set(digest.high);
      ++session.egress_out;
      tell_edge(session.edge, {.migration = session.migration, .block = block, .kind = CodecToEdgeKind::kData});
      finish_frame(session);
      break;
    }
    case BlockDecoder::StepResult::kError: {
      const bool digest = session.decoder.error() == DecodeError::kDigestMismatch;
      if (digest) session.slot->digest_state.set(kVerdictMismatch);
      fail(session, digest ? EndReason::kDigestMismatch : EndReason::kDecodeError, true);
      settle(session);
      break;
    }
  }
  return 1;
}

// Takes the next frame in hand.  A block goes on in slices; everything else is done here.
EndReason CodecRole::begin_frame(CodecSession& session) noexcept {
  const HeldFrame& held = session.held_at(session.next_frame);
  const std::span<std::uint8_t> frame = std::span(decode_scratch_).first(held.body->bytes);
  held.body->read(0, frame);

  const auto kind = static_cast<wire::FrameKind>(frame[0]);
  // OPEN is the first frame of an incoming migration and stands nowhere else; after EOF only marks may come.
  if ((kind == wire::FrameKind::kOpen) == session.opened) return EndReason::kProtocolError;
  EndReason reason = EndReason::kProtocolError;
  switch (kind) {
    case wire::FrameKind::kOpen:
      reason = take_open(session, frame);
      break;
    case wire::FrameKind::kStop:
    case wire::FrameKind::kBlock: {
      const bool stop = kind == wire::FrameKind::kStop;
      if (session.eof_received || (stop && session.stop_received)) return EndReason::kProtocolError;
      const auto raw_bytes = session.decoder.begin(frame.subspan(1));
      if (!raw_bytes) return EndReason::kDecodeError;
      if (*raw_bytes > kBlockBytes) return EndReason::kProtocolError;
      session.stop_received = session.stop_received || stop;
      decoding_ = &session;
      decoding_block_ = egress_.take();
      decoding_block_->length = static_cast<std::uint32_t>(*raw_bytes);
      return EndReason::kNone;
    }
    case wire::FrameKind::kEof:
      reason = take_eof(session, frame);
      break;
    case wire::FrameKind::kVerdict:
      reason = take_verdict(session, frame);
      break;
    case wire::FrameKind::kDelivered:
      reason = take_delivered(session, frame);
      break;
    case wire::FrameKind::kPause:
      reason = take_pause(session, frame);
      break;
  }
  if (reason != EndReason::kNone) return reason;
  finish_frame(session);
  settle(session);
  return EndReason::kNone;
}

void CodecRole::finish_frame(CodecSession& session) noexcept {
  HeldFrame& held = session.held_at(session.next_frame);
  session.slot->decoded_frame_bytes.add(held.body->bytes);
  session.slot->frames_in.add(1);
  tell_net(session.flow.net, {.flow = session.flow, .rx_slot = held.rx_slot, .kind = CodecToNetKind::kConsume});
  held.body = nullptr;
  --session.held_frames;
  ++session.next_frame;
}

EndReason CodecRole::take_open(CodecSession& session, std::span<const std::uint8_t> frame) noexcept {
  if (frame.size() < sizeof(wire::OpenFrame)) return EndReason::kProtocolError;
  const auto& open = *reinterpret_cast<const wire::OpenFrame*>(frame.data());
  if (open.codec_version != kBlockVersion || open.name_bytes == 0 || open.name_bytes > wire::kServiceNameBytesMax ||
      frame.size() != sizeof(open) + open.name_bytes) {
    return EndReason::kProtocolError;
  }
  const std::string_view name(reinterpret_cast<const char*>(frame.data()) + sizeof(open), open.name_bytes);
  const auto service = std::find(config_.services.begin(), config_.services.end(), name);
  if (service == config_.services.end()) return EndReason::kServiceUnknown;
  session.opened = true;
  session.edge = static_cast<std::uint16_t>(session.migration.slot % edges_.size());
  session.edge_known = true;
  session.slot->service = static_cast<std::uint16_t>(service - config_.services.begin());
  tell_edge(session.edge, {.migration = session.migration, .kind = CodecToEdgeKind::kConnect, .service = session.slot->service});
  return EndReason::kNone;
}

EndReason CodecRole::take_eof(CodecSession& session, std::span<const std::uint8_t> frame) noexcept {
  if (frame.size() != sizeof(wire::EofFrame) || session.eof_received) return EndReason::kProtocolError;
  const auto& eof = *reinterpret_cast<const wire::EofFrame*>(frame.data());
  const Digest digest = session.decoder.digest();
  if (eof.raw_bytes != session.decoder.counters().raw_bytes || eof.digest_low != digest.low || eof.digest_high != digest.high) {
    session.slot->digest_state.set(kVerdictMismatch);
    return EndReason::kDigestMismatch;
  }
  session.eof_received = true;
  session.verdict_due = true;
  if (session.slot->direction == MigrationDirection::kIncoming) session.slot->digest_state.set(kVerdictMatch);
  session.slot->phase.set(static_cast<std::uint64_t>(MigrationPhase::kDraining));
  tell_edge(session.edge, {.migration = session.migration, .kind = CodecToEdgeKind::kEof});
  return EndReason::kNone;
}

EndReason CodecRole::take_verdict(CodecSession& session, std::span<const std::uint8_t> frame) noexcept {
  if (frame.size() != sizeof(wire::VerdictFrame) || session.verdict_received || !session.eof_sent) {
    return EndReason::kProtocolError;
  }
  const auto& verdict = *reinterpret_cast<const wire::VerdictFrame*>(frame.data());
  const Digest digest = session.encoder.digest();
  if (verdict.match != 1 || verdict.raw_bytes != session.encoder.counters().raw_bytes || verdict.digest_low != digest.low ||
      verdict.digest_high != digest.high) {
    session.slot->digest_state.set(kVerdictMismatch);
    return EndReason::kDigestMismatch;
  }
  session.verdict_received = true;
  if (session.slot->direction == MigrationDirection::kOutgoing) session.slot->digest_state.set(kVerdictMatch);
  return EndReason::kNone;
}

// Our direction had a STOP, and the hypervisor over there has all of it.
EndReason CodecRole::take_delivered(CodecSession& session, std::span<const std::uint8_t> frame) noexcept {
  if (frame.size() != sizeof(wire::DeliveredFrame) || !session.stop_sent || !session.eof_sent || session.delivered_received) {
    return EndReason::kProtocolError;
  }
  const auto& delivered = *reinterpret_cast<const wire::DeliveredFrame*>(frame.data());
  const std::uint64_t min_rtt_ns = nets_[session.flow.net].lanes[session.flow.lane]->min_rtt_ns.get();
  session.pause_times = session.pause.finish(now_ns_, min_rtt_ns, delivered.age_us, delivered.far_us);
  session.delivered_received = true;
  show_pause(*session.slot, session.pause_times, delivered.span_us);
  return EndReason::kNone;
}

// What the sender of a STOP measured, in answer to our DELIVERED.
EndReason CodecRole::take_pause(CodecSession& session, std::span<const std::uint8_t> frame) noexcept {
  if (frame.size() != sizeof(wire::PauseFrame) || !session.delivered_sent || session.pause_received) {
    return EndReason::kProtocolError;
  }
  const auto& pause = *reinterpret_cast<const wire::PauseFrame*>(frame.data());
  session.pause_received = true;
  show_pause(*session.slot,
             {.pause_us = pause.pause_us,
              .backlog_us = pause.backlog_us,
              .path_us = pause.path_us,
              .far_us = std::min<std::uint32_t>(session.far_pause.far_us(), pause.pause_us)},
             session.far_pause.span_us());
  return EndReason::kNone;
}

}  // namespace dwcp
