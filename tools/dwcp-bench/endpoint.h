// SPDX-License-Identifier: Apache-2.0
// Where dwcp-bench listens or connects: "tcp:ADDRESS:PORT" (IPv4) or "unix:/PATH", as in the gateway's configuration.
// Failures throw std::system_error or std::invalid_argument; caught once, in main.
#pragma once

#include <string>

namespace dwcp::bench {

// An owned file descriptor.
class Socket {
 public:
  explicit Socket(int fd) noexcept : fd_(fd) {}
  Socket(Socket&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
  Socket& operator=(Socket&&) = delete;
  ~Socket();
  [[nodiscard]] int fd() const noexcept { return fd_; }

 private:
  int fd_;
};

[[nodiscard]] Socket listen_at(const std::string& endpoint);
[[nodiscard]] Socket accept_from(const Socket& listener);

// `congestion` names the kernel's TCP congestion control; empty: the default.
[[nodiscard]] Socket connect_to(const std::string& endpoint, const std::string& congestion);

}  // namespace dwcp::bench
