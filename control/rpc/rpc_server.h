// SPDX-License-Identifier: Apache-2.0
// RpcServer: JSON-RPC 2.0 (jsonrpc.org/specification) without sockets: a line and who sent it go in, a line or none comes
// out.  Control thread; what comes in is hostile.
//
// What can be called is one table of RpcMethod, written where the methods are (methods.cc).  A method gets its parameters
// checked against its row, so it needs no checks of names, types or rights of its own.
//
// Use:
//   RpcServer server(gateway_methods(...), authority, audit);
//   if (auto answer = server.handle(line, caller)) send(*answer + '\n');
//
// Invariants:
//   I1 an answer is one line of valid JSON, of at most kAnswerBytesMax bytes
//   I2 a method that changes something is called for a caller that may, and for no other; audit() hears of both
//   I3 a notification (no id) is never answered, whatever happens
#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/expected.h"
#include "control/rpc/caller.h"

namespace dwcp {

using RpcJson = nlohmann::ordered_json;

// The specification's, and from its range for servers two of ours.
enum class RpcErrorCode : int {
  kParse = -32700,           // not JSON, or not UTF-8
  kInvalidRequest = -32600,  // JSON, but no request; or longer or more than allowed
  kMethodNotFound = -32601,
  kInvalidParams = -32602,  // a name, a type, or one too few
  kInternal = -32603,       // a fault of ours, or an answer that is too long
  kFailed = -32000,         // the method could not do it; the message says why
  kDenied = -32001,         // not for this caller
};

enum class RpcType : std::uint8_t { kString, kInteger, kBoolean };

struct RpcParam {
  std::string_view name;
  RpcType type = RpcType::kString;
  bool required = true;
  std::string_view doc;
};

// What a method is given: every required parameter is there, and each is of its type.
struct RpcCall {
  const RpcJson& params;
  const Caller& caller;
  template <typename Value>
  [[nodiscard]] std::optional<Value> get(const char* name) const {
    const auto found = params.find(name);
    return found == params.end() ? std::nullopt : std::optional<Value>(found->template get<Value>());
  }
};

// The error is for an operator: what failed, and what to do.
using RpcResult = expected<RpcJson, std::string>;

enum class RpcRight : std::uint8_t {
  kAsk,     // whoever may connect
  kChange,  // RpcAuthority::may_change()
};

struct RpcMethod {
  std::string_view name;
  RpcRight right = RpcRight::kAsk;
  std::vector<RpcParam> params;  // by name, or by position in this order
  std::string_view doc;          // what it does
  std::string_view result;       // what it returns
  std::function<RpcResult(const RpcCall&)> call;
};

// One call of a method that changes something.
struct RpcAudit {
  std::string_view method;
  const Caller& caller;
  bool denied = false;
  std::string_view error;  // empty: it was done
};

class RpcServer {
 public:
  static constexpr std::size_t kRequestBytesMax = 64 * 1024;
  static constexpr std::size_t kAnswerBytesMax = 1024 * 1024;
  static constexpr std::size_t kBatchMax = 32;
  static constexpr int kDepthMax = 16;

  // Adds "help", which lists the table.
  RpcServer(std::vector<RpcMethod> methods, RpcAuthority authority, std::function<void(const RpcAudit&)> audit);

  // Without a line end.  Nothing: no answer is due.
  [[nodiscard]] std::optional<std::string> handle(std::string_view line, const Caller& caller);
  // What to say to one whose line is longer than kRequestBytesMax.
  [[nodiscard]] static std::string too_long();

  [[nodiscard]] const std::vector<RpcMethod>& methods() const noexcept { return methods_; }

 private:
  // Nothing for a notification.
  [[nodiscard]] std::optional<RpcJson> answer(const RpcJson& request, const Caller& caller);
  [[nodiscard]] RpcJson run(const RpcMethod& method, const RpcJson& params, const RpcJson& id, const Caller& caller);
  [[nodiscard]] RpcResult call(const RpcMethod& method, const RpcCall& with);
  [[nodiscard]] RpcJson help() const;

  std::vector<RpcMethod> methods_;
  RpcAuthority authority_;
  std::function<void(const RpcAudit&)> audit_;
};

}  // namespace dwcp
