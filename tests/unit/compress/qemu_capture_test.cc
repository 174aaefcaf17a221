// SPDX-License-Identifier: Apache-2.0
// The adapter and the codec on what a real QEMU sends: a guest of firmware only, saved by `migrate exec:` at test time
// (so that no one's memory is in the tree).  Skipped, and saying so, where qemu-system-x86_64 is missing.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

#include "codec_driver.h"

namespace dwcp {
namespace {

struct Capture {
  Bytes stream;
  std::uint64_t normal_pages = 0;  // as QEMU itself counts them
  std::uint64_t fill_pages = 0;
};

std::uint64_t number_after(const std::string& text, const std::string& key) {
  const auto at = text.rfind(key);
  return at == std::string::npos ? 0 : std::strtoull(text.c_str() + at + key.size(), nullptr, 10);
}

std::string run_monitor(const std::string& arguments, const std::string& commands, const std::string& log) {
  const std::string line = "( " + commands + " ) | timeout 60 qemu-system-x86_64 -accel tcg -m 48 -display none" +
                           " -nodefaults -monitor stdio " + arguments + " > " + log + " 2>&1";
  if (std::system(line.c_str()) != 0) return "failed to run";
  std::ifstream file(log);
  return {std::istreambuf_iterator<char>(file), {}};
}

// Waits in the shell, by asking QEMU again, until the migration has ended.
Capture capture(const std::string& arguments, const std::string& settings) {
  const auto folder = std::filesystem::temp_directory_path() / ("dwcp-capture-" + std::to_string(getpid()));
  std::filesystem::create_directories(folder);
  const std::string stream = (folder / "stream").string();
  const std::string log = (folder / "log").string();
  const std::string commands = settings + " echo 'migrate \"exec:cat > " + stream + "\"'; n=0; " +
                               "until grep -q 'status: completed' " + log + " || [ $n -ge 100 ]; do " +
                               "echo 'info migrate'; sleep 0.2; n=$((n+1)); done; echo 'info migrate'; echo quit";
  const std::string output = run_monitor(arguments, commands, log);
  Capture result;
  std::ifstream file(stream, std::ios::binary);
  result.stream.assign(std::istreambuf_iterator<char>(file), {});
  result.normal_pages = number_after(output, "normal: ");
  result.fill_pages = number_after(output, "duplicate: ");
  std::filesystem::remove_all(folder);
  return result;
}

bool qemu_is_missing() {
  return std::system("command -v qemu-system-x86_64 > /dev/null 2>&1") != 0;
}

void expect_understood(const Capture& captured) {
  ASSERT_GT(captured.stream.size(), 100'000U) << "QEMU gave no stream";
  Rng rng(captured.stream.size());
  BlockEncoder encoder({.zstd_level = 1});
  BlockDecoder decoder;
  for (const auto raw : cut(rng, captured.stream)) {
    const Decoded decoded = decode_block(decoder, encode_block(encoder, raw));
    ASSERT_EQ(decoded.error, DecodeError::kNone);
    ASSERT_TRUE(std::equal(raw.begin(), raw.end(), decoded.raw.begin(), decoded.raw.end()));
  }
  EXPECT_EQ(encoder.adapter_counters().sync_losses, 0U);
  EXPECT_EQ(encoder.adapter_counters().fill_pages, captured.fill_pages);
  EXPECT_EQ(encoder.counters().zero_pages + encoder.counters().normal_pages, captured.normal_pages);
  EXPECT_LT(encoder.counters().encoded_bytes, captured.stream.size() / 2);
  // The guest is stopped before its device state and after a first pass over its RAM: 12288 pages, 9 bytes each when empty.
  ASSERT_TRUE(encoder.stop_offset());
  const std::string_view text(reinterpret_cast<const char*>(captured.stream.data()), captured.stream.size());
  EXPECT_GT(*encoder.stop_offset(), 12288U * 9);
  EXPECT_LT(*encoder.stop_offset(), text.find("cpu_common"));
  EXPECT_EQ(captured.stream[*encoder.stop_offset()], qemu::kSectionEnd);
}

TEST(qemu_capture, precopy_is_followed_to_the_end) {
  if (qemu_is_missing()) GTEST_SKIP() << "SKIPPED: qemu-system-x86_64 is not installed";
  expect_understood(capture("", ""));
}

TEST(qemu_capture, capabilities_that_change_the_setup_section) {
  if (qemu_is_missing()) GTEST_SKIP() << "SKIPPED: qemu-system-x86_64 is not installed";
  expect_understood(capture("-uuid 12345678-1234-1234-1234-123456789abc",
                            "echo 'migrate_set_capability x-ignore-shared on';"
                            "echo 'migrate_set_capability validate-uuid on';"
                            "echo 'migrate_set_capability xbzrle on';"));
}

}  // namespace
}  // namespace dwcp
