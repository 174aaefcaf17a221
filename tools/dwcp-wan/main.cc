// SPDX-License-Identifier: Apache-2.0
// dwcp-wan: a two-port WAN emulator.  Exit codes: 0 after SIGINT or SIGTERM, 1 when the machine refuses, 2 for bad
// arguments.
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <csignal>
#include <cstdio>
#include <exception>

#include "dwcp-wan/control.h"
#include "dwcp-wan/emulator.h"
#include "dwcp-wan/options.h"
#include "dwcp-wan/packet_port.h"

namespace {

volatile std::sig_atomic_t g_stop = 0;

int fail(const std::string& why) {
  std::fprintf(stderr, "dwcp-wan: %s\n", why.c_str());
  return 1;
}

// A link does not wait for a CPU.  It sleeps every tick, so it cannot starve others.
void ask_for_realtime() {
  prctl(PR_SET_TIMERSLACK, 1UL);
  const sched_param lowest{.sched_priority = 1};
  if (sched_setscheduler(0, SCHED_FIFO, &lowest) != 0) setpriority(PRIO_PROCESS, 0, -10);
}

int run(const dwcp::wan::Options& options) {
  using dwcp::wan::PacketPort;
  auto a = PacketPort::open(options.iface_a);
  if (!a) return fail(a.error());
  auto b = PacketPort::open(options.iface_b);
  if (!b) return fail(b.error());
  dwcp::wan::ControlSocket control;
  if (!options.control_path.empty()) {
    if (const std::string error = control.listen(options.control_path); !error.empty()) return fail(error);
  }
  dwcp::wan::Emulator emulator(options, **a, **b, control);

  sigset_t blocked;
  sigset_t before;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGINT);
  sigaddset(&blocked, SIGTERM);
  sigprocmask(SIG_BLOCK, &blocked, &before);
  sigdelset(&before, SIGINT);
  sigdelset(&before, SIGTERM);
  struct sigaction action {};
  action.sa_handler = [](int) { g_stop = 1; };
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);

  if (options.realtime) ask_for_realtime();
  mlockall(MCL_CURRENT);
  const std::string error = emulator.run(g_stop, before);
  return error.empty() ? 0 : fail(error);
}

}  // namespace

int main(int argc, char** argv) {
  const auto options = dwcp::wan::parse_options(argc, argv);
  if (!options) {
    std::fprintf(options.error().exit_code == 0 ? stdout : stderr, "%s\n", options.error().text.c_str());
    return options.error().exit_code;
  }
  try {
    return run(*options);
  } catch (const std::exception& error) {
    return fail(error.what());
  }
}
