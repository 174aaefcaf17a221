// SPDX-License-Identifier: Apache-2.0
#include "rpc_client.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "config/config.h"
#include "socket.h"

namespace dwcp::ctl {
namespace {

constexpr int kDeniedCode = -32001;  // RpcErrorCode::kDenied

unexpected<Fault> fault(Exit exit, std::string text) { return unexpected<Fault>({exit, std::move(text)}); }

}  // namespace

std::string control_socket_beside(const std::string& telemetry_socket) {
  return telemetry_socket.substr(0, telemetry_socket.rfind('/') + 1) + std::string(kControlSocketName);
}

expected<RpcClient, Fault> RpcClient::connect(const std::string& socket_path, Deadline deadline) {
  const auto socket = connect_unix(socket_path, SOCK_STREAM, deadline);
  if (!socket) return unexpected<Fault>(socket.error());
  return RpcClient(*socket, socket_path, deadline);
}

RpcClient::~RpcClient() {
  if (socket_ >= 0) close(socket_);
}

RpcClient::RpcClient(RpcClient&& other) noexcept { *this = std::move(other); }

RpcClient& RpcClient::operator=(RpcClient&& other) noexcept {
  std::swap(socket_, other.socket_);
  path_ = std::move(other.path_);
  deadline_ = other.deadline_;
  next_id_ = other.next_id_;
  return *this;
}

expected<void, Fault> RpcClient::send_all(const std::string& bytes) {
  for (std::size_t sent = 0; sent < bytes.size();) {
    if (auto ready = wait_for(socket_, POLLOUT, path_, deadline_); !ready) return ready;
    const ssize_t count = send(socket_, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (count >= 0) {
      sent += static_cast<std::size_t>(count);
    } else if (errno == EPIPE) {
      return {};  // the gateway says why, or nothing, which receive_line() tells
    } else if (errno != EAGAIN && errno != EINTR) {
      return unexpected<Fault>(broken(path_, errno));
    }
  }
  return {};
}

expected<std::string, Fault> RpcClient::receive_line() {
  std::string line;
  for (char buffer[16384];;) {
    if (auto ready = wait_for(socket_, POLLIN, path_, deadline_); !ready) return unexpected<Fault>(ready.error());
    const ssize_t count = recv(socket_, buffer, sizeof buffer, 0);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (count < 0 && errno != ECONNRESET) return unexpected<Fault>(broken(path_, errno));
    if (count <= 0) {
      return fault(Exit::kFailed, "the gateway at " + path_ + " closed the connection; it stopped, or has too many clients (16)");
    }
    line.append(buffer, static_cast<std::size_t>(count));
    const std::size_t end = line.find('\n');
    if (end != std::string::npos) return line.substr(0, end);
    if (line.size() > kAnswerBytesMax) return fault(Exit::kFailed, "the answer of " + path_ + " does not end");
  }
}

expected<Json, Fault> RpcClient::call(const std::string& method, Json params) {
  const Json request{{"jsonrpc", "2.0"}, {"method", method}, {"params", std::move(params)}, {"id", next_id_++}};
  if (auto sent = send_all(request.dump() + '\n'); !sent) return unexpected<Fault>(sent.error());
  const auto line = receive_line();
  if (!line) return unexpected<Fault>(line.error());
  Json answer = Json::parse(*line, nullptr, /*allow_exceptions=*/false);
  if (!answer.is_object()) return fault(Exit::kFailed, "the gateway at " + path_ + " sent what is not JSON-RPC");
  if (answer.contains("result") && answer.value("id", Json()) == request["id"]) return std::move(answer["result"]);
  const Json error = answer.value("error", Json::object());
  if (!error.is_object() || !error.contains("message") || !error["message"].is_string()) {
    return fault(Exit::kFailed, "the gateway at " + path_ + " sent what is not JSON-RPC");
  }
  std::string text = error["message"].get<std::string>();
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';  // nothing here may steer the terminal
  }
  const Json code = error.value("code", Json());
  return fault(code == kDeniedCode ? Exit::kDenied : Exit::kFailed, text);
}

}  // namespace dwcp::ctl
