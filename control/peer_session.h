// SPDX-License-Identifier: Apache-2.0
// PeerSessions: how this gateway and each configured peer agree on a session (docs/WIRE.md §5).  Sans-IO and single-threaded
// (the control thread): hellos and time in, hellos and sessions to start out.
//
//   kDown ── hello that echoes our nonce ─▶ kStarting ── net lcore has it ─▶ kUp
//     ▲  hellos go out, 200 ms to 1 s apart                                   │
//     └─────────────── link lost, or the peer said close ─────────────────────┘
//
// A peer that restarted says hello under a new nonce.  The session in place runs on until that peer has echoed a new nonce
// of ours, so that an old hello, late or replayed, ends nothing.
//
// A hello proves only that the peer receives what is sent to its address.  It is neither secret nor authenticated.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/time.h"
#include "dataplane/rings/control_message.h"
#include "dataplane/transport/lane.h"
#include "dataplane/wire/hello.h"

namespace dwcp {

enum class PeerState : std::uint8_t {
  kDown,      // saying hello
  kStarting,  // agreed; the net lcore has not begun the session yet
  kUp,
};

struct PeerSessionsConfig {
  std::string name;                // ours
  std::vector<std::string> peers;  // names, by lane
  std::uint16_t datagram_bytes = 1472;
  std::uint32_t flows = 16;
  std::uint64_t window_bytes = 0;
  std::uint32_t frame_window = 0;
  std::uint8_t streams = 1;
};

// What PeerSessions asks for.
struct PeerSessionsOut {
  std::function<void(std::uint16_t lane, const std::array<std::uint8_t, kHelloBytes>& hello)> send_hello;
  std::function<void(std::uint16_t lane, const LaneSession& session)> start;
  std::function<std::uint64_t()> random;  // fit for nonces
  // What the lane's link gave before, for the session that begins; empty: nothing is remembered.
  std::function<ResumePoint(std::uint64_t now_ns, std::uint16_t lane)> recall{};
};

class PeerSessions {
 public:
  PeerSessions(PeerSessionsConfig config, PeerSessionsOut out);

  void on_time(std::uint64_t now_ns);
  // False: the hello contradicts its limits or comes from a gateway of another name; `why` says so.
  [[nodiscard]] bool on_hello(std::uint64_t now_ns, std::uint16_t lane, std::span<const std::uint8_t> hello, std::string& why);
  void on_started(std::uint64_t now_ns, std::uint16_t lane, std::uint32_t session);
  void on_lost(std::uint64_t now_ns, std::uint16_t lane, std::uint32_t session);

  // Hellos refused since the start.
  [[nodiscard]] std::uint64_t refused() const noexcept { return refused_; }
  [[nodiscard]] PeerState state(std::uint16_t lane) const noexcept { return peers_[lane].state; }
  [[nodiscard]] std::uint64_t since_ns(std::uint16_t lane) const noexcept { return peers_[lane].since_ns; }
  [[nodiscard]] std::uint32_t session(std::uint16_t lane) const noexcept { return peers_[lane].running_session; }

 private:
  struct Peer {
    PeerState state = PeerState::kDown;
    std::uint64_t since_ns = 0;
    std::uint64_t nonce = 0;           // of the agreement being sought
    std::uint32_t session = 0;         // likewise
    std::uint64_t peer_nonce = 0;      // of the hello being answered; 0 = asking
    std::uint64_t running_nonce = 0;   // ours, of the session in place
    std::uint64_t running_peer_nonce = 0;
    std::uint32_t running_session = 0;
    std::uint64_t next_hello_ns = 0;
    std::uint32_t hellos = 0;          // unanswered, sets the interval
    std::uint32_t last_hellos = 0;     // repetitions due of the one that settled the session in place
  };

  void seek(Peer& peer, std::uint16_t lane);
  void say_hello(std::uint16_t lane, std::uint64_t nonce, std::uint32_t session, bool answer_wanted);
  void agree(std::uint64_t now_ns, std::uint16_t lane, const wire::HelloPacket& hello);

  PeerSessionsConfig config_;
  PeerSessionsOut out_;
  std::vector<Peer> peers_;
  std::uint64_t refused_ = 0;
};

}  // namespace dwcp
