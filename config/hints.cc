// SPDX-License-Identifier: Apache-2.0
#include "config/hints.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <vector>

namespace dwcp {
namespace {

enum class Dimension : std::uint8_t { kTime, kBytes, kRate, kCount };

struct Unit {
  std::string_view name;
  Dimension dimension;
  double factor;  // to seconds, bytes, bits per second, 1
};

constexpr Unit kUnits[] = {
    {"ns", Dimension::kTime, 1e-9},       {"us", Dimension::kTime, 1e-6},  {"ms", Dimension::kTime, 1e-3},
    {"s", Dimension::kTime, 1},           {"sec", Dimension::kTime, 1},    {"m", Dimension::kTime, 60},
    {"min", Dimension::kTime, 60},        {"h", Dimension::kTime, 3600},   {"B", Dimension::kBytes, 1},
    {"bytes", Dimension::kBytes, 1},      {"kB", Dimension::kBytes, 1e3},  {"KiB", Dimension::kBytes, 1024},
    {"K", Dimension::kBytes, 1024},       {"MB", Dimension::kBytes, 1e6},  {"MiB", Dimension::kBytes, 1048576},
    {"M", Dimension::kBytes, 1048576},    {"GB", Dimension::kBytes, 1e9},  {"GiB", Dimension::kBytes, 1073741824},
    {"G", Dimension::kBytes, 1073741824}, {"bps", Dimension::kRate, 1},    {"kbps", Dimension::kRate, 1e3},
    {"Mbps", Dimension::kRate, 1e6},      {"Mb/s", Dimension::kRate, 1e6}, {"Mbit", Dimension::kRate, 1e6},
    {"Gbps", Dimension::kRate, 1e9},      {"Gb/s", Dimension::kRate, 1e9}, {"Gbit", Dimension::kRate, 1e9},
    {"packets", Dimension::kCount, 1},
};

const Unit* find_unit(std::string_view name) {
  const auto* found =
      std::find_if(std::begin(kUnits), std::end(kUnits), [&](const Unit& unit) { return unit.name == name; });
  return found == std::end(kUnits) ? nullptr : found;
}

// "keepalive_ms" -> "keepalive" when the last word is a unit, in the spelling key names use.
std::string_view stem(std::string_view name) {
  const auto underscore = name.rfind('_');
  if (underscore == std::string_view::npos) return name;
  constexpr std::string_view kSuffixes[] = {"ns",  "us", "ms",  "s",  "sec",  "min",  "bytes", "kib", "kb",
                                            "mib", "mb", "gib", "gb", "kbps", "mbps", "gbps",  "bps", "packets"};
  const auto suffix = name.substr(underscore + 1);
  return std::find(std::begin(kSuffixes), std::end(kSuffixes), suffix) == std::end(kSuffixes)
             ? name
             : name.substr(0, underscore);
}

std::string path_of(const KeySpec& key) {
  return key.section.empty() ? std::string(key.name) : '[' + std::string(key.section) + "] " + std::string(key.name);
}

}  // namespace

std::size_t edit_distance(std::string_view left, std::string_view right) {
  // Three rows of the table: the one being filled, the last, and the one before, which a swap of neighbours needs.
  std::vector<std::size_t> row(right.size() + 1), above(right.size() + 1), above_that(right.size() + 1);
  for (std::size_t j = 0; j <= right.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= left.size(); ++i) {
    above_that.swap(above);
    above.swap(row);
    row[0] = i;
    for (std::size_t j = 1; j <= right.size(); ++j) {
      const std::size_t replaced = above[j - 1] + (left[i - 1] == right[j - 1] ? 0 : 1);
      row[j] = std::min({replaced, above[j] + 1, row[j - 1] + 1});
      const bool swapped = i > 1 && j > 1 && left[i - 1] == right[j - 2] && left[i - 2] == right[j - 1];
      if (swapped) row[j] = std::min(row[j], above_that[j - 2] + 1);
    }
  }
  return row.back();
}

std::string_view nearest(std::string_view word, std::span<const std::string_view> candidates) {
  constexpr std::size_t kWordMax = 64;  // a longer one resembles nothing here, and would only cost time
  if (word.size() > kWordMax) return {};
  std::string_view best;
  std::size_t best_distance = std::max<std::size_t>(1, word.size() / 3) + 1;
  for (const auto candidate : candidates) {
    const std::size_t distance = edit_distance(word, candidate);
    if (distance < best_distance) best = candidate, best_distance = distance;
  }
  return best;
}

std::string quantity_hint(const KeySpec& key, std::string_view text) {
  double amount = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), amount);
  if (error != std::errc{} || !std::isfinite(amount)) return {};
  std::string_view unit_name(end, static_cast<std::size_t>(text.data() + text.size() - end));
  while (unit_name.starts_with(' ')) unit_name.remove_prefix(1);
  const std::string assignment = "write " + std::string(key.name) + " = ";
  if (unit_name.empty()) return assignment + std::string(text.substr(0, static_cast<std::size_t>(end - text.data())));
  const Unit* given = find_unit(unit_name);
  const Unit* wanted = find_unit(key.unit);
  if (wanted == nullptr) return "bad unit: " + std::string(key.name) + " has none";
  const std::string in_name = ", the unit (" + std::string(key.unit) + ") being part of the key's name";
  if (given == nullptr || given->dimension != wanted->dimension) {
    return "bad unit: " + assignment + "N" + in_name;
  }
  const double value = amount * given->factor / wanted->factor;
  const double rounded = std::round(value);
  if (std::abs(value - rounded) > 1e-6 || std::abs(rounded) > 1e15) return assignment + "N" + in_name;
  return assignment + std::to_string(static_cast<std::int64_t>(rounded)) + in_name;
}

std::string unknown_key_hint(std::string_view section, std::string_view name) {
  std::vector<std::string_view> here;
  for (const auto& key : schema_keys()) {
    if (key.section != section) continue;
    here.push_back(key.name);
    if (stem(key.name) != stem(name)) continue;
    const std::string unit = key.unit.empty() ? "" : " (the unit is " + std::string(key.unit) + ")";
    return "did you mean " + std::string(key.name) + '?' + unit;
  }
  // Elsewhere by its exact name before here by a similar one.
  for (const auto& key : schema_keys()) {
    if (key.name == name) return "did you mean " + path_of(key) + "? It belongs there";
  }
  const auto near = nearest(name, here);
  return near.empty() ? "" : "did you mean " + std::string(near) + '?';
}

}  // namespace dwcp
