// SPDX-License-Identifier: Apache-2.0
// The number in a telemetry command's parameters, as in "/dwcp/migration,17".  rte_telemetry's thread.
#pragma once

#include <charconv>
#include <cstdint>
#include <cstring>
#include <optional>

namespace dwcp {

// Decimal digits and nothing else, of a number that fits; null: there were no parameters.
[[nodiscard]] inline std::optional<std::uint64_t> parse_id(const char* params) noexcept {
  if (params == nullptr) return std::nullopt;
  std::uint64_t id = 0;
  const char* end = params + std::strlen(params);
  const auto [stop, error] = std::from_chars(params, end, id);
  if (error != std::errc{} || stop != end) return std::nullopt;
  return id;
}

}  // namespace dwcp
