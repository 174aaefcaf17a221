// SPDX-License-Identifier: Apache-2.0
// The codec role: between the hypervisors' blocks and the peers' frames.  It encodes blocks into frames in the order they
// came, puts received frames in order again per migration, decodes and checks them, and opens and ends migrations.
//
//   edge ─ ring ▶ ingress queue ─ encode ─▶ frame ─ ring ▶ net           one block at a time, in slices
//   net  ─ ring ▶ held frames   ─ decode ─▶ block ─ ring ▶ edge          one frame at a time, in slices
//
// step() does one slice of each (tens of microseconds), so that a net role on the same lcore is never starved.
// Backpressure: encoding waits while the migration's backlog is at its bound or frame memory is short, decoding waits for
// blocks from the edge; neither side's data is ever dropped.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "dataplane/lcore/codec_session.h"
#include "dataplane/lcore/role.h"
#include "dataplane/rings/edge_message.h"
#include "dataplane/rings/frame_message.h"
#include "dataplane/rings/lane_shared.h"
#include "dataplane/transport/cell_pool.h"

namespace dwcp {

// Another thread that sleeps until told.
class Waker {
 public:
  virtual void wake() noexcept = 0;

 protected:
  ~Waker() = default;
};

struct CodecEdge {
  EdgeCodecRings* rings = nullptr;
  Waker* waker = nullptr;
};

struct CodecNet {
  CodecNetRings* rings = nullptr;
  std::vector<const LaneShared*> lanes;  // by peer
};

struct CodecRoleConfig {
  std::uint16_t index = 0;  // among the codec lcores
  std::uint16_t codecs = 1;
  std::size_t sessions_max = 16;
  EncoderOptions encoder;
  std::size_t tx_arena_bytes = 64U << 20;
  std::size_t bodies_max = 4096;       // frames submitted and not acknowledged, all migrations
  std::size_t egress_blocks = 64;
  std::size_t egress_blocks_per_migration = 8;
  std::size_t ingress_blocks = 64;     // of all edges: capacity of the queues
  std::vector<std::string> listener_services;  // by listener: the service asked for at the far side
  std::vector<std::string> services;           // by service: our name for it
};

class CodecRole final : public Role {
 public:
  CodecRole(const CodecRoleConfig& config, MigrationTable& table, std::vector<CodecEdge> edges, std::vector<CodecNet> nets);

  [[nodiscard]] std::size_t step(std::uint64_t now_ns) noexcept override;
  [[nodiscard]] std::uint64_t deadline_ns() noexcept override { return kNeverDue; }
  [[nodiscard]] const char* name() const noexcept override { return "codec"; }

  // No migration here, and all bodies, cells and blocks at home.  The lcore, or anyone while it does not run.
  [[nodiscard]] bool idle() const noexcept;

 private:
  static constexpr std::uint64_t kNeverDue = ~std::uint64_t{0};
  static constexpr std::size_t kScratchBytes = wire::kFrameBytesMax;

  // codec_role.cc: migrations open and end
  std::size_t take_edge() noexcept;
  void take_edge_message(std::uint16_t edge, const EdgeToCodec& message) noexcept;
  std::size_t take_net() noexcept;
  void take_net_message(const NetToCodec& message) noexcept;
  void open_outgoing(std::uint16_t edge, MigrationRef migration) noexcept;
  void open_incoming(const FlowRef& flow) noexcept;
  void take_frame(const NetToCodec& message) noexcept;
  void fail(CodecSession& session, EndReason reason, bool tell_peer) noexcept;
  void settle(CodecSession& session) noexcept;
  void release(CodecSession& session) noexcept;
  [[nodiscard]] CodecSession* find(MigrationRef migration) noexcept;
  [[nodiscard]] CodecSession* find(const FlowRef& flow) noexcept;
  [[nodiscard]] CodecSession* take_session(MigrationRef migration) noexcept;
  void tell_edge(std::uint16_t edge, const CodecToEdge& message) noexcept;
  void tell_net(std::uint16_t net, const CodecToNet& message) noexcept;

  // codec_encode.cc
  std::size_t encode() noexcept;
  [[nodiscard]] CodecSession* next_to_encode() noexcept;
  [[nodiscard]] bool may_submit(const CodecSession& session, std::size_t bytes) const noexcept;
  void finish_block(CodecSession& session) noexcept;
  void send_marks(CodecSession& session) noexcept;
  void submit(CodecSession& session, std::span<const std::uint8_t> frame, bool tail) noexcept;
  void take_body_back(const NetToCodec& message) noexcept;

  // codec_decode.cc
  std::size_t decode() noexcept;
  [[nodiscard]] CodecSession* next_to_decode() noexcept;
  [[nodiscard]] EndReason begin_frame(CodecSession& session) noexcept;
  [[nodiscard]] EndReason take_open(CodecSession& session, std::span<const std::uint8_t> frame) noexcept;
  [[nodiscard]] EndReason take_eof(CodecSession& session, std::span<const std::uint8_t> frame) noexcept;
  [[nodiscard]] EndReason take_verdict(CodecSession& session, std::span<const std::uint8_t> frame) noexcept;
  void finish_frame(CodecSession& session) noexcept;

  CodecRoleConfig config_;
  MigrationTable& table_;
  std::uint64_t now_ns_ = 0;  // of this step
  std::vector<CodecEdge> edges_;
  std::vector<bool> edge_told_;  // in this step
  std::vector<CodecNet> nets_;
  std::vector<std::unique_ptr<CodecSession>> sessions_;
  std::size_t encode_turn_ = 0;
  std::size_t decode_turn_ = 0;

  CellPool cells_;
  std::vector<FrameBody> bodies_;
  std::vector<FrameBody*> free_bodies_;
  std::vector<MigrationRef> body_session_;  // by body: whose it is
  BlockPool egress_;

  // The block being encoded and the frame being decoded, at most one each.
  CodecSession* encoding_ = nullptr;
  Block* encoding_block_ = nullptr;
  std::vector<std::uint8_t> encode_scratch_;
  CodecSession* decoding_ = nullptr;
  Block* decoding_block_ = nullptr;
  std::vector<std::uint8_t> decode_scratch_;
};

}  // namespace dwcp
