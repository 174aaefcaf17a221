// SPDX-License-Identifier: Apache-2.0
// What one edge thread moves in bulk with a codec that does nothing: into it, and through it and out again (one thread
// doing both sides, the bridge copying once).  Median and spread of five rounds each.
#include <algorithm>
#include <array>
#include <cstdio>
#include <string>
#include <thread>

#include "bridge.h"

namespace dwcp::test {
namespace {

constexpr std::size_t kRounds = 5;
constexpr std::size_t kRoundBytes = std::size_t{2} << 30;

void send_bulk(const Fd& fd) {
  const auto chunk = random_bytes(1, 1 << 20);
  for (std::size_t sent = 0; sent < kRoundBytes; sent += chunk.size()) (void)send_all(fd, chunk);
  half_close(fd);
}

double ingress_gb_per_s(bool tcp, double& mean_block_kib, int receive_buffer_bytes = EdgeOptions{}.receive_buffer_bytes) {
  Harness edge({.tcp = tcp, .receive_buffer_bytes = receive_buffer_bytes});
  const Fd source = connect_to(edge.listener);
  (void)edge.next();
  std::thread sender([&] { send_bulk(source); });
  const std::uint64_t start_ns = now_ns();
  std::size_t bytes = 0;
  std::size_t blocks = 0;
  EdgeToCodec message;
  for (;;) {
    if (!edge.rings[0]->to_codec.pop(message)) {
      std::this_thread::yield();
      continue;
    }
    if (message.kind != EdgeToCodecKind::kData) break;
    bytes += message.block->length;
    ++blocks;
    edge.give_back(message);
  }
  const double seconds = static_cast<double>(now_ns() - start_ns) / 1e9;
  sender.join();
  mean_block_kib = static_cast<double>(bytes) / static_cast<double>(blocks) / 1024;
  return static_cast<double>(bytes) / 1e9 / seconds;
}

double through_gb_per_s(bool tcp, double& mean_block_kib) {
  Harness edge({.tcp = tcp});
  Bridge bridge(edge);
  const Fd target = listen_on(edge.service);
  const Fd source = connect_to(edge.listener);
  const Fd arrived = accept_from(target);
  std::thread sender([&] { send_bulk(source); });
  const std::uint64_t start_ns = now_ns();
  std::vector<std::uint8_t> chunk(1 << 20);
  std::size_t bytes = 0;
  for (int count = 0; (count = receive_some(arrived, chunk.data(), chunk.size())) > 0;) {
    bytes += static_cast<std::size_t>(count);
  }
  const double seconds = static_cast<double>(now_ns() - start_ns) / 1e9;
  sender.join();
  mean_block_kib = static_cast<double>(bytes) / static_cast<double>(bridge.blocks) / 1024;
  return static_cast<double>(bytes) / 1e9 / seconds;
}

template <typename Run>
void report(const char* name, Run run) {
  std::array<double, kRounds> rates{};
  double mean_block_kib = 0;
  for (double& rate : rates) rate = run(mean_block_kib);
  std::ranges::sort(rates);
  std::printf("%-16s median %.2f GB/s (%.2f .. %.2f), mean block %.0f KiB\n", name, rates[kRounds / 2], rates.front(),
              rates.back(), mean_block_kib);
}

}  // namespace
}  // namespace dwcp::test

int main() {
  using namespace dwcp::test;
  for (const bool tcp : {true, false}) {
    report(tcp ? "tcp in" : "unix in", [tcp](double& kib) { return ingress_gb_per_s(tcp, kib); });
    // What a socket may hold that nobody has read is hidden from the hypervisor: what does less of it cost?
    for (const int kib : {32, 64, 128, 256, 512, 1024}) {
      if (!tcp) break;
      const std::string name = "tcp in, " + std::to_string(kib) + " KiB";
      report(name.c_str(), [kib](double& mean) { return ingress_gb_per_s(true, mean, kib << 10); });
    }
    report(tcp ? "tcp through" : "unix through", [tcp](double& kib) { return through_gb_per_s(tcp, kib); });
  }
}
