// SPDX-License-Identifier: Apache-2.0
// dwcpctl's client against servers that misbehave, and its text.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <thread>

#include "client.h"
#include "report.h"
#include "table.h"

namespace dwcp::ctl {
namespace {

using namespace std::chrono_literals;

constexpr const char* kHello = R"({"version":"DPDK 22.11.0","pid":42,"max_output_len":16384})";

Deadline in(std::chrono::milliseconds time) {
  return std::chrono::steady_clock::now() + time;
}

// A SEQPACKET server at DIR/dpdk/PREFIX/dpdk_telemetry.v2: greets, then answers each message by `answer`; an empty
// answer is silence, "close" hangs up.
class FakeGateway {
 public:
  FakeGateway(const std::string& dir, const std::string& prefix, std::string hello,
              std::function<std::string(std::string)> answer) {
    const std::string folder = dir + "/dpdk/" + prefix;
    std::filesystem::create_directories(folder);
    path = folder + "/dpdk_telemetry.v2";
    listener_ = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    EXPECT_EQ(bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(listen(listener_, 4), 0);
    thread_ = std::thread([this, hello, answer] { serve(hello, answer); });
  }
  ~FakeGateway() {
    shutdown(listener_, SHUT_RDWR);
    thread_.join();
    close(listener_);
  }

  std::string path;

 private:
  void serve(const std::string& hello, const std::function<std::string(std::string)>& answer) {
    for (int peer; (peer = accept(listener_, nullptr, nullptr)) >= 0; close(peer)) {
      if (!hello.empty()) send(peer, hello.data(), hello.size(), MSG_NOSIGNAL);
      char buffer[4096];
      for (ssize_t count; (count = recv(peer, buffer, sizeof buffer, 0)) > 0;) {
        const std::string reply = answer({buffer, static_cast<std::size_t>(count)});
        if (reply == "close") break;
        if (!reply.empty()) send(peer, reply.data(), reply.size(), MSG_NOSIGNAL);
      }
    }
  }
  int listener_;
  std::thread thread_;
};

class Folder : public testing::Test {
 protected:
  Folder() {
    char path[] = "/tmp/dwcpctl-test-XXXXXX";
    dir = mkdtemp(path);
    target.runtime_dir = dir;
  }
  ~Folder() override { std::filesystem::remove_all(dir); }

  std::string dir;
  Target target;
};
using dwcpctl = Folder;

std::string silent(const std::string&) {
  return "";
}

Fault connect_fault(const std::string& path, std::chrono::milliseconds time = 2000ms) {
  const auto client = Client::connect(path, in(time));
  EXPECT_FALSE(client);
  return client ? Fault{} : client.error();
}

TEST_F(dwcpctl, asks_and_gets_the_inner_value) {
  FakeGateway gateway(dir, "dwcp-a", kHello, [](const std::string& command) {
    return command == "/dwcp/peer,b" ? R"({"/dwcp/peer":{"name":"b"}})" : R"({"/dwcp/none":null})";
  });
  auto client = Client::connect(gateway.path, in(2s));
  ASSERT_TRUE(client) << client.error().text;
  EXPECT_EQ(client->hello()["pid"], 42);
  EXPECT_EQ((*client->ask("/dwcp/peer,b"))["name"], "b");
  EXPECT_TRUE(client->ask("/dwcp/none")->is_null());
  EXPECT_NE(client->ask("/dwcp/other").error().text.find("does not know /dwcp/other"), std::string::npos);
}

TEST_F(dwcpctl, nobody_there_names_the_socket_and_the_cure) {
  const Fault fault = connect_fault(dir + "/dpdk/dwcp-a/dpdk_telemetry.v2");
  EXPECT_EQ(fault.exit, Exit::kNotRunning);
  EXPECT_NE(fault.text.find(dir + "/dpdk/dwcp-a/dpdk_telemetry.v2"), std::string::npos);
  EXPECT_NE(fault.text.find("start dwcp-gateway"), std::string::npos);
}

TEST_F(dwcpctl, every_wait_ends_at_the_deadline) {
  FakeGateway mute(dir, "dwcp-mute", "", silent);
  FakeGateway deaf(dir, "dwcp-deaf", kHello, silent);
  auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(connect_fault(mute.path, 100ms).exit, Exit::kTimeout);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 1s);
  auto client = Client::connect(deaf.path, in(200ms));
  ASSERT_TRUE(client);
  begin = std::chrono::steady_clock::now();
  EXPECT_EQ(client->ask("/dwcp/status").error().exit, Exit::kTimeout);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 1s);
}

TEST_F(dwcpctl, a_full_backlog_ends_at_the_deadline) {
  // Nobody accepts, and there is room for none.
  const std::string path = dir + "/full";
  const int listener = socket(AF_UNIX, SOCK_SEQPACKET, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  ASSERT_EQ(bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(listen(listener, 0), 0);
  const int first = socket(AF_UNIX, SOCK_SEQPACKET, 0);
  ASSERT_EQ(connect(first, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  const Fault fault = connect_fault(path, 100ms);
  EXPECT_EQ(fault.exit, Exit::kTimeout);
  EXPECT_NE(fault.text.find("does not accept"), std::string::npos) << fault.text;
  close(first);
  close(listener);
}

TEST_F(dwcpctl, nonsense_is_refused) {
  FakeGateway no_json(dir, "dwcp-1", "hello", silent);
  EXPECT_NE(connect_fault(no_json.path).text.find("not JSON"), std::string::npos);
  FakeGateway other(dir, "dwcp-2", "[]", silent);
  EXPECT_NE(connect_fault(other.path).text.find("no DPDK telemetry v2"), std::string::npos);
  FakeGateway huge(dir, "dwcp-3", R"({"max_output_len":18446744073709551615})",
                   [](const std::string&) { return "[1]"; });
  auto client = Client::connect(huge.path, in(2s));
  ASSERT_TRUE(client);
  EXPECT_EQ(client->ask("/dwcp/status").error().exit, Exit::kFailed);
  FakeGateway rude(dir, "dwcp-4", kHello, [](const std::string&) { return "close"; });
  auto left = Client::connect(rude.path, in(2s));
  ASSERT_TRUE(left);
  EXPECT_NE(left->ask("/dwcp/status").error().text.find("closed the connection"), std::string::npos);
}

TEST_F(dwcpctl, finds_the_only_one_and_asks_when_there_are_two) {
  EXPECT_EQ(find_socket(target, in(2s)).error().exit, Exit::kNotRunning);
  auto first = std::make_unique<FakeGateway>(dir, "dwcp-a", kHello, silent);
  std::filesystem::create_directories(dir + "/dpdk/rte");  // another DPDK program's
  EXPECT_EQ(find_socket(target, in(2s)).value_or("none"), first->path);
  auto second = std::make_unique<FakeGateway>(dir, "dwcp-b", kHello, silent);
  const auto both = find_socket(target, in(2s));
  ASSERT_FALSE(both);
  EXPECT_EQ(both.error().exit, Exit::kUsage);
  EXPECT_NE(both.error().text.find("a, b; say which one with --gateway NAME"), std::string::npos) << both.error().text;
  first.reset();  // killed: its socket file stays
  EXPECT_EQ(find_socket(target, in(2s)).value_or("none"), second->path);
  target.gateway = "x";
  EXPECT_EQ(*find_socket(target, in(2s)), dir + "/dpdk/dwcp-x/dpdk_telemetry.v2");
  target.gateway.clear();
  target.file_prefix = "y";
  EXPECT_EQ(*find_socket(target, in(2s)), dir + "/dpdk/y/dpdk_telemetry.v2");
}

TEST_F(dwcpctl, runtime_dir_is_dpdks) {
  setenv("RUNTIME_DIRECTORY", "/env", 1);
  EXPECT_EQ(runtime_dir_or_default(""), "/env");
  EXPECT_EQ(runtime_dir_or_default("/given"), "/given");
  unsetenv("RUNTIME_DIRECTORY");
  setenv("XDG_RUNTIME_DIR", "/xdg", 1);
  EXPECT_EQ(runtime_dir_or_default(""), getuid() == 0 ? "/var/run" : "/xdg");
}

TEST_F(dwcpctl, a_migration_that_ends_between_two_questions_is_left_out) {
  FakeGateway gateway(dir, "dwcp-a", kHello, [](const std::string& command) -> std::string {
    if (command == "/dwcp/migrations") return R"({"/dwcp/migrations":[1,2]})";
    return command == "/dwcp/migration,2" ? R"({"/dwcp/migration":{"id":2}})" : R"({"/dwcp/migration":null})";
  });
  auto client = Client::connect(gateway.path, in(2s));
  ASSERT_TRUE(client);
  for (const auto& report : reports()) {
    if (report.name != "migrations") continue;
    const auto value = report.collect(*client);
    ASSERT_TRUE(value);
    EXPECT_EQ(value->dump(), R"({"migrations":[{"id":2}]})");
    EXPECT_NE(report.render(*value).find("\n 2 "), std::string::npos) << report.render(*value);
  }
}

TEST_F(dwcpctl, odd_members_do_not_break_a_table) {
  for (const auto& report : reports()) {
    for (const char* item :
         {"{}", R"({"id":"x","state":7,"pause_ms":"soon","reason":"a\u001b[2Jb","name":null})", "[]", "3"}) {
      const Json value =
          Json::parse(R"({"migrations":[)" + std::string(item) + R"(],"peers":[)" + item + R"(],"streams":[)" + item + R"(],"lcores":[)" + item +
                      R"(],"drops":{"a":"x"},"port":{"a":)" + item + R"(},"neighbours":[)" + item + "]}");
      EXPECT_EQ(report.render(value).find('\x1b'), std::string::npos) << report.name;
    }
  }
}

TEST_F(dwcpctl, pause_is_shown_with_its_parts_or_not_at_all) {
  const auto shown = [](const std::string& migration) {
    for (const auto& report : reports()) {
      if (report.name == "migrations") return report.render(Json::parse(R"({"migrations":[)" + migration + "]}"));
    }
    return std::string();
  };
  EXPECT_NE(shown(R"({"pause_ms":412,"pause_backlog_ms":80,"pause_path_ms":320,"pause_far_ms":12})").find("  412 ms (80+320+12)  "),
            std::string::npos);
  EXPECT_NE(shown(R"({"pause_ms":0,"pause_backlog_ms":0,"pause_path_ms":0,"pause_far_ms":0})").find("  0 ms (0+0+0)  "),
            std::string::npos);
  EXPECT_NE(shown(R"({"pause_ms":412,"pause_backlog_ms":-1,"pause_path_ms":320,"pause_far_ms":"x"})").find("  412 ms  "),
            std::string::npos);
  EXPECT_EQ(shown(R"({"pause_ms":-1,"pause_backlog_ms":1,"pause_path_ms":1,"pause_far_ms":1})").find("+1"), std::string::npos);
}

TEST_F(dwcpctl, peers_tell_the_congestion_control_and_its_state) {
  const auto peers = Json::parse(R"({"peers":[{"name":"b","congestion":"cubic","congestion_state":"slow_start"},{"name":"c"}]})");
  for (const auto& report : reports()) {
    if (report.name != "peers") continue;
    const std::string text = report.render(peers);
    EXPECT_NE(text.find("cubic:slow_start"), std::string::npos) << text;
    EXPECT_EQ(text.find(':', text.find("cubic:") + 6), std::string::npos) << "a link without a session has none\n" << text;
  }
}

TEST(table, aligns_without_trailing_spaces) {
  Table table({{"NAME"}, {"N", Align::kRight}, {"NOTE"}});
  table.row({"a", "1", ""});
  table.row({"longer", "1000", "x"});
  EXPECT_EQ(table.text(), "NAME       N  NOTE\na          1\nlonger  1000  x\n");
}

TEST(table, quantities_read_well) {
  EXPECT_EQ(human_bytes(0), "0 B");
  EXPECT_EQ(human_bytes(1023), "1023 B");
  EXPECT_EQ(human_bytes(1536), "1.50 KiB");
  EXPECT_EQ(human_bytes(~std::uint64_t{0}), "16384 PiB");
  EXPECT_EQ(human_rate(300'000'000), "300 Mb/s");
  EXPECT_EQ(human_ms(999), "999 ms");
  EXPECT_EQ(human_ms(12'300), "12.3 s");
  EXPECT_EQ(human_ms(200'000), "3 min 20 s");
  EXPECT_EQ(human_ms(90'000'000), "1 d 1 h");
  EXPECT_EQ(human_us(50'200), "50.2 ms");
  EXPECT_EQ(human_fraction(1, 0), "0.00 %");
  EXPECT_EQ(human_fraction(1, 8), "12.50 %");
}

}  // namespace
}  // namespace dwcp::ctl
