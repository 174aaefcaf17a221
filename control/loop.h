// SPDX-License-Identifier: Apache-2.0
// Loop: the control thread's event loop (libuv), with its timers, wakes and signal watches as values that clean up
// after themselves.  Everything here belongs to the thread that runs the loop, except Wake::signal() and
// Loop::now_ns().
//
// Use:
//   Loop loop;
//   SignalWatch term(loop, SIGTERM, [&] { loop.stop(); });
//   Timer beat(loop, [&] { publish(); });
//   beat.every(100);
//   loop.run();
//
// Invariants:
//   I1 a callback is never called after its Timer, Wake or SignalWatch is gone; it may destroy its own owner
//   I2 all of them are gone before the Loop is
//   I3 callbacks do not throw and do not wait
// Construction throws std::system_error when the system has no more descriptors: start-up only.
#pragma once

#include <uv.h>

#include <cstdint>
#include <functional>
#include <memory>

namespace dwcp {

class Loop {
 public:
  Loop();
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // Runs callbacks until stop(), or until nothing is left that could call one.
  void run();
  // Ends run() after the callback that calls it.
  void stop() noexcept;
  // Runs what is due and returns; for tests and for waits with a deadline.
  void poll();

  // Monotonic (CLOCK_MONOTONIC), read anew at every call.  Any thread.
  [[nodiscard]] static std::uint64_t now_ns() noexcept;

  // For libuv handles this file does not wrap.
  [[nodiscard]] uv_loop_t* raw() noexcept { return &loop_; }

 private:
  uv_loop_t loop_{};
};

using Callback = std::function<void()>;

// The handles outlive their owners until libuv has closed them, so they live on the heap, defined in loop.cc.
struct TimerHandle;
struct WakeHandle;
struct SignalHandle;

class Timer {
 public:
  Timer(Loop& loop, Callback callback);
  ~Timer();
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  // Both replace whatever was set before.  Delays count from now, not from the loop's last wake.
  void once(std::uint64_t delay_ms);
  void every(std::uint64_t period_ms);  // at least 1
  void cancel() noexcept;
  [[nodiscard]] bool armed() const noexcept;

 private:
  TimerHandle* handle_;
};

// A nudge from another thread.  Several signals before the loop wakes may be one call: look at a ring for what changed.
class Wake {
 public:
  Wake(Loop& loop, Callback callback);
  ~Wake();
  Wake(const Wake&) = delete;
  Wake& operator=(const Wake&) = delete;

  void signal() noexcept;  // any thread, while this object lives

 private:
  WakeHandle* handle_;
};

class SignalWatch {
 public:
  SignalWatch(Loop& loop, int signal_number, Callback callback);
  ~SignalWatch();
  SignalWatch(const SignalWatch&) = delete;
  SignalWatch& operator=(const SignalWatch&) = delete;

 private:
  SignalHandle* handle_;
};

}  // namespace dwcp
