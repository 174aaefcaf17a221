// SPDX-License-Identifier: Apache-2.0
// The far side: connecting to the hypervisor that waits, and saying why it cannot be reached.
#include <gtest/gtest.h>
#include <unistd.h>

#include "harness.h"

namespace dwcp::test {
namespace {

class edge_connect : public testing::TestWithParam<bool> {};

TEST_P(edge_connect, connects_and_carries_both_ways) {
  Harness edge({.tcp = GetParam()});
  const Fd target = listen_on(edge.service);
  const MigrationRef migration = edge.say_connect();
  // At once, before the connect can have completed.
  const auto bytes = random_bytes(1, 100'000);
  edge.say_data(migration, bytes);
  edge.say({.migration = migration, .kind = CodecToEdgeKind::kEof});
  const Fd arrived = accept_from(target);
  const EdgeToCodec connected = edge.next();
  ASSERT_EQ(connected.kind, EdgeToCodecKind::kConnected);
  EXPECT_EQ(connected.migration, migration);
  std::vector<std::uint8_t> got;
  EXPECT_EQ(receive_all(arrived, got), 0);
  EXPECT_TRUE(got == bytes);
  ASSERT_TRUE(send_all(arrived, bytes));
  half_close(arrived);
  std::vector<std::uint8_t> back;
  ASSERT_EQ(edge.collect(back).kind, EdgeToCodecKind::kEof);
  EXPECT_TRUE(back == bytes);
  const EdgeToCodec closed = edge.next();
  ASSERT_EQ(closed.kind, EdgeToCodecKind::kClosed);
  EXPECT_EQ(closed.reason, EndReason::kNone);
  EXPECT_TRUE(edge.at_rest());
}

TEST_P(edge_connect, a_block_says_when_it_was_written) {
  Harness edge({.tcp = GetParam()});
  const Fd target = listen_on(edge.service);
  const MigrationRef migration = edge.say_connect();
  const Fd hypervisor = accept_from(target);
  ASSERT_EQ(edge.next().kind, EdgeToCodecKind::kConnected);
  Block* block = edge.egress.take();
  block->length = 100;
  const std::uint64_t begin_ns = now_ns();
  edge.say({.migration = migration, .block = block, .kind = CodecToEdgeKind::kData});
  ASSERT_TRUE(eventually([&] {
    edge.book_returns();
    return edge.egress.available() == edge.egress.size();
  }));
  EXPECT_GE(block->written_ns, begin_ns);
  EXPECT_LE(block->written_ns, now_ns());
}

TEST_P(edge_connect, nobody_listens_is_refused_and_queued_blocks_come_back) {
  Harness edge({.tcp = GetParam()});
  const MigrationRef migration = edge.say_connect();
  edge.say_data(migration, random_bytes(1, 1000));
  const EdgeToCodec closed = edge.next();
  ASSERT_EQ(closed.kind, EdgeToCodecKind::kClosed);
  EXPECT_EQ(closed.migration, migration);
  EXPECT_EQ(closed.reason, EndReason::kConnectRefused);
  EXPECT_TRUE(edge.at_rest());
  EXPECT_EQ(edge.edge->counters().connect_failures.get(), 1U);
}

TEST_P(edge_connect, a_socket_file_without_listener_is_refused_too) {
  Harness edge({.tcp = GetParam()});
  { const Fd gone = listen_on(edge.service); }
  (void)edge.say_connect();
  EXPECT_EQ(edge.next().reason, EndReason::kConnectRefused);
}

TEST_P(edge_connect, an_unknown_service_is_told) {
  Harness edge({.tcp = GetParam()});
  const MigrationRef migration = edge.say_connect(9);
  const EdgeToCodec closed = edge.next();
  ASSERT_EQ(closed.kind, EdgeToCodecKind::kClosed);
  EXPECT_EQ(closed.migration, migration);
  EXPECT_EQ(closed.reason, EndReason::kServiceUnknown);
}

INSTANTIATE_TEST_SUITE_P(sockets, edge_connect, testing::Bool(),
                         [](const auto& test) { return std::string(test.param ? "tcp" : "unix"); });

// A listener with a full backlog drops the SYN: the kernel would try for two minutes.
struct FullListener {
  explicit FullListener(const std::string& endpoint) : listener(listen_on(endpoint, 0)), taken(connect_to(endpoint)) {}
  Fd listener;
  Fd taken;
};

TEST(edge_connect_tcp, times_out_with_pending_blocks_returned) {
  Harness edge({.connect_timeout_ns = 200 * kNsPerMs});
  const FullListener full(edge.service);
  const std::uint64_t asked_ns = now_ns();
  const MigrationRef migration = edge.say_connect();
  edge.say_data(migration, random_bytes(1, 1000));
  const EdgeToCodec closed = edge.next();
  ASSERT_EQ(closed.kind, EdgeToCodecKind::kClosed);
  EXPECT_EQ(closed.reason, EndReason::kConnectTimeout);
  EXPECT_GE(now_ns() - asked_ns, 190 * kNsPerMs);
  EXPECT_LT(now_ns() - asked_ns, 2 * kNsPerSec);
  EXPECT_TRUE(edge.at_rest());
}

TEST(edge_connect_tcp, abort_while_connecting_ends_with_the_codecs_reason) {
  Harness edge;
  const FullListener full(edge.service);
  const MigrationRef migration = edge.say_connect();
  edge.say_data(migration, random_bytes(1, 1000));
  edge.say({.migration = migration, .kind = CodecToEdgeKind::kEof});
  edge.say({.migration = migration, .kind = CodecToEdgeKind::kAbort, .reason = EndReason::kPeerDown});
  const EdgeToCodec closed = edge.next();
  ASSERT_EQ(closed.kind, EdgeToCodecKind::kClosed);
  EXPECT_EQ(closed.reason, EndReason::kPeerDown);
  EXPECT_TRUE(edge.at_rest());
}

TEST(edge_connect_unix, a_full_backlog_counts_as_no_answer) {
  Harness edge({.tcp = false});
  const FullListener full(edge.service);
  (void)edge.say_connect();
  EXPECT_EQ(edge.next().reason, EndReason::kConnectTimeout);
}

}  // namespace
}  // namespace dwcp::test
