// SPDX-License-Identifier: Apache-2.0
// The named figures of a link, one table for the command line, --at and the control socket.  Start-up and control only.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "drivers/impair/profile.h"

namespace dwcp::wan {

struct Setting {
  const char* key;
  const char* form;  // of the value, for help and errors
  const char* what;
};

[[nodiscard]] std::span<const Setting> settings();

// Sets one figure of a direction.  Returns an empty string, or what is wrong with the key or the value.
[[nodiscard]] std::string apply_setting(LinkProfile& profile, std::string_view key, const std::string& value);

// "START_S:DURATION_S" or "START_S:DURATION_S:PERIOD_S".
[[nodiscard]] std::string add_blackhole(LinkProfile& profile, const std::string& text);

// "SECONDS:key=value[,key=value]" with the keys rate-mbps, delay-ms, rtt-ms and loss.
[[nodiscard]] std::string add_change(LinkProfile& profile, const std::string& text);

// Parses a finite number within [0, limit].
[[nodiscard]] bool parse_number(const std::string& text, double limit, double& out);

}  // namespace dwcp::wan
