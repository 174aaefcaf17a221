// SPDX-License-Identifier: Apache-2.0
#include "dataplane/edge/shared.h"

#include <algorithm>

#include "base/assert.h"
#include "dataplane/edge/connection.h"

namespace dwcp {

WriteRequest* WritePool::take() {
  if (free_.empty()) {
    all_.push_back(std::make_unique<WriteRequest>());
    free_.reserve(all_.capacity());  // put() must not allocate
    return all_.back().get();
  }
  WriteRequest* request = free_.back();
  free_.pop_back();
  return request;
}

EdgeShared::EdgeShared(EdgeOptions options_in, MigrationTable& table_in, std::vector<EdgeCodecRings*> rings_in)
    : options(std::move(options_in)),
      table(table_in),
      rings(std::move(rings_in)),
      ingress(options.ingress_blocks),
      by_slot(table_in.size()) {
  DWCP_ASSERT(!rings.empty() && options.ingress_blocks > 0 && options.ingress_blocks_per_migration > 0);
  waiters.reserve(table.size());
  counters.ingress_available.set(ingress.available());
}

EdgeShared::~EdgeShared() = default;

void EdgeShared::tell_codec(const EdgeToCodec& message) noexcept {
  const bool pushed = rings[message.migration.slot % rings.size()]->to_codec.push(message);
  DWCP_ASSERT(pushed);  // the ring holds every block and every other message at once: see EdgeCodecRings
}

void EdgeShared::return_egress(MigrationRef migration, Block* block) noexcept {
  tell_codec({.migration = migration, .block = block, .kind = EdgeToCodecKind::kBlockReturn});
}

Block* EdgeShared::take_ingress(Connection& wanting) noexcept {
  Block* block = waiters.empty() ? ingress.take() : nullptr;
  if (block == nullptr) waiters.push_back(&wanting);
  counters.ingress_available.set(ingress.available());
  return block;
}

void EdgeShared::put_ingress(Block* block) noexcept {
  ingress.put(block);
  while (!waiters.empty() && ingress.available() > 0) {
    Connection* first = waiters.front();
    waiters.erase(waiters.begin());
    first->resume_reading(ingress.take());
  }
  counters.ingress_available.set(ingress.available());
}

void EdgeShared::forget_waiter(Connection& connection) noexcept {
  std::erase(waiters, &connection);
}

Connection* EdgeShared::find(MigrationRef migration) noexcept {
  DWCP_ASSERT(migration.slot < by_slot.size());
  Connection* connection = by_slot[migration.slot].get();
  return connection != nullptr && connection->migration() == migration ? connection : nullptr;
}

void EdgeShared::adopt(std::unique_ptr<Connection> connection) {
  auto& place = by_slot[connection->migration().slot];
  DWCP_ASSERT(place == nullptr);  // a slot is released only after its kClosed
  place = std::move(connection);
  counters.open.add(1);
}

void EdgeShared::destroy(MigrationRef migration) noexcept {
  by_slot[migration.slot].reset();
  counters.open.set(counters.open.get() - 1);
}

}  // namespace dwcp
