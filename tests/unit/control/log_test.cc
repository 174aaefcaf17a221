// SPDX-License-Identifier: Apache-2.0
#include "control/log.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <regex>
#include <thread>
#include <vector>

#include "base/time.h"

namespace dwcp {
namespace {

class LogFile : public testing::Test {
 protected:
  LogFile() {
    char path[] = "/tmp/dwcp-log-test-XXXXXX";
    close(mkstemp(path));
    config.file = path;
  }
  ~LogFile() override { std::remove(config.file.c_str()); }

  std::vector<std::string> lines() const {
    std::ifstream stream(config.file);
    std::vector<std::string> out;
    for (std::string line; std::getline(stream, line);) out.push_back(line);
    return out;
  }

  LogConfig config;
};
using log = LogFile;

TEST_F(log, text_line_has_time_level_message_fields) {
  {
    auto opened = Log::open(config);
    ASSERT_TRUE(opened);
    (*opened)->write(LogLevel::kWarning, "migration failed",
                     {{"migration", 7}, {"peer", "site-b"}, {"reason", "it said \"no\""}});
  }
  ASSERT_EQ(lines().size(), 1U);
  const std::regex shape(
      R"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z warning migration failed migration=7 peer=site-b reason="it said \\"no\\"")");
  EXPECT_TRUE(std::regex_match(lines()[0], shape)) << lines()[0];
}

TEST_F(log, json_line_is_json_whatever_the_text) {
  config.format = LogFormat::kJson;
  const std::string nasty =
      "a\"b\\c\nd\x1f"
      "e\x1e"
      "f\x7f";
  {
    auto opened = Log::open(config);
    ASSERT_TRUE(opened);
    (*opened)->write(LogLevel::kInfo, nasty, {{"peer", nasty}, {"bytes", std::uint64_t{1} << 63}});
  }
  ASSERT_EQ(lines().size(), 1U);
  const auto json = nlohmann::json::parse(lines()[0]);
  EXPECT_EQ(json["message"], nasty);
  EXPECT_EQ(json["peer"], nasty);
  EXPECT_EQ(json["bytes"], "9223372036854775808");
  EXPECT_EQ(json["level"], "info");
  EXPECT_TRUE(json["thread"].is_number());
}

TEST_F(log, text_cannot_forge_a_line) {
  {
    auto opened = Log::open(config);
    ASSERT_TRUE(opened);
    (*opened)->write(LogLevel::kInfo, "from peer", {{"reason", "x\n2026-01-01 error forged\x1b[2J"}});
  }
  ASSERT_EQ(lines().size(), 1U);
  EXPECT_EQ(lines()[0].find('\x1b'), std::string::npos);
}

TEST_F(log, level_filters_and_can_change) {
  config.level = LogLevel::kWarning;
  {
    auto opened = Log::open(config);
    ASSERT_TRUE(opened);
    (*opened)->write(LogLevel::kInfo, "one");
    (*opened)->write(LogLevel::kError, "two");
    (*opened)->set_level(LogLevel::kDebug);
    (*opened)->write(LogLevel::kDebug, "three");
    (*opened)->write(LogLevel::kTrace, "four");
  }
  ASSERT_EQ(lines().size(), 2U);
  EXPECT_NE(lines()[0].find(" error two"), std::string::npos);
  EXPECT_NE(lines()[1].find(" debug three"), std::string::npos);
}

TEST_F(log, nothing_is_lost_below_the_bound) {
  {
    auto opened = Log::open(config);
    ASSERT_TRUE(opened);
    std::vector<std::thread> writers;
    for (int t = 0; t < 4; ++t) {
      writers.emplace_back([&] {
        for (int i = 0; i < 1000; ++i) (*opened)->write(LogLevel::kInfo, "line", {{"i", i}});
      });
    }
    for (auto& writer : writers) writer.join();
    EXPECT_EQ((*opened)->dropped(), 0U);
  }
  EXPECT_EQ(lines().size(), 4000U);
}

// The file is a pipe that nobody reads, so the writer thread hangs, as on a dead disk.
TEST_F(log, a_full_queue_drops_and_counts_and_never_waits) {
  std::remove(config.file.c_str());
  ASSERT_EQ(mkfifo(config.file.c_str(), 0600), 0);
  const int reader = ::open(config.file.c_str(), O_RDONLY | O_NONBLOCK);
  ASSERT_GE(reader, 0);
  auto opened = Log::open(config);
  ASSERT_TRUE(opened);
  constexpr std::size_t kLines = 4 * Log::kQueueLines;
  const auto begin = std::chrono::steady_clock::now();
  for (std::size_t i = 0; i < kLines; ++i) (*opened)->write(LogLevel::kError, "line");
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(5));
  const std::uint64_t dropped = (*opened)->dropped();
  EXPECT_GE(dropped, 2 * Log::kQueueLines);

  std::size_t got = 0;
  std::thread drain([&] {
    fcntl(reader, F_SETFL, 0);
    char buffer[65536];
    for (ssize_t count; (count = read(reader, buffer, sizeof buffer)) > 0;) {
      got += static_cast<std::size_t>(std::count(buffer, buffer + count, '\n'));
    }
  });
  opened->reset();  // what was queued is still written
  drain.join();
  close(reader);
  EXPECT_EQ(got + dropped, kLines);
}

TEST_F(log, a_file_that_cannot_be_opened_is_an_error) {
  LogConfig bad;
  bad.file = "/proc/nonexistent/dwcp.log";
  const auto opened = Log::open(bad);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::kLogFile);
  EXPECT_NE(opened.error().to_string().find("/proc/nonexistent/dwcp.log"), std::string::npos);
}

TEST(log_limit, lets_a_burst_through_and_then_the_rate) {
  LogLimit limit(10, 3);
  const std::uint64_t start = 5 * kNsPerSec;
  int admitted = 0;
  for (int i = 0; i < 10; ++i) admitted += limit.admit(start).has_value();
  EXPECT_EQ(admitted, 3);
  EXPECT_FALSE(limit.admit(start + 99 * kNsPerMs));
  const auto skipped = limit.admit(start + 100 * kNsPerMs);
  ASSERT_TRUE(skipped);
  EXPECT_EQ(*skipped, 8U);
  admitted = 0;
  for (int ms = 101; ms <= 2100; ++ms)
    admitted += limit.admit(start + static_cast<std::uint64_t>(ms) * kNsPerMs).has_value();
  EXPECT_EQ(admitted, 20);
  // After a pause a whole burst is free again.
  admitted = 0;
  for (int i = 0; i < 10; ++i) admitted += limit.admit(start + 60 * kNsPerSec).has_value();
  EXPECT_EQ(admitted, 3);
}

}  // namespace
}  // namespace dwcp
