// SPDX-License-Identifier: Apache-2.0
// Codec to hypervisor: writing blocks in order and giving them back.
#include "dataplane/edge/connection.h"

namespace dwcp {

void Connection::write(Block* block) {
  if (state_ == State::kClosing || eof_wanted_) {
    shared_.return_egress(migration_, block);
    return;
  }
  WriteRequest* write = shared_.writes.take();
  write->connection = this;
  write->block = block;
  write->request.data = write;
  const uv_buf_t buffer = uv_buf_init(reinterpret_cast<char*>(block->data), block->length);
  if (uv_write(&write->request, &socket_.stream, &buffer, 1, &Connection::on_written) == 0) return;
  shared_.writes.put(write);
  shared_.return_egress(migration_, block);
  // Of a connect that failed, its own answer tells why.
  if (state_ == State::kOpen) close(EndReason::kHypervisorReset);
}

void Connection::on_written(uv_write_t* request, int status) noexcept {
  auto* write = static_cast<WriteRequest*>(request->data);
  Connection& self = *write->connection;
  Block* block = write->block;
  self.shared_.writes.put(write);
  if (status == 0) {
    self.slot_->edge_out_bytes.add(block->length);
    block->written_ns = self.shared_.now_ns();
  }
  self.shared_.return_egress(self.migration_, block);
  if (status != 0 && self.state_ == State::kOpen) self.close(EndReason::kHypervisorReset);
}

void Connection::end_writing() noexcept {
  if (state_ == State::kClosing || eof_wanted_) return;
  eof_wanted_ = true;
  if (state_ == State::kOpen) shut_writing();
}

// libuv shuts the socket down when the last write is through.
void Connection::shut_writing() noexcept {
  const int error = uv_shutdown(&shutdown_, &socket_.stream, [](uv_shutdown_t* request, int status) {
    static_cast<Connection*>(request->handle->data)->on_shut(status);
  });
  if (error != 0) close(EndReason::kHypervisorReset);
}

// ENOTCONN: the hypervisor has reset the connection, so what was written last may be lost.
void Connection::on_shut(int status) noexcept {
  if (state_ == State::kClosing) return;
  if (status != 0) {
    close(EndReason::kHypervisorReset);
    return;
  }
  write_ended_ = true;
  finish_if_both_ended();
}

}  // namespace dwcp
