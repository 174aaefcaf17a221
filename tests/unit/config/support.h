// SPDX-License-Identifier: Apache-2.0
// A valid file to change one thing of, and short ways to look at what the parser said.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "config/config.h"

namespace dwcp {

inline const std::string kGood = R"(schema = 1
[gateway]
name = "site-a"
[port]
ipv4 = "10.0.0.1/24"
ipv4_gateway = "10.0.0.254"
[[peer]]
name = "site-b"
address = "10.0.0.2"
[[listener]]
name = "to-b"
listen = "tcp:127.0.0.1:4444"
peer = "site-b"
service = "vm"
[[service]]
name = "vm"
connect = "unix:/run/vm.sock"
[security]
certificate = "/etc/dwcp/site-a.crt"
private_key = "/etc/dwcp/site-a.key"
ca = "/etc/dwcp/ca.crt"
)";

// kGood with `from` replaced by `to`; `from` must be there.
inline std::string changed(const std::string& from, const std::string& to) {
  std::string text = kGood;
  const auto at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

// All errors, one a line; empty when the text is accepted.
inline std::string errors_of(const std::string& text) {
  const auto config = parse_config(text, "f.toml");
  std::string out;
  if (!config) {
    for (const auto& error : config.error()) out += error.to_string() + '\n';
  }
  return out;
}

}  // namespace dwcp
