// SPDX-License-Identifier: Apache-2.0
// Aligned text tables and the human spelling of quantities.  Pure; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace dwcp::ctl {

enum class Align : std::uint8_t { kLeft, kRight };

class Table {
 public:
  struct Column {
    std::string title;
    Align align = Align::kLeft;
  };
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

  void row(std::vector<std::string> cells);  // as many as there are columns
  [[nodiscard]] std::string text() const;    // ends in a newline; no trailing spaces

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

[[nodiscard]] std::string human_bytes(std::uint64_t bytes);      // 1.5 GiB
[[nodiscard]] std::string human_rate(std::uint64_t bits_per_s);  // 940 Mb/s
[[nodiscard]] std::string human_ms(std::uint64_t ms);            // 850 ms, 12.3 s, 3 min 20 s, 5 h 12 min, 3 d 4 h
[[nodiscard]] std::string human_us(std::uint64_t us);            // 850 us, 50.2 ms
[[nodiscard]] std::string human_fraction(std::uint64_t part, std::uint64_t whole);  // 0.12 %

}  // namespace dwcp::ctl
