// SPDX-License-Identifier: Apache-2.0
#include "scripted_edge.h"

#include <algorithm>
#include <cstring>

#include "dataplane/rings/ingress_limit.h"

namespace dwcp {

std::shared_ptr<Connection> ScriptedEdge::open(std::uint16_t listener, std::uint16_t peer, Script script) {
  const auto claimed = table_.claim();
  if (!claimed) return nullptr;
  MigrationSlot& slot = table_[claimed->slot];
  slot.direction = MigrationDirection::kOutgoing;
  slot.listener = listener;
  slot.peer = peer;
  auto connection = std::make_shared<Connection>();
  connection->migration = *claimed;
  connection->script = std::move(script);
  live_.push_back(connection);
  say({.migration = *claimed, .kind = EdgeToCodecKind::kOpen});
  return connection;
}

Connection* ScriptedEdge::find(MigrationRef migration) {
  for (const auto& connection : live_) {
    if (connection->migration == migration) return connection.get();
  }
  return nullptr;
}

std::size_t ScriptedEdge::step() {
  if (stopped) return 0;
  std::size_t work = 0;
  CodecToEdge message;
  for (; rings_.to_edge.pop(message); ++work) take(message);
  for (const auto& connection : std::vector(live_)) work += advance(*connection) ? 1 : 0;
  std::erase_if(live_, [](const auto& connection) { return connection->over; });
  return work;
}

void ScriptedEdge::take(const CodecToEdge& message) {
  Connection* connection = find(message.migration);
  switch (message.kind) {
    case CodecToEdgeKind::kConnect: {
      EXPECT_EQ(connection, nullptr);
      auto made = std::make_shared<Connection>();
      made->migration = message.migration;
      made->service = message.service;
      made->script = on_connect(message.service);
      accepted.push_back(made);
      live_.push_back(made);
      if (made->script.refuse != EndReason::kNone) return close(*made, made->script.refuse);
      return say({.migration = message.migration, .kind = EdgeToCodecKind::kConnected});
    }
    case CodecToEdgeKind::kBlockReturn:
      pool_.put(message.block);
      EXPECT_LE(pool_.available(), pool_.size());
      if (connection != nullptr) --connection->blocks_out;
      return;
    case CodecToEdgeKind::kData:
      if (connection == nullptr || connection->over) {
        return say({.migration = message.migration, .block = message.block, .kind = EdgeToCodecKind::kBlockReturn});
      }
      EXPECT_FALSE(connection->eof_heard);
      connection->unread.push_back(message.block);
      return;
    case CodecToEdgeKind::kEof:
      if (connection == nullptr) return;
      EXPECT_FALSE(connection->eof_heard);
      connection->eof_heard = true;
      return;
    case CodecToEdgeKind::kAbort:
      if (connection == nullptr || connection->over) return;
      EXPECT_NE(message.reason, EndReason::kNone);
      connection->aborted = message.reason;
      return close(*connection, message.reason);
  }
}

void ScriptedEdge::read(Connection& connection) {
  while (!connection.unread.empty()) {
    Block* block = connection.unread.front();
    connection.unread.pop_front();
    connection.heard.insert(connection.heard.end(), block->data, block->data + block->length);
    block->written_ns = connection.heard_ns = now_ns;
    say({.migration = connection.migration, .block = block, .kind = EdgeToCodecKind::kBlockReturn});
  }
}

bool ScriptedEdge::advance(Connection& connection) {
  if (connection.over) return false;
  bool work = false;
  if (connection.reading && !connection.unread.empty()) {
    read(connection);
    work = true;
  }
  if (connection.said + connection.heard.size() >= connection.script.abort_after) {
    close(connection, EndReason::kHypervisorReset);
    return true;
  }
  const Bytes& says = connection.script.says;
  while (connection.said < says.size()) {
    const auto limit =
        IngressLimit::of(table_[connection.migration.slot].ingress_limit_bytes.get(), blocks_per_migration_);
    if (connection.blocks_out >= limit.blocks) break;
    Block* block = pool_.take();
    if (block == nullptr) break;
    const std::size_t most = std::min({says.size() - connection.said, connection.script.chunk_max, std::size_t{limit.block_bytes}});
    block->length = static_cast<std::uint32_t>(1 + rng_.below(most));
    block->read_times.note(0, now_ns);
    std::memcpy(block->data, says.data() + connection.said, block->length);
    if (connection.said <= connection.script.watched && connection.script.watched < connection.said + block->length) {
      connection.watched_ns = now_ns;
    }
    connection.said += block->length;
    ++connection.blocks_out;
    say({.migration = connection.migration, .block = block, .kind = EdgeToCodecKind::kData});
    work = true;
  }
  const bool may_end = !connection.script.eof_after_peer || connection.eof_heard;
  if (!connection.eof_said && connection.said == says.size() && may_end) {
    connection.eof_said = true;
    say({.migration = connection.migration, .kind = EdgeToCodecKind::kEof});
    work = true;
  }
  if (connection.eof_said && connection.eof_heard && connection.unread.empty()) {
    close(connection, EndReason::kNone);
    work = true;
  }
  return work;
}

void ScriptedEdge::close(Connection& connection, EndReason reason) {
  for (Block* block : connection.unread) {
    say({.migration = connection.migration, .block = block, .kind = EdgeToCodecKind::kBlockReturn});
  }
  connection.unread.clear();
  connection.over = true;
  say({.migration = connection.migration, .kind = EdgeToCodecKind::kClosed, .reason = reason});
}

}  // namespace dwcp
