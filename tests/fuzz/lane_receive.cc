// SPDX-License-Identifier: Apache-2.0
// Contract: whatever datagrams a peer sends, in whatever order and time, a lane never crashes, never writes past a
// datagram, never holds more than it reserved, and is drained after abandon().
//
// Input: steps.  Byte 0 of each says what; then a length byte l (x 8) and that many bytes:
//   even: chunks, put between a valid header and seal, so that mutation goes straight at the chunks
//   odd:  bit 1: a datagram as it is; bit 2: time passes (l ms); bit 3: submit a frame (of the tail, when its first byte is
//         128 or more); bit 4: reset a flow; bit 5: consume what was received; bit 6: close, and a router's word about a
//         stream's MTU; bit 7: abandon and begin anew
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <memory>
#include <span>
#include <vector>

#include "dataplane/transport/lane.h"
#include "tests/sim/lab_seal.h"
#include "tests/sim/packets.h"

namespace {

using namespace dwcp;

constexpr std::uint32_t kSession = 77;

void require(bool condition) {
  if (!condition) std::abort();
}

LaneConfig config() {
  LaneConfig made;
  made.streams = 2;
  made.datagram_bytes = wire::kDatagramBytesMax;  // so that path MTUs are searched
  made.flows_max = 2;
  made.rx_arena_bytes = 13 * wire::kFrameBytesMax;
  made.rx_frames_max = 100;
  made.tx_frames_max = 8;
  made.packets_max = 8 * SentPage::kRecords;
  return made;
}

// One lane for all inputs: building it costs more than an input; every input ends with it drained.
struct Bench {
  Lane lane{config()};
  CellPool cells{8 * wire::kFrameBytesMax};
  std::vector<FrameBody> bodies = std::vector<FrameBody>(8);
  std::vector<FrameBody*> home;
  std::vector<std::uint32_t> lent;
  std::uint64_t now_ns = kNsPerSec;
  std::uint32_t number = 0;

  Bench() {
    for (FrameBody& body : bodies) {
      require(cells.allocate(body, 1 + (&body - bodies.data()) * 30000));
      home.push_back(&body);
    }
  }

  void begin() {
    LaneSession session;
    session.local_session = kSession;
    session.remote_session = 78;
    session.opens_odd_flows = true;
    session.peer_flows_max = 2;
    session.peer_window_bytes = Lane::window_initial(lane.config());
    session.peer_frame_window = Lane::frame_window(lane.config());
    (void)lane.start(now_ns, session, lane.make_streams(session));
    number = 0;
    (void)lane.open_flow();
    (void)lane.open_flow();
  }

  void poll() {
    LaneEvent event;
    while (lane.poll_event(event)) {
      if (event.kind == LaneEventKind::kFrameReceived) lent.push_back(event.rx_slot);
      if (event.kind == LaneEventKind::kFrameAcked || event.kind == LaneEventKind::kFrameDropped)
        home.push_back(event.body);
    }
    require(home.size() <= bodies.size());
  }

  void consume_all() {
    for (const std::uint32_t slot : lent) lane.consume(now_ns, slot);
    lent.clear();
  }

  void end() {
    lane.abandon(EndReason::kShutdown);
    poll();
    consume_all();
    require(lane.drained() && lane.parity_idle() && home.size() == bodies.size());
    require(lane.rx_free_bytes() == lane.config().rx_arena_bytes && lane.records_free() == lane.config().packets_max);
  }

  void pump() {
    lane.on_time(now_ns);
    for (int i = 0; i < 64; ++i) {
      const auto buffer = std::make_unique<std::uint8_t[]>(lane.datagram_bytes());
      TxDatagram out{.data = buffer.get(), .capacity = lane.datagram_bytes()};
      if (lane.transmit(now_ns, {&out, 1}) == 0) break;
      require(out.length <= out.capacity && out.length > wire::kSealBytes);
    }
    (void)lane.deadline_ns();
  }

  void step(std::uint8_t what, std::span<const std::uint8_t> bytes) {
    if (what % 2 == 0) {
      (void)sim::receive(lane, now_ns, sim::Packet(kSession, what / 2 % 2, number++).bytes(bytes).sealed());
      return;
    }
    if (what & 2) (void)sim::receive(lane, now_ns, bytes);
    if (what & 4) now_ns += bytes.size() * kNsPerMs;
    if (what & 8 && !home.empty() && !bytes.empty()) {
      home.back()->tail = bytes[0] >= 128;
      if (lane.submit(static_cast<FlowId>(bytes[0] % 8), *home.back())) home.pop_back();
    }
    if (what & 16 && !bytes.empty()) lane.reset_flow(static_cast<FlowId>(bytes[0] % 16), EndReason::kDecodeError);
    if (what & 32) poll(), consume_all();
    if (what & 64) lane.close(EndReason::kShutdown);
    if (what & 64 && bytes.size() >= 3)
      lane.on_mtu_report(now_ns, static_cast<StreamId>(bytes[0]), static_cast<std::uint32_t>(bytes[1] << 8 | bytes[2]));
    if (what & 128) end(), begin();
    pump();
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static Bench bench;
  bench.begin();
  std::span<const std::uint8_t> rest(data, size);
  for (int steps = 0; rest.size() >= 2 && steps < 200; ++steps) {
    const std::uint8_t what = rest[0];
    const std::size_t length = std::min<std::size_t>(rest[1] * 8U, rest.size() - 2);
    bench.step(what, rest.subspan(2, length));
    rest = rest.subspan(2 + length);
    // The loop polls once a round; a round takes a burst of at most this many datagrams.
    if (steps % 32 == 31) bench.poll();
  }
  bench.end();
  return 0;
}
