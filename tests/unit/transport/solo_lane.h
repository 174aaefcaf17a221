// SPDX-License-Identifier: Apache-2.0
// One lane whose peer is the test: hand-made packets in, its datagrams out.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "dataplane/transport/lane.h"
#include "tests/sim/lab_seal.h"
#include "tests/sim/packets.h"

namespace dwcp {

inline constexpr std::uint32_t kSession = 77;

inline LaneConfig small_config() {
  LaneConfig config;
  config.flows_max = 2;
  config.rx_arena_bytes = 12 * wire::kFrameBytesMax;
  config.rx_frames_max = 240;
  config.tx_frames_max = 8;
  config.packets_max = 16 * SentPage::kRecords;
  config.skip_numbers = false;
  return config;
}

struct SoloLane {
  explicit SoloLane(const LaneConfig& config = small_config()) : lane(config) { begin(); }

  void begin() {
    LaneSession session;
    session.local_session = kSession;
    session.remote_session = 78;
    session.opens_odd_flows = true;  // the peer's are even
    session.peer_flows_max = lane.config().flows_max;
    session.peer_window_bytes = Lane::window_initial(lane.config());
    session.peer_frame_window = Lane::frame_window(lane.config());
    (void)lane.start(now_ns, session, lane.make_streams(session));
    number = 0;
  }

  sim::Packet packet() { return sim::Packet(kSession, 0, number++); }
  wire::DropReason give(sim::Packet& packet) { return sim::receive(lane, now_ns, packet.sealed()); }
  wire::DropReason give(sim::Packet&& packet) { return give(packet); }

  std::vector<LaneEvent> events() {
    std::vector<LaneEvent> all;
    LaneEvent event;
    while (lane.poll_event(event)) all.push_back(event);
    return all;
  }

  // What the lane sends now, each in a buffer of exactly its datagram size, so that a sanitizer sees a byte too many.
  std::vector<std::vector<std::uint8_t>> sent() {
    std::vector<std::vector<std::uint8_t>> all;
    for (;;) {
      const auto buffer = std::make_unique<std::uint8_t[]>(lane.datagram_bytes());
      TxDatagram out{.data = buffer.get(), .capacity = lane.datagram_bytes()};
      if (lane.transmit(now_ns, {&out, 1}) == 0) return all;
      EXPECT_LE(out.length, out.capacity);
      sim::seal(out);
      all.emplace_back(buffer.get(), buffer.get() + out.length);
    }
  }

  // The same while time passes, as pacing allows.
  std::vector<std::vector<std::uint8_t>> sent_during(std::uint64_t span_ns) {
    std::vector<std::vector<std::uint8_t>> all;
    for (const std::uint64_t end_ns = now_ns + span_ns; now_ns < end_ns; now_ns += 100 * kNsPerUs) {
      for (auto& datagram : sent()) all.push_back(std::move(datagram));
    }
    return all;
  }

  // All ends, and nothing is held.
  void expect_drains() {
    lane.abandon(EndReason::kShutdown);
    for (const LaneEvent& event : events()) {
      if (event.kind == LaneEventKind::kFrameReceived) lane.consume(now_ns, event.rx_slot);
    }
    EXPECT_TRUE(lane.drained());
    EXPECT_EQ(lane.rx_free_bytes(), lane.config().rx_arena_bytes);
    EXPECT_EQ(lane.records_free(), lane.config().packets_max);
  }

  std::uint64_t now_ns = kNsPerSec;
  std::uint32_t number = 0;
  Lane lane;
};

struct OwnedBody {
  explicit OwnedBody(std::uint32_t bytes) {
    body.bytes = bytes;
    memory.resize(FrameBody::cell_count(bytes) * wire::kCellBytes, 5);
    for (std::size_t i = 0; i < FrameBody::cell_count(bytes); ++i) body.cells[i] = memory.data() + i * wire::kCellBytes;
  }
  FrameBody body;
  std::vector<std::uint8_t> memory;
};

}  // namespace dwcp
