// SPDX-License-Identifier: Apache-2.0
// The schema: one table that is the only home of every key's name, type, unit, default, range, meaning and the reason
// for its default.  The validator, default_config() and docs/CONFIG.md are all read from it.  Constant data; any
// thread.
//
// Convention: a quantity is a plain integer and its unit is the end of the key's name (keepalive_ms = 1000), as
// everywhere else in this program.  There are no unit strings to parse, and so none to get wrong.
//
// To add a key: a field in config/config.h, a row in config/schema.cc, `ninja config-doc`.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "config/config.h"

namespace dwcp {

enum class KeyType : std::uint8_t {
  kInteger,  // min..max, set by set_integer
  kChoice,   // one of choices, set by set_choice
  kBoolean,  // true or false, set by set_boolean
  kText,     // whatever set_text accepts
};

struct KeySpec {
  std::string_view section;  // "" for the top of the file
  std::string_view name;
  KeyType type = KeyType::kText;
  std::string_view unit;  // "ms", "us", "MiB", "bytes", "Mb/s", "packets" or empty
  bool required = false;
  std::string_view default_text;  // as TOML; empty: none (required, or absent means not used)
  std::int64_t min = 0;           // kInteger
  std::int64_t max = 0;
  bool power_of_two = false;
  std::span<const std::string_view> choices;  // kChoice
  std::string_view form;                      // kText: what may be written, for errors and docs
  std::string_view doc;                       // one or two sentences
  std::string_view reason;                    // why this default; empty when there is none
  void (*set_integer)(Config&, std::int64_t) = nullptr;
  void (*set_choice)(Config&, std::size_t) = nullptr;
  void (*set_boolean)(Config&, bool) = nullptr;
  // Returns what is wrong with the text, empty when it was taken.
  std::string (*set_text)(Config&, const std::string&) = nullptr;
};

struct SectionSpec {
  std::string_view name;
  bool repeated = false;  // [[name]], one entry each
  std::string_view doc;
  void (*append)(Config&) = nullptr;  // repeated: makes the entry that the setters then fill
};

[[nodiscard]] std::span<const SectionSpec> schema_sections();
[[nodiscard]] std::span<const KeySpec> schema_keys();

// What may be written for the key, as one phrase: "an integer 1280..9000 (bytes)".
[[nodiscard]] std::string allowed_text(const KeySpec& key);

// Sets the key's default, if it has one.  Defaults are checked by a test, so this cannot fail.
void apply_default(const KeySpec& key, Config& config);

}  // namespace dwcp
