// SPDX-License-Identifier: Apache-2.0
#include "client.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "socket.h"

namespace dwcp::ctl {
namespace {

unexpected<Fault> fault(Exit exit, std::string text) {
  return unexpected<Fault>({exit, std::move(text)});
}

}  // namespace

expected<Client, Fault> Client::connect(const std::string& socket_path, Deadline deadline) {
  const auto handle = connect_unix(socket_path, SOCK_SEQPACKET, deadline);
  if (!handle) return unexpected<Fault>(handle.error());
  Client client(*handle, socket_path, deadline);
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

expected<Json, Fault> Client::receive() {
  std::string text(answer_bytes_max_ + 1, '\0');
  ssize_t received = -1;
  while (received < 0) {
    if (auto ready = wait_for(socket_, POLLIN, path_, deadline_); !ready) return unexpected<Fault>(ready.error());
    received = recv(socket_, text.data(), text.size(), 0);
    if (received < 0 && errno != EAGAIN && errno != EINTR) {
      return unexpected<Fault>(broken(path_, errno));
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
    if (auto ready = wait_for(socket_, POLLOUT, path_, deadline_); !ready) return unexpected<Fault>(ready.error());
    if (send(socket_, command.data(), command.size(), MSG_NOSIGNAL) >= 0) break;
    if (errno != EAGAIN && errno != EINTR) {
      return unexpected<Fault>(broken(path_, errno));
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
