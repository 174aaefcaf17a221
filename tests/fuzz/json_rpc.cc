// SPDX-License-Identifier: Apache-2.0
// Whatever comes on the control socket, in whatever pieces: each line is answered by one line of valid JSON-RPC within its
// bound, or not at all, and nothing is changed for a caller that may not.  The first byte says how the rest is cut.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "control/rpc/line_reader.h"
#include "control/rpc/rpc_server.h"

namespace {

using namespace dwcp;

void check(bool holds) {
  if (!holds) std::abort();
}

void check_answer(const RpcJson& answer) {
  check(answer.is_object() && answer.at("jsonrpc") == "2.0" && answer.contains("id"));
  check(answer.contains("result") != answer.contains("error"));
  if (answer.contains("error")) check(answer["error"].at("code").is_number_integer() && answer["error"].at("message").is_string());
}

std::vector<RpcMethod> methods() {
  return {{.name = "echo", .params = {{"text", RpcType::kString, true, ""}, {"times", RpcType::kInteger, false, ""}, {"loud", RpcType::kBoolean, false, ""}},
           .doc = "", .result = "",
           .call = [](const RpcCall& call) -> RpcResult {
             (void)call.get<std::int64_t>("times");
             (void)call.get<bool>("loud");
             return RpcJson(call.get<std::string>("text").value());
           }},
          {.name = "change", .right = RpcRight::kChange, .params = {}, .doc = "", .result = "", .call = [](const RpcCall&) -> RpcResult { std::abort(); }}};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static RpcServer server(methods(), {.own_uid = 500, .group = 42}, [](const RpcAudit& audit) { check(audit.denied); });
  static const Caller stranger{1000, 1000, 1, {7}};
  if (size == 0) return 0;
  const std::size_t piece = std::size_t{1} + data[0] % 64;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  LineReader lines(RpcServer::kRequestBytesMax);
  for (std::size_t at = 0; at < text.size(); at += piece) {
    lines.feed({text.data() + at, std::min(piece, text.size() - at)});
    while (const auto line = lines.next()) {
      const auto answer = server.handle(*line, stranger);
      if (!answer) continue;
      check(answer->size() <= RpcServer::kAnswerBytesMax && answer->find('\n') == std::string::npos);
      const RpcJson json = RpcJson::parse(*answer);
      if (!json.is_array()) check_answer(json);
      if (json.is_array()) check(!json.empty() && json.size() <= RpcServer::kBatchMax), std::for_each(json.begin(), json.end(), check_answer);
    }
    if (lines.too_long()) return 0;
  }
  return 0;
}
