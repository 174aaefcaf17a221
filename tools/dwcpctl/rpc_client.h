// SPDX-License-Identifier: Apache-2.0
// RpcClient: one call on a gateway's control socket (JSON-RPC 2.0, a line each way; control/rpc/rpc_server.h).  One thread;
// every wait ends at the deadline.
//
//   auto client = RpcClient::connect(control_socket_beside(telemetry_socket), deadline);
//   auto result = client->call("reload", Json::object());
#pragma once

#include <string>

#include "client.h"

namespace dwcp::ctl {

// The gateway has both sockets in one folder.
[[nodiscard]] std::string control_socket_beside(const std::string& telemetry_socket);

class RpcClient {
 public:
  static constexpr std::size_t kAnswerBytesMax = 4 * 1024 * 1024;

  [[nodiscard]] static expected<RpcClient, Fault> connect(const std::string& socket_path, Deadline deadline);
  ~RpcClient();
  RpcClient(RpcClient&& other) noexcept;
  RpcClient& operator=(RpcClient&& other) noexcept;
  RpcClient(const RpcClient&) = delete;
  RpcClient& operator=(const RpcClient&) = delete;

  // The method's result.  What the gateway refuses is a Fault with its words: kDenied for want of rights, else kFailed.
  [[nodiscard]] expected<Json, Fault> call(const std::string& method, Json params);

 private:
  RpcClient(int socket, std::string path, Deadline deadline) : socket_(socket), path_(std::move(path)), deadline_(deadline) {}
  [[nodiscard]] expected<void, Fault> send_all(const std::string& bytes);
  [[nodiscard]] expected<std::string, Fault> receive_line();

  int socket_ = -1;
  std::string path_;
  Deadline deadline_;
  int next_id_ = 1;
};

}  // namespace dwcp::ctl
