// SPDX-License-Identifier: Apache-2.0
// One edge thread with one codec, played by the test thread, message by message.
//
//   Harness edge(tcp);                       // a listener and a service, endpoints of its own
//   Fd hypervisor = connect_to(edge.listener);
//   auto open = edge.next();                 // the next message but block returns, which are booked by themselves
//   edge.say_data(open.migration, bytes);
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "dataplane/edge/edge_thread.h"
#include "sockets.h"

namespace dwcp::test {

struct HarnessOptions {
  bool tcp = true;
  std::size_t slots = 4;
  std::size_t ingress_blocks = 16;
  std::size_t ingress_blocks_per_migration = 8;
  std::size_t egress_blocks = 16;
  std::size_t codecs = 1;
  std::uint64_t connect_timeout_ns = 5 * kNsPerSec;
  std::uint64_t flush_delay_ns = kNsPerMs;
  int receive_buffer_bytes = EdgeOptions{}.receive_buffer_bytes;
};

class Harness {
 public:
  explicit Harness(HarnessOptions options = {});
  ~Harness();

  // Waits for a message; kind kBlockReturn, block nullptr: none came within `wait_ms`.
  [[nodiscard]] EdgeToCodec next(int wait_ms = 5000);
  // Books what came by itself without waiting for more.
  void book_returns();

  void say(const CodecToEdge& message);
  void say_data(MigrationRef migration, std::span<const std::uint8_t> bytes);
  void give_back(const EdgeToCodec& data);
  [[nodiscard]] MigrationRef say_connect(std::uint16_t service = 0);
  // Reads messages, gives data back and appends it, until another kind comes.
  [[nodiscard]] EdgeToCodec collect(std::vector<std::uint8_t>& into, int wait_ms = 5000);

  // All blocks are home and no connection is left.
  [[nodiscard]] bool at_rest();

  HarnessOptions options;
  std::string listener;
  std::string service;
  MigrationTable table;
  std::vector<std::unique_ptr<EdgeCodecRings>> rings;
  BlockPool egress;
  std::unique_ptr<EdgeThread> edge;
};

// Tries `condition` until it holds or `wait_ms` is over.
[[nodiscard]] bool eventually(const std::function<bool()>& condition, int wait_ms = 5000);

[[nodiscard]] std::uint64_t now_ns();

}  // namespace dwcp::test
