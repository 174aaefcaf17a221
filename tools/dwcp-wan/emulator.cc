// SPDX-License-Identifier: Apache-2.0
#include "dwcp-wan/emulator.h"

#include <algorithm>
#include <ctime>
#include <sstream>

#include "base/rng.h"
#include "base/time.h"
#include "dwcp-wan/report.h"
#include "dwcp-wan/settings.h"

namespace dwcp::wan {
namespace {

constexpr std::uint64_t kReportNs = kNsPerSec;
constexpr std::uint64_t kQuietNs = 2 * kNsPerMs;     // without frames for so long: sleep on the rings
constexpr std::uint64_t kRingLookNs = 5 * kNsPerMs;  // at most between two looks; a ring lasts 65 ms or more

std::uint64_t clock_ns(clockid_t clock) noexcept {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * kNsPerSec + static_cast<std::uint64_t>(now.tv_nsec);
}

std::uint64_t second_seed(std::uint64_t seed) {
  return Rng(seed).next();
}

}  // namespace

Emulator::Emulator(const Options& options, PacketPort& a, PacketPort& b, ControlSocket& control)
    : options_(options),
      control_(control),
      ab_(a, b, options.a_to_b, options.seed),
      ba_(b, a, options.b_to_a, second_seed(options.seed)) {}

std::uint64_t Emulator::now_ns() const noexcept {
  return clock_ns(CLOCK_MONOTONIC) - start_ns_;
}

// Read anew each round, so that a step of the wall clock harms no more than the frames in the ring.
std::uint64_t Emulator::start_real_ns() const noexcept {
  return clock_ns(CLOCK_REALTIME) - (clock_ns(CLOCK_MONOTONIC) - start_ns_);
}

std::string Emulator::run(const volatile std::sig_atomic_t& stop, const sigset_t& wait_mask) {
  start_ns_ = clock_ns(CLOCK_MONOTONIC);
  if (!options_.ready_path.empty()) {
    if (std::string error = write_file(options_.ready_path, "ready"); !error.empty()) return error;
  }
  std::string error;
  while (!stop && error.empty()) {
    std::uint64_t now = now_ns();
    const std::uint64_t epoch_ns = start_real_ns();
    const std::size_t received = ab_.receive(now, epoch_ns) + ba_.receive(now, epoch_ns);
    if (received != 0) last_rx_ns_ = now;
    now = now_ns();
    ab_.transmit(now);
    ba_.transmit(now);
    if (now >= next_report_ns_) {
      next_report_ns_ = now + kReportNs;
      if (!options_.counters_path.empty()) error = write_file(options_.counters_path, json());
    }
    sleep(now, wait_mask);
  }
  if (error.empty() && !options_.counters_path.empty()) error = write_file(options_.counters_path, json());
  return error;
}

void Emulator::sleep(std::uint64_t now, const sigset_t& wait_mask) {
  const bool quiet = now - last_rx_ns_ > kQuietNs;
  std::uint64_t wake_ns = std::min({ab_.next_due_ns(), ba_.next_due_ns(), next_report_ns_});
  if (!quiet) {
    // A ring need not be looked at before its frames can be due.
    const std::uint64_t delay_ns = std::min(ab_.model().profile().delay_ns, ba_.model().profile().delay_ns);
    wake_ns = std::min(wake_ns, now + std::min(delay_ns / 2, kRingLookNs));
  }
  wake_ns = std::max(wake_ns, now + options_.tick_ns);

  fds_.clear();
  control_.append_poll_fds(fds_);
  if (quiet) {
    fds_.push_back({ab_.in().rx_fd(), POLLIN, 0});
    fds_.push_back({ba_.in().rx_fd(), POLLIN, 0});
  }
  const std::uint64_t left_ns = wake_ns - std::min(wake_ns, now_ns());
  const timespec timeout{static_cast<time_t>(left_ns / kNsPerSec), static_cast<long>(left_ns % kNsPerSec)};
  if (ppoll(fds_.data(), fds_.size(), &timeout, &wait_mask) > 0) {
    control_.handle(fds_, [this](const std::string& line) { return command(line); });
  }
}

std::string Emulator::command(const std::string& line) {
  std::istringstream words(line);
  std::string verb;
  std::string first;
  std::string second;
  std::string rest;
  words >> verb >> first >> second >> rest;
  std::string error = "unknown command; try: set [ab-|ba-]KEY VALUE, blackhole SECONDS, counters";
  if (verb == "counters" && first.empty()) return json();
  if (verb == "set" && !second.empty() && rest.empty()) error = set(first, second);
  if (verb == "blackhole" && !first.empty() && second.empty()) error = blackhole(first);
  return error.empty() ? "ok" : "error: " + error;
}

std::string Emulator::set(const std::string& key, const std::string& value) {
  const bool only_ab = key.starts_with("ab-");
  const bool only_ba = key.starts_with("ba-");
  const std::string name = only_ab || only_ba ? key.substr(3) : key;
  for (Direction* direction : {&ab_, &ba_}) {
    if (direction == &ab_ ? only_ba : only_ab) continue;
    LinkProfile profile = direction->model().profile();
    if (std::string error = apply_setting(profile, name, value); !error.empty()) return error;
    // A figure set by hand ends what the schedule had planned for it.
    for (LinkChange& change : profile.changes) {
      if (name == "rate-mbps") change.rate_bps.reset();
      if (name == "delay-ms" || name == "rtt-ms") change.delay_ns.reset();
      if (name == "loss") change.loss.reset();
    }
    direction->reconfigure(profile);
  }
  return {};
}

std::string Emulator::blackhole(const std::string& seconds) {
  const std::uint64_t now = now_ns();
  for (Direction* direction : {&ab_, &ba_}) {
    LinkProfile profile = direction->model().profile();
    std::erase_if(profile.blackholes, [now](const Blackhole& h) { return h.period_ns == 0 && h.end_ns <= now; });
    const std::string start = std::to_string(static_cast<double>(now) / 1e9);
    if (std::string error = add_blackhole(profile, start + ":" + seconds); !error.empty()) return error;
    direction->reconfigure(profile);
  }
  return {};
}

std::string Emulator::json() {
  return counters_json(static_cast<double>(now_ns()) / 1e9, ab_, ba_);
}

}  // namespace dwcp::wan
