// SPDX-License-Identifier: Apache-2.0
// The gateway's control socket: its methods (control/rpc/methods.h), who may call them, and a log line for each command.
// Control thread.
#pragma once

#include <memory>
#include <string>

#include "base/expected.h"
#include "control/error.h"
#include "control/log.h"
#include "control/loop.h"
#include "control/rpc/methods.h"
#include "control/rpc/rpc_socket.h"
#include "tools/dwcp-gateway/confine.h"

namespace dwcp {

class ControlSocket {
 public:
  // Beside DPDK's, in `folder`.  Its mode is 0600 until confine() shares it.
  [[nodiscard]] static expected<std::unique_ptr<ControlSocket>, Error> open(Loop& loop, Log& log, const std::string& folder,
                                                                            const Accounts& accounts, GatewayCommands commands);

 private:
  ControlSocket(Log& log, const Accounts& accounts, GatewayCommands commands);
  void audit(const RpcAudit& audit);

  Log& log_;
  LogLimit denied_limit_{1, 5};
  RpcServer server_;
  std::unique_ptr<RpcSocket> socket_;
};

}  // namespace dwcp
