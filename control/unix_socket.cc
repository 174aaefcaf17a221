// SPDX-License-Identifier: Apache-2.0
#include "control/unix_socket.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "base/assert.h"

namespace dwcp {

// `uv` is the first member, so that libuv's pointer is ours too.
struct UnixStreamHandle {
  uv_pipe_t uv{};
  std::shared_ptr<UnixStream::OnBytes> on_bytes;
  std::shared_ptr<Callback> on_written;
  uv_write_t request{};
  std::string writing;
  bool write_pending = false;
  std::array<char, 4096> buffer{};
};
struct UnixListenerHandle {
  uv_pipe_t uv{};
  std::shared_ptr<UnixListener::OnStream> on_stream;
  std::string path;
  dev_t device = 0;
  ino_t inode = 0;
};

namespace {

constexpr int kBacklog = 16;

uv_stream_t* stream_of(uv_pipe_t& pipe) { return reinterpret_cast<uv_stream_t*>(&pipe); }

template <typename Handle>
void close(Handle* handle) noexcept {
  uv_close(reinterpret_cast<uv_handle_t*>(&handle->uv), [](uv_handle_t* uv) { delete static_cast<Handle*>(uv->data); });
}

void on_alloc(uv_handle_t* uv, std::size_t, uv_buf_t* buffer) {
  auto* handle = static_cast<UnixStreamHandle*>(uv->data);
  *buffer = uv_buf_init(handle->buffer.data(), static_cast<unsigned>(handle->buffer.size()));
}

// The copy keeps the callback alive while it runs, though it may destroy its owner.
void on_read(uv_stream_t* uv, ssize_t count, const uv_buf_t* buffer) {
  auto* handle = static_cast<UnixStreamHandle*>(uv->data);
  const auto call = handle->on_bytes;
  if (!call || count == 0) return;  // 0: try again
  if (count < 0) {
    uv_read_stop(uv);
    (*call)({});
  } else {
    (*call)({buffer->base, static_cast<std::size_t>(count)});
  }
}

void on_write(uv_write_t* request, int) {
  auto* handle = static_cast<UnixStreamHandle*>(request->data);
  handle->write_pending = false;
  const auto call = std::move(handle->on_written);
  if (call) (*call)();
}

expected<sockaddr_un, std::string> address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return unexpected<std::string>("the path is too long for a socket");
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return address;
}

// Nobody listens behind this file.
bool is_stale(const sockaddr_un& address) noexcept {
  const int probe = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (probe < 0) return false;
  const bool stale = ::connect(probe, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 && errno == ECONNREFUSED;
  ::close(probe);
  return stale;
}

expected<void, std::string> make_way(const std::string& path, const sockaddr_un& address) {
  struct stat found {};
  if (::lstat(path.c_str(), &found) != 0) return {};
  if (!S_ISSOCK(found.st_mode)) return unexpected<std::string>("the file exists and is not a socket");
  if (!is_stale(address)) return unexpected<std::string>("somebody listens there already");
  (void)::unlink(path.c_str());
  return {};
}

// On Linux the file takes its mode from the socket's inode, so it is never open to others, not even between bind and chmod.
expected<int, std::string> bind_to(const sockaddr_un& address) {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return unexpected<std::string>(std::strerror(errno));
  if (::fchmod(fd, 0600) == 0 && ::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return fd;
  const int error = errno;
  ::close(fd);
  return unexpected<std::string>(std::strerror(error));
}

}  // namespace

UnixStream::~UnixStream() {
  handle_->on_bytes.reset();
  handle_->on_written.reset();
  close(handle_);
}

void UnixStream::read(OnBytes on_bytes) {
  handle_->on_bytes = std::make_shared<OnBytes>(std::move(on_bytes));
  const int result = uv_read_start(stream_of(handle_->uv), on_alloc, on_read);
  DWCP_ASSERT(result == 0 || result == UV_EALREADY);
}

void UnixStream::pause() noexcept { uv_read_stop(stream_of(handle_->uv)); }

void UnixStream::write(std::string bytes, Callback done) {
  DWCP_ASSERT(!handle_->write_pending);
  handle_->writing = std::move(bytes);
  handle_->on_written = std::make_shared<Callback>(std::move(done));
  handle_->write_pending = true;
  handle_->request.data = handle_;
  const uv_buf_t buffer = uv_buf_init(handle_->writing.data(), static_cast<unsigned>(handle_->writing.size()));
  const int result = uv_write(&handle_->request, stream_of(handle_->uv), &buffer, 1, on_write);
  DWCP_ASSERT(result == 0);  // it fails for a handle that is not open only
}

bool UnixStream::writing() const noexcept { return handle_->write_pending; }

int UnixStream::fd() const noexcept {
  uv_os_fd_t fd = -1;
  return uv_fileno(reinterpret_cast<const uv_handle_t*>(&handle_->uv), &fd) == 0 ? fd : -1;
}

expected<std::unique_ptr<UnixListener>, std::string> UnixListener::open(Loop& loop, const std::string& path, OnStream on_stream) {
  const auto fail = [&path](const std::string& why) { return unexpected<std::string>("cannot listen on " + path + ": " + why); };
  const auto address = address_of(path);
  if (!address) return fail(address.error());
  if (auto free = make_way(path, *address); !free) return fail(free.error());
  const auto fd = bind_to(*address);
  if (!fd) return fail(fd.error());
  auto* handle = new UnixListenerHandle;
  (void)uv_pipe_init(loop.raw(), &handle->uv, 0);  // cannot fail
  handle->uv.data = handle;
  handle->path = path;
  struct stat made {};
  if (::lstat(path.c_str(), &made) == 0) handle->device = made.st_dev, handle->inode = made.st_ino;
  handle->on_stream = std::make_shared<OnStream>(std::move(on_stream));
  std::unique_ptr<UnixListener> listener(new UnixListener(handle));
  if (const int error = uv_pipe_open(&handle->uv, *fd); error != 0) {
    ::close(*fd);
    return fail(uv_strerror(error));
  }
  const int error = uv_listen(stream_of(handle->uv), kBacklog, [](uv_stream_t* uv, int status) {
    auto* self = static_cast<UnixListenerHandle*>(uv->data);
    const auto call = self->on_stream;
    if (status != 0 || !call) return;
    auto* accepted = new UnixStreamHandle;
    (void)uv_pipe_init(uv->loop, &accepted->uv, 0);
    accepted->uv.data = accepted;
    std::unique_ptr<UnixStream> stream(new UnixStream(accepted));
    if (uv_accept(uv, stream_of(accepted->uv)) == 0) (*call)(std::move(stream));
  });
  if (error != 0) return fail(uv_strerror(error));
  return listener;
}

UnixListener::~UnixListener() {
  handle_->on_stream.reset();
  struct stat now {};
  if (::lstat(handle_->path.c_str(), &now) == 0 && now.st_dev == handle_->device && now.st_ino == handle_->inode) {
    (void)::unlink(handle_->path.c_str());
  }
  close(handle_);
}

}  // namespace dwcp
