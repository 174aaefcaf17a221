// SPDX-License-Identifier: Apache-2.0
// The first of two passes over a raw file: every key on its own.  Fills a Config through the schema table, starting
// from the defaults, and notes where each key stands for the second pass (config/rules.h), which looks across keys.
// Control thread, start-up and reload only.
//
// One error per key at most; a key in error keeps its default and counts as not usable(), so that the second pass does
// not complain about its consequences.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>

#include "config/raw.h"
#include "config/schema.h"

namespace dwcp {

class Reader {
 public:
  explicit Reader(std::string_view file);

  void read(const RawValue& root);

  // Adds an error at the place of `path` (the file as a whole when it is not there).
  void fail(const std::string& path, std::string problem, std::string allowed);

  // True when the key was written and taken.
  [[nodiscard]] bool usable(const std::string& path) const { return places_.contains(path) && !failed_.contains(path); }
  // True unless the key was written and refused: its value, given or default, may be reasoned about.
  [[nodiscard]] bool sound(const std::string& path) const { return !failed_.contains(path); }

  [[nodiscard]] const Config& config() const noexcept { return config_; }
  // The errors in file order.
  [[nodiscard]] ConfigErrors take_errors();

 private:
  struct Place {
    std::uint32_t line = 0;
    std::uint32_t column = 0;
    std::string shown;
  };

  void read_repeated(const SectionSpec& section, const RawMember& member);
  void read_section(std::string_view section, const std::string& path, const RawValue& table);
  void read_key(const KeySpec& key, const std::string& path, const RawValue& value);
  void read_integer(const KeySpec& key, const std::string& path, const RawValue& value);
  void read_choice(const KeySpec& key, const std::string& path, const RawValue& value);
  void require_all(std::string_view section, const std::string& path, const RawValue& table);
  void unknown_section(const RawMember& member);

  std::string file_;
  Config config_;
  std::map<std::string, Place> places_;
  std::set<std::string> failed_;
  ConfigErrors errors_;
};

}  // namespace dwcp
