// SPDX-License-Identifier: Apache-2.0
#include "harness.h"

#include <unistd.h>

#include <chrono>
#include <cstring>
#include <stdexcept>
#include <thread>

namespace dwcp::test {

std::uint64_t now_ns() {
  return static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
}

bool eventually(const std::function<bool()>& condition, int wait_ms) {
  const std::uint64_t end_ns = now_ns() + static_cast<std::uint64_t>(wait_ms) * kNsPerMs;
  while (!condition()) {
    if (now_ns() > end_ns) return false;
    std::this_thread::sleep_for(std::chrono::microseconds(100));
  }
  return true;
}

Harness::Harness(HarnessOptions options_in)
    : options(options_in),
      listener(fresh_endpoint(options.tcp)),
      service(fresh_endpoint(options.tcp)),
      table(options.slots),
      egress(options.egress_blocks) {
  EdgeOptions edge_options;
  edge_options.listeners = {{.index = 3, .peer = 7, .name = "vm-in", .endpoint = listener}};
  edge_options.services = {
      {.index = 0, .name = "vm-out", .endpoint = service, .connect_timeout_ns = options.connect_timeout_ns}};
  edge_options.ingress_blocks = options.ingress_blocks;
  edge_options.ingress_blocks_per_migration = options.ingress_blocks_per_migration;
  edge_options.flush_delay_ns = options.flush_delay_ns;
  edge_options.receive_buffer_bytes = options.receive_buffer_bytes;
  std::vector<EdgeCodecRings*> by_codec;
  for (std::size_t i = 0; i < options.codecs; ++i) {
    rings.push_back(std::make_unique<EdgeCodecRings>(options.ingress_blocks, options.egress_blocks, options.slots));
    by_codec.push_back(rings.back().get());
  }
  edge = std::make_unique<EdgeThread>(std::move(edge_options), table, by_codec);
  if (auto started = edge->start(); !started) throw std::runtime_error(started.error());
}

Harness::~Harness() {
  edge->stop();
  if (!options.tcp) (void)::unlink(path_of(service).c_str());
}

EdgeToCodec Harness::next(int wait_ms) {
  EdgeToCodec message{.kind = EdgeToCodecKind::kBlockReturn};
  (void)eventually(
      [&] {
        for (auto& pair : rings) {
          while (pair->to_codec.pop(message)) {
            if (message.kind != EdgeToCodecKind::kBlockReturn) return true;
            egress.put(message.block);
          }
        }
        message = {.kind = EdgeToCodecKind::kBlockReturn};
        return false;
      },
      wait_ms);
  return message;
}

void Harness::book_returns() {
  EdgeToCodec message;
  for (auto& pair : rings) {
    while (pair->to_codec.pop(message)) {
      if (message.kind != EdgeToCodecKind::kBlockReturn) throw std::logic_error("a message nobody asked for");
      egress.put(message.block);
    }
  }
}

void Harness::say(const CodecToEdge& message) {
  if (!rings[message.migration.slot % rings.size()]->to_edge.push(message)) throw std::logic_error("ring full");
  edge->wake();
}

void Harness::say_data(MigrationRef migration, std::span<const std::uint8_t> bytes) {
  Block* block = egress.take();
  std::memcpy(block->data, bytes.data(), bytes.size());
  block->length = static_cast<std::uint32_t>(bytes.size());
  say({.migration = migration, .block = block, .kind = CodecToEdgeKind::kData});
}

void Harness::give_back(const EdgeToCodec& data) {
  say({.migration = data.migration, .block = data.block, .kind = CodecToEdgeKind::kBlockReturn});
}

MigrationRef Harness::say_connect(std::uint16_t service_index) {
  const auto migration = table.claim().value();
  table[migration.slot].direction = MigrationDirection::kIncoming;
  say({.migration = migration, .kind = CodecToEdgeKind::kConnect, .service = service_index});
  return migration;
}

EdgeToCodec Harness::collect(std::vector<std::uint8_t>& into, int wait_ms) {
  for (;;) {
    const EdgeToCodec message = next(wait_ms);
    if (message.kind != EdgeToCodecKind::kData) return message;
    into.insert(into.end(), message.block->data, message.block->data + message.block->length);
    give_back(message);
  }
}

bool Harness::at_rest() {
  return eventually([&] {
    book_returns();
    return edge->counters().ingress_available.get() == options.ingress_blocks && edge->counters().open.get() == 0 &&
           egress.available() == options.egress_blocks;
  });
}

}  // namespace dwcp::test
