// SPDX-License-Identifier: Apache-2.0
// What crosses between the control thread and a net lcore: one SPSC ring each way.  Small and rare; a full ring is a counted
// drop of a hello (it is repeated) or a retry in the next round.
#pragma once

#include <array>
#include <cstdint>

#include "dataplane/inet/address.h"
#include "dataplane/rings/ring.h"
#include "dataplane/transport/lane.h"
#include "dataplane/wire/end_reason.h"
#include "dataplane/wire/hello.h"
#include "dataplane/wire/seal.h"

namespace dwcp {

// Peers a gateway may have; a session's number modulo this is its lane, so that a packet finds it without a search.
inline constexpr std::size_t kLanesMax = 64;

inline constexpr std::size_t kHelloBytes = sizeof(wire::HelloPacket) + wire::kSealBytes;

// A session made ready by the control thread; the net lcore gives the object back with the old session's streams in it.
struct LaneStart {
  LaneSession session;
  Streams streams;
};

enum class ControlToNetKind : std::uint8_t {
  kHello,  // send `hello` to peer `lane`
  kStart,  // begin `start` on `lane`, ending what runs there with kLinkLost
  kStop,   // tell the peer and end the lane's session for `reason`
};
enum class NetToControlKind : std::uint8_t {
  kHello,     // came from `source`
  kStarted,   // `start` returned, its session running
  kLaneLost,  // the lane's session ended for `reason`
};

struct ControlToNet {
  ControlToNetKind kind = ControlToNetKind::kHello;
  EndReason reason = EndReason::kNone;
  std::uint16_t lane = 0;
  std::uint32_t spare = 0;
  LaneStart* start = nullptr;
  std::array<std::uint8_t, kHelloBytes> hello{};
};

struct NetToControl {
  NetToControlKind kind = NetToControlKind::kHello;
  EndReason reason = EndReason::kNone;
  std::uint16_t lane = 0;
  std::uint32_t session = 0;
  LaneStart* start = nullptr;
  inet::SocketAddress source{};
  std::array<std::uint8_t, kHelloBytes> hello{};
};

static_assert(sizeof(ControlToNet) % 4 == 0 && sizeof(NetToControl) % 4 == 0);

// Hellos leave room for what must not be lost: a lane has at most two other messages under way in each direction.
struct ControlNetRings {
  static constexpr std::size_t kMessages = 255;
  static constexpr std::size_t kHellosMax = kMessages - 2 * kLanesMax;
  SpscRing<ControlToNet> to_net{kMessages};
  SpscRing<NetToControl> to_control{kMessages};
};

}  // namespace dwcp
