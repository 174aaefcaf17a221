// SPDX-License-Identifier: Apache-2.0
// Why a packet that reached the gateway's UDP port was dropped: the one table of names, for counters, log and telemetry.
// Dropping is all that happens: the sender is unproven, so nothing is answered and no state is made.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace dwcp::wire {

enum class DropReason : std::uint8_t {
  kNone,
  kTruncated,       // shorter than the headers it claims
  kOversized,       // larger than any packet we agreed to
  kWrongVersion,    // another protocol version, or not ours at all
  kUnknownType,     // a packet type this version does not have
  kWrongSession,    // no such session here
  kWrongStream,     // a stream the lane does not have
  kBadSeal,         // damaged or forged: the tag is not that of the rest
  kWrongEpoch,      // sealed with keys we do not have, or have no more
  kDuplicate,       // a packet number seen before
  kTooOld,          // below the window of packet numbers we remember
  kMalformedChunk,  // a chunk that runs past the packet, or of unknown type
  kBadAck,          // acknowledges what was never sent
  kFalseAck,        // acknowledges a number that was left out on purpose: the peer lies, and its session ends
  kBadFrame,        // frame sizes or ranges that contradict the limits or each other
  kOverCredit,      // more than was granted
  kNoRoom,          // within what was granted, but there is no place for it now; the peer repairs it
  kUnknownPeer,     // a handshake packet from an address that is not configured
  kBadHandshake,    // a handshake packet that contradicts its own limits, or belongs to no attempt of ours
  kBadCookie,       // an initiator's packet without a cookie of ours; it is answered by one
  kTooMany,         // knocks, or handshake packets faster than they are worked on
  kCount,
};

inline constexpr std::size_t kDropReasons = static_cast<std::size_t>(DropReason::kCount);

[[nodiscard]] constexpr const char* drop_reason_name(DropReason reason) noexcept {
  constexpr std::array<const char*, kDropReasons> names = {
      "none",          "truncated",  "oversized", "wrong_version", "unknown_type",    "wrong_session", "wrong_stream", "bad_seal",
      "wrong_epoch",   "duplicate",  "too_old",   "malformed_chunk", "bad_ack",       "false_ack",     "bad_frame",    "over_credit",
      "no_room",       "unknown_peer",  "bad_handshake", "bad_cookie", "too_many"};
  const auto index = static_cast<std::size_t>(reason);
  return index < names.size() ? names[index] : "unknown";
}

using DropCounters = std::array<std::uint64_t, kDropReasons>;

}  // namespace dwcp::wire
