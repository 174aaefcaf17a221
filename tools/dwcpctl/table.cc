// SPDX-License-Identifier: Apache-2.0
#include "table.h"

#include <algorithm>
#include <cstdio>

#include "base/assert.h"

namespace dwcp::ctl {
namespace {

std::string number(double value, const char* unit) {
  char text[64];
  std::snprintf(text, sizeof text, value < 10 ? "%.2f %s" : value < 100 ? "%.1f %s" : "%.0f %s", value, unit);
  return text;
}

}  // namespace

void Table::row(std::vector<std::string> cells) {
  DWCP_ASSERT(cells.size() == columns_.size());
  rows_.push_back(std::move(cells));
}

std::string Table::text() const {
  std::vector<std::size_t> widths;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    widths.push_back(columns_[i].title.size());
    for (const auto& cells : rows_) widths[i] = std::max(widths[i], cells[i].size());
  }
  std::string out;
  const auto line = [&](auto&& cell_of) {
    std::string text;
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      const std::string& cell = cell_of(i);
      const std::string pad(widths[i] - cell.size(), ' ');
      text += (i == 0 ? "" : "  ") + (columns_[i].align == Align::kRight ? pad + cell : cell + pad);
    }
    text.erase(text.find_last_not_of(' ') + 1);
    out += text + '\n';
  };
  line([&](std::size_t i) -> const std::string& { return columns_[i].title; });
  for (const auto& cells : rows_) line([&](std::size_t i) -> const std::string& { return cells[i]; });
  return out;
}

std::string human_bytes(std::uint64_t bytes) {
  constexpr const char* kUnits[] = {"KiB", "MiB", "GiB", "TiB", "PiB"};
  if (bytes < 1024) return std::to_string(bytes) + " B";
  double value = static_cast<double>(bytes) / 1024;
  std::size_t unit = 0;
  while (value >= 1024 && unit + 1 < std::size(kUnits)) value /= 1024, ++unit;
  return number(value, kUnits[unit]);
}

std::string human_rate(std::uint64_t bits_per_s) {
  constexpr const char* kUnits[] = {"kb/s", "Mb/s", "Gb/s", "Tb/s"};
  if (bits_per_s < 1000) return std::to_string(bits_per_s) + " b/s";
  double value = static_cast<double>(bits_per_s) / 1000;
  std::size_t unit = 0;
  while (value >= 1000 && unit + 1 < std::size(kUnits)) value /= 1000, ++unit;
  return number(value, kUnits[unit]);
}

std::string human_ms(std::uint64_t ms) {
  if (ms < 1000) return std::to_string(ms) + " ms";
  if (ms < 60'000) return number(static_cast<double>(ms) / 1000, "s");
  const std::uint64_t s = ms / 1000;
  const auto pair = [](std::uint64_t big, const char* big_unit, std::uint64_t small, const char* small_unit) {
    return std::to_string(big) + ' ' + big_unit + ' ' + std::to_string(small) + ' ' + small_unit;
  };
  if (s < 3600) return pair(s / 60, "min", s % 60, "s");
  if (s < 86'400) return pair(s / 3600, "h", s % 3600 / 60, "min");
  return pair(s / 86'400, "d", s % 86'400 / 3600, "h");
}

std::string human_us(std::uint64_t us) {
  return us < 1000        ? std::to_string(us) + " us"
         : us < 1'000'000 ? number(static_cast<double>(us) / 1000, "ms")
                          : human_ms(us / 1000);
}

std::string human_fraction(std::uint64_t part, std::uint64_t whole) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2f %%",
                whole == 0 ? 0.0 : 100.0 * static_cast<double>(part) / static_cast<double>(whole));
  return text;
}

}  // namespace dwcp::ctl
