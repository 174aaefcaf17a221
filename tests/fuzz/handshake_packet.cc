// SPDX-License-Identifier: Apache-2.0
// Contract: whatever handshake packets come to a gateway, made up, replayed, damaged or late, in whichever phase, its links hold
// no more than two attempts of bounded size, answer a packet by no more than a window, and a session that runs is ended or
// replaced by none of them short of a finished handshake.
//
// The gateway under test and an honest peer stand on either side of the fuzzer, with FakeTls for TLS.
//
// Input: a byte (1: the gateway under test is the leader), then steps.  The low three bits of the first byte say what:
//   0: a byte l, l x 8 bytes: a packet as it is
//   1: kind, attempt (0: ours, 1: the peer's, else it itself), offset, acknowledgement (be16 each), l, l x 8 bytes: a whole packet
//   2: the peer's oldest packet comes; bit 3: a byte of it (be16) is changed (a byte); bit 4: it stays to be replayed
//   3: our oldest reaches the peer; bit 3: it is lost
//   4: a byte t: t x 20 ms pass          5: our net lcore reports; 6: the peer's does:
//      bit 3: started, bit 4: confirmed, bit 5: lost, bit 6: usage, bit 7: new certificates
//   7: a byte n: n % 32 rounds of an exchange without loss, net lcores included
#include <deque>
#include <string>
#include <vector>

#include "base/rng.h"
#include "control/handshake/peer_links.h"
#include "dataplane/wire/packet.h"
#include "input.h"
#include "tests/sim/fake_tls.h"

namespace {

using namespace dwcp;
using fuzz::require;
using Bytes = std::vector<std::uint8_t>;

constexpr std::size_t kQueueMax = 64;
constexpr std::size_t kAnswersMax = HandshakeStream::kWindowBytes / wire::kHandshakeDataMax + 1;

struct Site {
  Rng rng;
  sim::FakeTlsSite tls_site;
  sim::FakeTlsFactory tls{tls_site};
  std::deque<Bytes> sent;
  std::size_t answers = 0;
  std::size_t stops = 0;
  std::uint32_t starting = 0;
  std::uint32_t session = 0;
  std::uint32_t epoch = 0;
  std::uint64_t attempt = 0;  // of the last packet sent
  PeerLinks links;

  Site(const std::string& name, const std::string& peer, std::uint64_t seed)
      : rng(seed), tls_site{name, {peer}, [this] { return rng.next(); }, {false}}, links(config(name, peer), tls, out()) {}

  static PeerLinksConfig config(const std::string& name, const std::string& peer) {
    PeerLinksConfig made;
    made.name = name;
    made.peers = {peer};
    made.offer.window_bytes = 4 * wire::kFrameBytesMax;
    made.offer.frame_window = 64;
    made.offer.ciphers = {Cipher::kAes128Gcm};
    made.rekey_bytes = 1000;
    return made;
  }

  PeerLinksOut out() {
    return {.send =
                [this](std::uint16_t, std::span<const std::uint8_t> packet) {
                  require(packet.size() >= sizeof(wire::HandshakeHeader) && packet.size() <= wire::kHandshakePacketBytesMax);
                  ++answers;
                  attempt = reinterpret_cast<const wire::HandshakeHeader*>(packet.data())->attempt;
                  if (sent.size() < kQueueMax) sent.emplace_back(packet.begin(), packet.end());
                },
            .start =
                [this](std::uint16_t, const LaneSession& made, const EpochSecrets& secrets) {
                  require(starting == 0 && made.local_session != 0 && made.remote_session != 0 && secrets.epoch == 0);
                  starting = session = made.local_session;
                  epoch = 0;
                },
            .rekey =
                [this](std::uint16_t, std::uint32_t of, const EpochSecrets& secrets) {
                  require(starting == 0 && of == session && secrets.epoch >= epoch && secrets.epoch <= epoch + 2);
                  epoch = secrets.epoch;
                },
            .stop = [this](std::uint16_t, EndReason) { ++stops; },
            .random = [this] { return rng.next(); }};
  }

  void started(std::uint64_t now_ns) { links.on_started(now_ns, 0, std::exchange(starting, 0)); }
  void report(std::uint64_t now_ns, std::uint8_t what) {
    if ((what & 8) != 0) started(now_ns);
    if ((what & 16) != 0 && starting == 0) links.on_confirmed(now_ns, 0, session, epoch);
    if ((what & 32) != 0) links.on_lost(now_ns, 0, session);
    if ((what & 64) != 0) links.on_usage(now_ns, 0, session, 2000);
    if ((what & 128) != 0) links.renew(0);
  }
  void check() const {
    const PeerLink& link = links.link(0);
    require(link.attempts_held() <= 2 && link.bytes_held() <= 8 * wire::kHandshakeStreamBytesMax);
    require((link.session() != 0) == (link.state() != LinkState::kDown));
  }
};

struct Bench {
  std::uint64_t now_ns = kNsPerSec;
  Site victim;
  Site peer;

  explicit Bench(bool leader) : victim(leader ? "east" : "west", leader ? "west" : "east", 1), peer(leader ? "west" : "east", leader ? "east" : "west", 2) {}

  // As the net lcore does with what it does not know.
  void to_peer(const Bytes& packet) {
    const auto& header = *reinterpret_cast<const wire::HandshakeHeader*>(packet.data());
    if (header.kind == static_cast<std::uint8_t>(wire::HandshakeKind::kAsk)) return answer_ask(victim, header.attempt);
    peer.links.on_packet(now_ns, 0, packet);
  }
  void answer_ask(Site& to, std::uint64_t attempt) {
    wire::HandshakeHeader answer{};
    answer.type = wire::type_byte(wire::PacketType::kHandshake);
    answer.kind = static_cast<std::uint8_t>(wire::HandshakeKind::kCookie);
    answer.attempt = attempt;
    answer.cookie[0] = 1;
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(&answer);
    if (&to == &victim) return to_victim({bytes, bytes + sizeof(answer)});
    peer.links.on_packet(now_ns, 0, {bytes, sizeof(answer)});
  }

  void to_victim(const Bytes& packet) {
    if (packet.size() >= sizeof(wire::HandshakeHeader)) {
      const auto& header = *reinterpret_cast<const wire::HandshakeHeader*>(packet.data());
      if (header.kind == static_cast<std::uint8_t>(wire::HandshakeKind::kAsk)) answer_ask(peer, header.attempt);
    }
    const PeerLink& link = victim.links.link(0);
    const bool ran = link.state() == LinkState::kUp;
    const std::uint32_t session = link.session();
    const std::uint64_t completed = link.counters().completed;
    const std::size_t stops = victim.stops;
    victim.answers = 0;
    victim.links.on_packet(now_ns, 0, packet);
    require(victim.answers <= kAnswersMax);
    if (!ran) return;
    require(victim.stops == stops && link.session() != 0);
    require(link.session() == session || link.counters().completed > completed);
  }

  void pass(std::uint64_t ns) {
    now_ns += ns;
    victim.links.on_time(now_ns);
    peer.links.on_time(now_ns);
  }

  void round() {
    for (Site* from : {&victim, &peer}) {
      for (std::size_t i = from->sent.size(); i != 0; --i) {
        const Bytes packet = std::move(from->sent.front());
        from->sent.pop_front();
        from == &victim ? to_peer(packet) : to_victim(packet);
      }
    }
    for (Site* site : {&victim, &peer}) {
      site->started(now_ns);
      const Site& other = site == &victim ? peer : victim;
      if (site->epoch == other.epoch) site->report(now_ns, 16);
    }
    pass(5 * kNsPerMs);
  }

  void made(fuzz::Input& input) {
    wire::HandshakeHeader header{};
    header.type = wire::type_byte(wire::PacketType::kHandshake);
    header.kind = input.byte();
    const std::uint8_t which = input.byte();
    header.attempt = which == 0 ? victim.attempt : which == 1 ? peer.attempt : which;
    header.offset = input.be16();
    header.ack = input.be16();
    const auto data = input.take(std::min(input.byte() * std::size_t{8}, wire::kHandshakeDataMax));
    header.length = static_cast<std::uint16_t>(data.size());
    header.cookie[0] = which;
    const auto* begin = reinterpret_cast<const std::uint8_t*>(&header);
    Bytes packet(begin, begin + sizeof(header));
    packet.insert(packet.end(), data.begin(), data.end());
    to_victim(packet);
  }

  void step(std::uint8_t what, fuzz::Input& input) {
    switch (what & 7) {
      case 0: {
        const auto bytes = input.take(input.byte() * std::size_t{8});
        return to_victim({bytes.begin(), bytes.end()});
      }
      case 1: return made(input);
      case 2: {
        if (peer.sent.empty()) return;
        Bytes packet = peer.sent.front();
        if ((what & 16) == 0) peer.sent.pop_front();
        if ((what & 8) != 0) packet[input.be16() % packet.size()] ^= input.byte();
        return to_victim(packet);
      }
      case 3: {
        if (victim.sent.empty()) return;
        const Bytes packet = std::move(victim.sent.front());
        victim.sent.pop_front();
        if ((what & 8) == 0) to_peer(packet);
        return;
      }
      case 4: return pass(input.byte() * 20 * kNsPerMs);
      case 5: return victim.report(now_ns, what);
      case 6: return peer.report(now_ns, what);
      default:
        for (int rounds = input.byte() % 32; rounds != 0; --rounds) round();
    }
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  Bench bench((input.byte() & 1) != 0);
  bench.pass(0);
  for (int steps = 0; !input.empty() && steps < 200; ++steps) {
    bench.step(input.byte(), input);
    bench.victim.check();
    bench.peer.check();
  }
  return 0;
}
