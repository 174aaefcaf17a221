// SPDX-License-Identifier: Apache-2.0
// What belongs to each thread of its own on Linux, though programs think of it as the process's: capabilities,
// no_new_privs, seccomp.  glibc hands setuid() on to all threads, and no other of these calls.  Here is how a call reaches
// every thread, those of DPDK and spdlog among them, and how to see that it did.  Start-up only, control thread.
//
// Invariants:
//   I1 on_all_threads() returns success only after two readings in a row of /proc/self/task in which `done` held for each
//   I2 SIGSYS is no thread's to block: a thread that does makes on_all_threads() fail, by name
//   I3 the handler of SIGSYS stays, and does nothing between calls, so that a late signal never kills
#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "base/expected.h"

namespace dwcp {

// /proc/PID/task/TID/status (proc(5)).
struct ThreadStatus {
  pid_t tid = 0;
  std::string name;
  std::array<uid_t, 4> uids{};  // real, effective, saved, file system
  std::array<gid_t, 4> gids{};
  std::uint64_t inheritable = 0;  // capability sets
  std::uint64_t permitted = 0;
  std::uint64_t effective = 0;
  std::uint64_t bounding = 0;
  std::uint64_t ambient = 0;
  bool no_new_privs = false;
  unsigned seccomp = 0;  // 2: a filter
};

[[nodiscard]] expected<ThreadStatus, std::string> parse_thread_status(pid_t tid, const std::string& text);
// Those of this process.  One that ended while they were read is left out.
[[nodiscard]] expected<std::vector<ThreadStatus>, std::string> read_threads();

// Runs `act` once or more on every thread for which `done` does not hold, in a signal handler: only system calls.  Fails
// with the name of a thread when a second was not enough.
[[nodiscard]] expected<void, std::string> on_all_threads(void (*act)() noexcept, bool (*done)(const ThreadStatus&));

}  // namespace dwcp
