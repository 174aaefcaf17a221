// SPDX-License-Identifier: Apache-2.0
// Connection: one socket to one hypervisor, for one migration.  Loop thread only.
//
//     accept() begin() ──────────────▶ kOpen ── both half-closes done ─▶ kClosing ─▶ kClosed told, object gone
//     connect() ─▶ kConnecting ─ok───▶   │                                  ▲
//                       └─ fails ────────┴─ reset, kAbort, stop() ──────────┘
//
// Reading (connection_read.cc).  The socket is read straight into the block being filled.  A full block is pushed at
// once; one that is not, once the socket has no more and either the codec has fewer than two blocks of ours (it would
// idle else: small messages pass at once) or flush_delay_ns has gone by.  A codec that is behind gets fuller blocks
// instead of more of them: the last block of the migration's allowance is never pushed for its age. No block to be had
// stops reading until one is given back; the time is counted as paused.  How many blocks that are, and at how many bytes one
// is full, follows the path's rate (rings/ingress_limit.h).
//
// Writing (connection_write.cc).  Blocks are queued in the kernel's order of arrival and given back one by one when the
// kernel has all their bytes.
//
// The object belongs to EdgeShared::by_slot, or to itself while it is being rejected, and dies when libuv has closed
// both of its handles.
#pragma once

#include <uv.h>

#include <cstddef>
#include <cstdint>
#include <memory>

#include "dataplane/edge/shared.h"
#include "dataplane/rings/ingress_limit.h"

namespace dwcp {

class Connection {
 public:
  // Near side.  accept() takes the waiting hypervisor off `listener`, or returns nullptr; then either begin() (kOpen is
  // told) or reject() (it is reset).
  [[nodiscard]] static std::unique_ptr<Connection> accept(EdgeShared& shared, uv_stream_t& listener, EndpointKind kind);
  static void begin(std::unique_ptr<Connection> connection, MigrationRef migration);
  static void reject(std::unique_ptr<Connection> connection) noexcept;

  // Far side.  kConnected or kClosed follows.
  static void connect(EdgeShared& shared, const EdgeService& service, MigrationRef migration);

  Connection(EdgeShared& shared, EndpointKind kind) noexcept;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  [[nodiscard]] MigrationRef migration() const noexcept { return migration_; }

  // What the codec says.  write() takes the block and gives it back by message.
  void write(Block* block);
  void end_writing() noexcept;
  void block_returned() noexcept;

  // Ends the connection, unless it is ending already: the first reason counts.  A TCP peer sees a reset unless the
  // reason is kNone.
  void close(EndReason reason) noexcept;

  // `block` is the one this connection queued for.
  void resume_reading(Block* block) noexcept;

 private:
  enum class State : std::uint8_t {
    kConnecting,  // the hypervisor has not answered; blocks to write wait in libuv
    kOpen,        // either direction may be half-closed already
    kClosing,     // libuv is closing the handles
  };

  // connection.cc
  [[nodiscard]] int start_connect(const EdgeService& service) noexcept;
  void on_connect(int status) noexcept;
  void finish_if_both_ended() noexcept;
  static void on_handle_closed(uv_handle_t* handle) noexcept;
  void on_closed() noexcept;

  // connection_read.cc
  void start_reading() noexcept;
  void on_alloc(uv_buf_t* buffer) noexcept;
  void on_read(ssize_t bytes) noexcept;
  void on_read_end() noexcept;
  void push_filling() noexcept;
  void push_partial_if_due() noexcept;
  void drop_empty_filling() noexcept;
  void pause_reading() noexcept;
  void account_pause() noexcept;
  void look_for_reset() noexcept;
  [[nodiscard]] Block* take_block() noexcept;
  [[nodiscard]] IngressLimit limit() const noexcept;
  void begin_filling(Block* block) noexcept;

  // connection_write.cc
  static void on_written(uv_write_t* request, int status) noexcept;
  void shut_writing() noexcept;
  void on_shut(int status) noexcept;

  EdgeShared& shared_;
  MigrationSlot* slot_ = nullptr;
  MigrationRef migration_{};
  EndpointKind kind_;
  State state_ = State::kOpen;
  EndReason end_reason_ = EndReason::kNone;
  bool registered_ = false;  // has a slot, so kClosed is owed
  std::uint8_t open_handles_ = 2;

  // Reading.
  Block* filling_ = nullptr;     // if it holds bytes, the socket had no more when last read
  std::uint32_t filling_max_ = 0;  // bytes at which it counts as full
  std::size_t lent_blocks_ = 0;  // with the codec
  bool flush_due_ = false;       // filling_ has waited for flush_delay_ns
  bool paused_ = false;
  bool queued_ = false;      // for a block, in EdgeShared::waiters
  bool read_ended_ = false;  // EOF was read and told
  std::uint64_t paused_since_ns_ = 0;

  // Writing.
  bool eof_wanted_ = false;   // the codec has said kEof
  bool write_ended_ = false;  // and the hypervisor has been told

  union {
    uv_handle_t handle;
    uv_stream_t stream;
    uv_tcp_t tcp;
    uv_pipe_t pipe;
  } socket_{};
  uv_timer_t timer_{};  // connect timeout, then flush delay, or accounting while paused: never two of these at a time
  uv_connect_t connect_{};
  uv_shutdown_t shutdown_{};
};

}  // namespace dwcp
