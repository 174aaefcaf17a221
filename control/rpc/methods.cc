// SPDX-License-Identifier: Apache-2.0
#include "control/rpc/methods.h"

#include <unistd.h>

#include "control/snapshot_fields.h"

namespace dwcp {
namespace {

template <typename Fields>
RpcJson object_of(const Fields& fields) {
  RpcJson object = RpcJson::object();
  visit_fields(fields, [&object](const char* name, const auto& value) { object[name] = value; });
  return object;
}

template <typename Fields>
RpcJson list_of(const std::vector<Fields>& all) {
  RpcJson list = RpcJson::array();
  for (const Fields& each : all) list.push_back(object_of(each));
  return list;
}

RpcJson status_of(const Snapshot& snapshot) {
  RpcJson status = object_of(snapshot.gateway);
  status["peers"] = list_of(snapshot.peers);
  status["migrations"] = list_of(snapshot.migrations);
  status["port"] = object_of(snapshot.port);
  return status;
}

}  // namespace

std::vector<RpcMethod> gateway_methods(GatewayCommands commands) {
  return {
      {.name = "version",
       .right = RpcRight::kAsk,
       .params = {},
       .doc = "The version of the program that runs.",
       .result = "{version, pid}",
       .call = [version = commands.version](const RpcCall&) -> RpcResult { return RpcJson{{"version", version}, {"pid", getpid()}}; }},
      {.name = "status",
       .right = RpcRight::kAsk,
       .params = {},
       .doc = "The gateway, its peers, migrations and port, at most 100 ms old.",
       .result = "the members of /dwcp/status, and peers, migrations and port with those of /dwcp/peer, /dwcp/migration and /dwcp/port",
       .call = [source = commands.source](const RpcCall&) -> RpcResult {
         return status_of(*source->snapshot());
       }},
      {.name = "reload",
       .right = RpcRight::kChange,
       .params = {},
       .doc = "Reads again what may change while it runs, as SIGHUP does.",
       .result = "{done: [a line for each thing done]}",
       .call = [reload = std::move(commands.reload)](const RpcCall&) -> RpcResult {
         auto done = reload();
         if (!done) return unexpected<std::string>(done.error());
         return RpcJson{{"done", *done}};
       }},
  };
}

}  // namespace dwcp
