// SPDX-License-Identifier: Apache-2.0
#include "control/log.h"

#include <spdlog/async.h>
#include <spdlog/async_logger.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <utility>

#include "base/time.h"

namespace dwcp {
namespace {

// A line travels through spdlog as MESSAGE (US KEY RS VALUE)*, and a formatter lays it out.  The separators cannot
// occur in the parts: they are control characters, and those are escaped first.
constexpr char kFieldMark = '\x1f';
constexpr char kValueMark = '\x1e';

constexpr std::array<std::string_view, 5> kLevelNames{"trace", "debug", "info", "warning", "error"};

spdlog::level::level_enum to_spdlog(LogLevel level) noexcept {
  switch (level) {
    case LogLevel::kTrace:
      return spdlog::level::trace;
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarning:
      return spdlog::level::warn;
    case LogLevel::kError:
      return spdlog::level::err;
  }
  return spdlog::level::info;
}

std::string_view level_name(spdlog::level::level_enum level) noexcept {
  const auto index = static_cast<std::size_t>(level);
  return kLevelNames[std::min(index, kLevelNames.size() - 1)];
}

// Escapes control characters, the backslash and, on demand, the double quote, as JSON does.  What is not ASCII passes:
// it is UTF-8 or, from a hostile peer, bytes that no terminal takes for a command once the C0 set is gone.
void append_escaped(std::string& out, std::string_view text, bool quotes) {
  constexpr char kHex[] = "0123456789abcdef";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) {
      out += "\\u00";
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    } else {
      if (c == '\\' || (quotes && c == '"')) out += '\\';
      out += c;
    }
  }
}

void append_time(std::string& out, spdlog::log_clock::time_point when) {
  using std::chrono::duration_cast;
  const auto since = when.time_since_epoch();
  const auto micros = duration_cast<std::chrono::microseconds>(since).count();
  const std::time_t seconds = static_cast<std::time_t>(micros / 1'000'000);
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  char text[40];
  const std::size_t length = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc);
  out.append(text, length);
  std::snprintf(text, sizeof text, ".%06dZ", static_cast<int>(micros % 1'000'000));
  out += text;
}

// Calls visit(key, value) for each field and returns the message before them.
template <typename Visit>
std::string_view split_payload(std::string_view payload, Visit&& visit) {
  const auto message = payload.substr(0, payload.find(kFieldMark));
  std::string_view rest = payload.substr(message.size());
  while (!rest.empty()) {
    rest.remove_prefix(1);
    const auto field = rest.substr(0, rest.find(kFieldMark));
    rest.remove_prefix(field.size());
    const auto mark = field.find(kValueMark);
    if (mark != std::string_view::npos) visit(field.substr(0, mark), field.substr(mark + 1));
  }
  return message;
}

class TextFormatter final : public spdlog::formatter {
 public:
  void format(const spdlog::details::log_msg& line, spdlog::memory_buf_t& dest) override {
    std::string out;
    append_time(out, line.time);
    out += ' ';
    out += level_name(line.level);
    std::string fields;
    const std::string_view message =
        split_payload({line.payload.data(), line.payload.size()}, [&](std::string_view key, std::string_view value) {
          const bool bare = !value.empty() && value.find_first_of(" =\\\"") == value.npos;
          fields += ' ' + std::string(key) + '=';
          if (!bare) fields += '"';
          fields += value;
          if (!bare) fields += '"';
        });
    out += ' ';
    out += message;
    out += fields;
    out += '\n';
    dest.append(out.data(), out.data() + out.size());
  }
  [[nodiscard]] std::unique_ptr<formatter> clone() const override { return std::make_unique<TextFormatter>(); }
};

class JsonFormatter final : public spdlog::formatter {
 public:
  void format(const spdlog::details::log_msg& line, spdlog::memory_buf_t& dest) override {
    std::string out = "{\"time\":\"";
    append_time(out, line.time);
    out += "\",\"level\":\"";
    out += level_name(line.level);
    out += "\",\"thread\":" + std::to_string(line.thread_id) + ",\"message\":\"";
    std::string fields;
    out += split_payload({line.payload.data(), line.payload.size()}, [&](std::string_view key, std::string_view value) {
      fields += ",\"" + std::string(key) + "\":\"" + std::string(value) + '"';
    });
    out += '"';
    out += fields;
    out += "}\n";
    dest.append(out.data(), out.data() + out.size());
  }
  [[nodiscard]] std::unique_ptr<formatter> clone() const override { return std::make_unique<JsonFormatter>(); }
};

}  // namespace

expected<std::unique_ptr<Log>, Error> Log::open(const LogConfig& config) {
  try {
    std::shared_ptr<spdlog::sinks::sink> sink;
    if (config.file.empty()) {
      sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
    } else {
      sink = std::make_shared<spdlog::sinks::basic_file_sink_mt>(config.file);
    }
    if (config.format == LogFormat::kJson) {
      sink->set_formatter(std::make_unique<JsonFormatter>());
    } else {
      sink->set_formatter(std::make_unique<TextFormatter>());
    }
    auto pool = std::make_shared<spdlog::details::thread_pool>(kQueueLines, 1);
    auto logger = std::make_shared<spdlog::async_logger>("dwcp", std::move(sink), pool,
                                                         spdlog::async_overflow_policy::overrun_oldest);
    logger->set_level(to_spdlog(config.level));
    logger->flush_on(spdlog::level::info);
    return std::unique_ptr<Log>(new Log(std::move(pool), std::move(logger)));
  } catch (const std::exception& exception) {
    return unexpected<Error>({ErrorCode::kLogFile, "log", exception.what()});
  }
}

Log::Log(std::shared_ptr<spdlog::details::thread_pool> pool, std::shared_ptr<spdlog::async_logger> logger)
    : pool_(std::move(pool)), logger_(std::move(logger)) {}

Log::~Log() = default;  // the pool's end writes what waits and joins its thread

void Log::write(LogLevel level, std::string_view message, std::initializer_list<LogField> fields) noexcept {
  if (!enabled(level)) return;
  try {
    std::string payload;
    append_escaped(payload, message, true);
    for (const LogField& field : fields) {
      payload += kFieldMark;
      append_escaped(payload, field.key, true);
      payload += kValueMark;
      append_escaped(payload, field.value, true);
    }
    logger_->log(to_spdlog(level), spdlog::string_view_t(payload.data(), payload.size()));
  } catch (...) {
    // Out of memory: the line is lost, the program is not.
  }
}

void Log::set_level(LogLevel level) noexcept {
  logger_->set_level(to_spdlog(level));
}
bool Log::enabled(LogLevel level) const noexcept {
  return logger_->should_log(to_spdlog(level));
}
std::uint64_t Log::dropped() const noexcept {
  return pool_->overrun_counter();
}

LogLimit::LogLimit(std::uint32_t per_second, std::uint32_t burst) noexcept
    : limit_(kNsPerSec / std::max(per_second, 1U), std::max(burst, 1U)) {}

std::optional<std::uint64_t> LogLimit::admit(std::uint64_t now_ns) noexcept {
  if (!limit_.admit(now_ns)) {
    ++skipped_;
    return std::nullopt;
  }
  return std::exchange(skipped_, 0);
}

}  // namespace dwcp
