// SPDX-License-Identifier: Apache-2.0
// UnixListener and UnixStream: unix stream sockets on the control loop, as values that clean up after themselves, like
// loop.h's timers.  Everything here belongs to the thread that runs the loop.
//
// Use:
//   auto listener = UnixListener::open(loop, path, [&](std::unique_ptr<UnixStream> stream) { keep(std::move(stream)); });
//   stream->read([&](std::span<const char> bytes) { ... });      empty: the other end closed, or the connection broke
//   stream->write(answer, [&] { next(); });                      one at a time
//
// Invariants:
//   I1 a callback is never called after its owner is gone; it may destroy its owner
//   I2 all of them are gone before the Loop is
//   I3 the socket's file has mode 0600 from its first moment on; who else may use it is for others to say
//   I4 the file goes with the listener, unless another has taken its place
#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>
#include <span>
#include <string>

#include "base/expected.h"
#include "control/loop.h"

namespace dwcp {

struct UnixStreamHandle;
struct UnixListenerHandle;

class UnixStream {
 public:
  using OnBytes = std::function<void(std::span<const char>)>;

  ~UnixStream();  // closes; what was not written yet is not
  UnixStream(const UnixStream&) = delete;
  UnixStream& operator=(const UnixStream&) = delete;

  // Replaces what was set before.  At most 4 KiB a call.
  void read(OnBytes on_bytes);
  // Nothing is read, so that the other end feels it, until read().
  void pause() noexcept;
  // `done`: the kernel has taken all, or the connection is broken, which the next read() will say.
  void write(std::string bytes, Callback done);
  [[nodiscard]] bool writing() const noexcept;
  [[nodiscard]] int fd() const noexcept;

 private:
  friend class UnixListener;
  explicit UnixStream(UnixStreamHandle* handle) : handle_(handle) {}
  UnixStreamHandle* handle_;
};

class UnixListener {
 public:
  using OnStream = std::function<void(std::unique_ptr<UnixStream>)>;

  // A file left by a process that is gone is replaced; one that somebody listens at, or that is no socket, is an error.
  [[nodiscard]] static expected<std::unique_ptr<UnixListener>, std::string> open(Loop& loop, const std::string& path,
                                                                                 OnStream on_stream);
  ~UnixListener();
  UnixListener(const UnixListener&) = delete;
  UnixListener& operator=(const UnixListener&) = delete;

 private:
  explicit UnixListener(UnixListenerHandle* handle) : handle_(handle) {}
  UnixListenerHandle* handle_;
};

}  // namespace dwcp
