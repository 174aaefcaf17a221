// SPDX-License-Identifier: Apache-2.0
#include "control/process/threads.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <sstream>
#include <thread>

namespace dwcp {
namespace {

constexpr auto kDeadline = std::chrono::seconds(1);
constexpr auto kRound = std::chrono::milliseconds(5);  // a lcore's longest sleep ends at a signal

std::atomic<void (*)() noexcept> pending_act{nullptr};

void on_signal(int) noexcept {
  const int error = errno;
  if (auto* act = pending_act.load(std::memory_order_acquire)) act();
  errno = error;
}

bool take_hex(std::string_view text, std::uint64_t& out) noexcept {
  return std::from_chars(text.data(), text.data() + text.size(), out, 16).ec == std::errc{};
}

template <typename Id>
bool take_ids(const std::string& text, std::array<Id, 4>& out) {
  std::istringstream fields(text);
  for (Id& id : out) fields >> id;
  return !fields.fail();
}

bool take_field(ThreadStatus& status, std::string_view key, const std::string& value) {
  if (key == "Name") return status.name = value, true;
  if (key == "Uid") return take_ids(value, status.uids);
  if (key == "Gid") return take_ids(value, status.gids);
  if (key == "CapInh") return take_hex(value, status.inheritable);
  if (key == "CapPrm") return take_hex(value, status.permitted);
  if (key == "CapEff") return take_hex(value, status.effective);
  if (key == "CapBnd") return take_hex(value, status.bounding);
  if (key == "CapAmb") return take_hex(value, status.ambient);
  if (key == "NoNewPrivs") return status.no_new_privs = value == "1", true;
  if (key == "Seccomp") return status.seccomp = static_cast<unsigned>(value.empty() ? 0 : value[0] - '0'), true;
  return false;
}
constexpr std::size_t kFieldsWanted = 10;

// Empty when it cannot be read.  Not by a stream: of a thread that ends at this moment the read fails (ESRCH), and a stream's
// buffer throws.
std::string read_whole(const std::filesystem::path& path) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return {};
  std::string text;
  char buffer[4096];
  ssize_t count = 0;
  while ((count = read(file, buffer, sizeof buffer)) > 0) text.append(buffer, static_cast<std::size_t>(count));
  close(file);
  return count == 0 ? text : std::string();
}

}  // namespace

expected<ThreadStatus, std::string> parse_thread_status(pid_t tid, const std::string& text) {
  ThreadStatus status;
  status.tid = tid;
  std::size_t taken = 0;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const std::size_t colon = line.find(":\t");
    if (colon != std::string::npos && take_field(status, line.substr(0, colon), line.substr(colon + 2))) ++taken;
  }
  if (taken != kFieldsWanted) return unexpected<std::string>("/proc/self/task/" + std::to_string(tid) + "/status is not as proc(5) says");
  return status;
}

expected<std::vector<ThreadStatus>, std::string> read_threads() {
  std::vector<ThreadStatus> threads;
  std::error_code error;
  auto entry = std::filesystem::directory_iterator("/proc/self/task", error);
  if (error) return unexpected<std::string>("/proc/self/task cannot be read: " + error.message());
  for (; entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    pid_t tid = 0;
    std::from_chars(name.data(), name.data() + name.size(), tid);
    const std::string text = read_whole(entry->path() / "status");
    if (text.empty()) continue;  // it ended
    auto status = parse_thread_status(tid, text);
    if (!status) return unexpected<std::string>(status.error());
    threads.push_back(std::move(*status));
  }
  if (error) return unexpected<std::string>("/proc/self/task cannot be read: " + error.message());
  return threads;
}

expected<void, std::string> on_all_threads(void (*act)() noexcept, bool (*done)(const ThreadStatus&)) {
  // SIGSYS, for it is a fault like SIGSEGV, which no thread of ours or of DPDK blocks; libpsx uses it likewise.
  struct sigaction action {};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;
  pending_act.store(act, std::memory_order_release);
  if (sigaction(SIGSYS, &action, nullptr) != 0) return unexpected<std::string>(std::string("sigaction: ") + std::strerror(errno));
  const auto deadline = std::chrono::steady_clock::now() + kDeadline;
  expected<void, std::string> result;
  // A thread may make another while /proc is read; two quiet readings leave no place for one that inherited too much.
  for (int quiet = 0; quiet < 2;) {
    const auto threads = read_threads();
    if (!threads) {
      result = unexpected<std::string>(threads.error());
      break;
    }
    const ThreadStatus* late = nullptr;
    for (const ThreadStatus& thread : *threads) {
      if (done(thread)) continue;
      late = &thread;
      (void)syscall(SYS_tgkill, getpid(), thread.tid, SIGSYS);  // ESRCH: it ended
    }
    quiet = late == nullptr ? quiet + 1 : 0;
    if (late == nullptr) continue;
    if (std::chrono::steady_clock::now() > deadline) {
      result = unexpected<std::string>("thread " + late->name + " (" + std::to_string(late->tid) + ") does not follow");
      break;
    }
    std::this_thread::sleep_for(kRound);
  }
  pending_act.store(nullptr, std::memory_order_release);
  return result;
}

}  // namespace dwcp
