// SPDX-License-Identifier: Apache-2.0
// The loop of dwcp-wan: both directions, the control socket, the counters file, and when to sleep.
//
// While frames flow it sleeps by the clock, one tick at least, and looks at the rings when it wakes: no wake-up and no
// system call per frame.  Arrival times come from the kernel's stamps, so a ring may wait.  When nothing has come for a
// while it sleeps in poll() on the rings instead.
#pragma once

#include <poll.h>

#include <csignal>
#include <cstdint>
#include <string>
#include <vector>

#include "dwcp-wan/control.h"
#include "dwcp-wan/direction.h"
#include "dwcp-wan/options.h"

namespace dwcp::wan {

class Emulator {
 public:
  Emulator(const Options& options, PacketPort& a, PacketPort& b, ControlSocket& control);

  // Runs until `stop` is set.  Signals that set it must be blocked but for `wait_mask`.  Returns an empty string, or
  // the failure that ended it.
  std::string run(const volatile std::sig_atomic_t& stop, const sigset_t& wait_mask);

 private:
  [[nodiscard]] std::uint64_t now_ns() const noexcept;  // since start
  [[nodiscard]] std::uint64_t start_real_ns() const noexcept;
  void sleep(std::uint64_t now, const sigset_t& wait_mask);
  std::string command(const std::string& line);
  std::string set(const std::string& key, const std::string& value);
  std::string blackhole(const std::string& seconds);
  [[nodiscard]] std::string json();

  const Options& options_;
  ControlSocket& control_;
  Direction ab_;
  Direction ba_;
  std::uint64_t start_ns_ = 0;
  std::uint64_t last_rx_ns_ = 0;
  std::uint64_t next_report_ns_ = 0;
  std::vector<pollfd> fds_;
};

}  // namespace dwcp::wan
