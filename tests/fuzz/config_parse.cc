// SPDX-License-Identifier: Apache-2.0
// Whatever the text, parse_config() returns a Config that holds its invariants, or errors that each fit on one line.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "config/config.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto config = dwcp::parse_config({reinterpret_cast<const char*>(data), size}, "fuzz");
  if (!config) {
    if (config.error().empty()) std::abort();
    for (const auto& error : config.error()) {
      if (error.to_string().find('\n') != std::string::npos) std::abort();
    }
    return 0;
  }
  if (!config->port.ipv4 && !config->port.ipv6) std::abort();
  for (const auto& listener : config->listeners) {
    if (config->find_peer(listener.peer) == nullptr) std::abort();
  }
  if (config->transport.window_mib > config->memory.rx_mib) std::abort();
  return 0;
}
