// SPDX-License-Identifier: Apache-2.0
#include "dataplane/lcore/lcore_loop.h"

#include <sys/prctl.h>
#include <time.h>

#include <algorithm>

namespace dwcp {

void LcoreLoop::run() noexcept {
  prctl(PR_SET_TIMERSLACK, 1000UL);  // the kernel's 50 us would double the shortest sleep
  std::uint64_t round_start = TscClock::cycles();
  while (!stop_.load(std::memory_order_relaxed)) {
    const std::uint64_t now_ns = clock_.to_ns(round_start);
    counters_.heartbeat_ns.set(now_ns);
    counters_.loops.add(1);
    std::size_t work = 0;
    for (Role* role : roles_) work += role->step(now_ns);
    if (work != 0) {
      idle_.on_work();
    } else {
      std::uint64_t deadline_ns = kNever;
      for (Role* role : roles_) deadline_ns = std::min(deadline_ns, role->deadline_ns());
      sleep(idle_.on_empty(clock_.now_ns(), deadline_ns));
    }
    const std::uint64_t round_end = TscClock::cycles();
    (work != 0 ? counters_.busy_cycles : counters_.idle_cycles).add(round_end - round_start);
    round_start = round_end;
  }
}

void LcoreLoop::sleep(std::uint64_t ns) noexcept {
  if (ns == 0) return;
  counters_.sleeps.add(1);
  const timespec span{.tv_sec = static_cast<time_t>(ns / kNsPerSec), .tv_nsec = static_cast<long>(ns % kNsPerSec)};
  nanosleep(&span, nullptr);
}

}  // namespace dwcp
