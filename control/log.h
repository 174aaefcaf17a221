// SPDX-License-Identifier: Apache-2.0
// Logging by spdlog: text or JSON lines, to stderr or a file, written by a thread of its own behind a bounded queue.  A
// full queue drops the oldest line and counts it; nobody who logs ever waits.  Nothing is logged per packet.
//
// Use:
//   auto log = Log::open(config.log);
//   if (!log) die(log.error());
//   (*log)->write(LogLevel::kWarning, "migration failed", {{"migration", id}, {"peer", name}, {"reason", text}});
//
// Any thread but the lcores may write (they report by ring).  Invariants:
//   I1 one call is one line, whatever the text holds: control characters are escaped, in text and in JSON
//   I2 a JSON line has time (RFC 3339, UTC), level, thread, message, and then the fields as strings
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

#include "base/expected.h"
#include "base/rate_limit.h"
#include "config/config.h"
#include "control/error.h"

namespace spdlog {
class async_logger;
namespace details {
class thread_pool;
}
}  // namespace spdlog

namespace dwcp {

// One fact about a line.  Keys are snake_case constants with their unit last.
struct LogField {
  LogField(std::string_view name, std::string_view text) : key(name), value(text) {}
  LogField(std::string_view name, const char* text) : key(name), value(text) {}
  LogField(std::string_view name, const std::string& text) : key(name), value(text) {}
  template <typename Integer>
  requires std::is_integral_v<Integer> LogField(std::string_view name, Integer number)
      : key(name), value(std::to_string(number)) {}

  std::string_view key;
  std::string value;
};

class Log {
 public:
  // The lines that may wait for the writer; some hundred bytes each.
  static constexpr std::size_t kQueueLines = 8192;

  [[nodiscard]] static expected<std::unique_ptr<Log>, Error> open(const LogConfig& config);
  ~Log();  // writes out what waits
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  void write(LogLevel level, std::string_view message, std::initializer_list<LogField> fields = {}) noexcept;
  void set_level(LogLevel level) noexcept;
  [[nodiscard]] bool enabled(LogLevel level) const noexcept;
  // Lines lost to a full queue since open().
  [[nodiscard]] std::uint64_t dropped() const noexcept;

 private:
  Log(std::shared_ptr<spdlog::details::thread_pool> pool, std::shared_ptr<spdlog::async_logger> logger);

  std::shared_ptr<spdlog::details::thread_pool> pool_;
  std::shared_ptr<spdlog::async_logger> logger_;
};

// Limits one place that may have much to say: `burst` lines at once and `per_second` after that.  One owner thread.
//
//   static-free member:  LogLimit bad_cookie_limit_{1, 5};
//   if (auto skipped = bad_cookie_limit_.admit(now_ns)) log.write(..., {{"skipped", *skipped}});
class LogLimit {
 public:
  LogLimit(std::uint32_t per_second, std::uint32_t burst) noexcept;

  // Nothing when the line must be left out; otherwise how many were since the last one let through.
  [[nodiscard]] std::optional<std::uint64_t> admit(std::uint64_t now_ns) noexcept;

 private:
  RateLimit limit_;
  std::uint64_t skipped_ = 0;
};

}  // namespace dwcp
