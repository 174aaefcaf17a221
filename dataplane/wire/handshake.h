// SPDX-License-Identifier: Apache-2.0
// Handshake packets: TLS 1.3 between two gateways, carried in datagrams on the UDP port that data uses too.
// Prose twin: docs/WIRE.md §5.
//
//   initiator                              responder
//   kAsk            ────────────────────▶             keeps nothing
//                   ◀────────────────────  kCookie    no longer than the kAsk
//   kInitiator[ClientHello], cookie ────▶             now there is state, one attempt a peer
//                   ◀────────────────────  kResponder[ServerHello .. Finished]
//   kInitiator[.. Finished] ────────────▶
//                   ◀────────────────────  kResponder[tickets]
//
// Either side may initiate; by custom it is the gateway of the lesser name, and the other knocks.  kInitiator and kResponder
// carry a byte stream each: `offset` says where the data belongs, `ack` how much of the other stream has come without a hole.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/byte_order.h"
#include "dataplane/wire/limits.h"

namespace dwcp::wire {

inline constexpr std::size_t kCookieBytes = 16;
using Cookie = std::array<std::uint8_t, kCookieBytes>;

enum class HandshakeKind : std::uint8_t {
  kAsk = 1,    // initiator: a cookie, please
  kCookie,     // responder: here it is, in `cookie`
  kInitiator,  // bytes of the initiator's stream; shows the cookie
  kResponder,  // bytes of the responder's stream; `cookie` is 0
  kKnock,      // to the one that should initiate: please do; all fields but type and kind are 0
};

struct HandshakeHeader {
  std::uint8_t type;  // type_byte(kHandshake)
  std::uint8_t kind;  // HandshakeKind
  be16 length;        // bytes of data behind the header, to the packet's end; 0 in all but kInitiator and kResponder
  be64 attempt;       // drawn by the initiator for each attempt; in every packet of it, both ways
  be32 offset;        // of the first byte of data in the sender's stream
  be32 ack;           // bytes of the receiver's stream that came without a hole
  Cookie cookie;
};
static_assert(sizeof(HandshakeHeader) == 36 && alignof(HandshakeHeader) == 1);
static_assert(offsetof(HandshakeHeader, attempt) == 4 && offsetof(HandshakeHeader, offset) == 12 && offsetof(HandshakeHeader, cookie) == 20);

// Every path carries the largest.
inline constexpr std::size_t kHandshakePacketBytesMax = kDatagramBytesMin;
inline constexpr std::size_t kHandshakeDataMax = kHandshakePacketBytesMax - sizeof(HandshakeHeader);
// Bytes of one stream: certificate chains fit, and what a peer can make us hold is bounded.
inline constexpr std::size_t kHandshakeStreamBytesMax = 64 * 1024;

// What each side offers within the TLS handshake (extension kParamsExtension of ClientHello and EncryptedExtensions), so that
// neither can be changed on the way.  A longer one is of a later version that only adds; what is beyond these fields is ignored.
struct HandshakeParams {
  std::uint8_t version;   // kParamsVersion
  std::uint8_t ciphers;   // initiator: bit i = it takes Cipher i; responder: the one bit it picked
  be16 datagram_bytes;    // largest UDP payload the sender can receive
  be32 session;           // for a session that begins: what the peer writes into the packets it sends to us
  be32 rekey_session;     // initiator: its number of the session this is to give new keys, 0 = none runs; responder: the same
                          // number, 0 = no: a session begins
  be32 epoch;             // of the keys this handshake makes; 0 in a session that begins
  be32 flows;             // flows the sender accepts at once
  be32 frame_window;      // frames of a flow the sender tracks at once
  be64 window_bytes;      // credit a flow starts with, in charged bytes
  std::uint8_t streams;   // the most the sender will send on
  std::uint8_t lanes;     // net lcores, one lane each
  be16 codecs;            // initiator: bit i = it takes block codec version i + 1; responder: the one bit it picked
};
static_assert(sizeof(HandshakeParams) == 36 && alignof(HandshakeParams) == 1);
static_assert(offsetof(HandshakeParams, session) == 4 && offsetof(HandshakeParams, window_bytes) == 24);

inline constexpr std::uint8_t kParamsVersion = 1;
inline constexpr std::uint16_t kParamsExtension = 0xff77;  // private use (RFC 8446 §11)

}  // namespace dwcp::wire
