// SPDX-License-Identifier: Apache-2.0
// The pause as two gateways measure it, against the truth of the simulation, over links of many kinds; and what waits in
// the near gateway when the guest is stopped, against the bound.
#include <gtest/gtest.h>

#include "compress/qemu/stream_format.h"
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
};

std::ostream& operator<<(std::ostream& out, const Case& c) {
  return out << c.rate_bps / 1'000'000 << " Mb/s, " << c.rtt_ns / kNsPerMs << " ms, loss " << c.loss << ", "
             << c.stopped_bytes << " bytes stopped";
}

std::uint64_t known_us(const Counter& counter) {
  EXPECT_NE(counter.get(), 0U);
  return counter.get() - 1;
}

class PauseTest : public testing::TestWithParam<Case> {};

TEST_P(PauseTest, is_measured_as_it_was_and_the_backlog_was_in_bounds) {
  const Case& c = GetParam();
  LinkProfile link = good_link();
  link.rate_bps = c.rate_bps;
  link.delay_ns = c.rtt_ns / 2;
  link.loss = c.loss;
  SiteOptions west = west_options();
  SiteOptions east = east_options();
  west.tx_arena_bytes = 32U << 20;
  World world(c.rtt_ns + c.stopped_bytes, link, west, east);
  ASSERT_TRUE(world.run([&] { return world.up(); }));
  // Three seconds of bulk, so that the rate is known.
  const Stream stream = guest_stream(1, c.rate_bps / 8 * 3, c.stopped_bytes);
  const auto near = world.west().edge.open(0, 0, {.says = stream.bytes, .watched = stream.stop});
  ASSERT_TRUE(world.run([&] { return near->watched_ns != 0; }));
  ASSERT_TRUE(world.run([&] { return world.home(); })) << world.west().not_home() << " | " << world.east().not_home();
  const Connection& far = *world.east().edge.accepted.front();
  ASSERT_TRUE(far.heard == stream.bytes);

  const double truth_ms = static_cast<double>(far.heard_ns - near->watched_ns) / 1e6;
  MigrationSlot& slot = world.west().slot(*near);
  const double pause_ms = static_cast<double>(known_us(slot.pause_us)) / 1e3;
  EXPECT_NEAR(pause_ms, truth_ms, 3 + 0.02 * truth_ms);
  const std::uint64_t backlog_us = known_us(slot.pause_backlog_us);
  EXPECT_EQ(known_us(slot.pause_us), backlog_us + known_us(slot.pause_path_us) + known_us(slot.pause_far_us));
  const double bytes_per_ms = static_cast<double>(c.rate_bps) / 8e3;
  const auto d=[](std::uint64_t v){return double(v)/1e3;};
  std::printf("truth %.1f measured %.1f backlog %.1f path %.1f far %.1f span %.1f; at stop %.1f ms of bytes\n", truth_ms, pause_ms, d(backlog_us), d(known_us(slot.pause_path_us)), d(known_us(slot.pause_far_us)), d(known_us(slot.pause_span_us)), double(slot.stop_backlog_bytes.get()) / bytes_per_ms);

  // Both sides say the same.
  MigrationSlot& there = world.east().slot(far);
  EXPECT_EQ(there.pause_us.get(), slot.pause_us.get());
  EXPECT_EQ(there.pause_backlog_us.get(), backlog_us + 1);
  EXPECT_EQ(there.pause_path_us.get(), slot.pause_path_us.get());
  EXPECT_EQ(there.pause_far_us.get(), slot.pause_far_us.get());
  EXPECT_EQ(there.pause_span_us.get(), slot.pause_span_us.get());
}

INSTANTIATE_TEST_SUITE_P(links, PauseTest,
                         testing::Values(Case{1'000'000'000, 4 * kNsPerMs, 0, 10'000'000},
                                         Case{200'000'000, 20 * kNsPerMs, 0, 5'000'000},
                                         Case{200'000'000, 20 * kNsPerMs, 0.02, 5'000'000},
                                         Case{100'000'000, 100 * kNsPerMs, 0, 1'000'000},
                                         Case{100'000'000, 100 * kNsPerMs, 0.005, 1'000'000},
                                         Case{100'000'000, 200 * kNsPerMs, 0.02, 0},
                                         Case{20'000'000, 40 * kNsPerMs, 0.01, 500'000}));

}  // namespace
}  // namespace dwcp
