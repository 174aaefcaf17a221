// SPDX-License-Identifier: Apache-2.0
// A codec that gives nothing back: reading stops, memory stays bounded, the pause is counted, and it all goes on after.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <thread>

#include "harness.h"

namespace dwcp::test {
namespace {

// Sanitizers keep shadow memory, which grows by itself.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

std::size_t resident_kib() {
  std::size_t kib = 0;
  if (FILE* status = std::fopen("/proc/self/status", "r"); status != nullptr) {
    char line[256];
    while (std::fgets(line, sizeof(line), status) != nullptr) (void)std::sscanf(line, "VmRSS: %zu kB", &kib);
    std::fclose(status);
  }
  return kib;
}

// Takes `count` blocks and keeps them, and sees that no more come.
std::vector<EdgeToCodec> hoard(Harness& edge, std::size_t count) {
  std::vector<EdgeToCodec> blocks;
  while (blocks.size() < count) {
    blocks.push_back(edge.next());
    EXPECT_EQ(blocks.back().kind, EdgeToCodecKind::kData);
  }
  EXPECT_EQ(edge.next(100).block, nullptr);
  return blocks;
}

TEST(edge_backpressure, stops_at_the_migrations_limit_and_goes_on_without_losing_a_byte) {
  Harness edge({.ingress_blocks_per_migration = 4});
  const Fd source = connect_to(edge.listener);
  const EdgeToCodec open = edge.next();
  ASSERT_EQ(open.kind, EdgeToCodecKind::kOpen);
  const auto bytes = random_bytes(1, 48 << 20);
  const std::size_t before_kib = resident_kib();
  std::thread sender([&] {
    EXPECT_TRUE(send_all(source, bytes));
    half_close(source);
  });
  const auto held = hoard(edge, 4);
  const Counter& paused = edge.table[open.migration.slot].edge_paused_ns;
  EXPECT_EQ(edge.edge->counters().ingress_available.get(), edge.options.ingress_blocks - 4);
  if (!kSanitized) {
    EXPECT_LT(resident_kib(), before_kib + 4096);
  }
  EXPECT_LE(edge.table[open.migration.slot].edge_in_bytes.get(), 4 * kBlockBytes);
  EXPECT_TRUE(eventually([&] { return paused.get() >= 100 * kNsPerMs; })) << "shows while the pause lasts";

  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  std::vector<std::uint8_t> got;
  for (const EdgeToCodec& data : held) {
    got.insert(got.end(), data.block->data, data.block->data + data.block->length);
    edge.give_back(data);
  }
  EXPECT_EQ(edge.collect(got).kind, EdgeToCodecKind::kEof);
  sender.join();
  EXPECT_TRUE(got == bytes);
  EXPECT_GE(paused.get(), 300 * kNsPerMs);
  EXPECT_LT(paused.get(), 5 * kNsPerSec);
}

// On a slow path the codec asks for less: fewer blocks, and smaller ones.
TEST(edge_backpressure, holds_no_more_than_the_codec_says) {
  Harness edge;
  const Fd source = connect_to(edge.listener);
  const EdgeToCodec open = edge.next();
  edge.table[open.migration.slot].ingress_limit_bytes.set(300'000);
  const auto bytes = random_bytes(1, 8 << 20);
  std::thread sender([&] {
    EXPECT_TRUE(send_all(source, bytes));
    half_close(source);
  });
  // The first block may have been begun before.
  std::vector<std::uint8_t> got;
  EdgeToCodec first = edge.next();
  got.insert(got.end(), first.block->data, first.block->data + first.block->length);
  edge.give_back(first);
  const auto held = hoard(edge, 3);
  std::size_t held_bytes = 0;
  for (const EdgeToCodec& data : held) {
    EXPECT_LE(data.block->length, 100'000U);
    held_bytes += data.block->length;
    got.insert(got.end(), data.block->data, data.block->data + data.block->length);
  }
  EXPECT_LE(held_bytes, 300'000U);
  // It is heeded when it grows, too.
  edge.table[open.migration.slot].ingress_limit_bytes.set(0);
  edge.give_back(held[0]);
  for (const EdgeToCodec& data : hoard(edge, 6)) {
    got.insert(got.end(), data.block->data, data.block->data + data.block->length);
    edge.give_back(data);
  }
  edge.give_back(held[1]);
  edge.give_back(held[2]);
  EXPECT_EQ(edge.collect(got).kind, EdgeToCodecKind::kEof);
  sender.join();
  EXPECT_TRUE(got == bytes);
}

// What nobody has read yet is hidden from the hypervisor and from us, so the kernel may hold little of it.
TEST(edge_backpressure, the_kernel_holds_little_of_a_hypervisor_that_is_not_read) {
  Harness edge({.ingress_blocks_per_migration = 2});
  const Fd source = connect_to(edge.listener);
  const int send_buffer = 64 << 10;
  ASSERT_EQ(setsockopt(source.get(), SOL_SOCKET, SO_SNDBUF, &send_buffer, sizeof(send_buffer)), 0);
  const EdgeToCodec open = edge.next();
  set_deadline(source, 300);
  const auto bytes = random_bytes(1, 64 << 10);
  std::size_t sent = 0;
  for (ssize_t count = 0; (count = send(source.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL)) > 0;) {
    sent += static_cast<std::size_t>(count);
  }
  const std::size_t read = edge.table[open.migration.slot].edge_in_bytes.get();
  EXPECT_GT(sent, read);
  EXPECT_LE(sent - read, 2 * std::size_t{128 << 10} + 2 * std::size_t{64 << 10} + (128 << 10));
}

// While the codec holds all but one block, the last stays open for what comes, and each read keeps its own time.
TEST(edge_backpressure, blocks_say_when_their_bytes_were_read) {
  Harness edge({.ingress_blocks_per_migration = 3});
  const Fd source = connect_to(edge.listener);
  ASSERT_EQ(edge.next().kind, EdgeToCodecKind::kOpen);
  const auto bytes = random_bytes(1, 1000);
  const auto says = [&](std::size_t count) { EXPECT_TRUE(send_all(source, std::span(bytes).first(count))); };
  const std::uint64_t begin_ns = now_ns();
  says(1);
  const EdgeToCodec first = edge.next();
  EXPECT_GE(first.block->read_times.of(0), begin_ns);
  EXPECT_LE(first.block->read_times.of(0), now_ns());
  says(2);
  const EdgeToCodec second = edge.next();
  const Counter& taken = edge.table[first.migration.slot].edge_in_bytes;
  says(10);
  ASSERT_TRUE(eventually([&] { return taken.get() == 13; }));
  const std::uint64_t between_ns = now_ns();
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  says(20);
  ASSERT_TRUE(eventually([&] { return taken.get() == 33; }));
  const std::uint64_t end_ns = now_ns();
  edge.give_back(first);
  const EdgeToCodec third = edge.next();
  ASSERT_EQ(third.block->length, 30U);
  EXPECT_LE(third.block->read_times.of(9), between_ns);
  EXPECT_GE(third.block->read_times.of(10), between_ns);
  EXPECT_LE(third.block->read_times.of(29), end_ns);
  EXPECT_EQ(third.block->read_times.last_ns(), third.block->read_times.of(29));
  edge.give_back(second);
  edge.give_back(third);
}

TEST(edge_backpressure, a_hypervisor_that_dies_while_it_is_not_read_is_found) {
  Harness edge({.ingress_blocks_per_migration = 4});
  Fd source = connect_to(edge.listener);
  ASSERT_EQ(edge.next().kind, EdgeToCodecKind::kOpen);
  const auto bytes = random_bytes(1, 48 << 20);
  const timeval patience{.tv_sec = 1, .tv_usec = 0};
  ASSERT_EQ(setsockopt(source.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)), 0);
  std::thread sender([&] { EXPECT_FALSE(send_all(source, bytes)); });
  const auto held = hoard(edge, 4);
  sender.join();
  close_with_reset(std::move(source));
  const EdgeToCodec closed = edge.next(2000);
  EXPECT_EQ(closed.kind, EdgeToCodecKind::kClosed);
  EXPECT_EQ(closed.reason, EndReason::kHypervisorReset);
  for (const EdgeToCodec& data : held) edge.give_back(data);
}

TEST(edge_backpressure, waiting_migrations_are_served_in_turn_from_a_small_pool) {
  Harness edge({.ingress_blocks = 3, .ingress_blocks_per_migration = 3});
  std::vector<Fd> sources;
  std::vector<std::thread> senders;
  const auto bytes = random_bytes(1, 4 << 20);
  std::vector<std::vector<std::uint8_t>> got(edge.options.slots);
  for (std::size_t i = 0; i < 3; ++i) sources.push_back(connect_to(edge.listener));
  for (const Fd& source : sources) {
    senders.emplace_back([&] {
      EXPECT_TRUE(send_all(source, bytes));
      half_close(source);
    });
  }
  std::size_t ended = 0;
  std::size_t least_at_first_end = bytes.size();
  while (ended < 3) {
    const EdgeToCodec message = edge.next();
    ASSERT_TRUE(message.kind != EdgeToCodecKind::kBlockReturn) << "starved";
    if (message.kind == EdgeToCodecKind::kData) {
      auto& into = got[message.migration.slot];
      into.insert(into.end(), message.block->data, message.block->data + message.block->length);
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      edge.give_back(message);
    } else if (message.kind == EdgeToCodecKind::kEof) {
      if (ended++ == 0) {
        for (std::size_t i = 0; i < 3; ++i) least_at_first_end = std::min(least_at_first_end, got[i].size());
      }
    }
  }
  for (auto& sender : senders) sender.join();
  for (std::size_t i = 0; i < 3; ++i) EXPECT_TRUE(got[i] == bytes) << i;
  EXPECT_GT(least_at_first_end, bytes.size() / 4) << "nobody starves while another runs through";
}

TEST(edge_backpressure, a_connection_that_ends_while_it_waits_leaves_the_queue) {
  Harness edge({.ingress_blocks = 2, .ingress_blocks_per_migration = 2});
  const auto bytes = random_bytes(1, kBlockBytes);
  const Fd first = connect_to(edge.listener);
  ASSERT_EQ(edge.next().kind, EdgeToCodecKind::kOpen);
  std::thread sender([&] { (void)send_all(first, random_bytes(2, 8 << 20)); });
  const auto held = hoard(edge, 2);
  const Fd second = connect_to(edge.listener);
  const EdgeToCodec open = edge.next();
  ASSERT_EQ(open.kind, EdgeToCodecKind::kOpen);
  ASSERT_TRUE(send_all(second, bytes));
  ASSERT_TRUE(eventually([&] { return edge.table[open.migration.slot].edge_paused_ns.get() > 0; }));
  for (const MigrationRef migration : {open.migration, held[0].migration}) {
    edge.say({.migration = migration, .kind = CodecToEdgeKind::kAbort, .reason = EndReason::kLinkLost});
    EXPECT_EQ(edge.next().kind, EdgeToCodecKind::kClosed);
  }
  for (const EdgeToCodec& data : held) edge.give_back(data);
  sender.join();
  EXPECT_TRUE(edge.at_rest());
}

TEST(edge_backpressure, a_deaf_hypervisor_does_not_hold_up_another) {
  Harness edge({.egress_blocks = 64});
  const Fd deaf = connect_to(edge.listener);
  const EdgeToCodec a = edge.next();
  const Fd other = connect_to(edge.listener);
  const EdgeToCodec b = edge.next();
  const auto bytes = random_bytes(1, kBlockBytes);
  for (int i = 0; i < 32; ++i) edge.say_data(a.migration, bytes);
  for (int i = 0; i < 100; ++i) {
    edge.say_data(b.migration, {bytes.data(), 100});
    std::uint8_t got[200];
    ASSERT_EQ(receive_some(other, got, sizeof(got)), 100);
    ASSERT_TRUE(eventually([&] {
      edge.book_returns();
      return edge.egress.available() > 4;
    }));
  }
  EXPECT_LT(edge.egress.available(), edge.options.egress_blocks) << "the deaf one was meant to be blocked";
}

}  // namespace
}  // namespace dwcp::test
