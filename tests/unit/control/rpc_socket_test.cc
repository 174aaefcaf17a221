// SPDX-License-Identifier: Apache-2.0
// The control socket with real clients on one loop, and dwcpctl's side of it.
#include "control/rpc/rpc_socket.h"

#include <fcntl.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <thread>

#include "child.h"
#include "control/rpc/caller.h"
#include "rpc_client.h"

namespace dwcp {
namespace {

sockaddr_un address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return address;
}

// A client of the test's own: never blocks.
class Peer {
 public:
  explicit Peer(const std::string& path) : fd_(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) {
    const sockaddr_un address = address_of(path);
    EXPECT_EQ(::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0) << std::strerror(errno);
  }
  ~Peer() { ::close(fd_); }
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  // How much went out.
  std::size_t send(const std::string& bytes) const {
    const ssize_t count = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    return count < 0 ? 0 : static_cast<std::size_t>(count);
  }
  void shutdown() const { ::shutdown(fd_, SHUT_WR); }
  void receive() {
    char buffer[65536];
    for (ssize_t count; (count = ::recv(fd_, buffer, sizeof buffer, 0)) != -1;) {
      if (count == 0) {
        closed = true;
        return;
      }
      got.append(buffer, static_cast<std::size_t>(count));
    }
    if (errno != EAGAIN) closed = true;
  }

  std::string got;
  bool closed = false;

 private:
  int fd_;
};

class Socket : public testing::Test {
 protected:
  Socket() {
    char name[] = "/tmp/dwcp-rpc-XXXXXX";
    folder = mkdtemp(name);
    path = folder + "/dwcp_control.sock";
  }
  ~Socket() override {
    socket.reset();
    std::filesystem::remove_all(folder);
  }

  static std::vector<RpcMethod> table() {
    return {{.name = "echo", .params = {{"text", RpcType::kString, true, ""}}, .doc = "", .result = "",
             .call = [](const RpcCall& call) -> RpcResult { return RpcJson(call.get<std::string>("text").value()); }},
            {.name = "fail", .params = {}, .doc = "", .result = "",
             .call = [](const RpcCall&) -> RpcResult { return unexpected<std::string>("it \x1b[31mrains"); }},
            {.name = "much", .params = {}, .doc = "", .result = "",
             .call = [](const RpcCall&) -> RpcResult { return RpcJson(std::string(900'000, 'x')); }}};
  }

  void open(RpcLimits limits = {}) {
    auto opened = RpcSocket::open(loop, path, server, limits);
    ASSERT_TRUE(opened) << opened.error();
    socket = std::move(*opened);
  }
  // Turns the loop until it is so, or five seconds have passed.
  template <typename Condition>
  bool eventually(Condition condition) {
    const std::uint64_t end_ns = Loop::now_ns() + 5'000'000'000;
    while (!condition()) {
      if (Loop::now_ns() > end_ns) return false;
      loop.poll();
    }
    return true;
  }
  bool answered(Peer& peer, std::size_t lines) {
    return eventually([&] {
      peer.receive();
      return static_cast<std::size_t>(std::count(peer.got.begin(), peer.got.end(), '\n')) >= lines;
    });
  }
  bool closed(Peer& peer) {
    return eventually([&] {
      peer.receive();
      return peer.closed;
    });
  }
  static std::string echo(const std::string& text, int id = 1) {
    return R"({"jsonrpc":"2.0","method":"echo","params":[")" + text + R"("],"id":)" + std::to_string(id) + "}\n";
  }

  std::string folder, path;
  Loop loop;
  RpcServer server{table(), {}, [](const RpcAudit&) {}};
  std::unique_ptr<RpcSocket> socket;
};
using rpc_socket = Socket;

TEST_F(rpc_socket, a_line_in_a_line_out) {
  open();
  Peer peer(path);
  peer.send(echo("a"));
  ASSERT_TRUE(answered(peer, 1));
  EXPECT_EQ(peer.got, "{\"jsonrpc\":\"2.0\",\"result\":\"a\",\"id\":1}\n");
  peer.send(echo("b"));
  EXPECT_TRUE(answered(peer, 2));
}

TEST_F(rpc_socket, lines_may_come_in_pieces_and_several_at_once) {
  open();
  Peer peer(path);
  for (const char c : echo("slow")) {
    ASSERT_EQ(peer.send(std::string(1, c)), 1U);
    loop.poll();
  }
  ASSERT_TRUE(answered(peer, 1));
  std::string many;
  for (int i = 0; i < 200; ++i) many += echo(std::string(100, 'z'), i);
  ASSERT_EQ(peer.send(many + echo("tail").substr(0, 20)), many.size() + 20);
  ASSERT_TRUE(answered(peer, 201));
  for (int i = 0, at = 0; i < 200; ++i) {
    const std::string id = "\"id\":" + std::to_string(i) + "}";
    const std::size_t found = peer.got.find(id, static_cast<std::size_t>(at));
    ASSERT_NE(found, std::string::npos) << "in order: " << i;
    at = static_cast<int>(found);
  }
  peer.send(echo("tail").substr(20));
  EXPECT_TRUE(answered(peer, 202));
}

TEST_F(rpc_socket, a_client_that_closes_its_half_gets_its_answers) {
  open();
  Peer peer(path);
  peer.send(echo("a") + echo("b"));
  peer.shutdown();
  EXPECT_TRUE(answered(peer, 2));
  EXPECT_TRUE(closed(peer));
  EXPECT_TRUE(eventually([&] { return socket->connections() == 0; }));
}

TEST_F(rpc_socket, a_line_without_an_end_is_refused_and_the_connection_closed) {
  open();
  Peer peer(path);
  std::size_t sent = 0;
  const std::string flood(4096, 'x');
  ASSERT_TRUE(eventually([&] {
    sent += peer.send(flood);
    peer.receive();
    return peer.closed;
  }));
  EXPECT_NE(peer.got.find("longer than 65536 bytes"), std::string::npos) << peer.got;
  EXPECT_EQ(socket->connections(), 0U);
}

TEST_F(rpc_socket, connections_are_bounded_and_places_come_free) {
  open({.connections_max = 3, .connections_root = 0});
  std::vector<std::unique_ptr<Peer>> peers;
  for (int i = 0; i < 3; ++i) peers.push_back(std::make_unique<Peer>(path));
  ASSERT_TRUE(eventually([&] { return socket->connections() == 3; }));
  Peer late(path);
  EXPECT_TRUE(closed(late));
  EXPECT_EQ(socket->connections(), 3U);
  peers.pop_back();
  ASSERT_TRUE(eventually([&] { return socket->connections() == 2; }));
  Peer next(path);
  next.send(echo("a"));
  EXPECT_TRUE(answered(next, 1));
}

TEST_F(rpc_socket, the_last_places_are_roots) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  open({.connections_max = 2, .connections_root = 1});
  chmod(folder.c_str(), 0711);
  chmod(path.c_str(), 0666);
  std::atomic<int> refused{-1};
  // seteuid of one thread only: what counts for the socket is who connects.
  std::thread other([&] {
    (void)syscall(SYS_setresuid, -1, 65534, -1);
    Peer first(path);
    Peer second(path);
    while (!second.closed) second.receive();
    first.receive();
    refused = first.closed ? 2 : 1;
  });
  ASSERT_TRUE(eventually([&] { return refused >= 0; }));
  other.join();
  EXPECT_EQ(refused, 1);
  Peer root(path);
  root.send(echo("a"));
  EXPECT_TRUE(answered(root, 1));
}

TEST_F(rpc_socket, who_is_idle_or_slow_is_closed) {
  open({.idle_ms = 40, .line_ms = 60});
  Peer idle(path);
  EXPECT_TRUE(closed(idle));
  Peer slow(path);
  const std::uint64_t begin_ns = Loop::now_ns();
  std::uint64_t last_ns = 0;
  ASSERT_TRUE(eventually([&] {
    if (Loop::now_ns() - last_ns > 10'000'000) {  // often enough not to be idle
      last_ns = Loop::now_ns();
      slow.send("x");
    }
    slow.receive();
    return slow.closed;
  }));
  EXPECT_LT(Loop::now_ns() - begin_ns, 2'000'000'000U);
  EXPECT_EQ(socket->connections(), 0U);
}

TEST_F(rpc_socket, who_does_not_read_is_not_read_and_closed) {
  open({.idle_ms = 600'000, .line_ms = 600'000, .write_ms = 100});
  Peer peer(path);
  const std::string much = "{\"jsonrpc\":\"2.0\",\"method\":\"much\",\"id\":1}\n";
  // Many requests at once, no answer taken: at most one answer is held, and soon nothing.
  std::string all;
  for (int i = 0; i < 100; ++i) all += much;
  peer.send(all);
  ASSERT_TRUE(eventually([&] { return socket->connections() == 1; }));
  ASSERT_TRUE(eventually([&] { return socket->connections() == 0; }));
  EXPECT_TRUE(closed(peer));
  EXPECT_LT(peer.got.size(), 900'000U) << "only what the kernel had room for";
}

TEST_F(rpc_socket, the_file_is_closed_to_others_and_goes_with_it) {
  const mode_t mask = umask(0);
  open();
  umask(mask);
  struct stat found {};
  ASSERT_EQ(lstat(path.c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 07777, 0600U);
  socket.reset();
  EXPECT_NE(lstat(path.c_str(), &found), 0);
}

TEST_F(rpc_socket, a_file_left_behind_is_replaced_and_a_live_one_is_not) {
  const int left = ::socket(AF_UNIX, SOCK_STREAM, 0);
  const sockaddr_un address = address_of(path);
  ASSERT_EQ(bind(left, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  ::close(left);
  open();
  const auto second = RpcSocket::open(loop, path, server);
  ASSERT_FALSE(second);
  EXPECT_NE(second.error().find("somebody listens there already"), std::string::npos) << second.error();
  Peer peer(path);
  peer.send(echo("a"));
  EXPECT_TRUE(answered(peer, 1)) << "the first is still there";
  socket.reset();
  std::ofstream(path) << "precious";
  EXPECT_FALSE(RpcSocket::open(loop, path, server));
  EXPECT_TRUE(std::filesystem::exists(path));
}

TEST_F(rpc_socket, another_ones_file_stays) {
  open();
  std::filesystem::remove(path);
  std::ofstream(path) << "x";
  socket.reset();
  EXPECT_TRUE(std::filesystem::exists(path));
}

TEST_F(rpc_socket, ends_with_clients_in_every_state) {
  open();
  Peer idle(path), partial(path), unread(path);
  partial.send("{");
  unread.send("{\"jsonrpc\":\"2.0\",\"method\":\"much\",\"id\":1}\n");
  ASSERT_TRUE(eventually([&] { return socket->connections() == 3; }));
  for (int i = 0; i < 20; ++i) loop.poll();
  socket.reset();
  EXPECT_TRUE(closed(idle));
  EXPECT_TRUE(closed(partial));
}

TEST(caller, is_who_the_kernel_says) {
  int pair[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
  const auto caller = caller_of(pair[0]);
  ASSERT_TRUE(caller) << caller.error();
  EXPECT_EQ(caller->uid, geteuid());
  EXPECT_EQ(caller->gid, getegid());
  EXPECT_EQ(caller->pid, getpid());
  std::vector<gid_t> groups(static_cast<std::size_t>(getgroups(0, nullptr)));
  (void)getgroups(static_cast<int>(groups.size()), groups.data());
  EXPECT_EQ(caller->groups, groups);
  ::close(pair[0]);
  ::close(pair[1]);
  EXPECT_FALSE(caller_of(-1));
}

TEST(caller, supplementary_groups_are_known) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  expect_child_succeeds([] {
    const gid_t groups[] = {4242, 4243, 4244};
    CHILD_EXPECT(setgroups(3, groups) == 0);
    int pair[2];
    CHILD_EXPECT(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    CHILD_EXPECT(setgroups(0, nullptr) == 0);  // what counts is when it connected
    const auto caller = caller_of(pair[0]);
    CHILD_EXPECT(caller && caller->groups == std::vector<gid_t>(groups, groups + 3));
    return 0;
  });
}

// The loop in a thread of its own, as in the gateway.
class Client : public Socket {
 protected:
  expected<ctl::Json, ctl::Fault> call(const std::string& method, ctl::Json params, int timeout_ms = 3000) {
    expected<ctl::Json, ctl::Fault> result = unexpected<ctl::Fault>(ctl::Fault{});
    std::atomic<bool> done{false};
    std::thread caller([&] {
      const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_ms);
      auto client = ctl::RpcClient::connect(path, deadline);
      result = client ? client->call(method, std::move(params)) : unexpected<ctl::Fault>(client.error());
      done = true;
    });
    (void)eventually([&] { return done.load(); });
    caller.join();
    return result;
  }
};
using rpc_client = Client;

TEST_F(rpc_client, gets_results_however_long) {
  open();
  EXPECT_EQ(call("echo", {{"text", "a"}}).value(), "a");
  EXPECT_EQ(call("much", ctl::Json::object()).value().get<std::string>().size(), 900'000U);
}

TEST_F(rpc_client, tells_failures_in_the_gateways_words) {
  open();
  const auto failed = call("fail", ctl::Json::object());
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().exit, ctl::Exit::kFailed);
  EXPECT_EQ(failed.error().text, "it ?[31mrains");
}

TEST_F(rpc_client, tells_that_there_is_none) {
  const auto none = call("echo", ctl::Json::object());
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().exit, ctl::Exit::kNotRunning) << none.error().text;
}

TEST(rpc_client_path, is_beside_the_telemetry_socket) {
  EXPECT_EQ(ctl::control_socket_beside("/run/dpdk/dwcp-a/dpdk_telemetry.v2"), "/run/dpdk/dwcp-a/dwcp_control.sock");
}

// A server that answers each connection with fixed bytes and closes.
class Odd {
 public:
  Odd(const std::string& path, std::string answer) : fd_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const sockaddr_un address = address_of(path);
    EXPECT_EQ(bind(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(listen(fd_, 4), 0);
    thread_ = std::thread([this, answer] {
      for (int peer; (peer = accept(fd_, nullptr, nullptr)) >= 0; ::close(peer)) {
        char request[4096];
        (void)::recv(peer, request, sizeof request, 0);
        (void)::send(peer, answer.data(), answer.size(), MSG_NOSIGNAL);
        if (answer.empty()) (void)::recv(peer, request, sizeof request, 0);  // silent until the client gives up
      }
    });
  }
  ~Odd() {
    ::shutdown(fd_, SHUT_RDWR);
    thread_.join();
    ::close(fd_);
  }

 private:
  int fd_;
  std::thread thread_;
};

TEST_F(rpc_client, odd_answers_are_faults) {
  const std::vector<std::pair<std::string, ctl::Exit>> answers{
      {"nonsense\n", ctl::Exit::kFailed},
      {"{}\n", ctl::Exit::kFailed},
      {"[]\n", ctl::Exit::kFailed},
      {"{\"result\":1,\"id\":99}\n", ctl::Exit::kFailed},
      {"{\"error\":7,\"id\":1}\n", ctl::Exit::kFailed},
      {"{\"error\":{\"message\":7},\"id\":1}\n", ctl::Exit::kFailed},
      {"{\"error\":{\"code\":-32001,\"message\":\"no\"},\"id\":1}\n", ctl::Exit::kDenied},
      {"{\"error\":{\"message\":\"no\"},\"id\":1}\n", ctl::Exit::kFailed},
      {"without an end", ctl::Exit::kFailed},
      {std::string(5'000'000, 'x'), ctl::Exit::kFailed},
      {"", ctl::Exit::kTimeout},
  };
  for (const auto& [answer, exit] : answers) {
    std::filesystem::remove(path);
    const Odd odd(path, answer);
    const auto result = call("echo", ctl::Json::object(), 300);
    ASSERT_FALSE(result) << answer.substr(0, 60);
    EXPECT_EQ(result.error().exit, exit) << answer.substr(0, 60) << ": " << result.error().text;
  }
}

}  // namespace
}  // namespace dwcp
