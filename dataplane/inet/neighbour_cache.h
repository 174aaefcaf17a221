// SPDX-License-Identifier: Apache-2.0
// The neighbours of one port, IPv4 (RFC 826) and IPv6 (RFC 4861 §7.3.2, simplified), in a fixed table.  One owner, the
// Host's thread.
//
//            lookup/pin                 answer                  30 s                 lookup, or pinned
//   kFree ──────────────▶ kIncomplete ─────────▶ kReachable ─────────▶ kStale ──────────────────▶ kProbe
//     ▲                       │ ▲                    ▲  ▲                ▲ unasked new MAC          │  │
//     └── 3 tries, not pinned ┘ │                    │  └────────────────┼──────── answer ──────────┘  │
//                               └────────────────────┼───────────────────┴──────── 3 tries ────────────┘
//
// Invariants: nobody but lookup() and pin() creates an entry, so a stranger can neither fill the table nor push an
// entry out; a pinned entry is never evicted and never given up.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/time.h"
#include "dataplane/inet/address.h"

namespace dwcp::inet {

inline constexpr std::size_t kNeighboursMax = 64;
inline constexpr std::uint64_t kNeighbourRetryNs = 1 * kNsPerSec;       // RFC 4861 §10 RETRANS_TIMER
inline constexpr std::uint64_t kNeighbourReachableNs = 30 * kNsPerSec;  // RFC 4861 §10 REACHABLE_TIME
inline constexpr unsigned kNeighbourTries = 3;                          // RFC 4861 §10 MAX_UNICAST_SOLICIT

struct Neighbour {
  enum class State : std::uint8_t {
    kFree,
    kIncomplete,  // being asked for by broadcast; the MAC is not known, or no longer answers
    kReachable,   // answered, or confirmed by traffic, within kNeighbourReachableNs
    kStale,       // the MAC is used, but was not confirmed lately
    kProbe,       // the MAC is used while its owner is asked directly
  };
  IpAddress ip;
  MacAddress mac{};
  State state = State::kFree;
  std::uint8_t tries = 0;         // requests sent in this state
  std::uint16_t pins = 0;         // configured peers reached through it
  std::uint64_t due_ns = kNever;  // next request, or the end of kReachable
  std::uint64_t used = 0;         // order of last use, for eviction

  [[nodiscard]] bool resolved() const noexcept { return state >= State::kReachable; }
};

class NeighbourCache {
 public:
  // The entry, or null.
  [[nodiscard]] Neighbour* find(const IpAddress& ip) noexcept;
  // The entry, made when missing in place of a free or the least recently used unpinned one; null when all are pinned.
  [[nodiscard]] Neighbour* obtain(const IpAddress& ip) noexcept;
  // Marks the entry as used by traffic: a stale one is probed.
  void use(Neighbour& entry) noexcept;

  [[nodiscard]] bool pin(const IpAddress& ip) noexcept;  // false when every entry is pinned by others
  void unpin(const IpAddress& ip) noexcept;

  // An answer to what we asked, or upper-layer proof that the MAC works (then `mac` is the entry's own).
  void confirm(Neighbour& entry, const MacAddress& mac, std::uint64_t now_ns) noexcept;
  // An unasked statement that the neighbour has this MAC: believed, but checked before long.
  void suggest(Neighbour& entry, const MacAddress& mac) noexcept;
  // The neighbour denies the MAC without the right to override it (RFC 4861 §7.2.5).
  void doubt(Neighbour& entry) noexcept;

  enum class Ask : std::uint8_t { kNothing, kBroadcast, kUnicast };
  // Advances the entry's timer; the answer says which request is due.  Call sent() once it is written.
  [[nodiscard]] Ask advance(Neighbour& entry, std::uint64_t now_ns) noexcept;
  void sent(Neighbour& entry, std::uint64_t now_ns) noexcept;

  [[nodiscard]] std::array<Neighbour, kNeighboursMax>& entries() noexcept { return entries_; }
  [[nodiscard]] const std::array<Neighbour, kNeighboursMax>& entries() const noexcept { return entries_; }
  [[nodiscard]] std::uint64_t next_deadline() const noexcept;
  // Moves whenever a lookup would answer differently from before.
  [[nodiscard]] std::uint64_t generation() const noexcept { return generation_; }

 private:
  void set_mac(Neighbour& entry, const MacAddress& mac) noexcept;

  std::array<Neighbour, kNeighboursMax> entries_{};
  std::uint64_t uses_ = 0;
  std::uint64_t generation_ = 1;
};

}  // namespace dwcp::inet
