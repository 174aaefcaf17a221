// SPDX-License-Identifier: Apache-2.0
#include "sockets.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>

namespace dwcp::test {

namespace {

constexpr int kDeadlineMs = 20'000;

struct Address {
  sockaddr_storage storage{};
  socklen_t size = 0;
  [[nodiscard]] const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

Address address_of(const std::string& endpoint) {
  Address address;
  if (endpoint.starts_with("unix:")) {
    sockaddr_un un{};
    un.sun_family = AF_UNIX;
    std::strncpy(un.sun_path, path_of(endpoint).c_str(), sizeof(un.sun_path) - 1);
    std::memcpy(&address.storage, &un, sizeof(un));
    address.size = sizeof(un);
  } else {
    sockaddr_in in{};
    in.sin_family = AF_INET;
    in.sin_port = htons(port_of(endpoint));
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    std::memcpy(&address.storage, &in, sizeof(in));
    address.size = sizeof(in);
  }
  return address;
}

Fd open_for(const Address& address) {
  Fd fd(::socket(address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  set_deadline(fd, kDeadlineMs);
  return fd;
}

}  // namespace

void set_deadline(const Fd& fd, int ms) {
  const timeval deadline{.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
  (void)setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &deadline, sizeof(deadline));
  (void)setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &deadline, sizeof(deadline));
}

void Fd::reset() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

std::string fresh_endpoint(bool tcp) {
  static std::atomic<int> count{0};
  if (!tcp) {
    const std::string path = "/tmp/dwcp-edge-" + std::to_string(::getpid()) + "-" + std::to_string(++count);
    (void)::unlink(path.c_str());
    return "unix:" + path;
  }
  const Fd fd(::socket(AF_INET, SOCK_STREAM, 0));
  sockaddr_in in{};
  in.sin_family = AF_INET;
  in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(in);
  (void)::bind(fd.get(), reinterpret_cast<sockaddr*>(&in), sizeof(in));
  (void)::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&in), &size);
  return "tcp:127.0.0.1:" + std::to_string(ntohs(in.sin_port));
}

std::uint16_t port_of(const std::string& endpoint) {
  return static_cast<std::uint16_t>(std::stoi(endpoint.substr(endpoint.rfind(':') + 1)));
}

std::string path_of(const std::string& endpoint) {
  return endpoint.substr(5);
}

Fd connect_to(const std::string& endpoint) {
  const Address address = address_of(endpoint);
  Fd fd = open_for(address);
  if (::connect(fd.get(), address.get(), address.size) != 0) return Fd();
  return fd;
}

Fd listen_on(const std::string& endpoint, int backlog) {
  const Address address = address_of(endpoint);
  Fd fd = open_for(address);
  const int on = 1;
  (void)setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (::bind(fd.get(), address.get(), address.size) != 0 || ::listen(fd.get(), backlog) != 0) return Fd();
  return fd;
}

Fd accept_from(const Fd& listener) {
  pollfd ready{.fd = listener.get(), .events = POLLIN, .revents = 0};
  if (::poll(&ready, 1, kDeadlineMs) != 1) return Fd();
  Fd fd(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  set_deadline(fd, kDeadlineMs);
  return fd;
}

bool send_all(const Fd& fd, std::span<const std::uint8_t> bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes = bytes.subspan(static_cast<std::size_t>(sent));
  }
  return true;
}

int receive_some(const Fd& fd, void* data, std::size_t capacity) {
  const ssize_t count = ::recv(fd.get(), data, capacity, 0);
  return count < 0 ? -errno : static_cast<int>(count);
}

int receive_all(const Fd& fd, std::vector<std::uint8_t>& into) {
  std::vector<std::uint8_t> chunk(1 << 18);
  for (;;) {
    const int count = receive_some(fd, chunk.data(), chunk.size());
    if (count <= 0) return count;
    into.insert(into.end(), chunk.begin(), chunk.begin() + count);
  }
}

void half_close(const Fd& fd) {
  (void)::shutdown(fd.get(), SHUT_WR);
}

void close_with_reset(Fd fd) {
  const linger abort{.l_onoff = 1, .l_linger = 0};
  (void)setsockopt(fd.get(), SOL_SOCKET, SO_LINGER, &abort, sizeof(abort));
}

std::vector<std::uint8_t> random_bytes(std::uint64_t seed, std::size_t size) {
  Random rng(seed);
  std::vector<std::uint8_t> bytes(size);
  for (std::size_t at = 0; at < size; at += 8) {
    const std::uint64_t word = rng.next();
    std::memcpy(bytes.data() + at, &word, std::min<std::size_t>(8, size - at));
  }
  return bytes;
}

}  // namespace dwcp::test
