// SPDX-License-Identifier: Apache-2.0
#include "dwcp-wan/control.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace dwcp::wan {
namespace {

constexpr std::size_t kClientsMax = 8;
constexpr std::size_t kLineBytesMax = 4096;

}  // namespace

ControlSocket::~ControlSocket() {
  for (const Client& client : clients_) close(client.fd);
  if (listen_fd_ < 0) return;
  close(listen_fd_);
  unlink(path_.c_str());
}

std::string ControlSocket::listen(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return path + ": path of the control socket is too long";
  std::memcpy(address.sun_path, path.c_str(), path.size());
  const auto* name = reinterpret_cast<const sockaddr*>(&address);
  struct stat status {};
  if (lstat(path.c_str(), &status) == 0) {
    if (!S_ISSOCK(status.st_mode)) return path + ": exists and is no socket";
    const int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const bool alive = connect(probe, name, sizeof address) == 0;
    close(probe);
    if (alive) return path + ": in use by another process";
    unlink(path.c_str());
  }
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  const mode_t before = umask(0077);
  const bool ok = fd >= 0 && bind(fd, name, sizeof address) == 0 && ::listen(fd, 8) == 0;
  const int error = errno;
  umask(before);
  if (!ok) {
    if (fd >= 0) close(fd);
    return path + ": control socket: " + std::strerror(error);
  }
  listen_fd_ = fd;
  path_ = path;
  return {};
}

void ControlSocket::append_poll_fds(std::vector<pollfd>& fds) const {
  if (listen_fd_ >= 0) fds.push_back({listen_fd_, POLLIN, 0});
  for (const Client& client : clients_) fds.push_back({client.fd, POLLIN, 0});
}

void ControlSocket::handle(const std::vector<pollfd>& fds, const Handler& handler) {
  for (const pollfd& fd : fds) {
    if (fd.revents == 0) continue;
    if (fd.fd == listen_fd_) {
      accept_one();
      continue;
    }
    const auto client = std::ranges::find(clients_, fd.fd, &Client::fd);
    if (client != clients_.end() && !serve(*client, handler)) {
      close(client->fd);
      clients_.erase(client);
    }
  }
}

void ControlSocket::accept_one() {
  const int fd = accept4(listen_fd_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd < 0) return;
  if (clients_.size() >= kClientsMax) {
    close(fd);
    return;
  }
  clients_.push_back({fd, {}});
}

bool ControlSocket::serve(Client& client, const Handler& handler) {
  std::array<char, kLineBytesMax> buffer;
  const ssize_t n = recv(client.fd, buffer.data(), buffer.size(), 0);
  if (n <= 0) return n < 0 && (errno == EAGAIN || errno == EINTR);
  client.pending.append(buffer.data(), static_cast<std::size_t>(n));
  for (std::size_t end; (end = client.pending.find('\n')) != std::string::npos;) {
    const std::string answer = handler(client.pending.substr(0, end)) + '\n';
    client.pending.erase(0, end + 1);
    const ssize_t written = ::send(client.fd, answer.data(), answer.size(), MSG_NOSIGNAL);
    if (written != static_cast<ssize_t>(answer.size())) return false;
  }
  return client.pending.size() < kLineBytesMax;
}

}  // namespace dwcp::wan
