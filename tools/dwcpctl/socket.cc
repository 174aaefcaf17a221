// SPDX-License-Identifier: Apache-2.0
#include "socket.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <thread>

namespace dwcp::ctl {
namespace {

using Clock = std::chrono::steady_clock;

unexpected<Fault> fault(Exit exit, std::string text) { return unexpected<Fault>({exit, std::move(text)}); }

Fault connect_fault(const std::string& path, int error) {
  switch (error) {
    case ENOENT:
    case ECONNREFUSED:
    case ENOTDIR:
      return {Exit::kNotRunning, "no gateway runs at " + path + " (" + std::strerror(error) +
                                     "); start dwcp-gateway, or say which one with --gateway, "
                                     "--runtime-dir or --file-prefix"};
    case EACCES:
    case EPERM:
      return {Exit::kDenied, "no right to open " + path + "; run as root, the gateway's user, or a member of its control.group"};
    case EAGAIN:
      return {Exit::kTimeout, path + " does not accept connections in time; the gateway hangs or is overrun"};
    default:
      return {Exit::kFailed, "cannot connect to " + path + ": " + std::strerror(error)};
  }
}

}  // namespace

expected<int, Fault> connect_unix(const std::string& path, int type, Deadline deadline) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    return fault(Exit::kUsage, "the socket path is longer than a socket path may be: " + path);
  }
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  const int handle = ::socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (handle < 0) return fault(Exit::kFailed, std::string("cannot make a socket: ") + std::strerror(errno));
  // A full backlog answers EAGAIN, and no poll() tells when there is room.
  while (::connect(handle, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    const int error = errno;
    if (error == EAGAIN && Clock::now() < deadline) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
      continue;
    }
    close(handle);
    return unexpected<Fault>(connect_fault(path, error));
  }
  return handle;
}

expected<void, Fault> wait_for(int socket, short events, const std::string& path, Deadline deadline) {
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
    pollfd watched{socket, events, 0};
    const int ready = left > 0 ? poll(&watched, 1, static_cast<int>(left)) : 0;
    if (ready > 0) return {};
    if (ready == 0) {
      return fault(Exit::kTimeout, "the gateway at " + path + " does not answer in time; try a longer --timeout-ms, and see its log");
    }
    if (errno != EINTR) return fault(Exit::kFailed, std::string("poll: ") + std::strerror(errno));
  }
}

Fault broken(const std::string& path, int error) {
  return {Exit::kFailed, "the connection to " + path + " broke: " + std::strerror(error)};
}

}  // namespace dwcp::ctl
