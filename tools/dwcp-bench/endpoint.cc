// SPDX-License-Identifier: Apache-2.0
#include "dwcp-bench/endpoint.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <stdexcept>
#include <system_error>

namespace dwcp::bench {
namespace {

[[noreturn]] void fail(const std::string& what) {
  throw std::system_error(errno, std::generic_category(), what);
}

struct Address {
  sockaddr_storage storage{};
  socklen_t bytes = 0;
  [[nodiscard]] const sockaddr* get() const noexcept { return reinterpret_cast<const sockaddr*>(&storage); }
};

Address parse(const std::string& endpoint) {
  Address address;
  if (endpoint.starts_with("unix:")) {
    auto* local = reinterpret_cast<sockaddr_un*>(&address.storage);
    const std::string path = endpoint.substr(5);
    if (path.empty() || path.size() >= sizeof local->sun_path) throw std::invalid_argument(endpoint + ": bad path");
    local->sun_family = AF_UNIX;
    std::memcpy(local->sun_path, path.c_str(), path.size() + 1);
    address.bytes = sizeof *local;
    return address;
  }
  const std::size_t colon = endpoint.rfind(':');
  if (!endpoint.starts_with("tcp:") || colon < 4)
    throw std::invalid_argument(endpoint + ": not tcp:ADDRESS:PORT or unix:/PATH");
  auto* ip = reinterpret_cast<sockaddr_in*>(&address.storage);
  std::uint16_t port = 0;
  const char* end = endpoint.data() + endpoint.size();
  const auto [stop, error] = std::from_chars(endpoint.data() + colon + 1, end, port);
  ip->sin_family = AF_INET;
  ip->sin_port = htons(port);
  if (error != std::errc{} || stop != end ||
      inet_pton(AF_INET, endpoint.substr(4, colon - 4).c_str(), &ip->sin_addr) != 1) {
    throw std::invalid_argument(endpoint + ": bad address or port");
  }
  address.bytes = sizeof *ip;
  return address;
}

Socket make_socket(const Address& address) {
  Socket made(socket(address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (made.fd() < 0) fail("socket");
  return made;
}

}  // namespace

Socket::~Socket() {
  if (fd_ >= 0) close(fd_);
}

Socket listen_at(const std::string& endpoint) {
  const Address address = parse(endpoint);
  Socket listener = make_socket(address);
  const int on = 1;
  setsockopt(listener.fd(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(listener.fd(), address.get(), address.bytes) != 0 || listen(listener.fd(), 64) != 0) fail(endpoint);
  return listener;
}

Socket accept_from(const Socket& listener) {
  Socket accepted(accept4(listener.fd(), nullptr, nullptr, SOCK_CLOEXEC));
  if (accepted.fd() < 0) fail("accept");
  return accepted;
}

Socket connect_to(const std::string& endpoint, const std::string& congestion) {
  const Address address = parse(endpoint);
  Socket made = make_socket(address);
  if (!congestion.empty() && setsockopt(made.fd(), IPPROTO_TCP, TCP_CONGESTION, congestion.data(),
                                        static_cast<socklen_t>(congestion.size())) != 0) {
    fail("congestion control " + congestion);
  }
  if (connect(made.fd(), address.get(), address.bytes) != 0) fail(endpoint);
  return made;
}

}  // namespace dwcp::bench
