// SPDX-License-Identifier: Apache-2.0
// The thread and its loop: start and stop, and what the codecs' messages mean.
#include "dataplane/edge/edge_thread.h"

#include <pthread.h>
#include <uv.h>

#include <array>
#include <atomic>
#include <csignal>
#include <system_error>
#include <thread>
#include <utility>

#include "base/assert.h"
#include "dataplane/edge/connection.h"
#include "dataplane/edge/listener.h"
#include "dataplane/edge/shared.h"

namespace dwcp {

namespace {

// Signals are the control thread's; and a write to a closed socket must be EPIPE, not SIGPIPE.  SIGSYS is a fault like the
// others, and what capabilities are given up by (control/process/threads.h).
void block_signals() noexcept {
  sigset_t all;
  sigfillset(&all);
  for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS}) sigdelset(&all, fault);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);
}

}  // namespace

class EdgeThread::Loop {
 public:
  Loop(EdgeOptions options, MigrationTable& table, std::vector<EdgeCodecRings*> rings)
      : shared_(std::move(options), table, std::move(rings)) {
    if (const int error = uv_loop_init(&loop_); error != 0) {
      throw std::system_error(-error, std::generic_category(), "edge: uv_loop_init");
    }
    shared_.loop = &loop_;
    if (const int error = uv_async_init(&loop_, &wakeup_, &Loop::on_wake); error != 0) {
      (void)uv_loop_close(&loop_);
      throw std::system_error(-error, std::generic_category(), "edge: uv_async_init");
    }
    wakeup_.data = this;
    (void)uv_prepare_init(&loop_, &each_turn_);  // cannot fail, nor can its start
    each_turn_.data = this;
  }

  // The wakeup handle lives until here, so that wake() is safe at any time.
  ~Loop() {
    stop();
    uv_close(reinterpret_cast<uv_handle_t*>(&wakeup_), nullptr);
    close_listeners();
    if (uv_is_closing(reinterpret_cast<uv_handle_t*>(&each_turn_)) == 0) {
      uv_close(reinterpret_cast<uv_handle_t*>(&each_turn_), nullptr);
    }
    (void)uv_run(&loop_, UV_RUN_DEFAULT);
    DWCP_ASSERT(uv_loop_close(&loop_) == 0);
  }

  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  expected<void, std::string> start() {
    DWCP_ASSERT(!started_);
    auto opened = open();
    if (!opened) {
      close_listeners();
      shared_.services.clear();
      uv_unref(reinterpret_cast<uv_handle_t*>(&wakeup_));
      (void)uv_run(&loop_, UV_RUN_DEFAULT);
      uv_ref(reinterpret_cast<uv_handle_t*>(&wakeup_));
      listeners_.clear();
      return opened;
    }
    started_ = true;
    (void)uv_prepare_start(&each_turn_, [](uv_prepare_t* prepare) { static_cast<Loop*>(prepare->data)->drain(); });
    thread_ = std::thread([this] { run(); });
    return {};
  }

  void stop() {
    if (!thread_.joinable()) return;
    stop_wanted_.store(true, std::memory_order_release);
    wake();
    thread_.join();
  }

  void wake() noexcept { (void)uv_async_send(&wakeup_); }

  const EdgeCounters& counters() const noexcept { return shared_.counters; }

 private:
  expected<void, std::string> open() {
    for (const EdgeServiceOptions& service : shared_.options.services) {
      auto endpoint = resolve_endpoint(service.endpoint, false);
      if (!endpoint) {
        return unexpected<std::string>("service " + service.name + ": cannot use " + service.endpoint + ": " +
                                       endpoint.error());
      }
      shared_.services.push_back(
          {.index = service.index, .endpoint = std::move(*endpoint), .connect_timeout_ns = service.connect_timeout_ns});
    }
    for (const EdgeListenerOptions& listener : shared_.options.listeners) {
      listeners_.push_back(std::make_unique<Listener>());
      if (auto opened = listeners_.back()->open(shared_, listener); !opened) return opened;
    }
    return {};
  }

  void close_listeners() noexcept {
    for (auto& listener : listeners_) listener->close();
  }

  void run() noexcept {
    block_signals();
    (void)pthread_setname_np(pthread_self(), "dwcp-edge");
    (void)uv_run(&loop_, UV_RUN_DEFAULT);
    drain();  // what came while the last handles were closing
  }

  static void on_wake(uv_async_t* async) noexcept {
    auto* self = static_cast<Loop*>(async->data);
    self->drain();
    if (self->stop_wanted_.load(std::memory_order_acquire) && !self->stopping_) self->begin_stop();
  }

  // Closes all but the wakeup, and lets uv_run() return once that is done.
  void begin_stop() noexcept {
    stopping_ = true;
    close_listeners();
    for (auto& connection : shared_.by_slot) {
      if (connection != nullptr) connection->close(EndReason::kShutdown);
    }
    uv_close(reinterpret_cast<uv_handle_t*>(&each_turn_), nullptr);
    uv_unref(reinterpret_cast<uv_handle_t*>(&wakeup_));
  }

  void drain() noexcept {
    std::array<CodecToEdge, 32> messages;
    for (EdgeCodecRings* rings : shared_.rings) {
      while (const std::size_t count = rings->to_edge.pop(messages)) {
        for (std::size_t i = 0; i < count; ++i) handle(messages[i]);
      }
    }
  }

  void handle(const CodecToEdge& message) noexcept {
    if (message.kind == CodecToEdgeKind::kConnect) {
      connect(message);
      return;
    }
    Connection* connection = shared_.find(message.migration);
    switch (message.kind) {
      case CodecToEdgeKind::kConnect:
        break;
      case CodecToEdgeKind::kBlockReturn:
        shared_.put_ingress(message.block);
        if (connection != nullptr) connection->block_returned();
        break;
      case CodecToEdgeKind::kData:
        if (connection != nullptr) {
          connection->write(message.block);
        } else {
          shared_.return_egress(message.migration, message.block);
        }
        break;
      case CodecToEdgeKind::kEof:
        if (connection != nullptr) connection->end_writing();
        break;
      case CodecToEdgeKind::kAbort:
        if (connection != nullptr) connection->close(message.reason);
        break;
    }
  }

  void connect(const CodecToEdge& message) noexcept {
    shared_.counters.connects.add(1);
    EndReason reason = stopping_ ? EndReason::kShutdown : EndReason::kServiceUnknown;
    for (const EdgeService& service : shared_.services) {
      if (stopping_ || service.index != message.service) continue;
      Connection::connect(shared_, service, message.migration);
      return;
    }
    shared_.counters.connect_failures.add(1);
    shared_.tell_codec({.migration = message.migration, .kind = EdgeToCodecKind::kClosed, .reason = reason});
  }

  uv_loop_t loop_{};
  uv_async_t wakeup_{};
  uv_prepare_t each_turn_{};
  EdgeShared shared_;
  std::vector<std::unique_ptr<Listener>> listeners_;
  std::thread thread_;
  std::atomic<bool> stop_wanted_{false};
  bool started_ = false;
  bool stopping_ = false;  // loop thread
};

EdgeThread::EdgeThread(EdgeOptions options, MigrationTable& table, std::vector<EdgeCodecRings*> rings_by_codec)
    : loop_(std::make_unique<Loop>(std::move(options), table, std::move(rings_by_codec))) {}

EdgeThread::~EdgeThread() = default;

expected<void, std::string> EdgeThread::start() {
  return loop_->start();
}
void EdgeThread::stop() {
  loop_->stop();
}
void EdgeThread::wake() noexcept {
  loop_->wake();
}
const EdgeCounters& EdgeThread::counters() const noexcept {
  return loop_->counters();
}

}  // namespace dwcp
