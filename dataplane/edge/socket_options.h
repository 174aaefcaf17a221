// SPDX-License-Identifier: Apache-2.0
// Kernel options of hypervisor sockets.  Best effort: a socket without them is slower or hides more, not wrong.
#pragma once

#include <uv.h>

namespace dwcp {

// Opened, not yet listening or connected.  Set this early so that the TCP window scale fits; accepted sockets inherit
// it.  0 leaves the kernel's default.
void set_receive_buffer(uv_handle_t* handle, int bytes) noexcept;

void set_send_buffer(uv_handle_t* handle, int bytes) noexcept;

// Makes the coming uv_close() send a RST and forget what is unsent.  Unlike uv_tcp_close_reset() this also works while
// a shutdown waits behind unwritten data.  TCP only.
void reset_on_close(uv_tcp_t* handle) noexcept;

}  // namespace dwcp
