// SPDX-License-Identifier: Apache-2.0
// How large a datagram the path of one stream carries: DPLPMTUD (RFC 8899) with the data's own packets as witnesses.
// Sizes are UDP payloads.  Sans-IO, on the lane's thread; its stream tells it what was sent and what became of it.
//
//                 path up              size in use acknowledged           nothing left to try
//     kDisabled ───────────▶ kBase ────────────────────────────▶ kSearching ──────────────────▶ kSearchComplete
//         ▲                  │ ▲ ▲                                │      ▲                         │      │
//         │ path down        │ │ └────────────────────────────────┘      └─────── raise timer ─────┘      │
//         │ (from any)       │ │   black hole, or a router's report                                       │
//                            │ └──────────────────────────────────────────────────────────────────────────┘
//                            │ kBaseBytes three times lost                 anything of kBaseBytes acknowledged
//                            └─────────────────────────────▶ kError ──────▶ kSearching
//
// What a stream starts with: an Ethernet's 1500 bytes, or the port's MTU where that is less, for nearly every path carries
// as much; beginning at kBaseBytes would cost each session round trips of smaller packets to learn what was known.  Where a
// tunnel carries less, every eighth packet is no larger than kBaseBytes until one of full size is acknowledged: so after
// one round trip it is plain that only the small ones arrive, and the size falls to kBaseBytes.
//
// What it tries, one size at a time, in kProbesMax packets an eighth of a round trip apart, so that chance costs no round
// trip: first the most port and peer take; then an Ethernet's; then, that being what arrives, a little more, which ends
// most searches; else it bisects.  So a 9000-byte path is at full size after a round trip, a 1500-byte one known for it
// after two, and data flow meanwhile at what is known to arrive.
//
// A black hole (RFC 8899 §4.3) is kProbesMax packets lost in a row that are larger than kBaseBytes, none as large having
// arrived since the first, no small one lost among them, and a small one sent after it acknowledged.  Small ones there are:
// PTO probes, and one packet in kSmallEvery.  What was lost larger than the size now in use says nothing of congestion.
// Being wrong costs a round trip: the size left is tried again first.
//
// A router's report (RFC 1191, RFC 8201) may be forged.  One between kBaseBytes and the size in use is heeded at once, and
// the size left is probed: if that arrives, it was a lie, and reports are not heeded for kReportHoldNs.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/time.h"
#include "dataplane/transport/ids.h"
#include "dataplane/wire/limits.h"

namespace dwcp {

enum class MtuState : std::uint8_t {
  kDisabled,        // the path is not known to work
  kBase,            // the size in use has not been acknowledged yet
  kSearching,       // the size in use arrives; larger ones are tried
  kSearchComplete,  // nothing larger arrives; tried again now and then
  kError,           // not even kBaseBytes arrive, though less does
};
inline constexpr std::size_t kMtuStates = 5;

enum class MtuEvent : std::uint8_t { kPathUp, kPathDown, kConfirmed, kExhausted, kReduced, kBaseLost, kRaise };
inline constexpr std::size_t kMtuEvents = 7;

// The diagram above as a table: the state after `event` in `state`.
[[nodiscard]] constexpr MtuState next_state(MtuState state, MtuEvent event) noexcept {
  using enum MtuState;
  constexpr MtuState table[kMtuStates][kMtuEvents] = {
      // kPathUp kPathDown  kConfirmed       kExhausted       kReduced   kBaseLost        kRaise
      {kBase, kDisabled, kDisabled, kDisabled, kDisabled, kDisabled, kDisabled},                          // kDisabled
      {kBase, kDisabled, kSearching, kBase, kBase, kError, kBase},                                        // kBase
      {kBase, kDisabled, kSearching, kSearchComplete, kBase, kSearching, kSearching},                     // kSearching
      {kBase, kDisabled, kSearchComplete, kSearchComplete, kBase, kSearchComplete, kSearching},           // kSearchComplete
      {kBase, kDisabled, kSearching, kError, kError, kError, kBase},                                      // kError
  };
  return table[static_cast<std::size_t>(state)][static_cast<std::size_t>(event)];
}

[[nodiscard]] const char* mtu_state_name(MtuState state) noexcept;

struct MtuCounters {
  std::uint64_t probes_sent = 0;
  std::uint64_t black_holes = 0;
  std::uint64_t reports_heeded = 0;   // routers', in time proven or not
  std::uint64_t reports_refuted = 0;  // of those, proven wrong by a probe
};

class PathMtu {
 public:
  // RFC 8899 §5.1.2 BASE_PLPMTU, which every path must carry.
  static constexpr std::uint32_t kBaseBytes = wire::kDatagramBytesMin;
  // 1500 bytes less IPv4 and UDP headers: what a stream starts with unless told otherwise.
  static constexpr std::uint32_t kStartBytes = 1472;
  static constexpr std::uint32_t kProbesMax = 3;   // MAX_PROBES
  static constexpr std::uint32_t kStepBytes = 8;   // sizes nearer than this are one
  // PMTU_RAISE_TIMER is ten minutes.  The first raises come sooner, each four times later than the one before: a probe of
  // the first round may have met the full queue of a start-up, in which small packets find room and large ones none.
  static constexpr std::uint64_t kRaiseMinNs = 5 * kNsPerSec;
  static constexpr std::uint64_t kRaiseMaxNs = 600 * kNsPerSec;
  // Without data of full size to confirm the size in use, it is probed after this long.
  static constexpr std::uint64_t kConfirmNs = kNsPerSec;
  static constexpr std::uint64_t kErrorRetryNs = 15 * kNsPerSec;
  static constexpr std::uint64_t kReportHoldNs = 60 * kNsPerSec;
  // A small packet among so many: until the size in use is confirmed, and after, then at most one a round trip.
  static constexpr std::uint32_t kSmallEveryUnconfirmed = 8;
  static constexpr std::uint32_t kSmallEvery = 128;

  // `limit_bytes`: the least of what port and peer take.  Both are at least kBaseBytes.
  explicit PathMtu(std::uint32_t limit_bytes, std::uint32_t start_bytes = kStartBytes) noexcept;

  // --- The path --------------------------------------------------------------------------------------------------------
  // It works, or another one was taken: all begins anew.  Packets below `next` tell nothing of it.
  void path_up(std::uint64_t now_ns, PacketNumber next) noexcept;
  void path_down() noexcept;
  // A router says that no more than `bytes` go through.
  void on_report(std::uint64_t now_ns, std::uint32_t bytes, PacketNumber next) noexcept;

  // --- Sending ---------------------------------------------------------------------------------------------------------
  // The most a packet of data may have.
  [[nodiscard]] std::uint32_t bytes() const noexcept { return size_; }
  // The most the next one should have: bytes(), or now and then less.
  [[nodiscard]] std::uint32_t next_bytes(std::uint64_t now_ns, std::uint64_t rtt_ns) const noexcept;
  [[nodiscard]] std::uint64_t probe_due_ns() const noexcept;
  // When due: how large the probe is to be; 0 when there is none after all.
  [[nodiscard]] std::uint32_t take_probe(std::uint64_t now_ns) noexcept;
  // `rtt_ns` 0: not known yet.
  void on_probe_sent(std::uint64_t now_ns, PacketNumber number, std::uint64_t rtt_ns) noexcept;
  void on_sent(std::uint64_t now_ns, std::uint32_t bytes) noexcept {
    ++sent_since_small_;
    if (bytes > kBaseBytes) return;
    sent_since_small_ = 0;
    small_sent_ns_ = now_ns;
  }

  // --- Settled ---------------------------------------------------------------------------------------------------------
  // Any packet, probes included, first time or late.
  void on_acked(std::uint64_t now_ns, PacketNumber number, std::uint32_t bytes) noexcept;
  void on_lost(PacketNumber number, std::uint32_t bytes) noexcept;
  // `alone`: packets next to it arrived.  Else it was lost with its neighbours, which tells nothing about its size.
  void on_probe_lost(std::uint64_t now_ns, PacketNumber number, std::uint32_t bytes, bool alone) noexcept;
  // Once what one ACK or timer settled has been told: true when it shows a black hole, and the size has fallen.
  [[nodiscard]] bool detect_black_hole(std::uint64_t now_ns, PacketNumber next) noexcept;

  [[nodiscard]] MtuState state() const noexcept { return state_; }
  [[nodiscard]] const MtuCounters& counters() const noexcept { return counters_; }

 private:
  void step(MtuEvent event) noexcept { state_ = next_state(state_, event); }
  void confirm(std::uint64_t now_ns, std::uint32_t bytes) noexcept;
  void reduce(std::uint64_t now_ns, std::uint32_t bytes, PacketNumber next) noexcept;
  void give_up_candidate(std::uint64_t now_ns) noexcept;
  [[nodiscard]] std::uint32_t pick() const noexcept;
  void choose(std::uint64_t now_ns) noexcept;

  std::uint32_t limit_;
  std::uint32_t start_;
  std::uint32_t size_;           // in use
  std::uint32_t ceiling_;        // the least size taken to be lost; limit_ + 1 when none is
  std::uint32_t first_try_ = 0;  // to be tried before others; 0 = none
  std::uint32_t left_ = 0;       // the size left on a router's word; 0 = none
  bool above_first_ = false;     // then a little more than size_
  MtuState state_ = MtuState::kDisabled;
  PacketNumber since_ = 0;       // packets below tell nothing

  // The size being tried.
  std::uint32_t candidate_ = 0;       // 0 = none
  std::uint32_t attempts_ = 0;        // sent and not known to have been lost with its neighbours
  std::uint32_t attempts_lost_ = 0;
  std::uint32_t attempts_void_ = 0;
  PacketNumber candidate_since_ = 0;  // the first attempt's
  std::uint64_t due_ns_ = 0;          // of the next attempt, or of the timer when there is no candidate
  std::uint64_t raise_ns_ = kRaiseMinNs;
  std::uint64_t reports_held_until_ns_ = 0;

  // Large packets lost in a row.
  std::uint32_t run_ = 0;
  std::uint32_t run_bytes_ = 0;      // the least of them
  PacketNumber run_first_ = 0;
  PacketNumber small_acked_ = 0;     // the highest acknowledged of at most kBaseBytes
  PacketNumber full_acked_ = 0;      // the highest acknowledged of size_ or more
  std::uint32_t sent_since_small_ = 0;
  std::uint64_t small_sent_ns_ = 0;
  MtuCounters counters_;
};

}  // namespace dwcp
