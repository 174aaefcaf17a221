// SPDX-License-Identifier: Apache-2.0
// A peer that holds a valid session and sends what it likes: the test plays the codec above a real net role (frames),
// or the net role itself (packets).
#pragma once

#include <map>
#include <optional>
#include <string_view>

#include "compress/block_encoder.h"
#include "dataplane/wire/frame.h"
#include "dataplane/wire/handshake.h"
#include "tests/sim/packets.h"
#include "world.h"

namespace dwcp {

[[nodiscard]] Bytes open_frame(std::string_view service, std::uint8_t version = kBlockVersion);
[[nodiscard]] Bytes block_frame(BlockEncoder& encoder, const Bytes& raw);
[[nodiscard]] Bytes eof_frame(std::uint64_t raw_bytes, const Digest& digest);
[[nodiscard]] Bytes stop_frame(BlockEncoder& encoder, const Bytes& raw);
[[nodiscard]] Bytes delivered_frame(std::uint32_t age_us, std::uint32_t span_us, std::uint32_t far_us);
[[nodiscard]] Bytes pause_frame(std::uint32_t pause_us, std::uint32_t backlog_us, std::uint32_t path_us);
[[nodiscard]] Bytes verdict_frame(std::uint8_t match, std::uint64_t raw_bytes, const Digest& digest);

// Frames, in the place of east's codec.
class FrameAttacker {
 public:
  explicit FrameAttacker(World& world) : world_(world), cells_(8U << 20), bodies_(64) {
    world.east().codec_runs = false;
    for (FrameBody& body : bodies_) free_.push_back(&body);
  }

  struct Heard {
    std::vector<Bytes> frames;  // by number
    EndReason reset = EndReason::kNone;
    bool arrived = false;  // the victim's own
    bool granted_nothing = false;
    std::vector<std::uint32_t> kept;  // rx slots not given back
    FlowRef ref{};
  };

  // A flow of ours; its id.
  std::uint32_t open();
  void send(std::uint32_t flow, const Bytes& frame);
  // Runs the world, playing the codec.
  bool run(const std::function<bool()>& done, std::uint64_t limit_ns = 5 * kNsPerSec);

  std::map<std::uint32_t, Heard> heard;
  // While true, nothing is consumed of flows that arrive, so they are granted no more credit than they began with.
  bool grants_nothing = false;

 private:
  void drain();

  World& world_;
  CellPool cells_;
  std::vector<FrameBody> bodies_;
  std::vector<FrameBody*> free_;
  std::uint32_t opened_ = 0;
};

// Packets, in the place of east's net role, which is no longer stepped.
class PacketAttacker {
 public:
  explicit PacketAttacker(World& world);
  [[nodiscard]] sim::Packet packet() { return {session_, 0, number_++}; }
  void send(std::span<const std::uint8_t> datagram);
  [[nodiscard]] std::uint32_t next_flow() { return flow_ += 2; }
  // The cookie in what west has sent here, if there is one.
  [[nodiscard]] std::optional<wire::Cookie> cookie_heard();
  // A step of west's, and time for what it is sent to arrive.
  void step();

 private:
  World& world_;
  std::uint32_t session_;
  std::uint32_t number_ = 1'000'000;
  std::uint32_t flow_;
};

}  // namespace dwcp
