// SPDX-License-Identifier: Apache-2.0
// Client: one connection to a gateway's DPDK telemetry v2 socket (SOCK_SEQPACKET: one packet a message, JSON), and how
// to find that socket.  One thread; every wait ends at the deadline given at connect().
//
//   connect()   the gateway greets: {"version": "DPDK 22.11", "pid": 1, "max_output_len": 16384}
//   ask("/dwcp/peer,site-b")   and it answers {"/dwcp/peer": {...}}; null: no such thing
#pragma once

#include <chrono>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/expected.h"

namespace dwcp::ctl {

using Json = nlohmann::ordered_json;
using Deadline = std::chrono::steady_clock::time_point;

// The process's exit codes.
enum class Exit : int {
  kOk = 0,
  kFailed = 1,      // the gateway answered, and not as it should
  kUsage = 2,       // the command line is wrong, or names no single gateway
  kNotRunning = 3,  // no gateway at the socket
  kTimeout = 4,     // the gateway is there and does not answer
  kDenied = 5,      // no right to the socket
};

struct Fault {
  Exit exit = Exit::kFailed;
  std::string text;  // one line: what, where, and what to do
};

class Client {
 public:
  [[nodiscard]] static expected<Client, Fault> connect(const std::string& socket_path, Deadline deadline);
  ~Client();
  Client(Client&& other) noexcept;
  Client& operator=(Client&& other) noexcept;
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // The value answered to `command` ("/dwcp/status", "/dwcp/migration,7"); JSON null when there is no such thing.
  [[nodiscard]] expected<Json, Fault> ask(const std::string& command);

  [[nodiscard]] const Json& hello() const noexcept { return hello_; }

 private:
  Client(int socket, std::string path, Deadline deadline)
      : socket_(socket), path_(std::move(path)), deadline_(deadline) {}
  expected<Json, Fault> receive();

  int socket_ = -1;
  std::string path_;
  Deadline deadline_;
  Json hello_;
  std::size_t answer_bytes_max_ = 16384;
};

// Which gateway is meant.  At most one of gateway and file_prefix is set; both empty: the only one that runs.
struct Target {
  std::string gateway;      // its gateway.name
  std::string runtime_dir;  // empty: RUNTIME_DIRECTORY, /var/run for root, else XDG_RUNTIME_DIR or /tmp, as DPDK does
  std::string file_prefix;  // EAL's
};

[[nodiscard]] std::string runtime_dir_or_default(const std::string& runtime_dir);

// The socket's path.  With neither a name nor a prefix the folder is searched for gateways that accept connections.
[[nodiscard]] expected<std::string, Fault> find_socket(const Target& target, Deadline deadline);

}  // namespace dwcp::ctl
