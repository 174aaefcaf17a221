// SPDX-License-Identifier: Apache-2.0
// The hello: how two gateways that name each other in their configs agree on a session.  Prose twin: docs/WIRE.md §5.
// Symmetric: each side sends hellos until it has one that echoes its own nonce; both may start at once.  The first hello
// answers an unproven address with no more bytes than it received.
//
// It proves nothing about the peer (no identity, no secrecy); parameters beyond the limits are refused.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/byte_order.h"
#include "dataplane/wire/packet.h"

namespace dwcp::wire {

inline constexpr std::size_t kNameBytesMax = 64;
inline constexpr std::uint8_t kHelloAnswerWanted = 1;

struct HelloPacket {
  std::uint8_t type;       // type_byte(kHello)
  std::uint8_t flags;      // kHelloAnswerWanted: the sender has no agreement yet
  be16 datagram_bytes;     // largest UDP payload the sender can receive
  be64 nonce;              // the sender's, new at each start
  be64 echo_nonce;         // in an answer: the nonce answered; 0 in a question
  be32 session;            // what the peer writes into the packets it sends to us
  be32 flows;              // flows the sender accepts at once
  be64 window_bytes;       // credit a flow starts with, in charged bytes
  be32 frame_window;       // frames of a flow the sender tracks at once
  std::uint8_t streams;    // streams the sender accepts
  std::uint8_t name_bytes;
  be16 reserved;           // 0
  std::uint8_t name[kNameBytesMax];  // the sender's gateway name, zero-filled
};
static_assert(sizeof(HelloPacket) == 108 && alignof(HelloPacket) == 1);
static_assert(offsetof(HelloPacket, nonce) == 4 && offsetof(HelloPacket, session) == 20 && offsetof(HelloPacket, name) == 44);

}  // namespace dwcp::wire
