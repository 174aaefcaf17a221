// SPDX-License-Identifier: Apache-2.0
#include "dataplane/edge/socket_options.h"

#include <sys/socket.h>

namespace dwcp {

namespace {

// The forced flavour ignores net.core.{r,w}mem_max and needs CAP_NET_ADMIN; without it the kernel clamps.
void set_buffer(uv_handle_t* handle, int forced, int clamped, int bytes) noexcept {
  uv_os_fd_t fd = -1;
  if (bytes <= 0 || uv_fileno(handle, &fd) != 0) return;
  if (setsockopt(fd, SOL_SOCKET, forced, &bytes, sizeof(bytes)) == 0) return;
  (void)setsockopt(fd, SOL_SOCKET, clamped, &bytes, sizeof(bytes));
}

}  // namespace

void set_receive_buffer(uv_handle_t* handle, int bytes) noexcept {
  set_buffer(handle, SO_RCVBUFFORCE, SO_RCVBUF, bytes);
}

void set_send_buffer(uv_handle_t* handle, int bytes) noexcept {
  set_buffer(handle, SO_SNDBUFFORCE, SO_SNDBUF, bytes);
}

void reset_on_close(uv_tcp_t* handle) noexcept {
  uv_os_fd_t fd = -1;
  if (uv_fileno(reinterpret_cast<uv_handle_t*>(handle), &fd) != 0) return;
  const linger abort{.l_onoff = 1, .l_linger = 0};
  (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &abort, sizeof(abort));
}

}  // namespace dwcp
