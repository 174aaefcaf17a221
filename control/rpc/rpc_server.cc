// SPDX-License-Identifier: Apache-2.0
#include "control/rpc/rpc_server.h"

#include <algorithm>
#include <exception>

#include "base/assert.h"

namespace dwcp {
namespace {

using Code = RpcErrorCode;

RpcJson error_object(const RpcJson& id, Code code, std::string_view message) {
  return {{"jsonrpc", "2.0"}, {"error", {{"code", static_cast<int>(code)}, {"message", message}}}, {"id", id}};
}

// Strings of ours may hold a peer's bytes, so what is not UTF-8 is replaced.
std::string text_of(const RpcJson& value) { return value.dump(-1, ' ', false, RpcJson::error_handler_t::replace); }

bool is_id(const RpcJson& id) { return id.is_null() || id.is_string() || id.is_number(); }

std::string_view type_name(RpcType type) {
  switch (type) {
    case RpcType::kString: return "string";
    case RpcType::kInteger: return "integer";
    case RpcType::kBoolean: return "boolean";
  }
  DWCP_ASSERT(false);
  return {};
}

bool is_of(const RpcJson& value, RpcType type) {
  switch (type) {
    case RpcType::kString: return value.is_string();
    // An integer beyond int64 is unsigned to the parser, and would wrap in get<int64_t>().
    case RpcType::kInteger: return value.is_number_integer() && (!value.is_number_unsigned() || value.get<std::uint64_t>() <= INT64_MAX);
    case RpcType::kBoolean: return value.is_boolean();
  }
  return false;
}

// Parameters by name, whichever way they came; or what is wrong with them.
expected<RpcJson, std::string> take_params(const RpcMethod& method, const RpcJson& given) {
  RpcJson named = RpcJson::object();
  if (given.is_array()) {
    if (given.size() > method.params.size()) return unexpected<std::string>("takes at most " + std::to_string(method.params.size()) + " parameters");
    for (std::size_t i = 0; i < given.size(); ++i) named[std::string(method.params[i].name)] = given[i];
  } else {
    named = given;
  }
  for (const auto& [name, value] : named.items()) {
    const auto known = std::find_if(method.params.begin(), method.params.end(), [&name = name](const RpcParam& param) { return param.name == name; });
    if (known == method.params.end()) return unexpected<std::string>("no parameter of that name; see the method help");
    if (!is_of(value, known->type)) return unexpected<std::string>(std::string(known->name) + " must be of type " + std::string(type_name(known->type)));
  }
  for (const RpcParam& param : method.params) {
    if (param.required && !named.contains(std::string(param.name))) return unexpected<std::string>(std::string(param.name) + " is missing");
  }
  return named;
}

}  // namespace

RpcServer::RpcServer(std::vector<RpcMethod> methods, RpcAuthority authority, std::function<void(const RpcAudit&)> audit)
    : methods_(std::move(methods)), authority_(std::move(authority)), audit_(std::move(audit)) {
  methods_.push_back({.name = "help", .right = RpcRight::kAsk, .params = {}, .doc = "Lists the methods.",
                      .result = "array of {name, changes, params, doc, result}", .call = [this](const RpcCall&) -> RpcResult { return help(); }});
}

RpcJson RpcServer::help() const {
  RpcJson list = RpcJson::array();
  for (const RpcMethod& method : methods_) {
    RpcJson params = RpcJson::array();
    for (const RpcParam& param : method.params) {
      params.push_back({{"name", param.name}, {"type", type_name(param.type)}, {"required", param.required}, {"doc", param.doc}});
    }
    list.push_back({{"name", method.name}, {"changes", method.right == RpcRight::kChange}, {"params", std::move(params)},
                    {"doc", method.doc}, {"result", method.result}});
  }
  return list;
}

std::string RpcServer::too_long() {
  return text_of(error_object(nullptr, Code::kInvalidRequest, "the request is longer than " + std::to_string(kRequestBytesMax) + " bytes"));
}

std::optional<std::string> RpcServer::handle(std::string_view line, const Caller& caller) {
  if (line.size() > kRequestBytesMax) return too_long();
  bool too_deep = false;
  const auto watch_depth = [&too_deep](int depth, RpcJson::parse_event_t, RpcJson&) { return !(too_deep = too_deep || depth > kDepthMax); };
  const RpcJson request = RpcJson::parse(line.begin(), line.end(), watch_depth, /*allow_exceptions=*/false);
  if (too_deep) return text_of(error_object(nullptr, Code::kInvalidRequest, "nested too deeply"));
  if (request.is_discarded()) return text_of(error_object(nullptr, Code::kParse, "not JSON, or not UTF-8"));
  if (!request.is_array()) {
    const auto one = answer(request, caller);
    return one ? std::optional(text_of(*one)) : std::nullopt;
  }
  if (request.empty()) return text_of(error_object(nullptr, Code::kInvalidRequest, "the batch is empty"));
  if (request.size() > kBatchMax) {
    return text_of(error_object(nullptr, Code::kInvalidRequest, "more than " + std::to_string(kBatchMax) + " requests in a batch"));
  }
  std::string answers;
  for (const RpcJson& each : request) {
    const auto one = answer(each, caller);
    if (!one) continue;
    std::string text = text_of(*one);
    // Room for the refusals of all others is kept by what a request may hold in ids.
    if (answers.size() + text.size() > kAnswerBytesMax / 2) {
      text = text_of(error_object((*one)["id"], Code::kInternal, "the answer of the batch is too long; ask one at a time"));
    }
    answers += (answers.empty() ? "[" : ",") + text;
  }
  return answers.empty() ? std::nullopt : std::optional(answers + ']');
}

std::optional<RpcJson> RpcServer::answer(const RpcJson& request, const Caller& caller) {
  const auto invalid = [](const RpcJson& id, std::string_view why) { return error_object(id, Code::kInvalidRequest, why); };
  if (!request.is_object()) return invalid(nullptr, "a request is an object");
  const bool notification = !request.contains("id");
  const RpcJson id = notification ? RpcJson(nullptr) : request["id"];
  if (!is_id(id)) return invalid(nullptr, "id must be a string, a number or null");
  // What is no request is no notification either (specification §4.1, §5: id null).
  if (!request.contains("jsonrpc") || request["jsonrpc"] != "2.0") return invalid(id, "jsonrpc must be \"2.0\"");
  if (!request.contains("method") || !request["method"].is_string()) return invalid(id, "method must be a string");
  const RpcJson params = request.contains("params") ? request["params"] : RpcJson::object();
  if (!params.is_object() && !params.is_array()) return invalid(id, "params must be an object or an array");

  const auto& name = request["method"].get_ref<const std::string&>();
  const auto method = std::find_if(methods_.begin(), methods_.end(), [&](const RpcMethod& each) { return each.name == name; });
  RpcJson result = method == methods_.end() ? error_object(id, Code::kMethodNotFound, "no such method; see the method help")
                                            : run(*method, params, id, caller);
  if (notification) return std::nullopt;
  return result;
}

RpcJson RpcServer::run(const RpcMethod& method, const RpcJson& params, const RpcJson& id, const Caller& caller) {
  const bool changes = method.right == RpcRight::kChange;
  if (changes && !authority_.may_change(caller)) {
    audit_({method.name, caller, true, {}});
    return error_object(id, Code::kDenied,
                        std::string(method.name) + " is for root, the gateway's user and members of control.group; uid " +
                            std::to_string(caller.uid) + " is none of these");
  }
  const auto named = take_params(method, params);
  if (!named) return error_object(id, Code::kInvalidParams, std::string(method.name) + ": " + named.error());
  const RpcResult result = call(method, {*named, caller});
  if (changes) audit_({method.name, caller, false, result ? std::string_view() : std::string_view(result.error())});
  if (!result) return error_object(id, Code::kFailed, result.error());
  RpcJson answer{{"jsonrpc", "2.0"}, {"result", *result}, {"id", id}};
  if (text_of(answer).size() > kAnswerBytesMax) return error_object(id, Code::kInternal, "the answer is too long");
  return answer;
}

// A method of ours that throws must not end the control thread.
RpcResult RpcServer::call(const RpcMethod& method, const RpcCall& with) {
  try {
    return method.call(with);
  } catch (const std::exception& exception) {
    return unexpected<std::string>(std::string(method.name) + " failed: " + exception.what());
  }
}

}  // namespace dwcp
