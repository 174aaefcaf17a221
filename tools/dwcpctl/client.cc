// SPDX-License-Identifier: Apache-2.0
#include "client.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <thread>
#include <utility>

namespace dwcp::ctl {
namespace {

using Clock = std::chrono::steady_clock;

unexpected<Fault> fault(Exit exit, std::string text) {
  return unexpected<Fault>({exit, std::move(text)});
}

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
      return {Exit::kDenied, "no right to open " + path + "; run as the gateway's user, or as root"};
    case EAGAIN:
      return {Exit::kTimeout, path + " does not accept connections in time; the gateway hangs or is overrun"};
    default:
      return {Exit::kFailed, "cannot connect to " + path + ": " + std::strerror(error)};
  }
}

}  // namespace

expected<Client, Fault> Client::connect(const std::string& socket_path, Deadline deadline) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (socket_path.size() >= sizeof address.sun_path) {
    return fault(Exit::kUsage, "the socket path is longer than a socket path may be: " + socket_path);
  }
  std::memcpy(address.sun_path, socket_path.c_str(), socket_path.size() + 1);
  const int handle = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (handle < 0) return fault(Exit::kFailed, std::string("cannot make a socket: ") + std::strerror(errno));
  Client client(handle, socket_path, deadline);
  // A full backlog answers EAGAIN, and no poll() tells when there is room.
  while (::connect(handle, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    if (errno != EAGAIN || Clock::now() >= deadline) return unexpected<Fault>(connect_fault(socket_path, errno));
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  auto hello = client.receive();
  if (!hello) return unexpected<Fault>(hello.error());
  if (!hello->is_object() || !hello->contains("max_output_len") || !(*hello)["max_output_len"].is_number_unsigned()) {
    return fault(Exit::kFailed, "what answers at " + socket_path + " is no DPDK telemetry v2 socket");
  }
  // The gateway is trusted with our memory only so far.
  client.answer_bytes_max_ = std::min<std::size_t>((*hello)["max_output_len"].get<std::size_t>(), 1024 * 1024);
  client.hello_ = std::move(*hello);
  return client;
}

Client::~Client() {
  if (socket_ >= 0) close(socket_);
}

Client::Client(Client&& other) noexcept {
  *this = std::move(other);
}

Client& Client::operator=(Client&& other) noexcept {
  std::swap(socket_, other.socket_);
  path_ = std::move(other.path_);
  deadline_ = other.deadline_;
  hello_ = std::move(other.hello_);
  answer_bytes_max_ = other.answer_bytes_max_;
  return *this;
}

expected<void, Fault> Client::wait_for(short events) {
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline_ - Clock::now()).count();
    pollfd watched{socket_, events, 0};
    const int ready = left > 0 ? poll(&watched, 1, static_cast<int>(left)) : 0;
    if (ready > 0) return {};
    if (ready == 0) {
      return fault(Exit::kTimeout,
                   "the gateway at " + path_ + " does not answer in time; try a longer --timeout-ms, and see its log");
    }
    if (errno != EINTR) return fault(Exit::kFailed, std::string("poll: ") + std::strerror(errno));
  }
}

expected<Json, Fault> Client::receive() {
  std::string text(answer_bytes_max_ + 1, '\0');
  ssize_t received = -1;
  while (received < 0) {
    if (auto ready = wait_for(POLLIN); !ready) return unexpected<Fault>(ready.error());
    received = recv(socket_, text.data(), text.size(), 0);
    if (received < 0 && errno != EAGAIN && errno != EINTR) {
      return fault(Exit::kFailed, "the connection to " + path_ + " broke: " + std::strerror(errno));
    }
  }
  if (received == 0) {
    return fault(Exit::kFailed,
                 "the gateway at " + path_ + " closed the connection; it stopped, or has too many clients (10)");
  }
  text.resize(static_cast<std::size_t>(received));
  Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) return fault(Exit::kFailed, "the gateway at " + path_ + " sent what is not JSON");
  return json;
}

expected<Json, Fault> Client::ask(const std::string& command) {
  for (;;) {
    if (auto ready = wait_for(POLLOUT); !ready) return unexpected<Fault>(ready.error());
    if (send(socket_, command.data(), command.size(), MSG_NOSIGNAL) >= 0) break;
    if (errno != EAGAIN && errno != EINTR) {
      return fault(Exit::kFailed, "the connection to " + path_ + " broke: " + std::strerror(errno));
    }
  }
  auto answer = receive();
  if (!answer) return answer;
  const std::string key = command.substr(0, command.find(','));
  if (!answer->is_object() || !answer->contains(key)) {
    return fault(Exit::kFailed, "the program at " + path_ + " does not know " + key +
                                    "; it is not dwcp-gateway, or of another version");
  }
  return std::move((*answer)[key]);
}

}  // namespace dwcp::ctl
