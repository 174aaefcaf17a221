// SPDX-License-Identifier: Apache-2.0
// Meter measures the lcore it runs on: packets, bytes, cycles and CPU time over one window, taken by the lcore itself at
// both ends of the window, so that all figures are of the same moments.
//
// The window opens `warmup_ns` after the first whole frame; take() is given the result when it closes.
#pragma once

#include <cstdint>
#include <functional>

#include "dataplane/lcore/lcore_loop.h"
#include "dataplane/lcore/net_role.h"
#include "dataplane/lcore/role.h"
#include "tools/dwcp-core/frame_role.h"
#include "tools/dwcp-core/metered_queue.h"

namespace dwcp::core {

struct Reading {
  std::uint64_t now_ns = 0;
  std::uint64_t cpu_ns = 0;       // of this thread, user and system
  std::uint64_t busy_cycles = 0;  // of the time-stamp counter, in rounds that found work; includes time stolen by others
  std::uint64_t idle_cycles = 0;
  std::uint64_t port_cycles = 0;  // of the busy ones, in the driver
  std::uint64_t frame_bytes = 0;
  PortCounters port;
  StreamCounters packets;
  LaneCounters lane;
};

struct MeterConfig {
  std::uint64_t warmup_ns = kNsPerSec;
  std::uint64_t window_ns = 5 * kNsPerSec;
};

class Meter final : public Role {
 public:
  using Take = std::function<void(const Reading& begin, const Reading& end)>;

  Meter(const MeterConfig& config, const NetRole& net, const MeteredQueue& queue, const FrameRole& frames, Take take)
      : config_(config), net_(net), queue_(queue), frames_(frames), take_(std::move(take)) {}
  // The loop this runs in.
  void set_loop(const LcoreLoop& loop) noexcept { loop_ = &loop; }

  [[nodiscard]] std::size_t step(std::uint64_t now_ns) noexcept override;
  [[nodiscard]] std::uint64_t deadline_ns() noexcept override { return kNever; }
  [[nodiscard]] const char* name() const noexcept override { return "meter"; }

 private:
  [[nodiscard]] Reading read(std::uint64_t now_ns) const noexcept;

  MeterConfig config_;
  const NetRole& net_;
  const MeteredQueue& queue_;
  const FrameRole& frames_;
  Take take_;
  const LcoreLoop* loop_ = nullptr;
  std::uint64_t open_ns_ = 0;  // 0: no frame yet
  std::uint64_t close_ns_ = kNever;
  Reading begin_;
  bool done_ = false;
};

}  // namespace dwcp::core
