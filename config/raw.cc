// SPDX-License-Identifier: Apache-2.0
#include "config/raw.h"

#include <cstdio>

namespace dwcp {
namespace {
constexpr std::size_t kShownMax = 48;
}

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (out.size() > kShownMax) return out + "...\"";
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte >= 0x7f) {
      char escaped[8];
      std::snprintf(escaped, sizeof escaped, "\\x%02x", byte);
      out += escaped;
    } else {
      if (c == '"' || c == '\\') out += '\\';
      out += c;
    }
  }
  return out + '"';
}

std::string_view RawValue::kind_name() const noexcept {
  switch (kind) {
    case Kind::kInteger:
      return "an integer";
    case Kind::kBoolean:
      return "a boolean";
    case Kind::kFloat:
      return "a number with a fraction";
    case Kind::kText:
      return "a string";
    case Kind::kDate:
      return "a date or time";
    case Kind::kArray:
      return "an array";
    case Kind::kTable:
      return "a table";
  }
  return "a value";
}

std::string RawValue::shown() const {
  switch (kind) {
    case Kind::kText:
      return quoted(text);
    case Kind::kArray:
    case Kind::kTable:
      return std::string(kind_name());
    default:
      return text;
  }
}

std::string ConfigError::to_string() const {
  std::string out = file;
  if (line != 0) out += ':' + std::to_string(line);
  if (line != 0 && column != 0) out += ':' + std::to_string(column);
  out += ": ";
  if (!key.empty()) out += key + ": ";
  out += problem;
  if (!found.empty()) out += " (found " + found + ")";
  if (!allowed.empty()) out += "; " + allowed;
  return out;
}

}  // namespace dwcp
