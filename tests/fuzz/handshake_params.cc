// SPDX-License-Identifier: Apache-2.0
// Contract: whatever parameters a peer sends, what is accepted of them keeps the limits of the protocol and of what we offered,
// makes a session that a lane can run, and both sides of an honest exchange agree.
//
// Input: a byte of switches (1: we answer, else we accept an answer; 2: a session runs; 4: another site's offer of ours;
// 8: the offer was made before the session began), our sure epoch (be32), then the peer's parameters.
#include <cstring>
#include <memory>
#include <vector>

#include "control/handshake/link_params.h"
#include "input.h"

namespace {

using namespace dwcp;
using fuzz::require;

LaneConfig lane_config() {
  LaneConfig made;
  made.streams = 2;
  made.flows_max = 2;
  made.rx_arena_bytes = 13 * wire::kFrameBytesMax;
  made.rx_frames_max = 100;
  made.tx_frames_max = 8;
  made.packets_max = 8 * SentPage::kRecords;
  return made;
}

// One lane for all inputs: building it costs more than an input; each leaves it drained.
struct Bench {
  Lane lane{lane_config()};
  CellPool cells{2 * wire::kFrameBytesMax};
  FrameBody body;
  Bench() { require(cells.allocate(body, 100'000)); }

  // Sends on it what the peer said may be sent.
  void run(const LaneSession& session) {
    (void)lane.start(kNsPerSec, session, lane.make_streams(session));
    bool lent = false;
    if (const auto flow = lane.open_flow()) lent = lane.submit(*flow, body);
    lane.on_time(kNsPerSec);
    for (int i = 0; i < 8; ++i) {
      const auto buffer = std::make_unique<std::uint8_t[]>(lane.datagram_bytes());
      TxDatagram out{.data = buffer.get(), .capacity = lane.datagram_bytes()};
      if (lane.transmit(kNsPerSec, {&out, 1}) == 0) break;
      require(out.length <= out.capacity && out.length <= session.peer_datagram_bytes);
    }
    lane.abandon(EndReason::kShutdown);
    LaneEvent event;
    while (lane.poll_event(event)) lent = lent && event.body != &body;
    require(!lent && lane.drained());
  }
};

LinkOffer our_offer(bool other) {
  LinkOffer ours;
  ours.flows = 2;
  ours.window_bytes = wire::kFrameBytesMax;
  ours.frame_window = 16;
  ours.streams = other ? 64 : 2;
  ours.ciphers = {Cipher::kAes256Gcm, Cipher::kAes128Gcm};
  if (other) ours.ciphers = {Cipher::kChaCha20Poly1305};
  return ours;
}

void check(Bench& bench, const Agreed& agreed, const LinkOffer& ours, const RunningSession& running, std::uint32_t session) {
  require(std::find(ours.ciphers.begin(), ours.ciphers.end(), agreed.cipher) != ours.ciphers.end());
  if (agreed.rekey) {
    require(running.local != 0 && agreed.session.local_session == running.local && agreed.session.remote_session == running.remote);
    require(agreed.epoch > running.sure_epoch && agreed.epoch <= running.sure_epoch + 2);
    return;
  }
  const LaneSession& made = agreed.session;
  require(agreed.epoch == 0 && made.local_session == session && made.remote_session != 0);
  require(made.peer_datagram_bytes >= wire::kDatagramBytesMin && made.peer_window_bytes >= wire::kFrameBytesMax);
  require(made.peer_flows_max != 0 && made.peer_frame_window != 0);
  require(made.peer_streams >= 1 && made.peer_streams <= wire::kStreamsMax);
  bench.run(made);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static Bench bench;
  constexpr std::uint32_t kOurs = 0x100;
  fuzz::Input input(data, size);
  const std::uint8_t switches = input.byte();
  const LinkOffer ours = our_offer((switches & 4) != 0);
  const std::uint32_t sure_epoch = input.be32();
  RunningSession running;
  if ((switches & 2) != 0) running = {.local = 0x40, .remote = 0x80, .sure_epoch = sure_epoch};
  const std::vector<std::uint8_t> theirs(input.rest().begin(), input.rest().end());
  if ((switches & 1) == 0) {
    const wire::HandshakeParams offered = offer_params(ours, (switches & 8) != 0 ? RunningSession{} : running, kOurs);
    const auto accepted = accept_params(ours, offered, running, theirs);
    require(accepted || !accepted.error().empty());
    if (accepted) check(bench, *accepted, ours, running, kOurs);
    return 0;
  }
  const auto answered = answer_params(ours, running, kOurs, theirs);
  require(answered || !answered.error().empty());
  if (!answered) return 0;
  check(bench, answered->agreed, ours, running, kOurs);

  // The peer that said so takes our answer, if it said what it means.
  wire::HandshakeParams offered;
  std::memcpy(&offered, theirs.data(), sizeof(offered));
  LinkOffer peer;
  for (std::size_t i = 0; i < kCiphers; ++i) {
    if ((offered.ciphers >> i & 1) != 0) peer.ciphers.push_back(static_cast<Cipher>(i));
  }
  const RunningSession peer_running{.local = offered.rekey_session, .remote = running.local, .sure_epoch = offered.epoch - 1};
  const auto* answer = reinterpret_cast<const std::uint8_t*>(&answered->params);
  const auto back = accept_params(peer, offered, peer_running, {answer, sizeof(answered->params)});
  // One that proposes an epoch behind ours is no honest peer; it is told so by its own check.
  if (answered->agreed.rekey && answered->agreed.epoch > offered.epoch + 1) return require(!back), 0;
  require(back && back->cipher == answered->agreed.cipher && back->rekey == answered->agreed.rekey && back->epoch == answered->agreed.epoch);
  return 0;
}
