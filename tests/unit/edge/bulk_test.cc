// SPDX-License-Identifier: Apache-2.0
// Bytes in are bytes out, both ways at once, however they are cut.
#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

#include "bridge.h"

namespace dwcp::test {
namespace {

void send_in_chunks(const Fd& fd, const std::vector<std::uint8_t>& bytes, std::uint64_t seed) {
  Random rng(seed);
  for (std::size_t at = 0; at < bytes.size();) {
    const std::size_t limit = rng.chance(0.5) ? 100 : 300'000;
    const std::size_t size = std::min<std::size_t>(1 + rng.below(limit), bytes.size() - at);
    ASSERT_TRUE(send_all(fd, {bytes.data() + at, size}));
    at += size;
    if (rng.chance(0.01)) std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  half_close(fd);
}

class edge_bulk : public testing::TestWithParam<bool> {};

TEST_P(edge_bulk, is_byte_identical_both_ways_at_once) {
  Harness edge({.tcp = GetParam(), .codecs = 2});
  Bridge bridge(edge);
  const Fd target = listen_on(edge.service);
  const Fd source = connect_to(edge.listener);
  const Fd arrived = accept_from(target);
  const auto there = random_bytes(1, 64 << 20);
  const auto back = random_bytes(2, 16 << 20);
  std::vector<std::uint8_t> at_target;
  std::vector<std::uint8_t> at_source;
  std::thread a([&] { send_in_chunks(source, there, 3); });
  std::thread b([&] { send_in_chunks(arrived, back, 4); });
  std::thread c([&] { EXPECT_EQ(receive_all(arrived, at_target), 0); });
  EXPECT_EQ(receive_all(source, at_source), 0);
  a.join();
  b.join();
  c.join();
  EXPECT_TRUE(at_target == there);
  EXPECT_TRUE(at_source == back);
  EXPECT_TRUE(eventually([&] { return bridge.ended == 1; }));
  bridge.join();
  EXPECT_TRUE(edge.at_rest());
  EXPECT_EQ(edge.edge->counters().resets.get(), 0U);
  EXPECT_EQ(edge.table[0].edge_in_bytes.get(), there.size());
  EXPECT_EQ(edge.table[1].edge_out_bytes.get(), there.size());
  EXPECT_EQ(edge.table[1].edge_in_bytes.get(), back.size());
  EXPECT_EQ(edge.table[0].edge_out_bytes.get(), back.size());
}

TEST_P(edge_bulk, a_busy_codec_gets_full_blocks) {
  Harness edge({.tcp = GetParam()});
  const Fd source = connect_to(edge.listener);
  ASSERT_EQ(edge.next().kind, EdgeToCodecKind::kOpen);
  const auto bytes = random_bytes(5, 32 << 20);
  std::thread sender([&] {
    for (std::size_t at = 0; at < bytes.size(); at += 32 << 10) {
      ASSERT_TRUE(send_all(source, {bytes.data() + at, 32 << 10}));
    }
    half_close(source);
  });
  std::vector<std::uint8_t> got;
  std::size_t blocks = 0;
  for (;;) {
    const EdgeToCodec message = edge.next();
    if (message.kind != EdgeToCodecKind::kData) break;
    ++blocks;
    got.insert(got.end(), message.block->data, message.block->data + message.block->length);
    std::this_thread::sleep_for(std::chrono::milliseconds(2));  // slower than the hypervisor
    edge.give_back(message);
  }
  sender.join();
  EXPECT_TRUE(got == bytes);
  EXPECT_LT(blocks, 128U * 5 / 4);  // 128 would all be full
}

// Sends `count` messages of 1000 bytes, each read by the edge before the next is sent.
void trickle(Harness& edge, const Fd& source, MigrationRef migration, int count) {
  const Counter& read = edge.table[migration.slot].edge_in_bytes;
  const auto bytes = random_bytes(7, 1000);
  for (int i = 0; i < count; ++i) {
    const std::uint64_t before = read.get();
    ASSERT_TRUE(send_all(source, bytes));
    ASSERT_TRUE(eventually([&] { return read.get() == before + bytes.size(); }));
  }
}

TEST_P(edge_bulk, small_messages_gather_in_one_block_while_the_codec_is_busy) {
  Harness edge({.tcp = GetParam(), .flush_delay_ns = 60 * kNsPerSec});
  const Fd source = connect_to(edge.listener);
  const MigrationRef migration = edge.next().migration;
  trickle(edge, source, migration, 22);
  const EdgeToCodec first = edge.next();
  ASSERT_EQ(first.kind, EdgeToCodecKind::kData);
  ASSERT_EQ(edge.next().kind, EdgeToCodecKind::kData);
  EXPECT_EQ(edge.next(50).block, nullptr);
  edge.give_back(first);  // the codec is about to idle
  const EdgeToCodec gathered = edge.next();
  ASSERT_EQ(gathered.kind, EdgeToCodecKind::kData);
  EXPECT_EQ(gathered.block->length, 20'000U);
}

TEST_P(edge_bulk, the_last_block_of_the_allowance_is_not_pushed_for_its_age) {
  Harness edge({.tcp = GetParam(), .ingress_blocks_per_migration = 4});
  const Fd source = connect_to(edge.listener);
  const MigrationRef migration = edge.next().migration;
  std::vector<EdgeToCodec> held;
  for (int i = 0; i < 3; ++i) {
    trickle(edge, source, migration, 1);
    held.push_back(edge.next());
    ASSERT_EQ(held.back().kind, EdgeToCodecKind::kData);
  }
  trickle(edge, source, migration, 20);
  EXPECT_EQ(edge.next(50).block, nullptr);
  EXPECT_EQ(edge.table[migration.slot].edge_paused_ns.get(), 0U);
  edge.give_back(held[0]);
  EXPECT_EQ(edge.next().block->length, 20'000U);
}

TEST_P(edge_bulk, a_small_message_passes_at_once_even_when_the_codec_is_busy) {
  Harness edge({.tcp = GetParam()});
  const Fd source = connect_to(edge.listener);
  ASSERT_EQ(edge.next().kind, EdgeToCodecKind::kOpen);
  std::vector<std::uint64_t> idle_ns;
  std::vector<std::uint64_t> busy_ns;
  const std::uint8_t byte[1] = {42};
  const auto one = [&] {
    const std::uint64_t sent_ns = now_ns();
    EXPECT_TRUE(send_all(source, byte));
    const EdgeToCodec message = edge.next();
    EXPECT_EQ(message.kind, EdgeToCodecKind::kData);
    return std::pair(message, now_ns() - sent_ns);
  };
  for (int i = 0; i < 50; ++i) {
    const auto [message, ns] = one();
    idle_ns.push_back(ns);
    edge.give_back(message);
  }
  const auto first = one().first;
  const auto second = one().first;
  for (int i = 0; i < 50; ++i) {  // two blocks stay with the codec: the flush delay applies
    const auto [message, ns] = one();
    busy_ns.push_back(ns);
    edge.give_back(message);
  }
  edge.give_back(first);
  edge.give_back(second);
  std::ranges::sort(idle_ns);
  std::ranges::sort(busy_ns);
  RecordProperty("idle_median_us", static_cast<int>(idle_ns[25] / 1000));
  RecordProperty("busy_median_us", static_cast<int>(busy_ns[25] / 1000));
  // The lower quartile: a busy machine stretches the rest.
  EXPECT_LT(idle_ns[12], 2 * kNsPerMs);
  EXPECT_LT(busy_ns[12], 5 * kNsPerMs);
}

INSTANTIATE_TEST_SUITE_P(sockets, edge_bulk, testing::Bool(),
                         [](const auto& test) { return std::string(test.param ? "tcp" : "unix"); });

}  // namespace
}  // namespace dwcp::test
