// SPDX-License-Identifier: Apache-2.0
#include "control/peer_session.h"

#include <algorithm>
#include <cstring>

#include "dataplane/wire/limits.h"

namespace dwcp {
namespace {

constexpr std::uint64_t kHelloIntervalNs = 200 * kNsPerMs;
constexpr std::uint64_t kHelloIntervalMaxNs = kNsPerSec;
constexpr std::uint32_t kQuickHellos = 10;
// The hello that settles an agreement goes this often again, so that its loss does not keep the peer in the last session
// until that times out.  It goes to an address that has just proven to be the peer's.
constexpr std::uint32_t kLastHellos = 5;

}  // namespace

PeerSessions::PeerSessions(PeerSessionsConfig config, PeerSessionsOut out)
    : config_(std::move(config)), out_(std::move(out)), peers_(config_.peers.size()) {
  for (std::uint16_t lane = 0; lane < peers_.size(); ++lane) seek(peers_[lane], lane);
}

// A new attempt: a new nonce and session number.  The low bits of a session number name its lane.
void PeerSessions::seek(Peer& peer, std::uint16_t lane) {
  do {
    peer.nonce = out_.random();
  } while (peer.nonce == 0);
  do {
    peer.session = static_cast<std::uint32_t>((out_.random() & 0xffffffffU) / kLanesMax * kLanesMax) + lane;
  } while (peer.session < kLanesMax || peer.session == peer.running_session);
  peer.peer_nonce = 0;
  peer.hellos = 0;
  peer.next_hello_ns = 0;
}

void PeerSessions::say_hello(std::uint16_t lane, std::uint64_t nonce, std::uint32_t session, bool answer_wanted) {
  std::array<std::uint8_t, kHelloBytes> packet{};
  auto& hello = *reinterpret_cast<wire::HelloPacket*>(packet.data());
  hello.type = wire::type_byte(wire::PacketType::kHello);
  hello.flags = answer_wanted ? wire::kHelloAnswerWanted : 0;
  hello.datagram_bytes = config_.datagram_bytes;
  hello.nonce = nonce;
  hello.echo_nonce = answer_wanted ? peers_[lane].peer_nonce : peers_[lane].running_peer_nonce;
  hello.session = session;
  hello.flows = config_.flows;
  hello.window_bytes = config_.window_bytes;
  hello.frame_window = config_.frame_window;
  hello.streams = config_.streams;
  hello.name_bytes = static_cast<std::uint8_t>(config_.name.size());
  std::memcpy(hello.name, config_.name.data(), config_.name.size());
  wire::seal(packet.data(), sizeof(hello));
  out_.send_hello(lane, packet);
}

void PeerSessions::on_time(std::uint64_t now_ns) {
  for (std::uint16_t lane = 0; lane < peers_.size(); ++lane) {
    Peer& peer = peers_[lane];
    if (now_ns < peer.next_hello_ns) continue;
    if (peer.state != PeerState::kDown) {
      if (peer.last_hellos == 0) continue;
      --peer.last_hellos;
      peer.next_hello_ns = now_ns + kHelloIntervalNs;
      say_hello(lane, peer.running_nonce, peer.running_session, false);
      continue;
    }
    // A question echoes nothing.  What was heard last may be late and of a session long over, and a peer whose session
    // runs answers only questions and echoes of its own newest nonce.
    peer.peer_nonce = 0;
    peer.next_hello_ns = now_ns + (++peer.hellos < kQuickHellos ? kHelloIntervalNs : kHelloIntervalMaxNs);
    say_hello(lane, peer.nonce, peer.session, true);
  }
}

bool PeerSessions::on_hello(std::uint64_t now_ns, std::uint16_t lane, std::span<const std::uint8_t> bytes, std::string& why) {
  const auto& hello = *reinterpret_cast<const wire::HelloPacket*>(bytes.data());
  Peer& peer = peers_[lane];
  if (hello.name_bytes == 0 || hello.name_bytes > wire::kNameBytesMax || hello.nonce == 0 || hello.session == 0 ||
      hello.datagram_bytes < wire::kDatagramBytesMin || hello.flows == 0 || hello.streams == 0 || hello.frame_window == 0 ||
      hello.window_bytes < wire::kFrameBytesMax) {
    why = "its parameters are out of range";
    ++refused_;
    return false;
  }
  const std::string_view name(reinterpret_cast<const char*>(hello.name), hello.name_bytes);
  if (name != config_.peers[lane]) {
    // The name came from the network: print only what a name may hold.
    why = "it calls itself \"";
    for (const char c : name) why += (c > ' ' && c < 127 && c != '"') ? c : '?';
    why += "\", the configuration says \"" + config_.peers[lane] + '"';
    ++refused_;
    return false;
  }
  const bool answer_wanted = (hello.flags & wire::kHelloAnswerWanted) != 0;
  if (peer.state != PeerState::kDown && hello.nonce == peer.running_peer_nonce) {
    // The agreement in place; the peer may have missed our half of it.
    if (answer_wanted) say_hello(lane, peer.running_nonce, peer.running_session, false);
    return true;
  }
  if (peer.state == PeerState::kStarting) return true;  // it will say it again
  if (peer.state == PeerState::kUp) {
    // A peer that has restarted begins without an echo, and then echoes the nonce it is answered with.  Anything else is an
    // answer to a question long settled.
    if (hello.echo_nonce != 0 && hello.echo_nonce != peer.nonce) return true;
    if (peer.nonce == peer.running_nonce) seek(peer, lane);
  }
  peer.peer_nonce = hello.nonce;
  if (hello.echo_nonce == peer.nonce) {
    agree(now_ns, lane, hello);
    if (answer_wanted) say_hello(lane, peer.running_nonce, peer.running_session, false);
  } else if (answer_wanted) {
    say_hello(lane, peer.nonce, peer.session, true);
    peer.next_hello_ns = now_ns + kHelloIntervalNs;
  }
  return true;
}

void PeerSessions::agree(std::uint64_t now_ns, std::uint16_t lane, const wire::HelloPacket& hello) {
  Peer& peer = peers_[lane];
  peer.running_nonce = peer.nonce;
  peer.running_peer_nonce = hello.nonce;
  peer.running_session = peer.session;
  peer.state = PeerState::kStarting;
  peer.since_ns = now_ns;
  peer.last_hellos = kLastHellos;
  peer.next_hello_ns = now_ns + kHelloIntervalNs;
  LaneSession session;
  session.local_session = peer.session;
  session.remote_session = hello.session;
  session.opens_odd_flows = peer.nonce > hello.nonce;
  session.peer_datagram_bytes = hello.datagram_bytes;
  session.peer_flows_max = hello.flows;
  session.peer_streams = std::min<std::uint32_t>(hello.streams, wire::kStreamsMax);
  session.peer_window_bytes = hello.window_bytes;
  session.peer_frame_window = hello.frame_window;
  session.seed = out_.random();
  if (out_.recall) session.resume = out_.recall(now_ns, lane);
  out_.start(lane, session);
}

void PeerSessions::on_started(std::uint64_t now_ns, std::uint16_t lane, std::uint32_t session) {
  Peer& peer = peers_[lane];
  if (peer.state != PeerState::kStarting || peer.running_session != session) return;
  peer.state = PeerState::kUp;
  peer.since_ns = now_ns;
}

void PeerSessions::on_lost(std::uint64_t now_ns, std::uint16_t lane, std::uint32_t session) {
  Peer& peer = peers_[lane];
  if (peer.running_session != session || peer.state == PeerState::kStarting) return;  // of a session already replaced
  peer.state = PeerState::kDown;
  peer.since_ns = now_ns;
  peer.running_nonce = peer.running_peer_nonce = 0;
  seek(peer, lane);
}

}  // namespace dwcp
