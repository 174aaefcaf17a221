// SPDX-License-Identifier: Apache-2.0
#include "tools/dwcp-core/frame_role.h"

#include <algorithm>
#include <array>

#include <cstring>
#include <span>

#include "base/assert.h"
#include "base/rng.h"
#include "base/time.h"

namespace dwcp::core {
namespace {

constexpr std::size_t kMessagesPerStep = 64;

void fill_with_noise(FrameBody& body, Rng& rng) {
  std::array<std::uint64_t, 512> words;
  for (std::size_t at = 0; at < body.bytes; at += sizeof words) {
    for (std::uint64_t& word : words) word = rng.next();
    std::array<std::uint8_t, sizeof words> bytes;
    std::memcpy(bytes.data(), words.data(), sizeof words);
    body.write(at, std::span(bytes).first(std::min<std::size_t>(sizeof words, body.bytes - at)));
  }
}

}  // namespace

FrameRole::FrameRole(CodecNetRings& rings, MigrationRef migration, std::size_t frames, std::uint32_t frame_bytes)
    : rings_(rings), migration_(migration), cells_(frames * wire::frame_charge(frame_bytes)), bodies_(frames) {
  Rng rng(1);
  for (FrameBody& body : bodies_) {
    const bool allocated = cells_.allocate(body, frame_bytes);
    DWCP_ASSERT(allocated);
    fill_with_noise(body, rng);
  }
}

std::size_t FrameRole::step(std::uint64_t) noexcept {
  if (!bodies_.empty() && !asked_) {
    asked_ = true;
    const bool pushed = rings_.to_net.push({.migration = migration_, .kind = CodecToNetKind::kOpenFlow});
    DWCP_ASSERT(pushed);
  }
  std::size_t taken = 0;
  for (NetToCodec message; taken < kMessagesPerStep && rings_.to_codec.pop(message); ++taken) take(message);
  return taken;
}

void FrameRole::take(const NetToCodec& message) noexcept {
  switch (message.kind) {
    case NetToCodecKind::kFlowOpened:
      flow_ = message.flow;
      for (FrameBody& body : bodies_) submit(body);
      return;
    case NetToCodecKind::kOpenRefused:
      if (message.reason != EndReason::kPeerDown) failed_ = true;
      asked_ = false;
      return;
    case NetToCodecKind::kFlowArrived:
      return;
    case NetToCodecKind::kFrame: {
      frame_bytes_ += message.body->bytes;
      const bool pushed =
          rings_.to_net.push({.flow = message.flow, .rx_slot = message.rx_slot, .kind = CodecToNetKind::kConsume});
      DWCP_ASSERT(pushed);
      return;
    }
    case NetToCodecKind::kBodyReturn:
      if (!message.acked) return;
      frame_bytes_ += message.body->bytes;
      return submit(*message.body);
    case NetToCodecKind::kFlowReset:
      failed_ = true;
      return;
  }
}

void FrameRole::submit(FrameBody& body) noexcept {
  const bool pushed = rings_.to_net.push(
      {.flow = flow_, .migration = migration_, .body = &body, .kind = CodecToNetKind::kSubmit});
  DWCP_ASSERT(pushed);  // see CodecNetRings
}

}  // namespace dwcp::core
