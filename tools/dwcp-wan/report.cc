// SPDX-License-Identifier: Apache-2.0
#include "dwcp-wan/report.h"

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <fstream>
#include <nlohmann/json.hpp>

namespace dwcp::wan {
namespace {

using Json = nlohmann::ordered_json;

double cpu_s() {
  timespec spent{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &spent);
  return static_cast<double>(spent.tv_sec) + static_cast<double>(spent.tv_nsec) / 1e9;
}

Json direction_json(Direction& direction) {
  const LinkCounters& link = direction.model().counters();
  const DirectionCounters& own = direction.counters();
  Json json = {
      {"offered", link.offered},
      {"offered_bytes", link.offered_bytes},
      {"delivered", link.delivered},
      {"delivered_bytes", link.delivered_bytes},
      {"sent", own.sent},
      {"sent_bytes", own.sent_bytes},
      {"dropped", link.dropped()},
      {"reordered", link.reordered},
      {"duplicated", link.duplicated},
      {"corrupted", link.corrupted},
      {"ecn_marked", link.ecn_marked},
      {"ecn_faults", link.ecn_faults},
      {"queue_bytes_max", link.queue_bytes_max},
  };
  for (std::size_t i = 1; i < kDropReasonCount; ++i) {
    json["drops"][drop_reason_name(static_cast<DropReason>(i))] = link.drops[i];
  }
  json["queue_delay_ms_mean"] =
      link.queued == 0 ? 0.0 : static_cast<double>(link.queue_delay_ns_sum) / static_cast<double>(link.queued) / 1e6;
  json["queue_delay_ms_max"] = static_cast<double>(link.queue_delay_ns_max) / 1e6;
  json["ring_drops"] = direction.in().ring_drops();
  json["line_full"] = own.line_full;
  json["tx_drops"] = own.tx_drops;
  json["too_big_reports"] = own.too_big_reports;
  json["oversize"] = own.oversize;
  json["checksum_missing"] = own.checksum_missing;
  json["late_us_p50"] = direction.lateness().quantile_us(0.5);
  json["late_us_p99"] = direction.lateness().quantile_us(0.99);
  json["late_us_max"] = direction.lateness().max_us();
  return json;
}

}  // namespace

std::string counters_json(double uptime_s, Direction& ab, Direction& ba) {
  Json json = {{"uptime_s", uptime_s}, {"cpu_s", cpu_s()}, {"ab", direction_json(ab)}, {"ba", direction_json(ba)}};
  for (const char* key : {"offered", "offered_bytes", "delivered", "delivered_bytes", "sent", "sent_bytes", "dropped",
                          "ring_drops", "line_full", "tx_drops", "oversize"}) {
    json["total"][key] = json["ab"][key].get<std::uint64_t>() + json["ba"][key].get<std::uint64_t>();
  }
  return json.dump();
}

std::string write_file(const std::string& path, const std::string& text) {
  const std::string part = path + ".part." + std::to_string(getpid());
  std::ofstream file(part, std::ios::trunc);
  file << text << '\n';
  file.close();
  if (file && std::rename(part.c_str(), path.c_str()) == 0) return {};
  const std::string reason = std::strerror(errno);
  std::remove(part.c_str());
  return path + ": cannot write: " + reason;
}

}  // namespace dwcp::wan
