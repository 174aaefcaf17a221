// SPDX-License-Identifier: Apache-2.0
// PeerLink: the handshakes with one peer and the session they lead to.  Sans-IO; the control thread's, by way of PeerLinks.
//
//   kDown ── a handshake is done ─▶ kStarting ── net lcore has it, and (initiator) the peer's first packet came ─▶ kUp
//     ▲                                  │ refused or silent for kLifeNs                                            │
//     └──────────────────────────────────┴──────────────────────────── link lost ───────────────────────────────────┘
//
// Who begins.  By custom the leader, the gateway of the lesser name, initiates; the other knocks until it does.  A knock makes
// anyone initiate, so two handshakes can cross.  Then the leader decides, and the other obeys:
//   - What the leader finishes first, its own attempt or the peer's, it goes on with, and gives up the other.  While its own
//     is finished and the peer has not shown the keys, it lets the peer begin none.
//   - The follower takes the leader's attempt whenever that is finished, in place of one of its own.
// So no order of arrival leaves the two with different keys.
//
// What is not authenticated ends no session: knocks, cookies, refusals and damage touch attempts only, and a knock can be
// made to cost no more than a handshake every kKnockedAgainNs.
//
// One start at a time: until the net lcore has begun the session it was given, we begin no handshake, and one of the peer's
// that would give it another session, or new keys, is not fed; the peer repeats its packets.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "control/handshake/attempt.h"
#include "control/handshake/link_params.h"
#include "control/handshake/tls.h"
#include "dataplane/crypto/epoch_secrets.h"
#include "dataplane/transport/lane.h"
#include "dataplane/wire/end_reason.h"

namespace dwcp {

enum class LinkState : std::uint8_t {
  kDown,      // handshakes are tried
  kStarting,  // agreed; not in use yet
  kUp,
};

// Why a handshake packet that the net lcore let through was not taken.
enum class HandshakeRefusal : std::uint8_t {
  kMalformed,       // lengths, kind or offsets that cannot be
  kUnknownAttempt,  // of no attempt here, or not at its beginning
  kOldAttempt,      // of one that is over: late, or replayed
  kTooMany,         // another beginning too soon after the last, cookies without end, or knocks
  kBusy,            // something is to be finished first; its sender repeats it
  kCount,
};
inline constexpr std::size_t kHandshakeRefusals = static_cast<std::size_t>(HandshakeRefusal::kCount);
inline constexpr std::array<const char*, kHandshakeRefusals> kHandshakeRefusalNames = {"malformed", "unknown_attempt", "old_attempt",
                                                                                       "too_many", "busy"};

struct PeerLinkCounters {
  std::uint64_t attempts = 0;   // begun, in either role
  std::uint64_t completed = 0;  // keys handed on
  std::uint64_t resumed = 0;    // of those, by a ticket
  std::uint64_t rekeys = 0;     // of those, for the session that ran
  std::uint64_t failed = 0;     // attempts that ended otherwise; those that another replaced or that none answered too
  std::array<std::uint64_t, kHandshakeRefusals> refused{};
};

struct LinkFailure {
  std::string text;           // empty: none yet
  std::uint64_t when_ns = 0;  // the last time
};

struct PeerLinksConfig {
  std::string name;                // ours
  std::vector<std::string> peers;  // names, by lane
  LinkOffer offer;
  std::uint64_t rekey_bytes = std::uint64_t{64} << 30;
  std::uint64_t rekey_ns = 3600 * kNsPerSec;
};

// What is asked of the owner.  All but random and recall go to the net lcore, in this order: the peer answers `send` with
// packets under the keys of the `start` or `rekey` before it.
struct PeerLinksOut {
  std::function<void(std::uint16_t lane, std::span<const std::uint8_t> packet)> send;
  std::function<void(std::uint16_t lane, const LaneSession& session, const EpochSecrets& secrets)> start;
  // Keys of the newest epoch may come again, other ones, as long as no packet under them was sent or seen.
  std::function<void(std::uint16_t lane, std::uint32_t session, const EpochSecrets& secrets)> rekey;
  std::function<void(std::uint16_t lane, EndReason reason)> stop;
  std::function<std::uint64_t()> random;  // fit for nonces
  // What the lane's link gave before, for the session that begins; empty: nothing is remembered.
  std::function<ResumePoint(std::uint64_t now_ns, std::uint16_t lane)> recall{};
};

class PeerLink {
 public:
  static constexpr std::uint64_t kAskNs = 200 * kNsPerMs;
  static constexpr std::uint32_t kQuickAsks = 9;
  static constexpr std::uint64_t kAskSlowNs = kNsPerSec;
  static constexpr std::uint64_t kKnockNs = kNsPerSec;
  // Since the last handshake, while a session runs.  A peer that restarted waits so long at most.
  static constexpr std::uint64_t kKnockedAgainNs = 5 * kNsPerSec;
  // A knock that comes so long after we finished says that the peer did not.
  static constexpr std::uint64_t kUnfinishedNs = 2 * kNsPerSec;
  static constexpr std::uint64_t kBackoffNs = 500 * kNsPerMs;
  static constexpr std::uint64_t kBackoffMaxNs = 5 * kNsPerSec;
  // What a peer can make us work: a signature each time.
  static constexpr std::uint64_t kAnswerSpacingNs = 50 * kNsPerMs;
  // Shorter than any cookie is good for.
  static constexpr std::uint64_t kCookieLifeNs = 50 * kNsPerSec;
  // Attempts of the peer that are over.  Packets of any that is not among them can be replayed while the cookie in them is
  // good, two minutes; the peer begins fewer in that time, at kBackoffMaxNs each.
  static constexpr std::size_t kOver = 32;
  // A lane's report of what the keys before the newest carried may still be on its way.
  static constexpr std::uint64_t kUsageSettlesNs = kNsPerSec;

  PeerLink(const PeerLinksConfig& config, std::uint16_t lane, TlsFactory& tls, const PeerLinksOut& out);

  void on_time(std::uint64_t now_ns);
  void on_packet(std::uint64_t now_ns, std::span<const std::uint8_t> packet);
  void on_started(std::uint64_t now_ns, std::uint32_t session);
  void on_confirmed(std::uint64_t now_ns, std::uint32_t session, std::uint32_t epoch);
  void on_lost(std::uint64_t now_ns, std::uint32_t session);
  void on_usage(std::uint64_t now_ns, std::uint32_t session, std::uint64_t bytes);
  void renew() noexcept;
  // Ends the session, if there is one: its peer is not trusted any more.
  void end(std::uint64_t now_ns);

  [[nodiscard]] LinkState state() const noexcept { return state_; }
  [[nodiscard]] std::uint64_t since_ns() const noexcept { return since_ns_; }
  [[nodiscard]] std::uint32_t session() const noexcept { return running_.local; }  // 0 = none
  [[nodiscard]] std::uint32_t epoch() const noexcept { return running_.sure_epoch; }
  [[nodiscard]] Cipher cipher() const noexcept { return cipher_; }
  [[nodiscard]] const TlsPeer& peer() const noexcept { return peer_; }
  [[nodiscard]] const LinkFailure& failure() const noexcept { return failure_; }
  [[nodiscard]] const PeerLinkCounters& counters() const noexcept { return counters_; }
  // Handshakes in the making, and what they hold; for tests of bounds.
  [[nodiscard]] std::size_t attempts_held() const noexcept { return (initiator_ != nullptr) + (responder_ != nullptr); }
  [[nodiscard]] std::size_t bytes_held() const noexcept;

 private:
  // peer_link.cc: time, and the life of the session
  void check_times(std::uint64_t now_ns);
  void go_down(std::uint64_t now_ns);
  void stop_session(std::uint64_t now_ns);
  void settle_state(std::uint64_t now_ns);
  // An attempt came to nothing.  As initiator we wait before the next, longer each time.
  void fail(std::uint64_t now_ns, const Attempt& attempt, std::string text);
  void refuse(HandshakeRefusal reason) noexcept { ++counters_.refused[static_cast<std::size_t>(reason)]; }
  [[nodiscard]] bool rekey_due(std::uint64_t now_ns) const noexcept;
  // Our own handshake is finished, and the peer has not shown that it has the keys.
  [[nodiscard]] bool unproven() const noexcept {
    return initiator_ != nullptr && initiator_->done() && !initiator_proven_ && initiator_session_ == running_.local;
  }
  [[nodiscard]] std::uint32_t draw_session();

  // peer_link_initiator.cc
  void seek(std::uint64_t now_ns);
  void begin(std::uint64_t now_ns);
  void ask(std::uint64_t now_ns);
  void talk(std::uint64_t now_ns, const wire::Cookie& cookie);
  void on_cookie(std::uint64_t now_ns, const HandshakeView& packet);
  void on_knock(std::uint64_t now_ns);
  void on_answer(std::uint64_t now_ns, const HandshakeView& packet);
  void say(wire::HandshakeKind kind, std::uint64_t attempt);

  // peer_link_responder.cc
  void on_initiator(std::uint64_t now_ns, const HandshakeView& packet);
  bool answer(std::uint64_t now_ns, const HandshakeView& packet);
  void end_responder();

  // peer_link_complete.cc
  void advance(std::uint64_t now_ns, Attempt& attempt);
  void complete(std::uint64_t now_ns, Attempt& attempt);
  bool install(std::uint64_t now_ns, Attempt& attempt, const Agreed& agreed);
  void yield_others(Attempt& finished);
  void refused_after_all(std::uint64_t now_ns, Attempt& attempt);

  const PeerLinksConfig& config_;
  const PeerLinksOut& out_;
  TlsFactory& tls_;
  std::uint16_t lane_;
  bool leader_;
  HandshakeStream::Send send_;

  // The session.
  LinkState state_ = LinkState::kDown;
  std::uint64_t since_ns_ = 0;
  RunningSession running_;
  Cipher cipher_ = Cipher::kAes128Gcm;
  TlsPeer peer_;
  bool begun_by_us_ = false;
  bool confirmed_ = false;        // a packet of the peer's came under its keys
  std::uint32_t starting_ = 0;    // the session the net lcore was given and has not begun; 0 = none
  bool stop_starting_ = false;    // once it has begun it
  std::uint64_t confirm_by_ns_ = kNever;
  std::uint64_t epoch_since_ns_ = 0;
  std::uint64_t handshake_ns_ = 0;  // the last was completed
  bool worn_ = false;               // by bytes, or by renew()
  bool renew_ = false;              // renew() came after the last handshake: its keys, once proven, are worn already

  // Handshakes.
  std::unique_ptr<Attempt> initiator_;
  std::unique_ptr<Attempt> responder_;
  bool initiator_proven_ = false;   // of initiator_, done: its keys were seen in use
  std::uint32_t initiator_session_ = 0;  // the session and epoch that its keys are for
  std::uint32_t initiator_epoch_ = 0;
  std::array<std::uint64_t, kOver> over_{};  // a ring
  std::size_t over_next_ = 0;
  std::uint64_t answered_ns_ = 0;  // 0 = never

  bool knocked_ = false;
  std::uint64_t next_knock_ns_ = 0;
  std::uint64_t next_attempt_ns_ = 0;
  std::uint32_t failures_ = 0;  // in a row
  std::uint32_t asks_ = 0;      // in a row without an answer
  std::uint64_t next_ask_ns_ = 0;
  std::uint64_t first_ask_ns_ = 0;  // of this attempt
  wire::Cookie cookie_{};
  std::uint64_t cookie_until_ns_ = 0;  // 0 = none
  std::uint64_t rtt_ns_ = 0;           // from ask to cookie, 0 = not known

  LinkFailure failure_;
  PeerLinkCounters counters_;
};

}  // namespace dwcp
