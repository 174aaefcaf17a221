// SPDX-License-Identifier: Apache-2.0
#include <sys/socket.h>
#include <time.h>

#include <array>
#include <atomic>
#include <chrono>
#include <memory>
#include <thread>

#include "dwcp-bench/endpoint.h"
#include "dwcp-bench/flows.h"
#include "dwcp-bench/noise.h"

namespace dwcp::bench {
namespace {

using Block = std::array<std::byte, Noise::kBlockBytes>;

struct Shared {
  std::atomic<std::uint64_t> bytes{0};
  std::atomic<std::uint64_t> last_ns{0};
  std::atomic<bool> intact{true};
};

void receive_flow(const Socket& socket, std::uint64_t seed, std::uint64_t flows, Shared& shared) {
  std::uint64_t flow = 0;
  if (recv(socket.fd(), &flow, sizeof flow, MSG_WAITALL) != sizeof flow || flow >= flows) {
    shared.intact = false;
    return;
  }
  Noise noise(seed, flow);
  const auto expected = std::make_unique<Block>();
  const auto got = std::make_unique<Block>();
  std::size_t at = Noise::kBlockBytes;  // of *expected: used up
  for (;;) {
    if (at == expected->size()) {
      noise.fill(*expected);
      at = 0;
    }
    const ssize_t bytes = recv(socket.fd(), got->data(), expected->size() - at, 0);
    if (bytes < 0) shared.intact = false;
    if (bytes <= 0) return;
    if (std::memcmp(got->data(), expected->data() + at, static_cast<std::size_t>(bytes)) != 0) shared.intact = false;
    at += static_cast<std::size_t>(bytes);
    shared.bytes += static_cast<std::uint64_t>(bytes);
    shared.last_ns = monotonic_ns();
  }
}

}  // namespace

std::uint64_t monotonic_ns() noexcept {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000U + static_cast<std::uint64_t>(now.tv_nsec);
}

SinkReport run_sink(const SinkOptions& options, void (*listening)()) {
  const Socket listener = listen_at(options.listen);
  listening();
  SinkReport report;
  Shared shared;
  std::vector<Socket> sockets;
  for (std::uint64_t flow = 0; flow < options.flows; ++flow) {
    sockets.push_back(accept_from(listener));
    if (flow == 0) report.began_ns = monotonic_ns();
  }
  std::jthread sampler([&](const std::stop_token& stop) {
    for (std::uint64_t next_ns = report.began_ns + kSampleNs; !stop.stop_requested(); next_ns += kSampleNs) {
      const std::uint64_t now_ns = monotonic_ns();
      if (next_ns > now_ns) std::this_thread::sleep_for(std::chrono::nanoseconds(next_ns - now_ns));
      report.bytes_at.push_back(shared.bytes);
    }
  });
  std::vector<std::jthread> threads;
  for (const Socket& socket : sockets) {
    threads.emplace_back([&] { receive_flow(socket, options.seed, options.flows, shared); });
  }
  threads.clear();
  sampler.request_stop();
  sampler.join();
  report.bytes = shared.bytes;
  report.intact = shared.intact;
  report.ended_ns = shared.last_ns;
  return report;
}

}  // namespace dwcp::bench
