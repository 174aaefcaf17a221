// SPDX-License-Identifier: Apache-2.0
// The life of a connection: how it comes to be and how it ends.
#include "dataplane/edge/connection.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "dataplane/edge/socket_options.h"

namespace dwcp {

namespace {

EndReason connect_failure(int status) noexcept {
  switch (status) {
    case UV_ETIMEDOUT:
    case UV_EHOSTUNREACH:
    case UV_ENETUNREACH:
    case UV_EAGAIN:  // a unix socket whose backlog is full
      return EndReason::kConnectTimeout;
    case UV_EMFILE:
    case UV_ENFILE:
    case UV_ENOMEM:
    case UV_ENOBUFS:
      return EndReason::kResourceExhausted;
    default:  // ECONNREFUSED, ENOENT, EACCES and the rest
      return EndReason::kConnectRefused;
  }
}

}  // namespace

Connection::Connection(EdgeShared& shared, EndpointKind kind) noexcept : shared_(shared), kind_(kind) {
  // Neither can fail: no descriptor is opened yet.
  if (kind == EndpointKind::kTcp) {
    (void)uv_tcp_init(shared.loop, &socket_.tcp);
  } else {
    (void)uv_pipe_init(shared.loop, &socket_.pipe, 0);
  }
  (void)uv_timer_init(shared.loop, &timer_);
  socket_.handle.data = this;
  timer_.data = this;
}

std::unique_ptr<Connection> Connection::accept(EdgeShared& shared, uv_stream_t& listener, EndpointKind kind) {
  auto connection = std::make_unique<Connection>(shared, kind);
  if (uv_accept(&listener, &connection->socket_.stream) != 0) {
    reject(std::move(connection));
    return nullptr;
  }
  return connection;
}

void Connection::reject(std::unique_ptr<Connection> connection) noexcept {
  connection.release()->close(EndReason::kResourceExhausted);  // deletes itself in on_closed()
}

void Connection::begin(std::unique_ptr<Connection> connection, MigrationRef migration) {
  Connection& self = *connection;
  self.migration_ = migration;
  self.slot_ = &self.shared_.table[migration.slot];
  self.registered_ = true;
  self.shared_.adopt(std::move(connection));
  if (self.kind_ == EndpointKind::kTcp) (void)uv_tcp_nodelay(&self.socket_.tcp, 1);
  set_send_buffer(&self.socket_.handle, self.shared_.options.send_buffer_bytes);
  self.shared_.tell_codec({.migration = migration, .kind = EdgeToCodecKind::kOpen});
  self.start_reading();
}

void Connection::connect(EdgeShared& shared, const EdgeService& service, MigrationRef migration) {
  auto connection = std::make_unique<Connection>(shared, service.endpoint.kind);
  Connection& self = *connection;
  self.migration_ = migration;
  self.slot_ = &shared.table[migration.slot];
  self.registered_ = true;
  self.state_ = State::kConnecting;
  shared.adopt(std::move(connection));
  if (const int error = self.start_connect(service); error != 0) {
    self.on_connect(error);
    return;
  }
  const auto timeout_ms = (service.connect_timeout_ns + kNsPerMs - 1) / kNsPerMs;
  uv_update_time(shared.loop);
  (void)uv_timer_start(
      &self.timer_, [](uv_timer_t* timer) { static_cast<Connection*>(timer->data)->on_connect(UV_ETIMEDOUT); },
      timeout_ms, 0);
}

int Connection::start_connect(const EdgeService& service) noexcept {
  const auto answer = [](uv_connect_t* request, int status) {
    auto* self = static_cast<Connection*>(request->handle->data);
    if (status != UV_ECANCELED) self->on_connect(status);
  };
  if (kind_ == EndpointKind::kUnix) {
    uv_pipe_connect(&connect_, &socket_.pipe, service.endpoint.path.c_str(), answer);
    return 0;
  }
  const auto* address = reinterpret_cast<const sockaddr*>(&service.endpoint.address);
  const int fd = ::socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return uv_translate_sys_error(errno);
  if (const int error = uv_tcp_open(&socket_.tcp, fd); error != 0) {
    ::close(fd);
    return error;
  }
  (void)uv_tcp_nodelay(&socket_.tcp, 1);
  set_receive_buffer(&socket_.handle, shared_.options.receive_buffer_bytes);
  return uv_tcp_connect(&connect_, &socket_.tcp, address, answer);
}

void Connection::on_connect(int status) noexcept {
  if (state_ != State::kConnecting) return;
  (void)uv_timer_stop(&timer_);
  if (status != 0) {
    shared_.counters.connect_failures.add(1);
    close(connect_failure(status));
    return;
  }
  state_ = State::kOpen;
  set_send_buffer(&socket_.handle, shared_.options.send_buffer_bytes);
  shared_.tell_codec({.migration = migration_, .kind = EdgeToCodecKind::kConnected});
  start_reading();
  if (eof_wanted_) shut_writing();
}

void Connection::finish_if_both_ended() noexcept {
  if (read_ended_ && write_ended_) close(EndReason::kNone);
}

void Connection::close(EndReason reason) noexcept {
  if (state_ == State::kClosing) return;
  state_ = State::kClosing;
  end_reason_ = reason;
  if (reason == EndReason::kHypervisorReset) shared_.counters.resets.add(1);
  if (paused_) {
    account_pause();
    shared_.forget_waiter(*this);
  }
  if (filling_ != nullptr) shared_.put_ingress(std::exchange(filling_, nullptr));
  if (reason != EndReason::kNone && kind_ == EndpointKind::kTcp) reset_on_close(&socket_.tcp);
  uv_close(&socket_.handle, &Connection::on_handle_closed);
  uv_close(reinterpret_cast<uv_handle_t*>(&timer_), &Connection::on_handle_closed);
}

void Connection::on_handle_closed(uv_handle_t* handle) noexcept {
  auto* self = static_cast<Connection*>(handle->data);
  if (--self->open_handles_ == 0) self->on_closed();
}

// libuv has answered every request of the handle by now, so no block is left with it.
void Connection::on_closed() noexcept {
  if (!registered_) {
    delete this;
    return;
  }
  EdgeShared& shared = shared_;
  const EdgeToCodec last{.migration = migration_, .kind = EdgeToCodecKind::kClosed, .reason = end_reason_};
  shared.destroy(migration_);
  shared.tell_codec(last);
}

}  // namespace dwcp
