// SPDX-License-Identifier: Apache-2.0
// The counters as JSON.  Called once a second, at exit and on request.
#pragma once

#include <string>

#include "dwcp-wan/direction.h"

namespace dwcp::wan {

// One line, without the newline.
[[nodiscard]] std::string counters_json(double uptime_s, Direction& ab, Direction& ba);

// Replaces the file in one step, so that no reader sees half of it.  Returns an empty string or what failed.
[[nodiscard]] std::string write_file(const std::string& path, const std::string& text);

}  // namespace dwcp::wan
