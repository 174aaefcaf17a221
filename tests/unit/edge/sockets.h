// SPDX-License-Identifier: Apache-2.0
// The hypervisor's end of a connection for tests: plain blocking sockets with a deadline, so that a test that would
// hang fails instead.
#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace dwcp::test {

// A seeded choice of what happens next.
class Random {
 public:
  explicit Random(std::uint64_t seed) : engine_(seed) {}
  std::uint64_t next() { return engine_(); }
  std::uint64_t below(std::uint64_t bound) { return engine_() % bound; }
  bool chance(double probability) { return static_cast<double>(engine_() >> 11) * 0x1.0p-53 < probability; }

 private:
  std::mt19937_64 engine_;
};

class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  ~Fd() { reset(); }
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  [[nodiscard]] int get() const { return fd_; }
  void reset();

 private:
  int fd_ = -1;
};

// "tcp:127.0.0.1:PORT" with a port that was free a moment ago, or a unix path of its own.
[[nodiscard]] std::string fresh_endpoint(bool tcp);
[[nodiscard]] std::uint16_t port_of(const std::string& endpoint);
[[nodiscard]] std::string path_of(const std::string& endpoint);

[[nodiscard]] Fd connect_to(const std::string& endpoint);  // get() < 0: errno says why
[[nodiscard]] Fd listen_on(const std::string& endpoint, int backlog = 16);
[[nodiscard]] Fd accept_from(const Fd& listener);  // with a deadline

// Calls on `fd` fail with EAGAIN after this; 20 s unless told.
void set_deadline(const Fd& fd, int ms);

// All of `bytes`, or false (errno).
bool send_all(const Fd& fd, std::span<const std::uint8_t> bytes);
// Up to `capacity` bytes; 0 at EOF, -errno on error.
[[nodiscard]] int receive_some(const Fd& fd, void* data, std::size_t capacity);
// Reads to the end: 0 at EOF or -errno.
int receive_all(const Fd& fd, std::vector<std::uint8_t>& into);
void half_close(const Fd& fd);
void close_with_reset(Fd fd);

[[nodiscard]] std::vector<std::uint8_t> random_bytes(std::uint64_t seed, std::size_t size);

}  // namespace dwcp::test
