// SPDX-License-Identifier: Apache-2.0
// What crosses between the control thread and a net lcore: one SPSC ring each way.  Small and rare; a full ring is a counted
// drop of a handshake packet (it is repeated) or a retry in the next round.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>

#include "dataplane/crypto/link_keys.h"
#include "dataplane/inet/address.h"
#include "dataplane/rings/ring.h"
#include "dataplane/transport/lane.h"
#include "dataplane/wire/end_reason.h"
#include "dataplane/wire/handshake.h"

namespace dwcp {

// Peers a gateway may have; a session's number modulo this is its lane, so that a packet finds it without a search.
inline constexpr std::size_t kLanesMax = 64;

// A handshake packet on its way between the two threads.
struct HandshakePacket {
  std::uint16_t bytes = 0;
  std::uint16_t spare = 0;
  std::array<std::uint8_t, wire::kHandshakePacketBytesMax> data;  // [0, bytes) valid

  [[nodiscard]] std::span<const std::uint8_t> span() const noexcept { return std::span(data).first(bytes); }
  void assign(std::span<const std::uint8_t> packet) noexcept {
    bytes = static_cast<std::uint16_t>(packet.size());
    std::memcpy(data.data(), packet.data(), packet.size());
  }
};

// A session made ready by the control thread; the net lcore gives the object back with the old session's streams in it.
struct LaneStart {
  LaneSession session;
  Streams streams;
  std::unique_ptr<EpochKeys> keys;  // its first
};

enum class ControlToNetKind : std::uint8_t {
  kHandshake,  // send `packet` to peer `lane`
  kStart,      // begin `start` on `lane`, ending what runs there with kLinkLost
  kRekey,      // `keys` for `session` of `lane`, beside those it has
  kStop,       // tell the peer and end the lane's session for `reason`
  kCookieKey,  // `cookie_key` is the newest; it has number `session`
};
enum class NetToControlKind : std::uint8_t {
  kHandshake,  // `packet` came from peer `lane`
  kStarted,    // `start` returned, its session running
  kConfirmed,  // the peer has shown that it has the keys of `epoch` of `session`
  kKeys,       // `keys` are of no more use: destroy them
  kLaneLost,   // the lane's session ended for `reason`
};

struct ControlToNet {
  ControlToNetKind kind = ControlToNetKind::kHandshake;
  EndReason reason = EndReason::kNone;
  std::uint16_t lane = 0;
  std::uint32_t session = 0;
  LaneStart* start = nullptr;
  EpochKeys* keys = nullptr;
  std::array<std::uint8_t, 16> cookie_key{};
  HandshakePacket packet{};
};

struct NetToControl {
  NetToControlKind kind = NetToControlKind::kHandshake;
  EndReason reason = EndReason::kNone;
  std::uint16_t lane = 0;
  std::uint32_t session = 0;
  std::uint32_t epoch = 0;
  LaneStart* start = nullptr;
  EpochKeys* keys = nullptr;
  HandshakePacket packet{};
};

static_assert(sizeof(ControlToNet) % 4 == 0 && sizeof(NetToControl) % 4 == 0);

// What a message owns is its receiver's.  This is for messages nobody will receive.
inline void dispose(const ControlToNet& message) noexcept { delete message.start, delete message.keys; }
inline void dispose(const NetToControl& message) noexcept { delete message.start, delete message.keys; }

// Handshake packets leave room for what must not be lost: a lane has at most three other messages under way in each direction
// (the end of a session, the start of the next, and its end), beside kConfirmed and kKeys, which wait at their sender for room
// below kOthersMax.
struct ControlNetRings {
  static constexpr std::size_t kMessages = 511;
  static constexpr std::size_t kOthersMax = kMessages - 3 * kLanesMax;
  static constexpr std::size_t kHandshakesMax = 111;  // what control works off in a few milliseconds
  SpscRing<ControlToNet> to_net{kMessages};
  SpscRing<NetToControl> to_control{kMessages};
};

}  // namespace dwcp
