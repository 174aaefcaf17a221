// SPDX-License-Identifier: Apache-2.0
// How connections end: half-closes in both orders, resets either way, and what comes too late.
#include <gtest/gtest.h>

#include <cerrno>
#include <thread>

#include "harness.h"

namespace dwcp::test {
namespace {

const std::vector<std::uint8_t> kHello = {'h', 'e', 'l', 'l', 'o'};

class edge_close : public testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    hypervisor_ = connect_to(edge_.listener);
    const EdgeToCodec open = edge_.next();
    ASSERT_EQ(open.kind, EdgeToCodecKind::kOpen);
    migration_ = open.migration;
  }

  void expect_closed(EndReason reason) {
    std::vector<std::uint8_t> ignored;
    const EdgeToCodec closed = edge_.collect(ignored);
    ASSERT_EQ(closed.kind, EdgeToCodecKind::kClosed);
    EXPECT_EQ(closed.migration, migration_);
    EXPECT_EQ(closed.reason, reason);
    EXPECT_TRUE(edge_.at_rest());
    EXPECT_EQ(edge_.next(20).kind, EdgeToCodecKind::kBlockReturn) << "kClosed is the last word";
  }

  // What a peer sees of an aborted connection.  A unix socket has no reset: it ends.
  void expect_reset_seen() {
    std::vector<std::uint8_t> got;
    EXPECT_EQ(receive_all(hypervisor_, got), GetParam() ? -ECONNRESET : 0);
  }

  Harness edge_{{.tcp = GetParam()}};
  Fd hypervisor_;
  MigrationRef migration_;
};

TEST_P(edge_close, open_fills_the_slot) {
  const MigrationSlot& slot = edge_.table[migration_.slot];
  EXPECT_EQ(slot.direction, MigrationDirection::kOutgoing);
  EXPECT_EQ(slot.listener, 3);
  EXPECT_EQ(slot.peer, 7);
}

TEST_P(edge_close, hypervisor_half_closes_first) {
  ASSERT_TRUE(send_all(hypervisor_, kHello));
  half_close(hypervisor_);
  std::vector<std::uint8_t> got;
  ASSERT_EQ(edge_.collect(got).kind, EdgeToCodecKind::kEof);
  EXPECT_EQ(got, kHello);
  edge_.say_data(migration_, kHello);  // the other direction goes on
  edge_.say({.migration = migration_, .kind = CodecToEdgeKind::kEof});
  std::vector<std::uint8_t> back;
  EXPECT_EQ(receive_all(hypervisor_, back), 0);
  EXPECT_EQ(back, kHello);
  expect_closed(EndReason::kNone);
}

TEST_P(edge_close, codec_half_closes_first) {
  edge_.say_data(migration_, kHello);
  edge_.say({.migration = migration_, .kind = CodecToEdgeKind::kEof});
  std::vector<std::uint8_t> back;
  EXPECT_EQ(receive_all(hypervisor_, back), 0);
  EXPECT_EQ(back, kHello);
  ASSERT_TRUE(send_all(hypervisor_, kHello));
  half_close(hypervisor_);
  std::vector<std::uint8_t> got;
  ASSERT_EQ(edge_.collect(got).kind, EdgeToCodecKind::kEof);
  EXPECT_EQ(got, kHello);
  expect_closed(EndReason::kNone);
}

TEST_P(edge_close, full_close_ends_in_order_when_nothing_is_left_to_say) {
  ASSERT_TRUE(send_all(hypervisor_, kHello));
  hypervisor_.reset();
  std::vector<std::uint8_t> got;
  ASSERT_EQ(edge_.collect(got).kind, EdgeToCodecKind::kEof);
  EXPECT_EQ(got, kHello);
  edge_.say({.migration = migration_, .kind = CodecToEdgeKind::kEof});
  expect_closed(EndReason::kNone);
}

TEST_P(edge_close, full_close_is_a_reset_when_more_is_said) {
  hypervisor_.reset();
  ASSERT_EQ(edge_.next().kind, EdgeToCodecKind::kEof);
  for (int i = 0; i < 8; ++i) {
    edge_.say_data(migration_, kHello);
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  expect_closed(EndReason::kHypervisorReset);
  EXPECT_EQ(edge_.edge->counters().resets.get(), 1U);
}

TEST_P(edge_close, abort_resets_the_hypervisor_and_gives_the_reason_back) {
  edge_.say({.migration = migration_, .kind = CodecToEdgeKind::kAbort, .reason = EndReason::kLinkLost});
  expect_reset_seen();
  expect_closed(EndReason::kLinkLost);
}

TEST_P(edge_close, abort_returns_blocks_that_a_deaf_hypervisor_never_read) {
  const auto bytes = random_bytes(1, kBlockBytes);
  for (std::size_t i = 0; i < edge_.options.egress_blocks; ++i) edge_.say_data(migration_, bytes);
  edge_.say({.migration = migration_, .kind = CodecToEdgeKind::kEof});  // a shutdown waits behind the writes
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  edge_.book_returns();
  ASSERT_LT(edge_.egress.available(), edge_.options.egress_blocks) << "the kernel took it all: nothing is pending";
  edge_.say({.migration = migration_, .kind = CodecToEdgeKind::kAbort, .reason = EndReason::kDecodeError});
  edge_.say({.migration = migration_, .kind = CodecToEdgeKind::kAbort, .reason = EndReason::kShutdown});
  expect_closed(EndReason::kDecodeError);
  std::vector<std::uint8_t> got;
  EXPECT_EQ(receive_all(hypervisor_, got), GetParam() ? -ECONNRESET : 0);
}

TEST_P(edge_close, what_comes_after_the_end_is_ignored_and_its_blocks_returned) {
  ASSERT_TRUE(send_all(hypervisor_, kHello));
  const EdgeToCodec data = edge_.next();
  ASSERT_EQ(data.kind, EdgeToCodecKind::kData);
  edge_.say({.migration = migration_, .kind = CodecToEdgeKind::kAbort, .reason = EndReason::kLinkLost});
  const EdgeToCodec closed = edge_.next();
  ASSERT_EQ(closed.kind, EdgeToCodecKind::kClosed);
  while (edge_.table.claim()) {
  }
  edge_.table.release(migration_);  // the only slot to be had
  const Fd second = connect_to(edge_.listener);
  const EdgeToCodec open = edge_.next();
  ASSERT_EQ(open.kind, EdgeToCodecKind::kOpen);
  ASSERT_EQ(open.migration.slot, migration_.slot);
  ASSERT_NE(open.migration.generation, migration_.generation);

  edge_.give_back(data);
  edge_.say_data(migration_, kHello);
  edge_.say({.migration = migration_, .kind = CodecToEdgeKind::kEof});
  edge_.say({.migration = migration_, .kind = CodecToEdgeKind::kAbort, .reason = EndReason::kLinkLost});
  edge_.say_data(open.migration, {kHello.data(), 1});
  std::uint8_t got[16];
  ASSERT_EQ(receive_some(second, got, sizeof(got)), 1);
  EXPECT_EQ(got[0], 'h');
  EXPECT_TRUE(eventually([&] {
    edge_.book_returns();
    return edge_.egress.available() == edge_.options.egress_blocks &&
           edge_.edge->counters().ingress_available.get() == edge_.options.ingress_blocks;
  }));
  EXPECT_EQ(edge_.edge->counters().open.get(), 1U);
}

INSTANTIATE_TEST_SUITE_P(sockets, edge_close, testing::Bool(),
                         [](const auto& test) { return std::string(test.param ? "tcp" : "unix"); });

TEST(edge_close_tcp, a_reset_of_the_hypervisor_is_told) {
  Harness edge;
  Fd hypervisor = connect_to(edge.listener);
  ASSERT_EQ(edge.next().kind, EdgeToCodecKind::kOpen);
  close_with_reset(std::move(hypervisor));
  const EdgeToCodec closed = edge.next();
  ASSERT_EQ(closed.kind, EdgeToCodecKind::kClosed);
  EXPECT_EQ(closed.reason, EndReason::kHypervisorReset);
  EXPECT_TRUE(edge.at_rest());
}

TEST(edge_close_tcp, a_hypervisor_without_a_slot_is_reset_and_counted) {
  Harness edge({.slots = 2});
  const Fd a = connect_to(edge.listener);
  const Fd b = connect_to(edge.listener);
  const EdgeToCodec first = edge.next();
  ASSERT_EQ(first.kind, EdgeToCodecKind::kOpen);
  ASSERT_EQ(edge.next().kind, EdgeToCodecKind::kOpen);
  const Fd c = connect_to(edge.listener);
  std::uint8_t byte;
  EXPECT_EQ(receive_some(c, &byte, 1), -ECONNRESET);
  EXPECT_EQ(edge.edge->counters().rejected.get(), 1U);
  EXPECT_EQ(edge.edge->counters().accepted.get(), 2U);
  EXPECT_EQ(edge.next(20).block, nullptr) << "the codec never hears of it";

  edge.say({.migration = first.migration, .kind = CodecToEdgeKind::kAbort, .reason = EndReason::kLinkLost});
  ASSERT_EQ(edge.next().kind, EdgeToCodecKind::kClosed);
  edge.table.release(first.migration);
  const Fd d = connect_to(edge.listener);
  EXPECT_EQ(edge.next().kind, EdgeToCodecKind::kOpen);
}

}  // namespace
}  // namespace dwcp::test
