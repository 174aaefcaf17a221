// SPDX-License-Identifier: Apache-2.0
// Migrations between two gateways in virtual time: bytes, half-closes, verdicts, and everything home afterwards.
#include <gtest/gtest.h>

#include <cstring>
#include <map>

#include "world.h"

namespace dwcp {
namespace {

MigrationPhase phase(Site& site, const Connection& connection) {
  return static_cast<MigrationPhase>(site.slot(connection).phase.get());
}

void expect_match(Site& site, const Connection& connection) {
  EXPECT_EQ(phase(site, connection), MigrationPhase::kCompleted);
  EXPECT_EQ(site.slot(connection).digest_state.get(), kVerdictMatch);
  EXPECT_EQ(site.end_reason(connection), EndReason::kNone);
}

// One migration with the given scripts; all must arrive.
void migrate(World& world, Script near, Script far) {
  const Bytes there = near.says;
  const Bytes back = far.says;
  world.east().edge.on_connect = [&](std::uint16_t) { return far; };
  world.east().edge.accepted.clear();
  const auto connection = world.west().edge.open(0, 0, near);
  ASSERT_NE(connection, nullptr);
  ASSERT_TRUE(world.run([&] { return world.home(); })) << world.west().not_home() << " | " << world.east().not_home();
  ASSERT_EQ(world.east().edge.accepted.size(), 1U);
  const Connection& other = *world.east().edge.accepted.front();
  EXPECT_EQ(other.service, 1);
  EXPECT_TRUE(other.heard == there);
  EXPECT_TRUE(connection->heard == back);
  expect_match(world.west(), *connection);
  expect_match(world.east(), other);
  EXPECT_EQ(world.west().slot(*connection).digest_in_lo.get(), world.east().slot(other).digest_out_lo.get());
  EXPECT_EQ(world.west().slot(*connection).digest_out_hi.get(), world.east().slot(other).digest_in_hi.get());
}

TEST(migration, carries_both_directions_at_once_in_any_chunks) {
  World world(1);
  ASSERT_TRUE(world.run([&] { return world.up(); }));
  for (const std::size_t chunk : {std::size_t{1}, std::size_t{37}, std::size_t{4096}, kBlockBytes}) {
    const std::size_t bytes = std::min<std::size_t>(chunk * 120, 1'500'000);
    migrate(world, {.says = payload(chunk, bytes), .chunk_max = chunk},
            {.says = payload(chunk + 1, bytes / 2), .chunk_max = chunk});
  }
}

TEST(migration, half_closes_in_both_orders_and_carries_nothing_at_all) {
  World world(2);
  ASSERT_TRUE(world.run([&] { return world.up(); }));
  for (const bool near_last : {false, true}) {
    for (const bool far_last : {false, true}) {
      if (near_last && far_last) continue;  // each would wait for the other
      for (const std::size_t bytes : {std::size_t{0}, std::size_t{1}, std::size_t{300'000}}) {
        migrate(world, {.says = payload(3, bytes), .eof_after_peer = near_last},
                {.says = payload(4, bytes), .eof_after_peer = far_last});
      }
    }
  }
}

// Sends `count` migrations from both sides with random sizes, chunks, resets and pauses, and looks for what is lost.
void random_mix(std::uint64_t seed, const LinkProfile& link, std::size_t count, std::size_t bytes_max,
                std::uint64_t gap_max_ns = 10 * kNsPerMs) {
  SCOPED_TRACE("seed " + std::to_string(seed));
  World world(seed, link);
  Rng rng(seed ^ 0x5eed);
  std::uint32_t id = 0;
  std::map<std::uint32_t, std::shared_ptr<Connection>> opened;
  std::map<std::uint32_t, Bytes> answers;
  const auto script = [&](std::uint32_t number) {
    Script made;
    made.says = payload(seed * 1000 + number, 4 + rng.below(bytes_max), number);
    made.chunk_max = 1 + rng.below(rng.chance(0.5) ? kBlockBytes : 5000);
    if (rng.chance(0.15)) made.abort_after = rng.below(2 * bytes_max);
    return made;
  };
  for (Site* site : {&world.west(), &world.east()}) {
    site->edge.on_connect = [&](std::uint16_t) {
      Script made = script(++id);
      if (rng.chance(0.1)) made.refuse = rng.chance(0.5) ? EndReason::kConnectRefused : EndReason::kConnectTimeout;
      answers[id] = made.says;
      return made;
    };
  }
  ASSERT_TRUE(world.run([&] { return world.up(); }));
  std::size_t made = 0;
  while (made < count) {
    Site& site = rng.chance(0.5) ? world.west() : world.east();
    const std::uint32_t number = ++id;
    if (auto connection = site.edge.open(rng.chance(0.05) ? 1 : 0, 0, script(number))) {
      opened[number] = connection;
      ++made;
    }
    world.run_for(rng.below(gap_max_ns));
  }
  ASSERT_TRUE(world.run([&] { return world.home(); }, 120 * kNsPerSec))
      << world.west().not_home() << " | " << world.east().not_home();
  ASSERT_TRUE(world.up());

  std::size_t whole = 0;
  for (Site* site : {&world.west(), &world.east()}) {
    for (const auto& far : site->edge.accepted) {
      if (far->heard.size() < 4) continue;
      std::uint32_t number = 0;
      std::memcpy(&number, far->heard.data(), sizeof(number));
      ASSERT_TRUE(opened.contains(number));
      const Connection& near = *opened[number];
      const Bytes& there = near.script.says;
      const Bytes& back = far->script.says;
      ASSERT_LE(far->heard.size(), there.size());
      EXPECT_TRUE(std::equal(far->heard.begin(), far->heard.end(), there.begin()));
      ASSERT_LE(near.heard.size(), back.size());
      EXPECT_TRUE(std::equal(near.heard.begin(), near.heard.end(), back.begin()));
      if (far->eof_heard) {
        EXPECT_EQ(far->heard.size(), there.size());
      }
      if (near.eof_heard) {
        EXPECT_EQ(near.heard.size(), back.size());
      }
      if (far->eof_heard && near.eof_heard) ++whole;
    }
  }
  EXPECT_GT(whole, count / 6);  // the rest was refused, reset, or empty
}

TEST(migration, two_hundred_in_random_mixes_leave_nothing_behind) {
  for (std::uint64_t seed = 1; seed <= 4; ++seed) random_mix(seed, good_link(), 200, 200'000);
}

TEST(migration, survives_a_bad_link) {
  LinkProfile link = good_link();
  link.rate_bps = 200'000'000;
  link.delay_ns = 10 * kNsPerMs;
  link.jitter_ns = 2 * kNsPerMs;
  link.loss = 0.02;
  link.burst_loss = {.rate = 0.01, .mean_length = 4};
  link.reorder = 0.02;
  link.reorder_extra_ns = 5 * kNsPerMs;
  link.duplicate = 0.02;
  link.corrupt = 0.02;
  for (std::uint64_t seed = 10; seed < 16; ++seed) random_mix(seed, link, 30, 400'000, 200 * kNsPerMs);
}

TEST(migration, survives_a_blackhole_shorter_than_the_session_timeout) {
  LinkProfile link = good_link();
  link.blackholes = {{.start_ns = 1'600 * kNsPerMs, .end_ns = 3'100 * kNsPerMs}};
  SiteOptions west = west_options();
  SiteOptions east = east_options();
  west.session_timeout_ns = east.session_timeout_ns = 5 * kNsPerSec;
  World world(20, link, west, east);
  ASSERT_TRUE(world.run([&] { return world.up(); }, 500 * kNsPerMs));
  migrate(world, {.says = payload(5, 150'000'000)}, {.says = payload(6, 1'000'000)});
  EXPECT_GT(world.now_ns(), 3'100 * kNsPerMs);
  EXPECT_TRUE(world.west().lost.empty());
}

// A hypervisor that does not read must cost a bounded amount and only its own migration.
TEST(migration, waits_for_a_slow_hypervisor_with_bounded_memory) {
  World world(21);
  ASSERT_TRUE(world.run([&] { return world.up(); }));
  world.east().edge.on_connect = [&](std::uint16_t) { return Script{.says = payload(8, 1000)}; };
  const Bytes there = payload(7, 40'000'000);
  const auto connection = world.west().edge.open(0, 0, {.says = there});
  ASSERT_TRUE(world.run([&] { return !world.east().edge.accepted.empty(); }));
  const auto slow = world.east().edge.accepted.front();
  slow->reading = false;
  world.run_for(5 * kNsPerSec);
  const std::size_t paused_at = connection->said;
  EXPECT_LE(slow->unread.size(), 4U);
  world.run_for(2 * kNsPerSec);
  EXPECT_EQ(connection->said, paused_at);  // all the pause reaches the near hypervisor
  EXPECT_LT(paused_at, there.size());

  // Another migration goes through meanwhile.
  world.east().edge.on_connect = [&](std::uint16_t) { return Script{.says = payload(9, 100'000)}; };
  const auto second = world.west().edge.open(0, 0, {.says = payload(10, 2'000'000)});
  ASSERT_TRUE(world.run([&] { return second->over && world.east().edge.accepted.back()->over; }, 20 * kNsPerSec))
      << "said " << second->said << " heard there " << world.east().edge.accepted.back()->heard.size() << " backlog "
      << world.west().slot(*second).backlog_bytes.get() << " beside "
      << world.west().slot(*connection).backlog_bytes.get();
  EXPECT_EQ(second->aborted, EndReason::kNone);
  EXPECT_EQ(world.east().edge.accepted.back()->heard.size(), 2'000'000U);

  slow->reading = true;
  ASSERT_TRUE(world.run([&] { return world.home(); })) << world.west().not_home() << world.east().not_home();
  EXPECT_TRUE(slow->heard == there);
  expect_match(world.west(), *connection);
}

// Targets that do not read may use up every block; the marks around blocks need none.
TEST(migration, stuck_targets_do_not_keep_another_from_opening) {
  SiteOptions west = west_options();
  SiteOptions east = east_options();
  west.migrations_max = east.migrations_max = 6;
  World world(23, good_link(), west, east);
  ASSERT_TRUE(world.run([&] { return world.up(); }));
  auto& accepted = world.east().edge.accepted;
  for (std::size_t i = 0; i < Site::kBlocks / 4; ++i) {
    world.west().edge.open(0, 0, {.says = payload(i, 20'000'000)});
    ASSERT_TRUE(world.run([&] { return accepted.size() == i + 1; }));
    accepted.back()->reading = false;
  }
  world.run_for(2 * kNsPerSec);
  const auto another = world.west().edge.open(0, 0, {.says = payload(99, 1000)});
  ASSERT_TRUE(world.run([&] { return accepted.size() == Site::kBlocks / 4 + 1; }, 2 * kNsPerSec));
  for (const auto& connection : accepted) connection->reading = true;
  ASSERT_TRUE(world.run([&] { return world.home(); })) << world.west().not_home() << world.east().not_home();
  EXPECT_EQ(another->aborted, EndReason::kNone);
}

// What hides from the hypervisors together is bounded by one link's drain, not by one link's for each of them.
TEST(migration, many_share_one_backlog) {
  SiteOptions west = west_options();
  SiteOptions east = east_options();
  west.migrations_max = east.migrations_max = 8;
  west.tx_arena_bytes = 64U << 20;
  LinkProfile link = good_link();
  link.rate_bps = 200'000'000;
  link.delay_ns = 10 * kNsPerMs;
  const auto backlog_with = [&](std::size_t migrations) {
    World world(24, link, west, east);
    EXPECT_TRUE(world.run([&] { return world.up(); }));
    std::vector<std::shared_ptr<Connection>> connections;
    for (std::size_t i = 0; i < migrations; ++i) connections.push_back(world.west().edge.open(0, 0, {.says = payload(i, 60'000'000)}));
    world.run_for(500 * kNsPerMs);
    std::uint64_t sum = 0;
    for (const auto& connection : connections) sum += world.west().slot(*connection).backlog_bytes.get();
    return sum;
  };
  const std::uint64_t one = backlog_with(1);
  const std::uint64_t six = backlog_with(6);
  EXPECT_GT(one, 1'000'000U);
  EXPECT_LT(six, one + 6 * 3 * wire::kFrameBytesMax);  // each may have a frame under way and one behind it
}

// A step that is cut short by other processes takes packets long after it read the clock.
TEST(migration, round_trips_are_right_when_the_clock_runs_within_a_step) {
  SiteOptions west = west_options();
  SiteOptions east = east_options();
  west.clock_ahead_ns = east.clock_ahead_ns = 2 * kNsPerMs;
  LinkProfile link = good_link();
  link.delay_ns = 20 * kNsPerMs;
  World world(25, link, west, east);
  ASSERT_TRUE(world.run([&] { return world.up(); }));
  migrate(world, {.says = payload(1, 10'000'000)}, {.says = payload(2, 1000)});
  const Lane& lane = world.west().net->lane(0);
  EXPECT_GE(lane.min_rtt_ns(), 40 * kNsPerMs);
  EXPECT_GE(lane.smoothed_rtt_ns(), 40 * kNsPerMs);  // a false ACK delay would be taken off
}

// More migrations than shares of a block in the frame memory must still move.
TEST(migration, shares_of_frame_memory_below_one_block_do_not_stop_it) {
  SiteOptions west = west_options();
  west.migrations_max = 16;
  west.tx_arena_bytes = 2U << 20;
  SiteOptions east = east_options();
  east.migrations_max = 16;
  World world(22, good_link(), west, east);
  ASSERT_TRUE(world.run([&] { return world.up(); }));
  std::vector<std::shared_ptr<Connection>> all;
  for (std::uint64_t i = 0; i < 12; ++i) {
    Rng rng(i);
    Bytes noise(600'000);
    for (auto& byte : noise) byte = static_cast<std::uint8_t>(rng.next());
    all.push_back(world.west().edge.open(0, 0, {.says = noise}));
    ASSERT_NE(all.back(), nullptr);
  }
  ASSERT_TRUE(world.run([&] { return world.home(); }, 20 * kNsPerSec)) << world.west().not_home();
  for (const auto& connection : all) EXPECT_EQ(connection->aborted, EndReason::kNone);
}

}  // namespace
}  // namespace dwcp
