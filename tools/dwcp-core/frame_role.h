// SPDX-License-Identifier: Apache-2.0
// FrameRole stands where the codec role would: it offers frames to the net role, or takes what arrives, by the same rings
// and with next to no work of its own, so that what an lcore spends is the transport's.  Runs on the net role's lcore.
//
// A source keeps `frames` bodies under way in one flow; their bytes are noise written once.  A sink consumes at once.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/time.h"
#include "dataplane/lcore/role.h"
#include "dataplane/rings/frame_message.h"
#include "dataplane/transport/cell_pool.h"

namespace dwcp::core {

class FrameRole final : public Role {
 public:
  // `frames` == 0: a sink.  `rings` outlives this.
  FrameRole(CodecNetRings& rings, MigrationRef migration, std::size_t frames, std::uint32_t frame_bytes);

  [[nodiscard]] std::size_t step(std::uint64_t now_ns) noexcept override;
  [[nodiscard]] std::uint64_t deadline_ns() noexcept override { return kNever; }
  [[nodiscard]] const char* name() const noexcept override { return "frames"; }

  // Of frames acknowledged whole (source) or arrived whole (sink).
  [[nodiscard]] std::uint64_t frame_bytes() const noexcept { return frame_bytes_; }
  // The flow ended, or none could be opened, in spite of a running session.
  [[nodiscard]] bool failed() const noexcept { return failed_; }

 private:
  void take(const NetToCodec& message) noexcept;
  void submit(FrameBody& body) noexcept;

  CodecNetRings& rings_;
  MigrationRef migration_;
  CellPool cells_;
  std::vector<FrameBody> bodies_;
  FlowRef flow_{};
  std::uint64_t frame_bytes_ = 0;
  bool asked_ = false;
  bool failed_ = false;
};

}  // namespace dwcp::core
