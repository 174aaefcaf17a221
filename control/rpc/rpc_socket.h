// SPDX-License-Identifier: Apache-2.0
// RpcSocket: RpcServer on a unix socket, a request or a batch a line, an answer a line.  Control thread.
//
// What a client can make it hold is bounded: connections, a line each, an answer each; while an answer is not taken no
// further request of that client is read.  What it can make it wait for, by time.  Root finds room when others took theirs.
//
//   idle ── first byte of a line ──▶ line ── line end ──▶ answered ── taken by the kernel ──▶ idle, or the next line
//    │ idle_ms                        │ line_ms              │ write_ms
//    └────────────────────────────────┴──────────────────────┴──▶ closed
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <string>

#include "base/expected.h"
#include "control/rpc/rpc_server.h"
#include "control/unix_socket.h"

namespace dwcp {

struct RpcLimits {
  std::size_t connections_max = 16;
  std::size_t connections_root = 4;  // of those, for uid 0 alone
  std::uint64_t idle_ms = 60'000;
  std::uint64_t line_ms = 5'000;
  std::uint64_t write_ms = 5'000;
};

class RpcSocket {
 public:
  // The server outlives it.
  [[nodiscard]] static expected<std::unique_ptr<RpcSocket>, std::string> open(Loop& loop, const std::string& path, RpcServer& server,
                                                                              RpcLimits limits = {});
  ~RpcSocket();
  RpcSocket(const RpcSocket&) = delete;
  RpcSocket& operator=(const RpcSocket&) = delete;

  [[nodiscard]] std::size_t connections() const noexcept { return connections_.size(); }

 private:
  class Connection;

  RpcSocket(Loop& loop, RpcServer& server, RpcLimits limits);
  void accept(std::unique_ptr<UnixStream> stream);
  void remove(const Connection* connection);

  Loop& loop_;
  RpcServer& server_;
  RpcLimits limits_;
  std::list<std::unique_ptr<Connection>> connections_;
  std::unique_ptr<UnixListener> listener_;
};

}  // namespace dwcp
