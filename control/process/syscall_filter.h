// SPDX-License-Identifier: Apache-2.0
// The system calls this program makes once it runs; all others are refused, in every thread (seccomp(2), libseccomp).
// Control thread, once, after drop_privileges().
//
//   allowed   what the data path, libuv, DPDK, OpenSSL, libc and the log need, with arguments checked where that ends an
//             attack: memory never becomes executable, sockets are of the families in use, a new task is a thread
//   refused   all else: the call returns ENOSYS, and is counted by number and told to the log
//   fatal     what only an intruder calls: to execute, trace, mount, load into the kernel, change the user or namespace.
//             The process ends at once by SIGSYS
//
// Why not fatal for all: a library's rare call that no test has met would end every migration under way; refused, it can
// do no more harm than an old kernel, which is what ENOSYS means and what libraries fall back from.  An intruder who needs
// a fatal call gets one try.  Operators see either: refused calls in log and telemetry, fatal ones in the kernel's audit.
//
// A filter is for good.  Later features that need more calls add them to the table in syscall_filter.cc with their test.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/expected.h"

namespace dwcp {

[[nodiscard]] expected<void, std::string> install_syscall_filter();

struct RefusedCall {
  std::string name;  // "socket"; "syscall 999" when it has none
  std::uint64_t count = 0;
};
// Since the filter was installed, by number.  Any thread.
[[nodiscard]] std::vector<RefusedCall> refused_calls();
[[nodiscard]] std::uint64_t refused_calls_total() noexcept;

// For tests that compare it with what a running gateway does.
[[nodiscard]] bool syscall_is_allowed(const std::string& name);

}  // namespace dwcp
