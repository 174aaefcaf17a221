// SPDX-License-Identifier: Apache-2.0
// The methods of the control socket: the one table of them is in methods.cc, with what each takes, does and returns.
// Control thread.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/expected.h"
#include "control/rpc/rpc_server.h"
#include "control/snapshot.h"

namespace dwcp {

// What the composition root lends the methods; it outlives them.
struct GatewayCommands {
  std::string version;
  const TelemetrySource* source = nullptr;
  // What it did, a line each; or why not.
  std::function<expected<std::vector<std::string>, std::string>()> reload;
};

[[nodiscard]] std::vector<RpcMethod> gateway_methods(GatewayCommands commands);

}  // namespace dwcp
