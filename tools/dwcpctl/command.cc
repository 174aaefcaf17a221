// SPDX-License-Identifier: Apache-2.0
#include "command.h"

#include "rpc_client.h"

namespace dwcp::ctl {
namespace {

std::string render_reload(const Json& result) {
  const Json done = result.is_object() ? result.value("done", Json::array()) : Json::array();
  std::string text;
  for (const Json& line : done) {
    if (!line.is_string()) continue;
    for (const char c : line.get<std::string>()) text += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? '?' : c;
    text += '\n';
  }
  return text.empty() ? "nothing has changed\n" : text;
}

constexpr Command kCommands[] = {
    {"reload", "Have the gateway read again what may change while it runs", "reload", render_reload},
};

}  // namespace

std::span<const Command> commands() { return kCommands; }

expected<Json, Fault> run_command(const Command& command, const std::string& telemetry_socket, Deadline deadline) {
  auto client = RpcClient::connect(control_socket_beside(telemetry_socket), deadline);
  if (!client) return unexpected<Fault>(client.error());
  return client->call(command.method, Json::object());
}

}  // namespace dwcp::ctl
