// SPDX-License-Identifier: Apache-2.0
#include "report.h"

#include "table.h"

namespace dwcp::ctl {
namespace {

using Result = expected<Json, Fault>;

// Members as the reports need them; what is missing or of another type reads as zero or empty, since the gateway may be
// of another version.
std::uint64_t number(const Json& object, const char* key) {
  const auto found = object.is_object() ? object.find(key) : object.end();
  return found != object.end() && found->is_number_unsigned() ? found->get<std::uint64_t>() : 0;
}

std::string text(const Json& object, const char* key) {
  const auto found = object.is_object() ? object.find(key) : object.end();
  std::string value = found != object.end() && found->is_string() ? found->get<std::string>() : "";
  for (char& c : value) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';  // nothing here may steer the terminal
  }
  return value;
}

std::string or_dash(std::string value) {
  return value.empty() ? "-" : value;
}

Fault odd_answer(const std::string& command) {
  return {Exit::kFailed,
          "the gateway's answer to " + command + " is not what this dwcpctl expects; use the one of its version"};
}

// Asks for the list, and then for each of its items.  One that went away in between is left out.
Result collect_each(Client& client, const char* list, const std::string& item, const char* member) {
  auto keys = client.ask(list);
  if (!keys) return keys;
  if (!keys->is_array()) return unexpected<Fault>(odd_answer(list));
  Json all = Json::array();
  for (const auto& key : *keys) {
    auto value = client.ask(item + ',' + (key.is_string() ? key.get<std::string>() : key.dump()));
    if (!value) return value;
    if (value->is_object()) all.push_back(std::move(*value));
  }
  Json out = Json::object();
  out[member] = std::move(all);
  return out;
}

Result collect_object(Client& client, const std::string& command) {
  auto value = client.ask(command);
  if (value && !value->is_object()) return unexpected<Fault>(odd_answer(command));
  return value;
}

Result collect_status(Client& client) {
  auto status = collect_object(client, "/dwcp/status");
  if (!status) return status;
  Json out = Json::object();
  out["pid"] = number(client.hello(), "pid");
  out["dpdk"] = text(client.hello(), "version");
  out.update(*status);
  return out;
}

std::string render_status(const Json& status) {
  std::string state = text(status, "state");
  if (const std::string reason = text(status, "reason"); !reason.empty()) state += " (" + reason + ')';
  const auto count = [&](const char* key) { return std::to_string(number(status, key)); };
  std::string out;
  const auto line = [&](const char* title, const std::string& value) {
    const std::string head(title);
    out += head + std::string(12 - head.size(), ' ') + value + '\n';
  };
  line("gateway", text(status, "name"));
  line("state", state + (number(status, "ready") != 0 ? ", ready" : ", not ready"));
  line("uptime", human_ms(number(status, "uptime_ms")));
  line("version", text(status, "version") + ", " + text(status, "dpdk") + ", pid " + count("pid"));
  line("peers", count("peers_up") + " of " + count("peers_total") + " up");
  line("migrations", count("migrations_running") + " running, " + count("migrations_completed") + " completed, " +
                         count("migrations_failed") + " failed");
  if (number(status, "certificate_not_after_unix_s") != 0) {
    const auto days = status.find("certificate_days");
    line("certificate", "expires in " + (days != status.end() ? days->dump() : "?") + " days");
  }
  if (const std::string warnings = text(status, "warnings"); !warnings.empty()) line("warning", warnings);
  if (number(status, "log_lines_dropped") != 0) line("log", count("log_lines_dropped") + " lines dropped");
  return out;
}

// The whole, and what it is made of: behind the near gateway's backlog, on the way, in the far gateway.
std::string human_pause(const Json& migration) {
  const auto part = [&](const char* key) -> std::int64_t {
    const auto found = migration.find(key);
    return found != migration.end() && found->is_number_integer() ? found->get<std::int64_t>() : -1;
  };
  const std::int64_t whole = part("pause_ms");
  if (whole < 0) return "-";
  const std::int64_t backlog = part("pause_backlog_ms"), path = part("pause_path_ms"), far = part("pause_far_ms");
  std::string text = human_ms(static_cast<std::uint64_t>(whole));
  if (backlog < 0 || path < 0 || far < 0) return text;
  return text + " (" + std::to_string(backlog) + '+' + std::to_string(path) + '+' + std::to_string(far) + ')';
}

std::string render_migrations(const Json& report) {
  if (report.at("migrations").empty()) return "no migrations\n";
  Table table({{"ID", Align::kRight},
               {"DIRECTION"},
               {"STATE"},
               {"PEER"},
               {"SERVICE"},
               {"RAW", Align::kRight},
               {"WIRE", Align::kRight},
               {"RATIO", Align::kRight},
               {"BACKLOG", Align::kRight},
               {"TIME", Align::kRight},
               {"PAUSE", Align::kRight},
               {"DIGEST"},
               {"REASON"}});
  for (const auto& m : report.at("migrations")) {
    const bool outgoing = text(m, "direction") == "outgoing";
    const std::uint64_t raw = number(m, outgoing ? "raw_bytes_in" : "raw_bytes_out");
    const std::uint64_t wire = number(m, outgoing ? "wire_bytes_tx" : "wire_bytes_rx");
    char ratio[32] = "-";
    if (wire != 0) std::snprintf(ratio, sizeof ratio, "%.2f", static_cast<double>(raw) / static_cast<double>(wire));
    table.row({std::to_string(number(m, "id")), text(m, "direction"), text(m, "state"), text(m, "peer"),
               text(m, "service"), human_bytes(raw), human_bytes(wire), ratio, human_bytes(number(m, "backlog_bytes")),
               human_ms(number(m, "duration_ms")), human_pause(m),
               or_dash(text(m, "digest_verified")), or_dash(text(m, "reason"))});
  }
  return table.text();
}

// Those that carry data; of how many, when some do not yet.
std::string streams_text(const Json& peer) {
  const auto active = number(peer, "streams");
  const auto target = number(peer, "streams_target");
  return target == 0 || active == target ? std::to_string(active) : std::to_string(active) + "/" + std::to_string(target);
}

// "bbr:probe_bw"; empty while there is no session.
std::string control_of(const Json& peer) {
  const std::string name = text(peer, "congestion");
  return name.empty() ? name : name + ':' + text(peer, "congestion_state");
}

std::string render_peers(const Json& report) {
  if (report.at("peers").empty()) return "no peers\n";
  Table table({{"PEER"},
               {"ADDRESS"},
               {"STATE"},
               {"STREAMS", Align::kRight},
               {"CIPHER"},
               {"CONTROL"},
               {"RTT", Align::kRight},
               {"MIN", Align::kRight},
               {"LOSS", Align::kRight},
               {"CE", Align::kRight},
               {"RATE", Align::kRight},
               {"CWND", Align::kRight},
               {"IN FLIGHT", Align::kRight},
               {"RESENT", Align::kRight},
               {"REASON"}});
  for (const auto& p : report.at("peers")) {
    table.row({text(p, "name"), text(p, "address"), text(p, "state"), streams_text(p),
               or_dash(text(p, "cipher")), or_dash(control_of(p)), human_us(number(p, "rtt_us")), human_us(number(p, "rtt_min_us")),
               human_fraction(number(p, "loss_ppm"), 1'000'000),
               number(p, "ecn_streams_capable") == 0 ? "-" : human_fraction(number(p, "ecn_ce_tx"), number(p, "ecn_packets_tx")),
               human_rate(number(p, "delivery_rate_bps")),
               human_bytes(number(p, "cwnd_bytes")), human_bytes(number(p, "bytes_in_flight")),
               human_fraction(number(p, "packets_retransmitted"), number(p, "packets_tx")),
               or_dash(text(p, "reason"))});
  }
  return table.text();
}

std::string render_lcores(const Json& report) {
  Table table({{"LCORE", Align::kRight},
               {"ROLES"},
               {"BUSY", Align::kRight},
               {"LOOPS", Align::kRight},
               {"SLEEPS", Align::kRight},
               {"RX PACKETS", Align::kRight},
               {"TX PACKETS", Align::kRight},
               {"CYCLES/PACKET", Align::kRight}});
  for (const auto& l : report.at("lcores")) {
    const std::uint64_t packets = number(l, "packets_rx") + number(l, "packets_tx");
    table.row({std::to_string(number(l, "id")), text(l, "roles"), human_fraction(number(l, "busy_permille"), 1000),
               std::to_string(number(l, "loops")), std::to_string(number(l, "sleeps")),
               std::to_string(number(l, "packets_rx")), std::to_string(number(l, "packets_tx")),
               packets == 0 ? "-" : std::to_string(number(l, "busy_cycles") / packets)});
  }
  return table.text();
}

// Reasons at zero are left out; --json has them all.
std::string render_drops(const Json& report) {
  Table table({{"REASON"}, {"PACKETS", Align::kRight}});
  bool any = false;
  for (const auto& [reason, count] : report.at("drops").items()) {
    if (!count.is_number_unsigned() || count.get<std::uint64_t>() == 0) continue;
    table.row({reason, std::to_string(count.get<std::uint64_t>())});
    any = true;
  }
  return any ? table.text() : "no drops\n";
}

std::string render_port(const Json& report) {
  Table table({{"FIELD"}, {"VALUE"}});
  for (const auto& [key, value] : report.at("port").items()) {
    table.row({key, value.is_string() ? or_dash(text(report.at("port"), key.c_str())) : value.dump()});
  }
  return table.text();
}

// Rows of an answer by column; as many as the column `key` has.
void append_rows(const Json& columns, const char* key, Json& rows) {
  const Json keys = columns.value(key, Json::array());
  for (std::size_t i = 0; i < keys.size(); ++i) {
    Json row = Json::object();
    for (const auto& [name, column] : columns.items())
      row[name] = column.is_array() && i < column.size() ? column[i] : Json();
    rows.push_back(std::move(row));
  }
}

Result collect_adjacency(Client& client) {
  auto columns = collect_object(client, "/dwcp/adjacency");
  if (!columns) return columns;
  Json rows = Json::array();
  append_rows(*columns, "address", rows);
  Json out = Json::object();
  out["neighbours"] = std::move(rows);
  return out;
}

Result collect_streams(Client& client) {
  auto peers = client.ask("/dwcp/peers");
  if (!peers) return peers;
  if (!peers->is_array()) return unexpected<Fault>(odd_answer("/dwcp/peers"));
  Json rows = Json::array();
  for (const auto& peer : *peers) {
    if (!peer.is_string()) continue;
    auto columns = client.ask("/dwcp/streams," + peer.get<std::string>());
    if (!columns) return columns;
    if (columns->is_object()) append_rows(*columns, "id", rows);
  }
  Json out = Json::object();
  out["streams"] = std::move(rows);
  return out;
}

std::string render_streams(const Json& report) {
  if (report.at("streams").empty()) return "no streams\n";
  Table table({{"PEER"},
               {"STREAM", Align::kRight},
               {"STATE"},
               {"MTU", Align::kRight},
               {"SEARCH"},
               {"RTT", Align::kRight},
               {"PACKETS", Align::kRight},
               {"LOST", Align::kRight},
               {"PROBES", Align::kRight},
               {"BLACK HOLES", Align::kRight}});
  for (const auto& s : report.at("streams")) {
    table.row({text(s, "peer"), std::to_string(number(s, "id")), text(s, "state"),
               std::to_string(number(s, "path_mtu_bytes")), text(s, "path_mtu_state"), human_us(number(s, "rtt_us")),
               std::to_string(number(s, "packets_tx")), std::to_string(number(s, "packets_lost")),
               std::to_string(number(s, "mtu_probes_tx")), std::to_string(number(s, "mtu_black_holes"))});
  }
  return table.text();
}

std::string render_adjacency(const Json& report) {
  if (report.at("neighbours").empty()) return "no neighbours\n";
  Table table({{"ADDRESS"}, {"MAC"}, {"STATE"}, {"AGE", Align::kRight}});
  for (const auto& n : report.at("neighbours")) {
    table.row({text(n, "address"), or_dash(text(n, "mac")), text(n, "state"), human_ms(number(n, "age_ms"))});
  }
  return table.text();
}

Result wrapped(Result value, const char* member) {
  if (!value) return value;
  Json out = Json::object();
  out[member] = std::move(*value);
  return out;
}

constexpr Report kReports[] = {
    {"status", "The gateway as a whole", collect_status, render_status},
    {"migrations", "Migrations, running and ended",
     [](Client& c) { return collect_each(c, "/dwcp/migrations", "/dwcp/migration", "migrations"); }, render_migrations},
    {"peers", "Peers and their links", [](Client& c) { return collect_each(c, "/dwcp/peers", "/dwcp/peer", "peers"); },
     render_peers},
    {"streams", "Streams to the peers: paths and their MTUs", collect_streams, render_streams},
    {"lcores", "What the poll-mode cores do",
     [](Client& c) { return collect_each(c, "/dwcp/lcores", "/dwcp/lcore", "lcores"); }, render_lcores},
    {"drops", "Packets dropped, by reason",
     [](Client& c) { return wrapped(collect_object(c, "/dwcp/drops"), "drops"); }, render_drops},
    {"port", "The WAN port", [](Client& c) { return wrapped(collect_object(c, "/dwcp/port"), "port"); }, render_port},
    {"adjacency", "Neighbours on the WAN port's link", collect_adjacency, render_adjacency},
};

}  // namespace

std::span<const Report> reports() {
  return kReports;
}

}  // namespace dwcp::ctl
