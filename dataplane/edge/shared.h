// SPDX-License-Identifier: Apache-2.0
// What the listeners and connections of one edge thread share: its loop, its rings, its blocks.  Loop thread only, but
// for `counters`.
//
// Blocks are handed out first come, first served: a connection that finds none is put in a queue and given a block as
// soon as one is back; nobody overtakes the queue.
#pragma once

#include <uv.h>

#include <memory>
#include <vector>

#include "dataplane/edge/edge_options.h"
#include "dataplane/edge/edge_thread.h"
#include "dataplane/edge/endpoint.h"
#include "dataplane/rings/edge_message.h"
#include "dataplane/rings/migration_table.h"

namespace dwcp {

class Connection;

// A write under way.  Lives in WritePool, so that a block costs no allocation once as many requests as are ever under
// way at a time exist (the egress blocks of the codecs bound them).
struct WriteRequest {
  uv_write_t request{};
  Connection* connection = nullptr;
  Block* block = nullptr;
};

class WritePool {
 public:
  [[nodiscard]] WriteRequest* take();
  void put(WriteRequest* request) noexcept { free_.push_back(request); }

 private:
  std::vector<std::unique_ptr<WriteRequest>> all_;
  std::vector<WriteRequest*> free_;
};

// A service the codec may ask to connect to.
struct EdgeService {
  std::uint16_t index = 0;
  Endpoint endpoint;
  std::uint64_t connect_timeout_ns = 0;
};

struct EdgeShared {
  EdgeShared(EdgeOptions options_in, MigrationTable& table_in, std::vector<EdgeCodecRings*> rings_in);
  ~EdgeShared();

  // Says `message` to the codec that its migration belongs to.
  void tell_codec(const EdgeToCodec& message) noexcept;
  void return_egress(MigrationRef migration, Block* block) noexcept;

  // nullptr: none to be had, and `wanting` is in the queue for one (Connection::resume_reading).
  [[nodiscard]] Block* take_ingress(Connection& wanting) noexcept;
  void put_ingress(Block* block) noexcept;
  void forget_waiter(Connection& connection) noexcept;

  // What blocks are stamped with.
  [[nodiscard]] std::uint64_t now_ns() const { return options.clock ? options.clock() : uv_hrtime(); }

  // The connection of this very generation, or nullptr.
  [[nodiscard]] Connection* find(MigrationRef migration) noexcept;
  void adopt(std::unique_ptr<Connection> connection);
  void destroy(MigrationRef migration) noexcept;

  uv_loop_t* loop = nullptr;
  const EdgeOptions options;
  MigrationTable& table;
  const std::vector<EdgeCodecRings*> rings;  // by codec
  BlockPool ingress;
  WritePool writes;
  std::vector<EdgeService> services;
  std::vector<std::unique_ptr<Connection>> by_slot;
  std::vector<Connection*> waiters;  // for an ingress block, in order of arrival
  EdgeCounters counters;
};

}  // namespace dwcp
