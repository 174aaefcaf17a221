// SPDX-License-Identifier: Apache-2.0
#include "tools/dwcp-core/meter.h"

#include <time.h>

namespace dwcp::core {

std::size_t Meter::step(std::uint64_t now_ns) noexcept {
  if (done_) return 0;
  if (open_ns_ == 0) {
    if (frames_.frame_bytes() != 0) open_ns_ = now_ns + config_.warmup_ns;
  } else if (close_ns_ == kNever) {
    if (now_ns < open_ns_) return 0;
    begin_ = read(now_ns);
    close_ns_ = now_ns + config_.window_ns;
  } else if (now_ns >= close_ns_) {
    done_ = true;
    take_(begin_, read(now_ns));
  }
  return 0;
}

Reading Meter::read(std::uint64_t now_ns) const noexcept {
  Reading reading;
  reading.now_ns = now_ns;
  timespec cpu{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &cpu);
  reading.cpu_ns = static_cast<std::uint64_t>(cpu.tv_sec) * kNsPerSec + static_cast<std::uint64_t>(cpu.tv_nsec);
  reading.busy_cycles = loop_->counters().busy_cycles.get();
  reading.idle_cycles = loop_->counters().idle_cycles.get();
  reading.port_cycles = queue_.cycles();
  reading.frame_bytes = frames_.frame_bytes();
  reading.port = queue_.counters();
  reading.lane = net_.lane(0).counters();
  for (const auto& stream : net_.lane(0).streams()) reading.packets += stream->counters();
  return reading;
}

}  // namespace dwcp::core
