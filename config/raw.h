// SPDX-License-Identifier: Apache-2.0
// The raw form of a config file: values as written, each with its place, nothing judged yet.  Control thread, start-up
// and reload only.
//
// Tables keep file order.  parse_toml() is the only door to the TOML library; the first syntax error ends it, since
// what follows one cannot be trusted.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/expected.h"
#include "config/config.h"

namespace dwcp {

struct RawMember;

struct RawValue {
  enum class Kind : std::uint8_t { kInteger, kBoolean, kFloat, kText, kDate, kArray, kTable };
  Kind kind = Kind::kTable;
  std::uint32_t line = 0;
  std::uint32_t column = 0;
  std::int64_t integer = 0;        // kInteger
  std::string text;                // kText: the content; the other scalars: their spelling
  std::vector<RawValue> items;     // kArray
  std::vector<RawMember> members;  // kTable, in file order

  [[nodiscard]] std::string_view kind_name() const noexcept;
  // The value as an error shows it: quoted and escaped if text, cut to about 48 characters.
  [[nodiscard]] std::string shown() const;
};

struct RawMember {
  std::string key;
  std::uint32_t line = 0;  // of the key
  std::uint32_t column = 0;
  RawValue value;
};

[[nodiscard]] expected<RawValue, ConfigError> parse_toml(std::string_view text, std::string_view file);

// `text` in double quotes with everything unprintable escaped, cut to about 48 characters.
[[nodiscard]] std::string quoted(std::string_view text);

}  // namespace dwcp
