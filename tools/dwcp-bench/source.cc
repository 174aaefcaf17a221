// SPDX-License-Identifier: Apache-2.0
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <memory>
#include <thread>

#include "dwcp-bench/endpoint.h"
#include "dwcp-bench/flows.h"
#include "dwcp-bench/noise.h"

namespace dwcp::bench {
namespace {

using Block = std::array<std::byte, Noise::kBlockBytes>;

bool send_all(int fd, std::span<const std::byte> bytes) noexcept {
  while (!bytes.empty()) {
    const ssize_t sent = send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes = bytes.subspan(static_cast<std::size_t>(sent));
  }
  return true;
}

// Returns the payload bytes sent; ends early when the connection breaks.
std::uint64_t send_flow(const Socket& socket, std::uint64_t flow, const SourceOptions& options,
                        std::uint64_t began_ns) {
  Noise noise(options.seed, flow);
  const auto block = std::make_unique<Block>();
  std::uint64_t sent = 0;
  if (!send_all(socket.fd(), std::as_bytes(std::span(&flow, 1)))) return 0;
  const auto until_ns = began_ns + static_cast<std::uint64_t>(options.seconds * 1e9);
  while ((options.seconds == 0 || monotonic_ns() < until_ns) && (options.bytes == 0 || sent < options.bytes)) {
    noise.fill(*block);
    const std::uint64_t left = options.bytes == 0 ? block->size() : options.bytes - sent;
    const auto part = std::span<const std::byte>(*block).first(std::min<std::uint64_t>(left, block->size()));
    if (!send_all(socket.fd(), part)) return sent;
    sent += part.size();
  }
  shutdown(socket.fd(), SHUT_WR);
  std::byte last{};
  while (read(socket.fd(), &last, 1) > 0) {
  }
  return sent;
}

}  // namespace

SourceReport run_source(const SourceOptions& options) {
  SourceReport report;
  report.began_ns = monotonic_ns();
  std::vector<Socket> sockets;
  for (std::uint64_t flow = 0; flow < options.flows; ++flow) {
    sockets.push_back(connect_to(options.connect, options.congestion));
  }
  std::atomic<std::uint64_t> bytes{0};
  std::vector<std::jthread> threads;
  for (std::uint64_t flow = 0; flow < options.flows; ++flow) {
    threads.emplace_back([&, flow] { bytes += send_flow(sockets[flow], flow, options, report.began_ns); });
  }
  threads.clear();
  report.bytes = bytes;
  report.ended_ns = monotonic_ns();
  return report;
}

}  // namespace dwcp::bench
