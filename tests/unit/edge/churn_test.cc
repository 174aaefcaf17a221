// SPDX-License-Identifier: Apache-2.0
// Many connections that come, end, reset and stall at random, by seed: nothing leaks.  And stop() in the middle of it.
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

#include "bridge.h"

namespace dwcp::test {
namespace {

// If neither end closes, both wait this long and then close at once.
constexpr int kPatienceMs = 300;

// A target hypervisor that treats each connection differently, by seed.
class RandomTarget {
 public:
  RandomTarget(const std::string& endpoint, std::uint64_t seed)
      : listener_(listen_on(endpoint, 64)), rng_(seed), thread_([this] { run(); }) {}
  ~RandomTarget() {
    stop_ = true;
    thread_.join();
    for (auto& worker : workers_) worker.join();
  }

 private:
  void run() {
    while (!stop_) {
      pollfd ready{.fd = listener_.get(), .events = POLLIN, .revents = 0};
      if (::poll(&ready, 1, 20) != 1) continue;
      workers_.emplace_back(
          [connection = accept_from(listener_), seed = rng_.next()]() mutable { serve(std::move(connection), seed); });
    }
  }

  static void serve(Fd connection, std::uint64_t seed) {
    set_deadline(connection, kPatienceMs);
    Random rng(seed);
    const auto bytes = random_bytes(rng.next(), 1 + rng.below(400'000));
    (void)send_all(connection, bytes);
    if (rng.chance(0.2)) return close_with_reset(std::move(connection));
    if (rng.chance(0.2)) return;  // full close, unread input and all
    if (rng.chance(0.5)) half_close(connection);
    std::vector<std::uint8_t> got;
    (void)receive_all(connection, got);
  }

  Fd listener_;
  Random rng_;
  std::atomic<bool> stop_{false};
  std::vector<std::thread> workers_;
  std::thread thread_;
};

void act_as_source(const std::string& endpoint, std::uint64_t seed) {
  Random rng(seed);
  Fd connection = connect_to(endpoint);
  if (connection.get() < 0) return;
  set_deadline(connection, kPatienceMs);
  if (rng.chance(0.1)) return;
  (void)send_all(connection, random_bytes(rng.next(), 1 + rng.below(2'000'000)));
  if (rng.chance(0.2)) return close_with_reset(std::move(connection));
  if (rng.chance(0.2)) return;
  if (rng.chance(0.8)) half_close(connection);
  std::uint8_t buffer[4096];
  while (!rng.chance(0.001) && receive_some(connection, buffer, sizeof(buffer)) > 0) {
  }
}

class edge_churn : public testing::TestWithParam<bool> {};

TEST_P(edge_churn, a_hundred_random_connections_leak_nothing) {
  for (const std::uint64_t seed : {1, 2, 3}) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Harness edge({.tcp = GetParam(),
                  .slots = 24,
                  .ingress_blocks = 20,
                  .ingress_blocks_per_migration = 3,
                  .egress_blocks = 12,
                  .codecs = 2});
    Bridge bridge(edge);
    {
      const RandomTarget target(edge.service, seed);
      Random rng(seed);
      std::vector<std::thread> sources;
      for (int i = 0; i < 100; ++i) {
        sources.emplace_back(act_as_source, edge.listener, rng.next());
        if (rng.chance(0.3)) std::this_thread::sleep_for(std::chrono::milliseconds(rng.below(10)));
        bridge.stalled = rng.chance(0.2);
      }
      bridge.stalled = false;
      for (auto& source : sources) source.join();
      EXPECT_TRUE(eventually([&] { return edge.edge->counters().open.get() == 0; }, 30'000));
      EXPECT_TRUE(eventually([&] { return bridge.ended == edge.edge->counters().accepted.get(); }));
    }
    bridge.join();
    EXPECT_TRUE(edge.at_rest());
    for (std::size_t i = 0; i < edge.table.size(); ++i) EXPECT_EQ(edge.table[i].generation.load() % 2, 0U) << i;
    EXPECT_EQ(edge.edge->counters().accepted.get() + edge.edge->counters().rejected.get(), 100U);
  }
}

TEST_P(edge_churn, stop_in_the_middle_closes_all_and_tells_the_codec) {
  Harness edge({.tcp = GetParam()});
  const Fd target = listen_on(edge.service);
  const Fd source = connect_to(edge.listener);
  const EdgeToCodec open = edge.next();
  const MigrationRef far = edge.say_connect();
  ASSERT_EQ(edge.next().kind, EdgeToCodecKind::kConnected);
  const Fd arrived = accept_from(target);
  std::thread sender([&] { (void)send_all(source, random_bytes(1, 32 << 20)); });
  for (int i = 0; i < 12; ++i) edge.say_data(far, random_bytes(2, kBlockBytes));
  ASSERT_EQ(edge.next().kind, EdgeToCodecKind::kData);
  edge.edge->stop();
  edge.edge->wake();  // harmless
  sender.join();
  std::size_t closed = 0;
  for (;;) {
    const EdgeToCodec message = edge.next(20);
    if (message.kind == EdgeToCodecKind::kBlockReturn) break;
    if (message.kind != EdgeToCodecKind::kClosed) continue;
    EXPECT_EQ(message.reason, EndReason::kShutdown);
    EXPECT_TRUE(message.migration == open.migration || message.migration == far);
    ++closed;
  }
  EXPECT_EQ(closed, 2U);
  EXPECT_EQ(edge.egress.available(), edge.options.egress_blocks);
  EXPECT_LT(connect_to(edge.listener).get(), 0) << "nobody listens any more";
}

INSTANTIATE_TEST_SUITE_P(sockets, edge_churn, testing::Bool(),
                         [](const auto& test) { return std::string(test.param ? "tcp" : "unix"); });

TEST(edge_thread, stops_from_any_state_and_twice) {
  MigrationTable table(2);
  EdgeCodecRings rings(8, 8, 2);
  EdgeOptions options;
  options.ingress_blocks = 8;
  EdgeThread never_started(options, table, {&rings});
  never_started.wake();
  never_started.stop();
  EdgeThread idle(options, table, {&rings});
  ASSERT_TRUE(idle.start());
  idle.stop();
  idle.stop();
}

}  // namespace
}  // namespace dwcp::test
