// SPDX-License-Identifier: Apache-2.0
// An edge thread's part played by the test, on the virtual clock: hypervisors that say what a test wants and keep what
// they hear.  It speaks the protocol of dataplane/rings/edge_message.h and checks that the codec does.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "base/rng.h"
#include "dataplane/rings/edge_message.h"

namespace dwcp {

using Bytes = std::vector<std::uint8_t>;

// How a hypervisor behaves.
struct Script {
  Bytes says = {};
  bool eof_after_peer = false;          // half-closes only when the other has; else as soon as all is said
  std::size_t abort_after = SIZE_MAX;   // bytes said and heard together after which it resets the connection
  EndReason refuse = EndReason::kNone;  // of a service: the connection fails for this
  std::size_t chunk_max = kBlockBytes;  // bytes of one read at most
  std::size_t watched = SIZE_MAX;       // a byte of `says` whose moment Connection::watched_ns is
};

struct Connection {
  MigrationRef migration{};
  Script script;
  std::uint16_t service = kServiceNone;
  std::size_t said = 0;
  std::uint64_t watched_ns = 0;
  Bytes heard;
  std::uint64_t heard_ns = 0;  // the last byte of it
  bool eof_said = false;
  bool eof_heard = false;
  bool reading = true;  // false: blocks stay with us, as with a hypervisor that does not read
  std::deque<Block*> unread;
  std::size_t blocks_out = 0;            // of ours with the codec
  EndReason aborted = EndReason::kNone;  // kAbort came
  bool over = false;                     // kClosed was said
};

class ScriptedEdge {
 public:
  ScriptedEdge(EdgeCodecRings& rings, MigrationTable& table, std::size_t blocks, std::size_t blocks_per_migration,
               std::uint64_t seed)
      : rings_(rings), table_(table), pool_(blocks), blocks_per_migration_(blocks_per_migration), rng_(seed) {}

  // A hypervisor connects to a listener; null when the table is full.
  std::shared_ptr<Connection> open(std::uint16_t listener, std::uint16_t peer, Script script);
  std::size_t step();

  // What the hypervisor behind a service does when connected to.
  std::function<Script(std::uint16_t service)> on_connect = [](std::uint16_t) { return Script{}; };
  std::vector<std::shared_ptr<Connection>> accepted;
  std::uint64_t now_ns = 0;  // of the next step
  bool stopped = false;  // true: takes nothing from its ring, as a thread that is not scheduled

  [[nodiscard]] bool blocks_home() const { return pool_.available() == pool_.size(); }
  [[nodiscard]] std::size_t live() const { return live_.size(); }

 private:
  void take(const CodecToEdge& message);
  bool advance(Connection& connection);
  void read(Connection& connection);
  void close(Connection& connection, EndReason reason);
  void say(const EdgeToCodec& message) { ASSERT_TRUE(rings_.to_codec.push(message)); }
  Connection* find(MigrationRef migration);

  EdgeCodecRings& rings_;
  MigrationTable& table_;
  BlockPool pool_;
  std::size_t blocks_per_migration_;
  Rng rng_;
  std::vector<std::shared_ptr<Connection>> live_;
};

}  // namespace dwcp
