// SPDX-License-Identifier: Apache-2.0
#include "control/loop.h"

#include <ctime>
#include <memory>
#include <string>
#include <system_error>

#include "base/assert.h"
#include "base/time.h"

namespace dwcp {

// `uv` is the first member, so that libuv's pointer is ours too.
struct TimerHandle {
  uv_timer_t uv{};
  std::shared_ptr<Callback> callback;
};
struct WakeHandle {
  uv_async_t uv{};
  std::shared_ptr<Callback> callback;
};
struct SignalHandle {
  uv_signal_t uv{};
  std::shared_ptr<Callback> callback;
};

namespace {

[[noreturn]] void fail(int result, const char* what) {
  throw std::system_error(-result, std::generic_category(), what);
}

template <typename Handle, typename Uv>
Handle* owner_of(Uv* uv) noexcept {
  return static_cast<Handle*>(uv->data);
}

// The copy keeps the callback alive while it runs, though it may destroy its owner.
template <typename Handle, typename Uv>
void call(Uv* uv) {
  const std::shared_ptr<Callback> callback = owner_of<Handle>(uv)->callback;
  if (callback) (*callback)();
}

template <typename Handle>
void close(Handle* handle) noexcept {
  handle->callback.reset();
  uv_close(reinterpret_cast<uv_handle_t*>(&handle->uv), [](uv_handle_t* uv) { delete static_cast<Handle*>(uv->data); });
}

template <typename Handle>
Handle* make_handle(Callback callback) {
  auto* handle = new Handle;
  handle->uv.data = handle;
  handle->callback = std::make_shared<Callback>(std::move(callback));
  return handle;
}

}  // namespace

Loop::Loop() {
  if (const int result = uv_loop_init(&loop_); result != 0) fail(result, "uv_loop_init");
}

Loop::~Loop() {
  // Handles closed but not yet given back need one more turn.
  uv_run(&loop_, UV_RUN_NOWAIT);
  const int result = uv_loop_close(&loop_);
  DWCP_ASSERT(result == 0);  // I2
}

void Loop::run() {
  uv_run(&loop_, UV_RUN_DEFAULT);
}
void Loop::stop() noexcept {
  uv_stop(&loop_);
}
void Loop::poll() {
  uv_run(&loop_, UV_RUN_NOWAIT);
}

std::uint64_t Loop::now_ns() noexcept {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * kNsPerSec + static_cast<std::uint64_t>(now.tv_nsec);
}

Timer::Timer(Loop& loop, Callback callback) : handle_(make_handle<TimerHandle>(std::move(callback))) {
  uv_timer_init(loop.raw(), &handle_->uv);  // cannot fail
  handle_->uv.data = handle_;
}

Timer::~Timer() {
  close(handle_);
}

void Timer::once(std::uint64_t delay_ms) {
  uv_update_time(handle_->uv.loop);
  uv_timer_start(
      &handle_->uv, [](uv_timer_t* uv) { call<TimerHandle>(uv); }, delay_ms, 0);
}

void Timer::every(std::uint64_t period_ms) {
  DWCP_ASSERT(period_ms > 0);
  uv_update_time(handle_->uv.loop);
  uv_timer_start(
      &handle_->uv, [](uv_timer_t* uv) { call<TimerHandle>(uv); }, period_ms, period_ms);
}

void Timer::cancel() noexcept {
  uv_timer_stop(&handle_->uv);
}
bool Timer::armed() const noexcept {
  return uv_is_active(reinterpret_cast<const uv_handle_t*>(&handle_->uv)) != 0;
}

Wake::Wake(Loop& loop, Callback callback) : handle_(make_handle<WakeHandle>(std::move(callback))) {
  if (const int result = uv_async_init(loop.raw(), &handle_->uv, [](uv_async_t* uv) { call<WakeHandle>(uv); });
      result != 0) {
    delete handle_;  // not known to the loop
    fail(result, "uv_async_init");
  }
  handle_->uv.data = handle_;
}

Wake::~Wake() {
  close(handle_);
}
void Wake::signal() noexcept {
  uv_async_send(&handle_->uv);
}

SignalWatch::SignalWatch(Loop& loop, int signal_number, Callback callback)
    : handle_(make_handle<SignalHandle>(std::move(callback))) {
  int result = uv_signal_init(loop.raw(), &handle_->uv);
  if (result != 0) {
    delete handle_;
    fail(result, "uv_signal_init");
  }
  handle_->uv.data = handle_;
  result = uv_signal_start(
      &handle_->uv, [](uv_signal_t* uv, int) { call<SignalHandle>(uv); }, signal_number);
  if (result != 0) {
    close(handle_);
    fail(result, "uv_signal_start");
  }
}

SignalWatch::~SignalWatch() {
  close(handle_);
}

}  // namespace dwcp
