// SPDX-License-Identifier: Apache-2.0
#include "control/rpc/rpc_server.h"

#include <gtest/gtest.h>

#include "control/rpc/line_reader.h"
#include "control/rpc/methods.h"

namespace dwcp {
namespace {

const Caller kRoot{0, 0, 1, {}};
const Caller kStranger{1234, 1234, 2, {7, 8}};
const Caller kMember{1235, 1235, 3, {7, 42}};
const Caller kMemberByFirstGroup{1236, 42, 4, {}};
const Caller kSelf{500, 500, 5, {}};

struct Heard {
  std::string method;
  uid_t uid;
  bool denied;
  std::string error;
};

class Server : public testing::Test {
 protected:
  Server() : server(table(), {500, 42}, [this](const RpcAudit& audit) {
        heard.push_back({std::string(audit.method), audit.caller.uid, audit.denied, std::string(audit.error)});
      }) {}

  std::vector<RpcMethod> table() {
    return {
        {.name = "echo", .params = {{"text", RpcType::kString, true, "what"}, {"times", RpcType::kInteger, false, "how often"},
                                    {"loud", RpcType::kBoolean, false, "in capitals"}},
         .doc = "Says it again.", .result = "string",
         .call = [](const RpcCall& call) -> RpcResult {
           std::string out;
           for (std::int64_t i = 0; i < call.get<std::int64_t>("times").value_or(1); ++i) out += call.get<std::string>("text").value();
           return RpcJson(call.get<bool>("loud").value_or(false) ? out + "!" : out);
         }},
        {.name = "set", .right = RpcRight::kChange, .params = {}, .doc = "Changes something.", .result = "integer",
         .call = [this](const RpcCall&) -> RpcResult { return RpcJson(++changes); }},
        {.name = "fail", .right = RpcRight::kChange, .params = {}, .doc = "", .result = "",
         .call = [](const RpcCall&) -> RpcResult { return unexpected<std::string>("it rains"); }},
        {.name = "throw", .params = {}, .doc = "", .result = "",
         .call = [](const RpcCall&) -> RpcResult { throw std::runtime_error("thrown"); }},
        {.name = "much", .params = {}, .doc = "", .result = "",
         .call = [](const RpcCall&) -> RpcResult { return RpcJson(std::string(RpcServer::kAnswerBytesMax, 'x')); }},
        {.name = "half", .params = {}, .doc = "", .result = "",
         .call = [](const RpcCall&) -> RpcResult { return RpcJson(std::string(RpcServer::kAnswerBytesMax / 3, 'x')); }},
        {.name = "dirty", .params = {}, .doc = "", .result = "", .call = [](const RpcCall&) -> RpcResult { return RpcJson("a\xff\nb"); }},
    };
  }

  RpcJson ask(const std::string& line, const Caller& caller = kRoot) {
    const auto text = server.handle(line, caller);
    if (!text) return "no answer";
    EXPECT_EQ(text->find('\n'), std::string::npos);
    EXPECT_LE(text->size(), RpcServer::kAnswerBytesMax);
    return RpcJson::parse(*text);
  }
  int code(const std::string& line, const Caller& caller = kRoot) {
    const RpcJson answer = ask(line, caller);
    return answer.is_object() && answer.contains("error") ? answer["error"]["code"].get<int>() : 0;
  }

  int changes = 0;
  std::vector<Heard> heard;
  RpcServer server;
};
using rpc_server = Server;

TEST_F(rpc_server, a_request_is_answered_under_its_id) {
  EXPECT_EQ(ask(R"({"jsonrpc":"2.0","method":"echo","params":{"text":"a"},"id":7})"), RpcJson::parse(R"({"jsonrpc":"2.0","result":"a","id":7})"));
  EXPECT_EQ(ask(R"({"jsonrpc":"2.0","method":"echo","params":{"text":"a"},"id":"x"})")["id"], "x");
  EXPECT_EQ(ask(R"({"jsonrpc":"2.0","method":"echo","params":{"text":"a"},"id":null})")["id"], nullptr);
  EXPECT_EQ(ask(R"({"jsonrpc":"2.0","method":"echo","params":{"text":"a"},"id":1.5})")["id"], 1.5);
}

TEST_F(rpc_server, parameters_by_name_and_by_position) {
  EXPECT_EQ(ask(R"({"jsonrpc":"2.0","method":"echo","params":{"times":2,"text":"ab","loud":true},"id":1})")["result"], "abab!");
  EXPECT_EQ(ask(R"({"jsonrpc":"2.0","method":"echo","params":["ab",2],"id":1})")["result"], "abab");
}

TEST_F(rpc_server, wrong_parameters_are_refused_before_the_method) {
  for (const char* params : {R"({})", R"([])", R"({"text":1})", R"({"text":"a","times":1.5})", R"({"text":"a","times":18446744073709551615})",
                             R"({"text":"a","loud":1})", R"({"text":"a","more":1})", R"(["a",1,true,4])", R"({"text":null})"}) {
    EXPECT_EQ(code(std::string(R"({"jsonrpc":"2.0","method":"echo","id":1,"params":)") + params + "}"), -32602) << params;
  }
}

TEST_F(rpc_server, what_is_no_request_is_said_under_id_null) {
  for (const auto& [line, expected] : std::vector<std::pair<std::string, int>>{
           {"", -32700}, {"{", -32700}, {"nonsense", -32700}, {"{\"a\":\"\xff\"}", -32700}, {"{} {}", -32700}, {"[1e999]", -32700},
           {"1", -32600}, {"\"x\"", -32600}, {"null", -32600}, {"{}", -32600}, {"[]", -32600},
           {R"({"jsonrpc":"1.0","method":"echo"})", -32600}, {R"({"method":"echo"})", -32600},
           {R"({"jsonrpc":"2.0","method":1})", -32600}, {R"({"jsonrpc":"2.0"})", -32600},
           {R"({"jsonrpc":"2.0","method":"echo","params":"a"})", -32600}, {R"({"jsonrpc":"2.0","method":"echo","id":{}})", -32600},
           {R"({"jsonrpc":"2.0","method":"echo","id":[1]})", -32600}, {R"({"jsonrpc":"2.0","method":"echo","id":true})", -32600}}) {
    const RpcJson answer = ask(line);
    ASSERT_TRUE(answer.is_object() && answer.contains("error")) << line << ": " << answer;
    EXPECT_EQ(answer["error"]["code"], expected) << line;
    EXPECT_EQ(answer["id"], nullptr) << line;
  }
  EXPECT_EQ(code(R"({"jsonrpc":"2.0","method":"nothing","id":1})"), -32601);
}

TEST_F(rpc_server, notifications_are_done_and_never_answered) {
  for (const char* line : {R"({"jsonrpc":"2.0","method":"set"})", R"({"jsonrpc":"2.0","method":"nothing"})", R"({"jsonrpc":"2.0","method":"fail"})",
                           R"({"jsonrpc":"2.0","method":"echo"})", R"([{"jsonrpc":"2.0","method":"set"},{"jsonrpc":"2.0","method":"set"}])"}) {
    EXPECT_FALSE(server.handle(line, kRoot)) << line;
  }
  EXPECT_EQ(changes, 3);
}

// The example of the specification's section 7, with our methods.
TEST_F(rpc_server, a_batch_is_answered_each_in_turn) {
  const RpcJson answers = ask(R"([{"jsonrpc":"2.0","method":"echo","params":["a"],"id":"1"},{"jsonrpc":"2.0","method":"set"},1,)"
                              R"({"foo":"boo"},{"jsonrpc":"2.0","method":"foo.get","id":"5"},{"jsonrpc":"2.0","method":"set","id":"9"}])");
  ASSERT_EQ(answers.size(), 5U);
  EXPECT_EQ(answers[0]["result"], "a");
  EXPECT_EQ(answers[1]["error"]["code"], -32600);
  EXPECT_EQ(answers[2]["error"]["code"], -32600);
  EXPECT_EQ(answers[3]["error"]["code"], -32601);
  EXPECT_EQ(answers[4]["result"], 2);
}

TEST_F(rpc_server, what_can_be_asked_and_answered_is_bounded) {
  EXPECT_EQ(code(std::string(RpcServer::kRequestBytesMax + 1, ' ')), -32600);
  EXPECT_EQ(code("[" + std::string(RpcServer::kRequestBytesMax / 2, '[')), -32600) << "not closed, and deep";
  const std::size_t deep = RpcServer::kRequestBytesMax / 2 - 1;
  EXPECT_EQ(code(std::string(deep, '[') + std::string(deep, ']')), -32600);
  std::string batch = "[0";
  for (std::size_t i = 0; i < RpcServer::kBatchMax; ++i) batch += ",0";
  const RpcJson refused = ask(batch + ']');
  EXPECT_TRUE(refused.is_object()) << "one answer for all";
  EXPECT_EQ(code(R"({"jsonrpc":"2.0","method":"much","id":1})"), -32603);
  std::string halves = R"({"jsonrpc":"2.0","method":"half","id":")" + std::string(1000, 'i') + R"("})";
  for (std::size_t i = 1; i < RpcServer::kBatchMax; ++i) halves += R"(,{"jsonrpc":"2.0","method":"half","id":2})";
  const RpcJson answers = ask('[' + halves + ']');
  ASSERT_EQ(answers.size(), RpcServer::kBatchMax);
  EXPECT_TRUE(answers[0].contains("result"));
  EXPECT_EQ(answers[1]["error"]["code"], -32603);
  EXPECT_EQ(answers[1]["id"], 2);
}

TEST_F(rpc_server, only_some_may_change) {
  const std::string set = R"({"jsonrpc":"2.0","method":"set","id":1})";
  for (const Caller& caller : {kRoot, kSelf, kMember, kMemberByFirstGroup}) EXPECT_EQ(code(set, caller), 0) << caller.uid;
  EXPECT_EQ(changes, 4);
  const RpcJson refused = ask(set, kStranger);
  EXPECT_EQ(refused["error"]["code"], -32001);
  EXPECT_NE(refused["error"]["message"].get<std::string>().find("uid 1234"), std::string::npos);
  EXPECT_FALSE(server.handle(R"({"jsonrpc":"2.0","method":"set"})", kStranger)) << "nor by notification";
  EXPECT_EQ(changes, 4);
  EXPECT_EQ(ask(R"({"jsonrpc":"2.0","method":"echo","params":["a"],"id":1})", kStranger)["result"], "a") << "asking is free";
  ASSERT_EQ(heard.size(), 6U);
  EXPECT_FALSE(heard[0].denied);
  EXPECT_EQ(heard[1].uid, 500U);
  EXPECT_TRUE(heard[4].denied && heard[5].denied);
  EXPECT_EQ(heard[4].method, "set");
}

TEST_F(rpc_server, without_a_group_nobody_is_a_member) {
  const RpcAuthority none{500, std::nullopt};
  EXPECT_TRUE(none.may_change(kRoot));
  EXPECT_TRUE(none.may_change(kSelf));
  EXPECT_FALSE(none.may_change(kMember));
}

TEST_F(rpc_server, failures_are_told) {
  const RpcJson failed = ask(R"({"jsonrpc":"2.0","method":"fail","id":1})");
  EXPECT_EQ(failed["error"]["code"], -32000);
  EXPECT_EQ(failed["error"]["message"], "it rains");
  ASSERT_EQ(heard.size(), 1U);
  EXPECT_EQ(heard[0].error, "it rains");
  EXPECT_EQ(ask(R"({"jsonrpc":"2.0","method":"throw","id":1})")["error"]["message"], "throw failed: thrown");
  EXPECT_EQ(ask(R"({"jsonrpc":"2.0","method":"dirty","id":1})")["result"], "a\xef\xbf\xbd\nb");
}

TEST_F(rpc_server, help_lists_the_table) {
  const RpcJson list = ask(R"({"jsonrpc":"2.0","method":"help","id":1})")["result"];
  ASSERT_EQ(list.size(), table().size() + 1);
  EXPECT_EQ(list[0]["name"], "echo");
  EXPECT_EQ(list[0]["params"][1], RpcJson::parse(R"({"name":"times","type":"integer","required":false,"doc":"how often"})"));
  EXPECT_EQ(list[1]["changes"], true);
}

TEST(rpc_methods, each_is_documented_and_answers) {
  SnapshotBoard board;
  int reloads = 0;
  GatewayCommands commands{.version = "1.2.3", .source = &board, .reload = [&]() -> expected<std::vector<std::string>, std::string> {
                             if (++reloads > 1) return unexpected<std::string>("no such file");
                             return std::vector<std::string>{"certificate: read again"};
                           }};
  RpcServer server(gateway_methods(commands), {}, [](const RpcAudit&) {});
  for (const RpcMethod& method : server.methods()) EXPECT_TRUE(!method.doc.empty() && !method.result.empty()) << method.name;
  const auto ask = [&](const std::string& name) {
    return RpcJson::parse(server.handle(R"({"jsonrpc":"2.0","id":1,"method":")" + name + "\"}", kRoot).value());
  };
  EXPECT_EQ(ask("version")["result"]["version"], "1.2.3");
  Snapshot snapshot;
  snapshot.gateway.name = "site-a";
  snapshot.peers.emplace_back().name = "site-b";
  snapshot.migrations.emplace_back().id = 9;
  board.publish(snapshot);
  const RpcJson status = ask("status")["result"];
  EXPECT_EQ(status["name"], "site-a");
  EXPECT_EQ(status["peers"][0]["name"], "site-b");
  EXPECT_EQ(status["migrations"][0]["id"], 9);
  EXPECT_EQ(status["migrations"][0]["pause_ms"], -1);
  EXPECT_TRUE(status["port"].contains("mtu_bytes"));
  EXPECT_EQ(ask("reload")["result"], RpcJson::parse(R"({"done":["certificate: read again"]})"));
  EXPECT_EQ(ask("reload")["error"]["message"], "no such file");
}

TEST(line_reader, lines_come_whole_however_they_were_cut) {
  const std::string text = "one\r\ntwo\n\nthree\nrest";
  for (std::size_t cut = 1; cut <= text.size(); ++cut) {
    LineReader reader(16);
    std::vector<std::string> lines;
    for (std::size_t at = 0; at < text.size(); at += cut) {
      reader.feed({text.data() + at, std::min(cut, text.size() - at)});
      while (auto line = reader.next()) lines.push_back(*line);
    }
    EXPECT_EQ(lines, (std::vector<std::string>{"one", "two", "", "three"})) << cut;
    EXPECT_TRUE(reader.partial());
  }
}

TEST(line_reader, a_line_without_an_end_is_noticed) {
  LineReader reader(4);
  const std::string bytes = "abcd";
  reader.feed(bytes);
  EXPECT_FALSE(reader.next());
  EXPECT_FALSE(reader.too_long());
  reader.feed(std::string("e"));
  EXPECT_FALSE(reader.next());
  EXPECT_TRUE(reader.too_long());
}

}  // namespace
}  // namespace dwcp
