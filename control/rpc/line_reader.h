// SPDX-License-Identifier: Apache-2.0
// Cuts a stream of bytes into lines of bounded length.  Pure.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>

namespace dwcp {

class LineReader {
 public:
  explicit LineReader(std::size_t line_bytes_max) noexcept : max_(line_bytes_max) {}

  // Give all lines out before more is fed: what is held is bounded by a line and one such span.
  void feed(std::span<const char> bytes) { held_.append(bytes.data(), bytes.size()); }

  // Without its line end, which may be LF or CR LF.
  [[nodiscard]] std::optional<std::string> next() {
    const std::size_t end = held_.find('\n', searched_);
    if (end == std::string::npos) {
      searched_ = held_.size();
      return std::nullopt;
    }
    std::string line = held_.substr(0, end > 0 && held_[end - 1] == '\r' ? end - 1 : end);
    held_.erase(0, end + 1);
    searched_ = 0;
    return line;
  }

  // A line longer than allowed has begun: the stream is of no use from here on.  After next() gave none.
  [[nodiscard]] bool too_long() const noexcept { return held_.size() > max_; }
  [[nodiscard]] bool partial() const noexcept { return !held_.empty(); }

 private:
  std::size_t max_;
  std::string held_;
  std::size_t searched_ = 0;  // no line end before this
};

}  // namespace dwcp
