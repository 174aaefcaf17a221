// SPDX-License-Identifier: Apache-2.0
#define TOML_EXCEPTIONS 1
#include <toml++/toml.h>

#include <algorithm>
#include <sstream>

#include "config/raw.h"

namespace dwcp {
namespace {

RawValue convert(const toml::node& node);

RawValue convert_scalar(const toml::node& node) {
  RawValue raw;
  if (const auto* integer = node.as_integer()) {
    raw.kind = RawValue::Kind::kInteger;
    raw.integer = integer->get();
    raw.text = std::to_string(raw.integer);
    return raw;
  }
  if (const auto* text = node.as_string()) {
    raw.kind = RawValue::Kind::kText;
    raw.text = text->get();
    return raw;
  }
  std::ostringstream spelling;
  if (const auto* boolean = node.as_boolean()) {
    raw.kind = RawValue::Kind::kBoolean;
    spelling << (boolean->get() ? "true" : "false");
  } else if (const auto* number = node.as_floating_point()) {
    raw.kind = RawValue::Kind::kFloat;
    spelling << number->get();
  } else {
    raw.kind = RawValue::Kind::kDate;
    if (const auto* date = node.as_date()) spelling << date->get();
    if (const auto* time = node.as_time()) spelling << time->get();
    if (const auto* date_time = node.as_date_time()) spelling << date_time->get();
  }
  raw.text = spelling.str();
  return raw;
}

RawValue convert_table(const toml::table& table) {
  RawValue raw;
  for (const auto& [key, value] : table) {
    RawMember member{std::string(key.str()), key.source().begin.line, key.source().begin.column, convert(value)};
    // A table opened by a deeper header ([a.b]) has no source of its own: its first member's will do.
    if (member.line == 0) member.line = member.value.line, member.column = member.value.column;
    raw.members.push_back(std::move(member));
  }
  std::stable_sort(raw.members.begin(), raw.members.end(), [](const RawMember& left, const RawMember& right) {
    return std::pair(left.line, left.column) < std::pair(right.line, right.column);
  });
  return raw;
}

// Recursion is bounded: the library refuses nesting deeper than 256.
RawValue convert(const toml::node& node) {
  RawValue raw;
  if (const auto* table = node.as_table()) {
    raw = convert_table(*table);
  } else if (const auto* array = node.as_array()) {
    raw.kind = RawValue::Kind::kArray;
    for (const auto& item : *array) raw.items.push_back(convert(item));
  } else {
    raw = convert_scalar(node);
  }
  raw.line = node.source().begin.line;
  raw.column = node.source().begin.column;
  return raw;
}

// The library quotes the file in its errors, line ends and all; an error must stay one line.
std::string one_line(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool control = static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
    if (c == '\n') {
      out += "\\n";
    } else {
      out += control ? '?' : c;
    }
  }
  return out;
}

}  // namespace

expected<RawValue, ConfigError> parse_toml(std::string_view text, std::string_view file) {
  try {
    return convert(toml::parse(text));
  } catch (const toml::parse_error& error) {
    return unexpected<ConfigError>({std::string(file), error.source().begin.line, error.source().begin.column, "", "",
                                    "not valid TOML: " + one_line(error.description()),
                                    "the file is TOML 1.0 (https://toml.io)"});
  }
}

}  // namespace dwcp
