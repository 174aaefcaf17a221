// SPDX-License-Identifier: Apache-2.0
#include "control/telemetry.h"

#include <rte_telemetry.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <mutex>

#include "base/assert.h"
#include "control/parse_id.h"
#include "control/snapshot_fields.h"

namespace dwcp {
namespace {

// Handlers get no argument of ours.  The lock also makes stop() wait for a handler that is taking its snapshot.
std::mutex source_mutex;
const TelemetrySource* active_source = nullptr;
std::atomic<std::uint64_t> queries{0};
std::atomic<std::uint64_t> queries_refused{0};

std::shared_ptr<const Snapshot> take_snapshot() {
  const std::lock_guard lock(source_mutex);
  return active_source == nullptr ? nullptr : active_source->snapshot();
}

// At most RTE_TEL_MAX_STRING_LEN - 1 bytes of printable ASCII without what would need escaping: 22.11 refuses longer
// strings, and its escaping differs between point releases.
std::string printable(const std::string& text) {
  constexpr std::size_t kMax = RTE_TEL_MAX_STRING_LEN - 1;
  std::string out = text.size() <= kMax ? text : text.substr(0, kMax - 3) + "...";
  for (char& c : out) {
    if (c == '"') c = '\'';
    if (c == '\\') c = '/';
    if (c < 0x20 || c > 0x7e) c = '?';
  }
  return out;
}

// Adds fields to a dict; the first that does not fit makes the whole answer null.
class DictWriter {
 public:
  explicit DictWriter(rte_tel_data* data) : data_(data) { keep(rte_tel_data_start_dict(data)); }

  void operator()(const char* key, const std::string& value) {
    keep(rte_tel_data_add_dict_string(data_, key, printable(value).c_str()));
  }
  void operator()(const char* key, std::uint64_t value) { keep(rte_tel_data_add_dict_u64(data_, key, value)); }
  void operator()(const char* key, std::int32_t value) { keep(rte_tel_data_add_dict_int(data_, key, value)); }

  // Takes the column over, whether or not it fits.
  void column(const char* key, rte_tel_data* values) {
    if (values == nullptr) return keep(-1);
    const int result = rte_tel_data_add_dict_container(data_, key, values, 0);
    if (result != 0) rte_tel_data_free(values);
    keep(result);
  }

  [[nodiscard]] int result() const noexcept { return result_; }

 private:
  void keep(int result) noexcept {
    if (result_ == 0 && result < 0) result_ = result;
  }
  rte_tel_data* data_;
  int result_ = 0;
};

template <typename Fields>
int answer_fields(const Fields& fields, rte_tel_data* data) {
  DictWriter dict(data);
  visit_fields(fields, dict);
  return dict.result();
}

using Answer = int (*)(const Snapshot&, const char* params, rte_tel_data*);

// What every handler has in common: a snapshot or null, and no exception into C.
template <Answer kAnswer>
int handle(const char*, const char* params, rte_tel_data* data) noexcept {
  queries.fetch_add(1, std::memory_order_relaxed);
  int result = -1;
  try {
    if (const auto snapshot = take_snapshot()) result = kAnswer(*snapshot, params, data);
  } catch (...) {
    result = -1;
  }
  if (result < 0) queries_refused.fetch_add(1, std::memory_order_relaxed);
  return result;
}

int answer_status(const Snapshot& snapshot, const char*, rte_tel_data* data) {
  return answer_fields(snapshot.gateway, data);
}

int answer_port(const Snapshot& snapshot, const char*, rte_tel_data* data) {
  return answer_fields(snapshot.port, data);
}

int answer_peers(const Snapshot& snapshot, const char*, rte_tel_data* data) {
  int result = rte_tel_data_start_array(data, RTE_TEL_STRING_VAL);
  const std::size_t count = std::min<std::size_t>(snapshot.peers.size(), RTE_TEL_MAX_ARRAY_ENTRIES);
  for (std::size_t i = 0; i < count && result == 0; ++i) {
    result = rte_tel_data_add_array_string(data, printable(snapshot.peers[i].name).c_str());
  }
  return result;
}

int answer_peer(const Snapshot& snapshot, const char* params, rte_tel_data* data) {
  if (params == nullptr) return -1;
  for (const auto& peer : snapshot.peers) {
    if (peer.name == params) return answer_fields(peer, data);
  }
  return -1;
}

// The newest that fit.
int answer_migrations(const Snapshot& snapshot, const char*, rte_tel_data* data) {
  int result = rte_tel_data_start_array(data, RTE_TEL_U64_VAL);
  const auto& all = snapshot.migrations;
  const std::size_t skip = all.size() > RTE_TEL_MAX_ARRAY_ENTRIES ? all.size() - RTE_TEL_MAX_ARRAY_ENTRIES : 0;
  for (std::size_t i = skip; i < all.size() && result == 0; ++i) result = rte_tel_data_add_array_u64(data, all[i].id);
  return result;
}

int answer_migration(const Snapshot& snapshot, const char* params, rte_tel_data* data) {
  const auto id = parse_id(params);
  if (!id) return -1;
  for (const auto& migration : snapshot.migrations) {
    if (migration.id == *id) return answer_fields(migration, data);
  }
  return -1;
}

int answer_lcores(const Snapshot& snapshot, const char*, rte_tel_data* data) {
  int result = rte_tel_data_start_array(data, RTE_TEL_U64_VAL);
  const std::size_t count = std::min<std::size_t>(snapshot.lcores.size(), RTE_TEL_MAX_ARRAY_ENTRIES);
  for (std::size_t i = 0; i < count && result == 0; ++i)
    result = rte_tel_data_add_array_u64(data, snapshot.lcores[i].id);
  return result;
}

int answer_lcore(const Snapshot& snapshot, const char* params, rte_tel_data* data) {
  const auto id = parse_id(params);
  if (!id) return -1;
  for (const auto& lcore : snapshot.lcores) {
    if (lcore.id == *id) return answer_fields(lcore, data);
  }
  return -1;
}

int answer_drops(const Snapshot& snapshot, const char*, rte_tel_data* data) {
  DictWriter dict(data);
  for (const auto& drop : snapshot.drops) dict(drop.name.c_str(), drop.count);
  return dict.result();
}

using Neighbours = std::vector<NeighbourSnapshot>;

rte_tel_data* text_column(const Neighbours& neighbours, std::size_t count, std::string NeighbourSnapshot::*field) {
  rte_tel_data* column = rte_tel_data_alloc();
  if (column == nullptr) return nullptr;
  rte_tel_data_start_array(column, RTE_TEL_STRING_VAL);
  for (std::size_t i = 0; i < count; ++i)
    rte_tel_data_add_array_string(column, printable(neighbours[i].*field).c_str());
  return column;
}

int answer_adjacency(const Snapshot& snapshot, const char*, rte_tel_data* data) {
  // 16 KiB an answer hold about a hundred neighbours; a dedicated WAN port has a few.
  const std::size_t count = std::min<std::size_t>(snapshot.neighbours.size(), 96);
  DictWriter dict(data);
  dict.column("address", text_column(snapshot.neighbours, count, &NeighbourSnapshot::address));
  dict.column("mac", text_column(snapshot.neighbours, count, &NeighbourSnapshot::mac));
  dict.column("state", text_column(snapshot.neighbours, count, &NeighbourSnapshot::state));
  rte_tel_data* ages = rte_tel_data_alloc();
  if (ages != nullptr) {
    rte_tel_data_start_array(ages, RTE_TEL_U64_VAL);
    for (std::size_t i = 0; i < count; ++i) rte_tel_data_add_array_u64(ages, snapshot.neighbours[i].age_ms);
  }
  dict.column("age_ms", ages);
  return dict.result();
}

// One array per field, filled row by row.
class ColumnWriter {
 public:
  // A column that was never handed to a dict is freed here.
  ~ColumnWriter() {
    for (const Column& column : columns_) rte_tel_data_free(column.values);
  }
  void next_row() noexcept { at_ = 0; }
  void operator()(const char* key, const std::string& value) {
    if (rte_tel_data* column = of(key, RTE_TEL_STRING_VAL)) rte_tel_data_add_array_string(column, printable(value).c_str());
  }
  void operator()(const char* key, std::uint64_t value) {
    if (rte_tel_data* column = of(key, RTE_TEL_U64_VAL)) rte_tel_data_add_array_u64(column, value);
  }
  void write(DictWriter& dict) {
    for (const Column& column : columns_) dict.column(column.key, column.values);
    columns_.clear();
  }

 private:
  struct Column {
    const char* key;
    rte_tel_data* values;  // null: no memory
  };
  rte_tel_data* of(const char* key, rte_tel_value_type type) {
    if (at_ == columns_.size()) {
      columns_.push_back({key, rte_tel_data_alloc()});
      if (columns_.back().values != nullptr) rte_tel_data_start_array(columns_.back().values, type);
    }
    return columns_[at_++].values;
  }
  std::vector<Column> columns_;
  std::size_t at_ = 0;
};

// 64 streams of twelve fields fit into an answer.
int answer_streams(const Snapshot& snapshot, const char* params, rte_tel_data* data) {
  if (params == nullptr) return -1;
  ColumnWriter columns;
  for (const StreamSnapshot& stream : snapshot.streams) {
    if (stream.peer != params) continue;
    columns.next_row();
    visit_fields(stream, columns);
  }
  DictWriter dict(data);
  columns.write(dict);
  return dict.result();
}

struct Command {
  const char* path;
  telemetry_cb handler;
  const char* help;
};

constexpr Command kCommands[] = {
    {"/dwcp/status", handle<answer_status>, "The gateway as a whole. No parameters."},
    {"/dwcp/peers", handle<answer_peers>, "Names of the peers. No parameters."},
    {"/dwcp/peer", handle<answer_peer>, "One peer and its link. Parameter: name."},
    {"/dwcp/streams", handle<answer_streams>, "Streams to one peer, by column. Parameter: name."},
    {"/dwcp/migrations", handle<answer_migrations>, "Ids of the migrations, oldest first. No parameters."},
    {"/dwcp/migration", handle<answer_migration>, "One migration. Parameter: id."},
    {"/dwcp/lcores", handle<answer_lcores>, "Ids of the lcores. No parameters."},
    {"/dwcp/lcore", handle<answer_lcore>, "One lcore. Parameter: id."},
    {"/dwcp/drops", handle<answer_drops>, "Packets dropped, by reason. No parameters."},
    {"/dwcp/port", handle<answer_port>, "The WAN port. No parameters."},
    {"/dwcp/adjacency", handle<answer_adjacency>, "Neighbours on the WAN port's link, by column. No parameters."},
};

// Once in a process: a command registered again would be listed twice.
int register_commands() noexcept {
  static const int result = [] {
    for (const Command& command : kCommands) {
      const int registered = rte_telemetry_register_cmd(command.path, command.handler, command.help);
      if (registered != 0) return registered;
    }
    return 0;
  }();
  return result;
}

}  // namespace

Telemetry::~Telemetry() {
  DWCP_ASSERT(!running_);
}

expected<void, Error> Telemetry::start() {
  DWCP_ASSERT(!running_);
  if (const int result = register_commands(); result != 0) {
    return unexpected<Error>({ErrorCode::kTelemetry, "telemetry",
                              std::string("rte_telemetry refused a command: ") + std::strerror(-result)});
  }
  const std::lock_guard lock(source_mutex);
  DWCP_ASSERT(active_source == nullptr);
  active_source = &source_;
  running_ = true;
  return {};
}

expected<void, Error> Telemetry::stop(std::uint64_t /*deadline_ns*/) {
  const std::lock_guard lock(source_mutex);
  active_source = nullptr;
  running_ = false;
  return {};
}

Health Telemetry::health() const {
  Health health;
  health.state = running_ ? HealthState::kHealthy : HealthState::kStopped;
  return health;
}

void Telemetry::metrics(const MetricSink& sink) const {
  sink("telemetry_queries", queries.load(std::memory_order_relaxed));
  sink("telemetry_queries_refused", queries_refused.load(std::memory_order_relaxed));
}

}  // namespace dwcp
