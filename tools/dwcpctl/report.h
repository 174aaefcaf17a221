// SPDX-License-Identifier: Apache-2.0
// What dwcpctl shows: each report is fetched as one JSON value (what --json prints: its shape is public, see collect())
// and laid out as text from that value alone.  Pure but for the client; one thread.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "client.h"

namespace dwcp::ctl {

// collect(client, R) gives an object whose members are those of control/snapshot_fields.h:
//   status      {"pid", "dpdk", "name", "version", "state", ...}
//   migrations  {"migrations": [{"id", ...}, ...]}     oldest first
//   peers       {"peers": [{"name", ...}, ...]}        in config order
//   streams     {"streams": [{"peer", "id", ...}, ...]}  by peer
//   lcores      {"lcores": [{"id", ...}, ...]}
//   drops       {"drops": {REASON: COUNT, ...}}
//   port        {"port": {...}}
//   adjacency   {"neighbours": [{"address", "mac", "state", "age_ms"}, ...]}
struct Report {
  std::string_view name;
  std::string_view help;
  expected<Json, Fault> (*collect)(Client&);
  std::string (*render)(const Json&);
};

[[nodiscard]] std::span<const Report> reports();

}  // namespace dwcp::ctl
