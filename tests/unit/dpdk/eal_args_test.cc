// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "drivers/dpdk/eal.h"

namespace dwcp {
namespace {

EalArgs parse(std::vector<const char*> argv) {
  return EalArgs::parse(static_cast<int>(argv.size()), argv.data());
}

bool contains(const EalArgs& eal, const std::string& arg) {
  return std::find(eal.args.begin(), eal.args.end(), arg) != eal.args.end();
}

constexpr Hugepages kPlenty{1U << 30, true};

TEST(eal_args, split_at_the_double_dash) {
  const EalArgs eal = parse({"dwcp-gateway", "-l", "0,1", "--", "--config", "x.toml"});
  EXPECT_EQ(eal.args, (std::vector<std::string>{"dwcp-gateway", "-l", "0,1"}));
  EXPECT_EQ(eal.consumed, 4);
  EXPECT_EQ(parse({"dwcp-gateway", "-l", "0"}).consumed, 3);
  EXPECT_EQ(parse({"dwcp-gateway", "--"}).consumed, 2);
}

TEST(eal_args, know_what_was_given) {
  const EalArgs eal = parse({"p", "--file-prefix=a", "-l0", "--vdev", "net_null0"});
  EXPECT_TRUE(eal.has("--file-prefix"));
  EXPECT_TRUE(eal.has("-l"));
  EXPECT_TRUE(eal.has("--vdev"));
  EXPECT_FALSE(eal.has("--file"));
  EXPECT_FALSE(eal.has("-m"));
}

TEST(eal_args, hugepages_are_used_when_there_are_any) {
  EalArgs eal = parse({"p"});
  eal.add_defaults({}, kPlenty);
  EXPECT_FALSE(eal.has("--no-huge"));
  EXPECT_FALSE(eal.has("-m"));
  EXPECT_TRUE(contains(eal, "--file-prefix=dwcp"));
  EXPECT_TRUE(eal.warning.empty());
}

TEST(eal_args, fall_back_to_ordinary_memory_and_say_so) {
  for (const Hugepages& none : {Hugepages{0, true}, Hugepages{1U << 30, false}}) {
    EalArgs eal = parse({"p"});
    eal.add_defaults({.memory_mb = 300}, none);
    EXPECT_TRUE(eal.has("--no-huge"));
    EXPECT_TRUE(contains(eal, "300"));
    EXPECT_NE(eal.warning.find("--no-huge"), std::string::npos);
    EXPECT_EQ(eal.warning.find('\n'), std::string::npos);
    EXPECT_EQ(eal.warning.find("mount -t") != std::string::npos, !none.mounted);
  }
}

TEST(eal_args, the_operator_wins) {
  EalArgs eal = parse({"p", "--no-huge", "-m", "64", "--file-prefix=mine", "--log-level=debug", "-c", "3"});
  const std::size_t before = eal.args.size();
  eal.add_defaults({.lcores = "0"}, {});
  EXPECT_EQ(eal.args.size(), before);
  EXPECT_TRUE(eal.warning.empty());
}

TEST(eal_args, no_huge_by_hand_still_gets_memory) {
  EalArgs eal = parse({"p", "--no-huge"});
  eal.add_defaults({.memory_mb = 256}, {});
  EXPECT_TRUE(contains(eal, "256"));
  EXPECT_TRUE(eal.warning.empty());
}

TEST(eal_args, read_what_the_kernel_says_of_hugepages) {
  const std::filesystem::path root = testing::TempDir() + "/dwcp_hugepages";
  std::filesystem::create_directories(root / "sys/hugepages-2048kB");
  std::filesystem::create_directories(root / "sys/hugepages-1048576kB");
  std::ofstream(root / "sys/hugepages-2048kB/free_hugepages") << "3\n";
  std::ofstream(root / "sys/hugepages-1048576kB/free_hugepages") << "1\n";
  std::ofstream(root / "mounts") << "tmpfs /tmp tmpfs rw 0 0\nnone /dev/hugepages hugetlbfs rw 0 0\n";
  std::ofstream(root / "bare") << "tmpfs /hugetlbfs tmpfs rw 0 0\n";
  const Hugepages found = read_hugepages(root / "sys", root / "mounts");
  EXPECT_EQ(found.free_bytes, (3U << 21) + (1U << 30));
  EXPECT_TRUE(found.usable());
  EXPECT_FALSE(read_hugepages(root / "sys", root / "bare").usable());
  EXPECT_FALSE(read_hugepages(root / "nowhere", root / "nothing").usable());
  std::filesystem::remove_all(root);
}

}  // namespace
}  // namespace dwcp
