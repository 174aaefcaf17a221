// SPDX-License-Identifier: Apache-2.0
#include <string>

#include "config/schema.h"

namespace dwcp {
namespace {

constexpr std::string_view kHead =
    R"(<!-- SPDX-License-Identifier: Apache-2.0 -->
<!-- Made from config/schema.cc by `ninja config-doc`; a test compares the two. -->
# The configuration file

One TOML file, given with `--config`. A quantity is a plain integer whose unit ends the key's name
(`keepalive_ms = 1000`). Unknown keys are errors. Everything is checked, and every fault is reported with its file, line,
column and key before anything starts.

The least that works:

```toml
schema = 1

[gateway]
name = "site-a"

[port]
ipv4 = "10.0.0.1/24"

[security]              # made by dwcpctl pki (docs/OPERATIONS.md)
certificate = "/etc/dwcp/site-a.crt"
private_key = "/etc/dwcp/site-a.key"
ca = "/etc/dwcp/ca.crt"

[[peer]]
name = "site-b"
address = "10.0.0.2"

[[listener]]            # QEMU here: migrate tcp:127.0.0.1:4444
name = "to-b"
listen = "tcp:127.0.0.1:4444"
peer = "site-b"
service = "vm"

[[service]]             # QEMU here: -incoming tcp:127.0.0.1:5555
name = "vm"
connect = "tcp:127.0.0.1:5555"
```

## Several gateways on one machine

A gateway runs under the EAL file prefix `dwcp-NAME`, NAME being `gateway.name`, unless `--file-prefix` is among its EAL
arguments. Its control sockets are `dpdk_telemetry.v2` and `dwcp_control.sock` in `DIR/dpdk/PREFIX/`, where DIR is
`control.runtime_dir` or its default.
So `dwcpctl --gateway site-a status` finds it, `dpdk-telemetry.py -f dwcp-site-a` too, and where one gateway runs,
`dwcpctl status` is enough.
)";

// A cell must not end at a '|' of its own.
std::string cell(std::string_view text) {
  std::string out;
  for (const char c : text) out += c == '|' ? std::string("\\|") : std::string(1, c);
  return out;
}

std::string key_row(const KeySpec& key) {
  const std::string fallback = key.required               ? "**required**"
                               : key.default_text.empty() ? "not set"
                                                          : "`" + std::string(key.default_text) + "`";
  std::string meaning = cell(key.doc);
  if (!key.reason.empty()) meaning += " *Why this default:* " + cell(key.reason);
  return "| `" + std::string(key.name) + "` | " + fallback + " | " + cell(allowed_text(key)) + " | " + meaning + " |\n";
}

void append_keys(std::string& out, std::string_view section) {
  out += "\n| key | default | allowed | meaning |\n|---|---|---|---|\n";
  for (const auto& key : schema_keys()) {
    if (key.section == section) out += key_row(key);
  }
}

}  // namespace

std::string schema_markdown() {
  std::string out(kHead);
  out += "\n## Top of the file\n";
  append_keys(out, "");
  for (const auto& section : schema_sections()) {
    const std::string name(section.name);
    out += section.repeated ? "\n## [[" + name + "]]\n\n" : "\n## [" + name + "]\n\n";
    out += std::string(section.doc) + (section.repeated ? " Any number of them.\n" : "\n");
    append_keys(out, section.name);
  }
  return out;
}

}  // namespace dwcp
