// SPDX-License-Identifier: Apache-2.0
// Why a migration ended: one table for the wire (RESET chunk), the rings, the log and dwcpctl.  Values are wire format:
// never renumber, only append.  Any thread.
#pragma once

#include <cstdint>

namespace dwcp {

enum class EndReason : std::uint8_t {
  kNone = 0,                // running, or both directions ended in order
  kHypervisorReset = 1,     // a hypervisor reset or lost its local connection
  kConnectRefused = 2,      // the far hypervisor does not listen
  kConnectTimeout = 3,      // the far hypervisor did not answer in time
  kServiceUnknown = 4,      // the far gateway has no service of that name
  kPeerDown = 5,            // no established link to the peer
  kLinkLost = 6,            // the link was lost for session_timeout, or the peer restarted
  kDigestMismatch = 7,      // decoded bytes are not the bytes encoded
  kDecodeError = 8,         // a block could not be decoded
  kProtocolError = 9,       // the peer broke the protocol
  kShutdown = 10,           // a gateway is stopping
  kResourceExhausted = 11,  // migrations_max or memory is used up
  kMaxValue = kResourceExhausted,
};

// A short sentence for people; "unknown reason" for values out of the table.
[[nodiscard]] constexpr const char* end_reason_text(EndReason reason) noexcept {
  switch (reason) {
    case EndReason::kNone: return "ended in order";
    case EndReason::kHypervisorReset: return "a hypervisor reset its connection";
    case EndReason::kConnectRefused: return "the far hypervisor refuses the connection: nothing listens at the service's address";
    case EndReason::kConnectTimeout: return "the far hypervisor did not answer in time";
    case EndReason::kServiceUnknown: return "the far gateway has no service of that name";
    case EndReason::kPeerDown: return "no link to the peer is established";
    case EndReason::kLinkLost: return "the link to the peer was lost";
    case EndReason::kDigestMismatch: return "the digest of the decoded bytes differs from the sender's";
    case EndReason::kDecodeError: return "a block could not be decoded";
    case EndReason::kProtocolError: return "the peer broke the protocol";
    case EndReason::kShutdown: return "a gateway is shutting down";
    case EndReason::kResourceExhausted: return "no room for another migration";
  }
  return "unknown reason";
}

}  // namespace dwcp
