// SPDX-License-Identifier: Apache-2.0
#include "dataplane/edge/listener.h"

#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "dataplane/edge/connection.h"
#include "dataplane/edge/shared.h"
#include "dataplane/edge/socket_options.h"

namespace dwcp {

namespace {

// A burst of hypervisors, not a web server.
constexpr int kBacklog = 64;
constexpr mode_t kUnixMode = 0660;

sockaddr_un unix_address(const std::string& path) noexcept {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());  // resolve_endpoint() checked the size
  return address;
}

// Nobody listens behind this socket file.
bool is_stale(const sockaddr_un& address) noexcept {
  const int probe = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (probe < 0) return false;
  const bool stale =
      ::connect(probe, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 && errno == ECONNREFUSED;
  ::close(probe);
  return stale;
}

}  // namespace

expected<void, std::string> Listener::open(EdgeShared& shared, const EdgeListenerOptions& options) {
  shared_ = &shared;
  options_ = &options;
  const std::string who = "listener " + options.name + ": cannot listen on " + options.endpoint + ": ";
  auto endpoint = resolve_endpoint(options.endpoint, true);
  if (!endpoint) return unexpected<std::string>(who + endpoint.error());
  endpoint_ = std::move(*endpoint);
  if (endpoint_.kind == EndpointKind::kUnix) {
    if (auto opened = open_unix(); !opened) return unexpected<std::string>(who + opened.error());
  } else if (const int error = open_tcp(); error != 0) {
    return unexpected<std::string>(who + uv_strerror(error));
  }
  socket_.handle.data = this;
  if (const int error = uv_listen(&socket_.stream, kBacklog, &Listener::on_connection); error != 0) {
    return unexpected<std::string>(who + uv_strerror(error));
  }
  return {};
}

int Listener::open_tcp() noexcept {
  const auto* address = reinterpret_cast<const sockaddr*>(&endpoint_.address);
  if (const int error = uv_tcp_init_ex(shared_->loop, &socket_.tcp, address->sa_family); error != 0) return error;
  initialised_ = true;
  set_receive_buffer(&socket_.handle, shared_->options.receive_buffer_bytes);
  return uv_tcp_bind(&socket_.tcp, address, 0);
}

expected<void, std::string> Listener::open_unix() {
  struct stat found {};
  if (::lstat(endpoint_.path.c_str(), &found) == 0) {
    if (!S_ISSOCK(found.st_mode)) return unexpected<std::string>("the file exists and is not a socket");
    if (!is_stale(unix_address(endpoint_.path))) return unexpected<std::string>(uv_strerror(UV_EADDRINUSE));
    (void)::unlink(endpoint_.path.c_str());
  }
  const int fd = bind_unix();
  if (fd < 0) return unexpected<std::string>(uv_strerror(fd));
  bound_ = true;
  (void)uv_pipe_init(shared_->loop, &socket_.pipe, 0);
  initialised_ = true;
  if (const int error = uv_pipe_open(&socket_.pipe, fd); error != 0) {
    ::close(fd);
    return unexpected<std::string>(uv_strerror(error));
  }
  return {};
}

// Bound by hand: on Linux the file takes its mode from the socket's inode, so the file is never open to others, not
// even between bind and chmod.
int Listener::bind_unix() noexcept {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -errno;
  const sockaddr_un address = unix_address(endpoint_.path);
  if (::fchmod(fd, kUnixMode) == 0 && ::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0) {
    if (::chmod(endpoint_.path.c_str(), kUnixMode) == 0) return fd;
    const int error = -errno;
    (void)::unlink(endpoint_.path.c_str());
    ::close(fd);
    return error;
  }
  const int error = -errno;
  ::close(fd);
  return error;
}

void Listener::close() noexcept {
  if (bound_) (void)::unlink(endpoint_.path.c_str());
  bound_ = false;
  if (initialised_ && uv_is_closing(&socket_.handle) == 0) uv_close(&socket_.handle, nullptr);
  initialised_ = false;
}

void Listener::on_connection(uv_stream_t* stream, int status) noexcept {
  auto* self = static_cast<Listener*>(stream->data);
  if (status == 0) {
    self->accept();
  } else {
    self->shared_->counters.accept_errors.add(1);
  }
}

void Listener::accept() noexcept {
  auto connection = Connection::accept(*shared_, socket_.stream, endpoint_.kind);
  if (connection == nullptr) {
    shared_->counters.accept_errors.add(1);
    return;
  }
  const auto migration = shared_->table.claim();
  if (!migration) {
    shared_->counters.rejected.add(1);
    Connection::reject(std::move(connection));
    return;
  }
  MigrationSlot& slot = shared_->table[migration->slot];
  slot.direction = MigrationDirection::kOutgoing;
  slot.listener = options_->index;
  slot.peer = options_->peer;
  shared_->counters.accepted.add(1);
  Connection::begin(std::move(connection), *migration);
}

}  // namespace dwcp
