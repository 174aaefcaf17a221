// SPDX-License-Identifier: Apache-2.0
#include "tools/dwcp-gateway/control_socket.h"

namespace dwcp {

ControlSocket::ControlSocket(Log& log, const Accounts& accounts, GatewayCommands commands)
    : log_(log),
      server_(gateway_methods(std::move(commands)), {accounts.own_uid(), accounts.group}, [this](const RpcAudit& done) { audit(done); }) {}

expected<std::unique_ptr<ControlSocket>, Error> ControlSocket::open(Loop& loop, Log& log, const std::string& folder,
                                                                    const Accounts& accounts, GatewayCommands commands) {
  std::unique_ptr<ControlSocket> control(new ControlSocket(log, accounts, std::move(commands)));
  auto socket = RpcSocket::open(loop, folder + '/' + std::string(kControlSocketName), control->server_);
  if (!socket) return unexpected<Error>({ErrorCode::kListen, "control", socket.error()});
  control->socket_ = std::move(*socket);
  return control;
}

void ControlSocket::audit(const RpcAudit& audit) {
  if (audit.denied) {
    if (const auto skipped = denied_limit_.admit(Loop::now_ns())) {
      log_.write(LogLevel::kWarning, "refused a command: no right to it",
                 {{"command", audit.method}, {"uid", audit.caller.uid}, {"pid", audit.caller.pid}, {"skipped", *skipped}});
    }
    return;
  }
  log_.write(audit.error.empty() ? LogLevel::kInfo : LogLevel::kWarning, audit.error.empty() ? "command is done" : "command has failed",
             {{"command", audit.method}, {"uid", audit.caller.uid}, {"pid", audit.caller.pid}, {"reason", audit.error}});
}

}  // namespace dwcp
