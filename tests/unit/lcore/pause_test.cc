// SPDX-License-Identifier: Apache-2.0
// The pause as two gateways measure it, against the truth of the simulation, over links of many kinds; and what waits in
// the near gateway when the guest is stopped, against the bound.
#include <gtest/gtest.h>

#include <utility>

#include "compress/qemu/stream_format.h"
#include "dataplane/rings/ingress_limit.h"
#include "streams.h"  // of tests/unit/compress
#include "world.h"

namespace dwcp {
namespace {

struct Stream {
  Bytes bytes;
  std::size_t stop = 0;  // the first byte with the guest stopped
};

// A guest of noise: `live_bytes` of it moved while it ran, `stopped_bytes` and a device state after.
Stream guest_stream(std::uint64_t seed, std::size_t live_bytes, std::size_t stopped_bytes) {
  Rng rng(seed);
  streams::QemuStream s;
  s.setup();
  const auto pages = [&](std::size_t bytes) {
    for (std::size_t i = 0; i < bytes / 4096; ++i) {
      s.page(rng.below(4096) * 4096, streams::random_bytes(rng, 4096), i == 0 ? "pc.ram" : "");
    }
    s.end_of_section();
  };
  s.part();
  pages(live_bytes);
  const std::size_t stop = s.bytes.size();
  s.end();
  pages(stopped_bytes);
  s.u8(qemu::kSectionFull);
  s.raw(streams::text_bytes(rng, 100'000));
  return {.bytes = std::move(s.bytes), .stop = stop};
}

struct Case {
  std::uint64_t rate_bps;
  std::uint64_t rtt_ns;
  double loss;
  std::size_t stopped_bytes;
  bool rate_found = true;  // by BBR, so that the bound can be judged by the link's true rate
};

std::ostream& operator<<(std::ostream& out, const Case& c) {
  return out << c.rate_bps / 1'000'000 << " Mb/s, " << c.rtt_ns / kNsPerMs << " ms, loss " << c.loss << ", "
             << c.stopped_bytes << " bytes stopped";
}

World world_of(const Case& c) {
  LinkProfile link = good_link();
  link.rate_bps = c.rate_bps;
  link.delay_ns = c.rtt_ns / 2;
  link.loss = c.loss;
  SiteOptions west = west_options();
  SiteOptions east = east_options();
  west.tx_arena_bytes = 32U << 20;
  east.rx_frames_max = 4096;  // as many for each flow as in a gateway
  return World(c.rtt_ns + c.stopped_bytes, link, west, east);
}

std::uint64_t known_us(const Counter& counter) {
  EXPECT_NE(counter.get(), 0U) << "not known";
  return counter.get() - 1;
}

void expect_same_at_both(const MigrationSlot& near, const MigrationSlot& far) {
  EXPECT_EQ(near.pause_us.get(), far.pause_us.get());
  EXPECT_EQ(near.pause_backlog_us.get(), far.pause_backlog_us.get());
  EXPECT_EQ(near.pause_path_us.get(), far.pause_path_us.get());
  EXPECT_EQ(near.pause_far_us.get(), far.pause_far_us.get());
  EXPECT_EQ(near.pause_span_us.get(), far.pause_span_us.get());
}

class PauseTest : public testing::TestWithParam<Case> {};

TEST_P(PauseTest, is_measured_as_it_was_and_the_backlog_was_in_bounds) {
  const Case& c = GetParam();
  World world = world_of(c);
  ASSERT_TRUE(world.run([&] { return world.up(); }));
  // Two seconds of bulk, so that the rate is known.
  const Stream stream = guest_stream(1, c.rate_bps / 8 * 2, c.stopped_bytes);
  const auto near = world.west().edge.open(0, 0, {.says = stream.bytes, .watched = stream.stop});
  MigrationSlot& slot = world.west().slot(*near);

  // What was submitted when the stop was seen, against the bound of that moment and the frame that may exceed it.
  std::uint64_t limit = 0;
  std::uint64_t limit_before = 0;
  ASSERT_TRUE(world.run([&] {
    limit_before = std::exchange(limit, world.west().net->lane_shared(0).backlog_limit_bytes.get());
    return slot.stop_backlog_bytes.get() != 0;
  }));
  const std::uint64_t backlog = slot.stop_backlog_bytes.get();
  EXPECT_LE(backlog, std::max(limit, limit_before) + wire::kFrameBytesMax);
  const double bytes_per_ms = static_cast<double>(c.rate_bps) / 8e3;
  const double rtt_ms = static_cast<double>(c.rtt_ns) / 1e6;
  const double frame_ms = static_cast<double>(IngressLimit::of(slot.ingress_limit_bytes.get(), 4).block_bytes) / bytes_per_ms;
  if (c.rate_found) {
    // The path, 100 ms that wait, the frame under way, one behind it, and the one that exceeds; a quarter for errors of the rate.
    EXPECT_LE(static_cast<double>(backlog) / bytes_per_ms, 1.25 * (rtt_ms + 100) + 3 * frame_ms);
  }

  ASSERT_TRUE(world.run([&] { return world.home(); })) << world.west().not_home() << " | " << world.east().not_home();
  const Connection& far = *world.east().edge.accepted.front();
  ASSERT_TRUE(far.heard == stream.bytes);
  const double truth_ms = static_cast<double>(far.heard_ns - near->watched_ns) / 1e6;
  const double pause_ms = static_cast<double>(known_us(slot.pause_us)) / 1e3;
  EXPECT_NEAR(pause_ms, truth_ms, 2);
  const std::uint64_t backlog_us = known_us(slot.pause_backlog_us);
  const std::uint64_t path_us = known_us(slot.pause_path_us);
  EXPECT_EQ(known_us(slot.pause_us), backlog_us + path_us + known_us(slot.pause_far_us));
  EXPECT_GE(path_us, c.rtt_ns / 2 / kNsPerUs - kNsPerMs / kNsPerUs);
  if (c.rate_found && c.loss == 0) {
    // All that was in front of the stop but not on its way yet: the backlog less a round trip, and the edge's blocks.
    EXPECT_LE(static_cast<double>(backlog_us) / 1e3, 1.25 * 100 + 25 + 7 * frame_ms);
    // A synthetic guest does not wait, so all it wrote when stopped waits behind that.
    EXPECT_GE(static_cast<double>(path_us) / 1e3, static_cast<double>(c.stopped_bytes) / bytes_per_ms);
  }
  EXPECT_LT(known_us(slot.pause_span_us), known_us(slot.pause_us));
  expect_same_at_both(slot, world.east().slot(far));
}

INSTANTIATE_TEST_SUITE_P(links, PauseTest,
                         testing::Values(Case{400'000'000, 4 * kNsPerMs, 0, 5'000'000},
                                         Case{200'000'000, 20 * kNsPerMs, 0, 5'000'000},
                                         Case{200'000'000, 20 * kNsPerMs, 0.02, 5'000'000},
                                         Case{100'000'000, 100 * kNsPerMs, 0, 1'000'000},
                                         Case{100'000'000, 100 * kNsPerMs, 0.005, 1'000'000},
                                         Case{100'000'000, 200 * kNsPerMs, 0.02, 0, false},
                                         Case{20'000'000, 40 * kNsPerMs, 0.01, 500'000}));

// The stop may come in either direction, or in both.
TEST(pause, is_measured_in_the_direction_that_has_it) {
  World world(5);
  ASSERT_TRUE(world.run([&] { return world.up(); }));
  const Stream stream = guest_stream(2, 2'000'000, 500'000);
  for (const bool there : {true, false}) {
    for (const bool back : {true, false}) {
      world.east().edge.accepted.clear();
      world.east().edge.on_connect = [&](std::uint16_t) { return Script{.says = back ? stream.bytes : Bytes(1000, 7), .watched = stream.stop}; };
      const auto near = world.west().edge.open(0, 0, {.says = there ? stream.bytes : Bytes(1000, 7), .watched = stream.stop});
      ASSERT_TRUE(world.run([&] { return world.home(); })) << world.west().not_home() << " | " << world.east().not_home();
      const auto far = world.east().edge.accepted.front();
      EXPECT_EQ(world.west().slot(*near).phase.get(), static_cast<std::uint64_t>(MigrationPhase::kCompleted));
      EXPECT_EQ(world.east().slot(*far).phase.get(), static_cast<std::uint64_t>(MigrationPhase::kCompleted));
      if (there && back) continue;  // which of the two is shown is not said
      const MigrationSlot& slot = world.west().slot(*near);
      EXPECT_EQ(slot.pause_us.get() != 0, there || back);
      expect_same_at_both(slot, world.east().slot(*far));
      if (!there && !back) continue;
      const Connection& from = there ? *near : *far;
      const Connection& to = there ? *far : *near;
      EXPECT_NEAR(static_cast<double>(known_us(slot.pause_us)) / 1e3, static_cast<double>(to.heard_ns - from.watched_ns) / 1e6, 2);
    }
  }
}

// A target that reads slowly: what waits for it counts, and is told as the far side's.
TEST(pause, holds_what_waits_for_the_target) {
  World world(6);
  ASSERT_TRUE(world.run([&] { return world.up(); }));
  const Stream stream = guest_stream(3, 1'000'000, 400'000);
  const auto near = world.west().edge.open(0, 0, {.says = stream.bytes, .watched = stream.stop});
  ASSERT_TRUE(world.run([&] { return near->watched_ns != 0 && !world.east().edge.accepted.empty(); }));
  const auto far = world.east().edge.accepted.front();
  far->reading = false;
  world.run_for(300 * kNsPerMs);
  far->reading = true;
  ASSERT_TRUE(world.run([&] { return world.home(); })) << world.west().not_home() << " | " << world.east().not_home();
  const MigrationSlot& slot = world.west().slot(*near);
  EXPECT_NEAR(static_cast<double>(known_us(slot.pause_us)) / 1e3, static_cast<double>(far->heard_ns - near->watched_ns) / 1e6, 2);
  EXPECT_GT(known_us(slot.pause_us), 300'000U);
  EXPECT_GT(known_us(slot.pause_far_us), 250'000U);
}

// Verdicts do not wait for the target to read, DELIVERED does.
TEST(pause, a_target_that_does_not_read_the_end_leaves_it_draining_and_unknown) {
  World world(7);
  ASSERT_TRUE(world.run([&] { return world.up(); }));
  const Stream stream = guest_stream(4, 100'000, 10'000);
  const auto near = world.west().edge.open(0, 0, {.says = stream.bytes});
  // The last blocks of a scripted hypervisor are small; few enough that they are decoded all the same.
  const auto& accepted = world.east().edge.accepted;
  ASSERT_TRUE(world.run([&] { return !accepted.empty() && accepted.front()->heard.size() + 300 > stream.bytes.size(); }));
  const auto far = accepted.front();
  ASSERT_LT(far->heard.size(), stream.bytes.size());
  far->reading = false;
  world.run_for(3 * kNsPerSec);
  EXPECT_EQ(world.west().slot(*near).digest_state.get(), kVerdictMatch);
  EXPECT_EQ(world.west().slot(*near).phase.get(), static_cast<std::uint64_t>(MigrationPhase::kDraining));
  EXPECT_EQ(world.west().slot(*near).pause_us.get(), 0U);
  EXPECT_EQ(world.east().slot(*far).pause_us.get(), 0U);
  far->reading = true;
  ASSERT_TRUE(world.run([&] { return world.home(); }));
  EXPECT_GT(known_us(world.west().slot(*near).pause_us), 2'000'000U);
}

}  // namespace
}  // namespace dwcp
