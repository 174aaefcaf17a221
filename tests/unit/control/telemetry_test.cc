// SPDX-License-Identifier: Apache-2.0
// The adapter and dwcpctl over a real rte_telemetry: EAL runs in this process, without hugepages, devices or shared
// files of others (a folder and a prefix of its own).  argv[1] is the dwcpctl binary.
#include "control/telemetry.h"

#include <dirent.h>
#include <gtest/gtest.h>
#include <rte_eal.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include "client.h"

namespace dwcp {
namespace {

std::string runtime_dir;
std::string dwcpctl_path;

ctl::Deadline soon() {
  return std::chrono::steady_clock::now() + std::chrono::seconds(5);
}

struct Run {
  int exit_code;
  std::string output;  // both streams
};

Run dwcpctl(const std::string& arguments) {
  const std::string command = dwcpctl_path + " --runtime-dir " + runtime_dir + ' ' + arguments + " 2>&1";
  FILE* pipe = popen(command.c_str(), "r");
  std::string output;
  std::array<char, 4096> buffer;
  while (const std::size_t count = fread(buffer.data(), 1, buffer.size(), pipe)) output.append(buffer.data(), count);
  return {WEXITSTATUS(pclose(pipe)), output};
}

Snapshot sample() {
  Snapshot s;
  s.gateway.name = "t";
  s.gateway.state = "running";
  s.gateway.ready = 1;
  s.gateway.peers_total = 2;
  s.gateway.peers_up = 1;
  s.peers.resize(2);
  s.peers[0].name = "site-b.example_1";
  s.peers[0].state = "up";
  s.peers[0].delivery_rate_bps = 40'000'000'000;  // past 32 bits
  s.peers[0].rtt_us = 50'200;
  s.peers[1].name = "site-c";
  s.peers[1].state = "down";
  s.peers[1].reason = std::string(300, 'r');
  for (std::uint64_t i = 0; i < 64; ++i) {
    s.streams.push_back({.peer = s.peers[0].name, .id = i, .state = "active", .path_mtu_bytes = 1400 + i, .path_mtu_state = "complete"});
  }
  s.migrations.resize(2);
  s.migrations[0].id = 7;
  s.migrations[0].state = "failed";
  s.migrations[0].direction = "outgoing";
  s.migrations[0].reason = "far side said \"no\"\n\x1b[2J\\ \xff";
  s.migrations[0].pause_ms = -1;
  s.migrations[1].id = ~std::uint64_t{0};
  s.migrations[1].direction = "incoming";
  s.migrations[1].state = "completed";
  s.migrations[1].digest = std::string(64, 'a');
  s.migrations[1].digest_verified = "match";
  s.migrations[1].raw_bytes_out = std::uint64_t{3} << 30;
  s.migrations[1].wire_bytes_rx = std::uint64_t{1} << 30;
  s.migrations[1].pause_ms = 321;
  s.migrations[1].pause_far_ms = 21;
  s.lcores.resize(1);
  s.lcores[0].id = 1;
  s.lcores[0].roles = "net+codec";
  s.lcores[0].busy_permille = 125;
  s.drops = {{"bad_version", 3}, {"truncated", 0}};
  s.port.mac = "02:00:00:00:00:01";
  s.neighbours = {{"10.0.0.2", "02:00:00:00:00:02", "reachable", 12}, {"10.0.0.3", "", "incomplete", 1}};
  return s;
}

class Running : public testing::Test {
 protected:
  Running() {
    board.publish(sample());
    EXPECT_TRUE(adapter.start());
  }
  ~Running() override { EXPECT_TRUE(adapter.stop(0)); }

  ctl::Json ask(const std::string& command) {
    ctl::Target target;
    target.runtime_dir = runtime_dir;
    const auto path = ctl::find_socket(target, soon());
    if (!path) {
      ADD_FAILURE() << path.error().text;
      return {};
    }
    auto client = ctl::Client::connect(*path, soon());
    if (!client) {
      ADD_FAILURE() << client.error().text;
      return {};
    }
    auto value = client->ask(command);
    if (!value) {
      ADD_FAILURE() << value.error().text;
      return {};
    }
    return *value;
  }

  SnapshotBoard board;
  Telemetry adapter{board};
};
using telemetry = Running;

TEST_F(telemetry, lists_its_commands) {
  const auto all = ask("/").dump();
  for (const char* command : {"/dwcp/status", "/dwcp/peers", "/dwcp/peer", "/dwcp/streams", "/dwcp/migrations", "/dwcp/migration",
                              "/dwcp/lcores", "/dwcp/lcore", "/dwcp/drops", "/dwcp/port", "/dwcp/adjacency"}) {
    const std::string quoted = '"' + std::string(command) + '"';
    EXPECT_NE(all.find(quoted), std::string::npos) << command;
    EXPECT_EQ(all.find(quoted), all.rfind(quoted)) << command << " is listed twice";
  }
}

TEST_F(telemetry, numbers_keep_all_their_bits) {
  EXPECT_EQ(ask("/dwcp/peer,site-b.example_1")["delivery_rate_bps"], 40'000'000'000U);
  EXPECT_EQ(ask("/dwcp/migrations"), ctl::Json::array({7U, ~std::uint64_t{0}}));
  EXPECT_EQ(ask("/dwcp/migration,18446744073709551615")["pause_ms"], 321);
  EXPECT_EQ(ask("/dwcp/migration,18446744073709551615")["pause_far_ms"], 21);
  EXPECT_EQ(ask("/dwcp/migration,7")["pause_ms"], -1);
  EXPECT_EQ(ask("/dwcp/migration,7")["pause_span_ms"], -1);
}

TEST_F(telemetry, hostile_and_long_text_is_tamed) {
  EXPECT_EQ(ask("/dwcp/migration,7")["reason"], "far side said 'no'??[2J/ ?");
  const auto reason = ask("/dwcp/peer,site-c")["reason"].get<std::string>();
  EXPECT_EQ(reason, std::string(124, 'r') + "...");
}

TEST_F(telemetry, what_is_not_there_is_null) {
  for (const char* command :
       {"/dwcp/peer", "/dwcp/peer,nobody", "/dwcp/migration", "/dwcp/migration,8", "/dwcp/migration,x",
        "/dwcp/migration,7x", "/dwcp/migration,-1", "/dwcp/lcore,9", "/dwcp/lcore"}) {
    EXPECT_TRUE(ask(command).is_null()) << command;
  }
}

TEST_F(telemetry, largest_answers_fit) {
  Snapshot big = sample();
  big.migrations.assign(2000, big.migrations[0]);
  for (std::size_t i = 0; i < big.migrations.size(); ++i) big.migrations[i].id = (std::uint64_t{1} << 63) + i;
  big.peers.assign(300, big.peers[0]);
  for (auto& peer : big.peers) peer.name = std::string(32, 'n');
  big.drops.assign(256, {std::string(40, 'd'), ~std::uint64_t{0}});
  big.neighbours.assign(1000,
                        {"2001:db8:1111:2222:3333:4444:5555:6666", "02:00:00:00:00:02", "incomplete", 1'000'000'000});
  board.publish(big);
  const auto ids = ask("/dwcp/migrations");
  EXPECT_EQ(ids.size(), 512U);
  EXPECT_EQ(ids.back(), (std::uint64_t{1} << 63) + 1999);  // the newest
  EXPECT_EQ(ask("/dwcp/peers").size(), 300U);
  EXPECT_TRUE(ask("/dwcp/drops").is_object());
  EXPECT_EQ(ask("/dwcp/adjacency")["state"].size(), 96U);
  for (auto& peer : big.peers) peer.reason = peer.address = peer.state = peer.session_id = std::string(500, 'z');
  board.publish(big);
  EXPECT_TRUE(ask("/dwcp/peer," + std::string(32, 'n')).is_object());
}

TEST_F(telemetry, a_stopped_one_answers_null_and_can_start_again) {
  for (int round = 0; round < 100; ++round) {
    ASSERT_TRUE(adapter.stop(0));
    if (round == 0) {
      EXPECT_TRUE(ask("/dwcp/status").is_null());
    }
    ASSERT_TRUE(adapter.start());
  }
  EXPECT_EQ(ask("/dwcp/status")["name"], "t");
}

TEST_F(telemetry, queries_while_publishing_and_restarting) {
  std::atomic<bool> done{false};
  std::thread churn([&] {
    while (!done) {
      board.publish(sample());
      (void)adapter.stop(0);
      (void)adapter.start();
    }
  });
  for (int i = 0; i < 200; ++i) {
    const auto status = ask("/dwcp/status");
    EXPECT_TRUE(status.is_null() || status["name"] == "t");
  }
  done = true;
  churn.join();
}

TEST_F(telemetry, dwcpctl_shows_tables) {
  const auto status = dwcpctl("status");
  EXPECT_EQ(status.exit_code, 0);
  EXPECT_NE(status.output.find("state       running, ready\n"), std::string::npos) << status.output;
  EXPECT_NE(status.output.find("peers       1 of 2 up\n"), std::string::npos) << status.output;
  const auto migrations = dwcpctl("migrations");
  EXPECT_EQ(migrations.exit_code, 0);
  EXPECT_NE(migrations.output.find("18446744073709551615  incoming   completed"), std::string::npos)
      << migrations.output;
  EXPECT_NE(migrations.output.find("3.00 GiB  1.00 GiB   3.00"), std::string::npos) << migrations.output;
  EXPECT_NE(migrations.output.find("321 ms  match"), std::string::npos) << migrations.output;
  EXPECT_NE(dwcpctl("peers").output.find("40.0 Gb/s"), std::string::npos) << dwcpctl("peers").output;
  EXPECT_NE(dwcpctl("lcores").output.find("net+codec  12.50 %"), std::string::npos) << dwcpctl("lcores").output;
  EXPECT_EQ(dwcpctl("drops").output, "REASON       PACKETS\nbad_version        3\n");
  EXPECT_NE(dwcpctl("port").output.find("02:00:00:00:00:01"), std::string::npos);
  EXPECT_NE(dwcpctl("adjacency").output.find("10.0.0.3  -                  incomplete   1 ms"), std::string::npos)
      << dwcpctl("adjacency").output;
}

TEST_F(telemetry, dwcpctl_prints_json) {
  const auto run = dwcpctl("migrations --json");
  EXPECT_EQ(run.exit_code, 0);
  const auto json = ctl::Json::parse(run.output);
  ASSERT_EQ(json["migrations"].size(), 2U);
  EXPECT_EQ(json["migrations"][0]["id"], 7U);
  EXPECT_EQ(json["migrations"][1]["digest_verified"], "match");
  EXPECT_EQ(ctl::Json::parse(dwcpctl("--json status").output)["pid"], static_cast<unsigned>(getpid()));
  EXPECT_EQ(ctl::Json::parse(dwcpctl("--json drops").output)["drops"]["truncated"], 0U);
  EXPECT_EQ(ctl::Json::parse(dwcpctl("--json adjacency").output)["neighbours"][1]["state"], "incomplete");
  const auto streams = ctl::Json::parse(dwcpctl("--json streams").output)["streams"];
  ASSERT_EQ(streams.size(), 64U);
  EXPECT_EQ(streams[63]["path_mtu_bytes"], 1463);
  EXPECT_EQ(streams[63]["peer"], "site-b.example_1");
}

TEST_F(telemetry, dwcpctl_finds_by_name_prefix_or_alone) {
  EXPECT_EQ(dwcpctl("--gateway t status").exit_code, 0);
  EXPECT_EQ(dwcpctl("--file-prefix dwcp-t status").exit_code, 0);
  EXPECT_EQ(dwcpctl("status --gateway t").exit_code, 0);
  const auto other = dwcpctl("--gateway other status");
  EXPECT_EQ(other.exit_code, 3);
  EXPECT_NE(other.output.find("/dpdk/dwcp-other/dpdk_telemetry.v2"), std::string::npos) << other.output;
  EXPECT_EQ(dwcpctl("--gateway t --file-prefix dwcp-t status").exit_code, 2);
  EXPECT_EQ(dwcpctl("nonsense").exit_code, 2);
  EXPECT_EQ(dwcpctl("").exit_code, 2);
}

}  // namespace
}  // namespace dwcp

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  if (argc < 2) return 2;
  dwcp::dwcpctl_path = argv[1];
  char dir[] = "/tmp/dwcp-telemetry-test-XXXXXX";
  if (mkdtemp(dir) == nullptr) return 2;
  dwcp::runtime_dir = dir;
  setenv("RUNTIME_DIRECTORY", dir, 1);
  std::vector<std::string> words{"telemetry-test", "--no-huge", "-m",          "64", "--no-pci", "-l", "0",
                                 "--file-prefix",  "dwcp-t",    "--log-level", "4"};
  std::vector<char*> eal;
  for (auto& word : words) eal.push_back(word.data());
  int result = 2;
  if (rte_eal_init(static_cast<int>(eal.size()), eal.data()) >= 0) {
    result = RUN_ALL_TESTS();
    rte_eal_cleanup();
  }
  std::filesystem::remove_all(dir);
  return result;
}
