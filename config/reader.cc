// SPDX-License-Identifier: Apache-2.0
#include "config/reader.h"

#include <algorithm>
#include <bit>

#include "config/hints.h"

namespace dwcp {
namespace {

std::string join(const std::string& path, std::string_view name) {
  return path.empty() ? std::string(name) : path + '.' + std::string(name);
}

// The name in a path: as it is when it is a bare TOML key, quoted otherwise, so that an error line stays one line.
std::string path_name(const std::string& name) {
  const bool bare = !name.empty() && name.size() <= 48 && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  });
  return bare ? name : quoted(name);
}

const SectionSpec* find_section(std::string_view name) {
  for (const auto& section : schema_sections()) {
    if (section.name == name) return &section;
  }
  return nullptr;
}

const KeySpec* find_key(std::string_view section, std::string_view name) {
  for (const auto& key : schema_keys()) {
    if (key.section == section && key.name == name) return &key;
  }
  return nullptr;
}

// The defaults of one section, or of all that are not repeated.
void default_section(std::string_view section, Config& config) {
  for (const auto& key : schema_keys()) {
    if (key.section == section) apply_default(key, config);
  }
}

}  // namespace

Config default_config() {
  Config config;
  for (const auto& section : schema_sections()) {
    if (!section.repeated) default_section(section.name, config);
  }
  return config;
}

Reader::Reader(std::string_view file) : file_(file), config_(default_config()) {}

void Reader::fail(const std::string& path, std::string problem, std::string allowed) {
  Place place;
  if (const auto found = places_.find(path); found != places_.end()) place = found->second;
  failed_.insert(path);
  errors_.push_back({file_, place.line, place.column, path, place.shown, std::move(problem), std::move(allowed)});
}

ConfigErrors Reader::take_errors() {
  std::stable_sort(errors_.begin(), errors_.end(), [](const ConfigError& left, const ConfigError& right) {
    return std::pair(left.line, left.column) < std::pair(right.line, right.column);
  });
  return std::move(errors_);
}

// Sections are read in the schema's order, not the file's: a peer's address needs port.udp_port.
void Reader::read(const RawValue& root) {
  RawValue top = root;
  std::erase_if(top.members, [](const RawMember& member) { return find_section(member.key) != nullptr; });
  for (const auto& member : top.members) {
    if (member.value.kind == RawValue::Kind::kTable || find_key("", member.key) == nullptr) unknown_section(member);
  }
  std::erase_if(top.members, [](const RawMember& member) {
    return member.value.kind == RawValue::Kind::kTable || find_key("", member.key) == nullptr;
  });
  read_section("", "", top);
  for (const auto& section : schema_sections()) {
    const auto found = std::find_if(root.members.begin(), root.members.end(),
                                    [&](const RawMember& member) { return member.key == section.name; });
    const std::string path(section.name);
    if (found == root.members.end()) {
      if (!section.repeated) require_all(section.name, path, RawValue{});
      continue;
    }
    places_[path] = {found->line, found->column, ""};
    if (section.repeated) {
      read_repeated(section, *found);
    } else if (found->value.kind == RawValue::Kind::kTable) {
      read_section(section.name, path, found->value);
    } else {
      fail(path, "this is " + std::string(found->value.kind_name()) + ", not a section", "write [" + path + ']');
    }
  }
}

void Reader::read_repeated(const SectionSpec& section, const RawMember& member) {
  const std::string name(section.name);
  const std::string advice = "write [[" + name + "]] once for each";
  if (member.value.kind != RawValue::Kind::kArray) {
    fail(name, "this section is repeated, but " + std::string(member.value.kind_name()) + " was written", advice);
    return;
  }
  for (std::size_t i = 0; i < member.value.items.size(); ++i) {
    const RawValue& item = member.value.items[i];
    const std::string path = name + '[' + std::to_string(i) + ']';
    places_[path] = {item.line, item.column, ""};
    section.append(config_);
    default_section(section.name, config_);
    if (item.kind == RawValue::Kind::kTable) {
      read_section(section.name, path, item);
    } else {
      fail(path, "an entry must be a section, but is " + std::string(item.kind_name()), advice);
    }
  }
}

void Reader::read_section(std::string_view section, const std::string& path, const RawValue& table) {
  for (const auto& member : table.members) {
    const KeySpec* key = find_key(section, member.key);
    const std::string key_path = join(path, path_name(member.key));
    places_[key_path] = {member.line, member.column, member.value.shown()};
    if (key == nullptr) {
      std::string hint = unknown_key_hint(section, member.key);
      fail(key_path, "unknown key",
           hint.empty() ? "see docs/CONFIG.md for the keys of [" + std::string(section) + ']' : hint);
    } else {
      read_key(*key, key_path, member.value);
    }
  }
  require_all(section, path, table);
}

void Reader::require_all(std::string_view section, const std::string& path, const RawValue& table) {
  for (const auto& key : schema_keys()) {
    if (key.section != section || !key.required) continue;
    const bool written = std::any_of(table.members.begin(), table.members.end(),
                                     [&](const RawMember& member) { return member.key == key.name; });
    if (written) continue;
    const std::string key_path = join(path, key.name);
    fail(key_path, "required key is missing", "allowed: " + allowed_text(key));
    // A missing key is shown at its section's header.
    if (const auto place = places_.find(path); place != places_.end()) {
      errors_.back().line = place->second.line;
      errors_.back().column = place->second.column;
    }
  }
}

void Reader::read_key(const KeySpec& key, const std::string& path, const RawValue& value) {
  if (key.type == KeyType::kInteger) return read_integer(key, path, value);
  if (key.type == KeyType::kBoolean) {
    if (value.kind == RawValue::Kind::kBoolean) return key.set_boolean(config_, value.text == "true");
    return fail(path, "wrong type: a boolean is needed, not " + std::string(value.kind_name()), "allowed: " + allowed_text(key));
  }
  if (value.kind != RawValue::Kind::kText) {
    return fail(path, "wrong type: a string is needed, not " + std::string(value.kind_name()),
                "allowed: " + allowed_text(key));
  }
  if (key.type == KeyType::kChoice) return read_choice(key, path, value);
  if (std::string problem = key.set_text(config_, value.text); !problem.empty()) {
    fail(path, std::move(problem), "allowed: " + allowed_text(key));
  }
}

void Reader::read_integer(const KeySpec& key, const std::string& path, const RawValue& value) {
  const std::string allowed = "allowed: " + allowed_text(key);
  if (value.kind != RawValue::Kind::kInteger) {
    std::string hint = value.kind == RawValue::Kind::kText ? quantity_hint(key, value.text) : "";
    if (!hint.empty()) hint = "; " + hint;
    return fail(path, "wrong type: an integer is needed, not " + std::string(value.kind_name()), allowed + hint);
  }
  if (value.integer < key.min || value.integer > key.max) return fail(path, "out of range", allowed);
  if (key.power_of_two && !std::has_single_bit(static_cast<std::uint64_t>(value.integer))) {
    return fail(path, "not a power of two", allowed);
  }
  key.set_integer(config_, value.integer);
}

void Reader::read_choice(const KeySpec& key, const std::string& path, const RawValue& value) {
  const auto found = std::find(key.choices.begin(), key.choices.end(), value.text);
  if (found != key.choices.end()) return key.set_choice(config_, static_cast<std::size_t>(found - key.choices.begin()));
  const auto near = nearest(value.text, key.choices);
  fail(path, "unknown value",
       "allowed: " + allowed_text(key) + (near.empty() ? "" : "; did you mean \"" + std::string(near) + "\"?"));
}

void Reader::unknown_section(const RawMember& member) {
  const std::string path = path_name(member.key);
  places_[path] = {member.line, member.column, ""};
  std::vector<std::string_view> names;
  for (const auto& section : schema_sections()) names.push_back(section.name);
  const bool table = member.value.kind == RawValue::Kind::kTable || member.value.kind == RawValue::Kind::kArray;
  std::string hint = table ? "" : unknown_key_hint("", member.key);
  if (hint.empty()) {
    const auto near = nearest(member.key, names);
    std::string list;
    for (const auto name : names) list += (list.empty() ? "" : ", ") + std::string(name);
    hint = near.empty() ? "known sections: " + list : "did you mean [" + std::string(near) + "]?";
  }
  fail(path, table ? "unknown section" : "unknown key", hint);
}

}  // namespace dwcp
