// SPDX-License-Identifier: Apache-2.0
// Hypervisor to codec: filling blocks, when to push them, when to stop reading.
#include <poll.h>
#include <utility>

#include "dataplane/edge/connection.h"

namespace dwcp {

namespace {

// With fewer blocks than this the codec is about to idle, so a short block is worth sending.
constexpr std::size_t kBusyCodecBlocks = 2;

// How often the pause of a connection that stays paused is added up, so that it shows before it is over.
constexpr std::uint64_t kPauseAccountMs = 100;

}  // namespace

void Connection::start_reading() noexcept {
  const int error = uv_read_start(
      &socket_.stream,
      [](uv_handle_t* handle, std::size_t, uv_buf_t* buffer) {
        static_cast<Connection*>(handle->data)->on_alloc(buffer);
      },
      [](uv_stream_t* stream, ssize_t bytes, const uv_buf_t*) {
        static_cast<Connection*>(stream->data)->on_read(bytes);
      });
  if (error != 0) close(EndReason::kHypervisorReset);
}

IngressLimit Connection::limit() const noexcept {
  return IngressLimit::of(slot_->ingress_limit_bytes.get(), shared_.options.ingress_blocks_per_migration);
}

void Connection::begin_filling(Block* block) noexcept {
  filling_ = block;
  filling_max_ = limit().block_bytes;
}

Block* Connection::take_block() noexcept {
  if (queued_ || lent_blocks_ >= limit().blocks) return nullptr;
  Block* block = shared_.take_ingress(*this);
  queued_ = block == nullptr;
  return block;
}

// An empty buffer makes libuv answer UV_ENOBUFS: there is something to read, and no place for it.
void Connection::on_alloc(uv_buf_t* buffer) noexcept {
  if (filling_ == nullptr) begin_filling(take_block());
  *buffer = filling_ == nullptr ? uv_buf_init(nullptr, 0)
                                : uv_buf_init(reinterpret_cast<char*>(filling_->data + filling_->length),
                                              filling_max_ - filling_->length);
}

void Connection::on_read(ssize_t bytes) noexcept {
  if (bytes > 0) {
    filling_->read_times.note(filling_->length, shared_.now_ns());
    filling_->length += static_cast<std::uint32_t>(bytes);
    slot_->edge_in_bytes.add(static_cast<std::uint64_t>(bytes));
    if (filling_->length == filling_max_) {
      push_filling();
    } else {
      push_partial_if_due();
    }
  } else if (bytes == 0) {
    drop_empty_filling();  // EAGAIN: nothing came after all
  } else if (bytes == UV_ENOBUFS) {
    pause_reading();
  } else if (bytes == UV_EOF) {
    on_read_end();
  } else {
    close(EndReason::kHypervisorReset);
  }
}

void Connection::on_read_end() noexcept {
  drop_empty_filling();
  if (filling_ != nullptr) push_filling();
  read_ended_ = true;
  shared_.tell_codec({.migration = migration_, .kind = EdgeToCodecKind::kEof});
  finish_if_both_ended();
}

void Connection::push_filling() noexcept {
  (void)uv_timer_stop(&timer_);
  flush_due_ = false;
  ++lent_blocks_;
  shared_.tell_codec(
      {.migration = migration_, .block = std::exchange(filling_, nullptr), .kind = EdgeToCodecKind::kData});
}

void Connection::push_partial_if_due() noexcept {
  const bool spare = lent_blocks_ + 1 < limit().blocks;
  if (lent_blocks_ < kBusyCodecBlocks || (flush_due_ && spare)) {
    push_filling();
    return;
  }
  if (flush_due_ || uv_is_active(reinterpret_cast<uv_handle_t*>(&timer_)) != 0) return;
  (void)uv_timer_start(
      &timer_,
      [](uv_timer_t* timer) {
        auto* self = static_cast<Connection*>(timer->data);
        self->flush_due_ = true;
        self->push_partial_if_due();
      },
      (shared_.options.flush_delay_ns + kNsPerMs - 1) / kNsPerMs, 0);
}

void Connection::drop_empty_filling() noexcept {
  if (filling_ != nullptr && filling_->length == 0) shared_.put_ingress(std::exchange(filling_, nullptr));
}

void Connection::pause_reading() noexcept {
  (void)uv_read_stop(&socket_.stream);
  paused_ = true;
  paused_since_ns_ = uv_hrtime();
  // filling_ is empty, so no flush is waiting on the timer.
  (void)uv_timer_start(
      &timer_,
      [](uv_timer_t* timer) {
        auto* connection = static_cast<Connection*>(timer->data);
        connection->account_pause();
        connection->look_for_reset();
      },
      kPauseAccountMs, kPauseAccountMs);
}

// A hypervisor that dies while we do not read it would hold its migration for ever: nobody else would tell us.
void Connection::look_for_reset() noexcept {
  uv_os_fd_t descriptor = -1;
  if (uv_fileno(&socket_.handle, &descriptor) != 0) return;
  pollfd ask{.fd = descriptor, .events = 0, .revents = 0};  // errors are reported unasked
  if (poll(&ask, 1, 0) == 1 && (ask.revents & POLLERR) != 0) close(EndReason::kHypervisorReset);
}

void Connection::account_pause() noexcept {
  const std::uint64_t now_ns = uv_hrtime();
  slot_->edge_paused_ns.add(now_ns - std::exchange(paused_since_ns_, now_ns));
}

void Connection::resume_reading(Block* block) noexcept {
  queued_ = false;
  begin_filling(block);
  account_pause();
  paused_ = false;
  (void)uv_timer_stop(&timer_);
  start_reading();
}

void Connection::block_returned() noexcept {
  --lent_blocks_;
  if (state_ != State::kOpen) return;
  if (filling_ != nullptr && filling_->length > 0) push_partial_if_due();
  if (!paused_) return;
  if (Block* block = take_block(); block != nullptr) resume_reading(block);
}

}  // namespace dwcp
