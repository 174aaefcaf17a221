// SPDX-License-Identifier: Apache-2.0
// Listener: one bound socket, TCP or unix, on which source hypervisors connect.  open() in the starting thread before
// the loop runs; all else on the loop's thread.
//
// A unix socket file left by a process that died is removed, but only if it is a socket and nobody listens on it; ours
// is made with mode 0660 and removed by close().
#pragma once

#include <uv.h>

#include <string>

#include "base/expected.h"
#include "dataplane/edge/edge_options.h"
#include "dataplane/edge/endpoint.h"

namespace dwcp {

struct EdgeShared;

class Listener {
 public:
  // Resolves, binds, listens.  The error is one line that names the listener.  Call close() in either case.
  [[nodiscard]] expected<void, std::string> open(EdgeShared& shared, const EdgeListenerOptions& options);

  // Stops listening; the object must live until the loop has run the close.
  void close() noexcept;

 private:
  [[nodiscard]] int open_tcp() noexcept;
  [[nodiscard]] expected<void, std::string> open_unix();
  [[nodiscard]] int bind_unix() noexcept;
  static void on_connection(uv_stream_t* stream, int status) noexcept;
  void accept() noexcept;

  union {
    uv_handle_t handle;
    uv_stream_t stream;
    uv_tcp_t tcp;
    uv_pipe_t pipe;
  } socket_{};
  bool initialised_ = false;
  bool bound_ = false;  // the socket file is ours
  EdgeShared* shared_ = nullptr;
  const EdgeListenerOptions* options_ = nullptr;
  Endpoint endpoint_;
};

}  // namespace dwcp
