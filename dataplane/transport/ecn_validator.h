// SPDX-License-Identifier: Apache-2.0
// Whether a stream may send ECT(0): its path must carry the mark unchanged, and the peer must count what arrives (RFC 9000
// §13.4.2 and appendix A.4).  One per stream, told of every packet sent, settled and acknowledged; called by Stream only.
//
//                  kTested: 10 packets or 3 PTOs              kUnproven
//     kTesting ───────────────────────────────────▶ kUnknown ───────────▶ kFailed ◀─── kViolated, from all
//         │                                          │     ▲
//         │ kProven                          kProven │     │ kSilent: 3 PTOs without an answer, from kTesting too
//         │                                          ▼     │
//         └────────────────────────────────────────▶ kCapable
//
// kRestart leads from all of them to kTesting: a new path, an answer after silence, a minute in kFailed.
//
// Judged are only ACKs that raise the largest number acknowledged: others may have been overtaken.  Counts are compared
// with all packets acknowledged since the path began, not with those of one ACK as in RFC 9000 §13.4.2.1: an ACK may leave
// out ranges that it has no room for, whose packets its counts already hold.  So an honest peer never fails.
//
// Counts come from the peer and are hostile: whatever they are, they end in kFailed at worst.  A peer that exaggerates CE
// slows only what is sent to itself.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/ecn.h"
#include "base/time.h"
#include "dataplane/transport/ids.h"

namespace dwcp {

enum class EcnState : std::uint8_t {
  kOff,      // not to be used: nothing is sent ECT
  kTesting,  // the first packets of a path are sent ECT(0)
  kUnknown,  // waits to hear of them, and sends none meanwhile: the path may drop what is marked
  kCapable,  // all that asks for an acknowledgement is sent ECT(0)
  kFailed,   // the path drops or rewrites the mark, or the peer does not count it; tried again after kRetryNs
};
inline constexpr std::size_t kEcnStates = 5;

enum class EcnEvent : std::uint8_t {
  kTested,    // as many packets or as long as a test may take
  kProven,    // a packet sent ECT(0) arrived as ECT(0), and the counts agree
  kUnproven,  // none of the test's packets did: all were lost, or all came as CE, which is not a queue's doing
  kViolated,  // the counts contradict what was sent or acknowledged
  kSilent,    // nothing was acknowledged for kSilentPtos
  kRestart,   // see the diagram
};
inline constexpr std::size_t kEcnEvents = 6;

// The diagram above as a table: the state after `event` in `state`.
[[nodiscard]] constexpr EcnState next_state(EcnState state, EcnEvent event) noexcept {
  using enum EcnState;
  constexpr EcnState table[kEcnStates][kEcnEvents] = {
      // kTested  kProven    kUnproven kViolated kSilent   kRestart
      {kOff, kOff, kOff, kOff, kOff, kOff},                             // kOff
      {kUnknown, kCapable, kTesting, kFailed, kUnknown, kTesting},      // kTesting
      {kUnknown, kCapable, kFailed, kFailed, kUnknown, kTesting},       // kUnknown
      {kCapable, kCapable, kCapable, kFailed, kUnknown, kTesting},      // kCapable
      {kFailed, kFailed, kFailed, kFailed, kFailed, kTesting},          // kFailed
  };
  return table[static_cast<std::size_t>(state)][static_cast<std::size_t>(event)];
}

[[nodiscard]] constexpr const char* ecn_state_name(EcnState state) noexcept {
  constexpr std::array<const char*, kEcnStates> names = {"off", "testing", "unknown", "capable", "failed"};
  return names[static_cast<std::size_t>(state)];
}

class EcnValidator {
 public:
  // RFC 9000 appendix A.4.
  static constexpr std::uint64_t kTestPackets = 10;
  static constexpr std::uint64_t kTestPtos = 3;
  // PTOs in a row without an answer after which the mark itself may be what is dropped.
  static constexpr std::uint32_t kSilentPtos = 3;
  // Routes change under a session of days, and a burst of losses looks like a path that drops marks.
  static constexpr std::uint64_t kRetryNs = 60 * kNsPerSec;

  // Before the first packet.
  void enable() noexcept { state_ = EcnState::kTesting; }
  [[nodiscard]] EcnState state() const noexcept { return state_; }
  // Times the counts contradicted what was sent.
  [[nodiscard]] std::uint64_t violations() const noexcept { return violations_; }

  // A packet that asks for an acknowledgement goes out: whether as ECT(0).
  [[nodiscard]] bool on_sent(std::uint64_t now_ns, PacketNumber number, std::uint64_t pto_ns) noexcept;
  // Of a packet sent ECT(0): acknowledged; declared lost; or the first after the second.
  void on_acked(PacketNumber number) noexcept { acked_ += number >= first_; }
  void on_lost(PacketNumber number) noexcept {
    lost_ += number >= first_;
    if (acked_ == 0) judge_test();
  }
  void on_spurious(PacketNumber number) noexcept { lost_ -= number >= first_; }
  // An ACK that raised the largest number acknowledged was taken apart.  `counts` as they came, low 32 bits each; null
  // when it had none.  Returns the packets newly known to have been marked CE.
  [[nodiscard]] std::uint64_t on_ack(const EcnCounts* counts) noexcept;

  // The stream has had kSilentPtos without an answer.
  void on_silence() noexcept { enter(EcnEvent::kSilent); }
  // Packets from `next` on may take another path.
  void restart(PacketNumber next) noexcept;

 private:
  void enter(EcnEvent event) noexcept {
    state_ = next_state(state_, event);
    retry_ns_ = kNever;
  }
  [[nodiscard]] bool take_counts(const EcnCounts& counts) noexcept;
  // With counts as new as acked_, unless that is 0.
  void judge_test() noexcept;
  [[nodiscard]] std::uint64_t arrived() const noexcept { return seen_.ect0 + seen_.ce; }

  EcnState state_ = EcnState::kOff;
  EcnCounts seen_;        // by the peer, as last told
  std::uint64_t sent_ = 0;  // as ECT(0), all paths
  std::uint64_t violations_ = 0;
  std::uint64_t retry_ns_ = kNever;  // in kFailed, once something was sent there

  // Of this path: packets from first_ on, sent ECT(0).
  PacketNumber first_ = 0;
  EcnCounts before_;               // seen_ when it began
  std::uint64_t arrived_max_ = 0;  // the most that arrived() can honestly be
  std::uint64_t path_sent_ = 0;
  std::uint64_t acked_ = 0;
  std::uint64_t lost_ = 0;
  std::uint64_t test_end_ns_ = 0;  // valid once path_sent_ != 0
};

}  // namespace dwcp
