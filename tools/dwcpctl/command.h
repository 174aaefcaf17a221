// SPDX-License-Identifier: Apache-2.0
// Commands to a running gateway: each calls one method of its control socket and says what came of it.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "client.h"

namespace dwcp::ctl {

// What --json prints is the method's result (control/rpc/methods.cc).
struct Command {
  std::string_view name;
  std::string_view help;
  const char* method;
  std::string (*render)(const Json& result);
};

[[nodiscard]] std::span<const Command> commands();

// telemetry_socket: of the gateway meant, as find_socket() gives it.
[[nodiscard]] expected<Json, Fault> run_command(const Command& command, const std::string& telemetry_socket, Deadline deadline);

}  // namespace dwcp::ctl
