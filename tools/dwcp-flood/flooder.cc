// SPDX-License-Identifier: Apache-2.0
#include "dwcp-flood/flooder.h"

#include <linux/if_packet.h>
#include <net/if.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <system_error>
#include <thread>

namespace dwcp::flood {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kBatch = 64;
// Shorter sleeps cost more than they even out; at 200 000 packets/s this is a burst of 100.
constexpr auto kNap = std::chrono::microseconds(500);

class Socket {
 public:
  explicit Socket(const std::string& interface) : fd_(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0)) {
    if (fd_ < 0) fail("packet socket");
    const int on = 1;
    if (setsockopt(fd_, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof on) != 0) fail("PACKET_QDISC_BYPASS");
    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_ifindex = static_cast<int>(if_nametoindex(interface.c_str()));
    if (address.sll_ifindex == 0) fail(interface.c_str());
    if (bind(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) fail("bind");
  }
  ~Socket() { close(fd_); }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  // How many of them went, from the first on; 0: the next one was refused.
  std::size_t send(std::span<mmsghdr> messages) {
    const int sent = sendmmsg(fd_, messages.data(), static_cast<unsigned>(messages.size()), MSG_DONTWAIT);
    if (sent > 0) return static_cast<std::size_t>(sent);
    if (errno != EAGAIN && errno != ENOBUFS && errno != EINTR) fail("sendmmsg");
    return 0;
  }

 private:
  [[noreturn]] static void fail(const char* what) { throw std::system_error(errno, std::generic_category(), what); }

  int fd_;
};

double cpu_s() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) { return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6; };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

}  // namespace

FloodReport flood(const FloodPlan& plan, std::span<Frame> frames, const std::function<bool()>& ended) {
  Socket socket(plan.interface);
  std::array<iovec, kBatch> pieces{};
  std::array<mmsghdr, kBatch> messages{};
  for (std::size_t i = 0; i < kBatch; ++i) {
    messages[i].msg_hdr.msg_iov = &pieces[i];
    messages[i].msg_hdr.msg_iovlen = 1;
  }
  FloodReport report;
  const double cpu_before_s = cpu_s();
  const Clock::time_point begun = Clock::now();
  const auto elapsed_s = [&] { return std::chrono::duration<double>(Clock::now() - begun).count(); };
  std::size_t next = 0;
  while (!ended()) {
    const double now_s = elapsed_s();
    if (plan.seconds > 0 && now_s >= plan.seconds) break;
    const std::uint64_t tried = report.packets + report.refused;
    std::uint64_t due = plan.packets_per_s > 0 ? static_cast<std::uint64_t>(now_s * plan.packets_per_s) : tried + kBatch;
    if (plan.packets > 0) due = std::min(due, plan.packets);
    if (plan.packets > 0 && tried >= plan.packets) break;
    if (due <= tried) {
      std::this_thread::sleep_for(kNap);
      continue;
    }
    const std::size_t count = std::min<std::uint64_t>(kBatch, due - tried);
    for (std::size_t i = 0; i < count; ++i) {
      Frame& frame = frames[(next + i) % frames.size()];
      pieces[i] = {.iov_base = frame.data(), .iov_len = frame.size()};
    }
    const std::size_t sent = socket.send(std::span(messages).first(count));
    for (std::size_t i = 0; i < sent; ++i) report.bytes += pieces[i].iov_len;
    report.packets += sent;
    report.refused += sent == 0;
    next = (next + std::max<std::size_t>(sent, 1)) % frames.size();
  }
  report.seconds = elapsed_s();
  report.cpu_s = cpu_s() - cpu_before_s;
  return report;
}

}  // namespace dwcp::flood
