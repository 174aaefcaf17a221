// SPDX-License-Identifier: Apache-2.0
// What both clients do with a socket: connect, and wait, until a deadline; and what they say when it does not work.
#pragma once

#include <string>

#include "client.h"

namespace dwcp::ctl {

// A connected, non-blocking unix socket of that type (SOCK_...).
[[nodiscard]] expected<int, Fault> connect_unix(const std::string& path, int type, Deadline deadline);
// Until `events` (POLL...) are there.
[[nodiscard]] expected<void, Fault> wait_for(int socket, short events, const std::string& path, Deadline deadline);
[[nodiscard]] Fault broken(const std::string& path, int error);

}  // namespace dwcp::ctl
