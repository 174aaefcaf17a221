// SPDX-License-Identifier: Apache-2.0
// LcoreLoop: the loop of one poll-mode lcore.  Built by the composition root, run() on the lcore, stop() from any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "dataplane/lcore/clock.h"
#include "dataplane/lcore/idle.h"
#include "dataplane/lcore/role.h"
#include "dataplane/rings/migration_table.h"

namespace dwcp {

// Written by the lcore, read relaxed.
struct alignas(64) LoopCounters {
  Counter busy_cycles;  // rounds in which something was done
  Counter idle_cycles;  // rounds in which nothing was, and sleep
  Counter loops;
  Counter sleeps;
  Counter heartbeat_ns;  // start of the latest round
};

class LcoreLoop {
 public:
  LcoreLoop(std::vector<Role*> roles, std::uint64_t idle_sleep_max_ns) : roles_(std::move(roles)), idle_(idle_sleep_max_ns) {}

  void run() noexcept;
  void stop() noexcept { stop_.store(true, std::memory_order_relaxed); }

  [[nodiscard]] const std::vector<Role*>& roles() const noexcept { return roles_; }
  [[nodiscard]] const LoopCounters& counters() const noexcept { return counters_; }

 private:
  void sleep(std::uint64_t ns) noexcept;

  std::vector<Role*> roles_;
  TscClock clock_;
  Idle idle_;
  LoopCounters counters_;
  std::atomic<bool> stop_{false};
};

}  // namespace dwcp
