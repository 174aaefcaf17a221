// SPDX-License-Identifier: Apache-2.0
// The caller's half of a lane's packets, with the lab's checksum in place of an AEAD: it finds damage and hides nothing.
#pragma once

#include <cstdint>
#include <span>

#include "base/ecn.h"
#include "dataplane/crypto/lab_null/unencrypted_lab_aead.h"
#include "dataplane/transport/lane.h"

namespace dwcp::sim {

// Writes the seal behind packet[0, length).
inline void seal(std::uint8_t* packet, std::size_t length) noexcept {
  UnencryptedLabKey key;
  AeadPacket work{.data = packet, .bytes = static_cast<std::uint32_t>(length)};
  key.seal({&work, 1});
}

inline void seal(TxDatagram& datagram) noexcept { seal(datagram.data, datagram.length - wire::kSealBytes); }

// True when the last wire::kSealBytes of `packet` are the seal of the rest.
[[nodiscard]] inline bool unseal(std::span<const std::uint8_t> packet) noexcept {
  if (packet.size() < wire::kSealBytes) return false;
  UnencryptedLabKey key;
  // It opens nothing, so it writes nothing.
  AeadPacket work{.data = const_cast<std::uint8_t*>(packet.data()),
                  .bytes = static_cast<std::uint32_t>(packet.size() - wire::kSealBytes)};
  key.open({&work, 1});
  return work.good;
}

// As a net lcore does with a datagram that came.
inline wire::DropReason receive(Lane& lane, std::uint64_t now_ns, std::span<const std::uint8_t> datagram,
                                Ecn ecn = Ecn::kNotEct) noexcept {
  PacketNumber number = 0;
  if (const wire::DropReason reason = lane.examine(datagram, number); reason != wire::DropReason::kNone) return reason;
  if (!unseal(datagram)) return lane.drop(wire::DropReason::kBadSeal);
  return lane.receive(now_ns, datagram, number, ecn);
}

}  // namespace dwcp::sim
