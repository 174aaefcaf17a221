// SPDX-License-Identifier: Apache-2.0
#include "drivers/fake/fake_network.h"

#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <vector>

#include "base/time.h"

namespace dwcp {
namespace {

std::size_t send_frames(PortQueue& port, std::size_t count, std::uint32_t length, std::uint8_t fill) {
  std::array<TxPacket, kBurstMax> tx;
  const std::size_t n = port.reserve(std::span(tx).first(count));
  for (std::size_t i = 0; i < n; ++i) {
    std::memset(tx[i].data, fill, std::min(length, tx[i].capacity));
    tx[i].length = length;
  }
  return port.send(std::span<const TxPacket>(tx).first(n));
}

std::vector<std::vector<std::uint8_t>> take_frames(PortQueue& port) {
  std::vector<std::vector<std::uint8_t>> frames;
  std::array<RxPacket, kBurstMax> rx;
  while (const std::size_t n = port.receive(rx)) {
    for (const RxPacket& packet : std::span(rx).first(n)) frames.emplace_back(packet.data, packet.data + packet.length);
    port.release(std::span<const RxPacket>(rx).first(n));
  }
  return frames;
}

struct Pair {
  explicit Pair(const LinkProfile& ab = {}, const LinkProfile& ba = {}, std::uint32_t buffers = 256)
      : net({.buffers = buffers}),
        a(net.add_port({.mac = {2, 0, 0, 0, 0, 1}})),
        b(net.add_port({.mac = {2, 0, 0, 0, 0, 2}})) {
    net.connect(a, b, ab, ba, 1);
  }
  FakeNetwork net;
  FakePort& a;
  FakePort& b;
};

TEST(fake_network, frames_cross_after_their_delay_each_way) {
  Pair p({.delay_ns = 10}, {.delay_ns = 30});
  const std::uint64_t start_ns = p.net.now_ns();
  EXPECT_EQ(send_frames(p.a, 3, 100, 0xaa), 3U);
  EXPECT_EQ(send_frames(p.b, 2, 200, 0xbb), 2U);
  EXPECT_EQ(p.net.next_event_ns(), start_ns + 10);
  p.net.advance_to(start_ns + 9);
  EXPECT_TRUE(take_frames(p.b).empty());
  p.net.advance_to(start_ns + 10);
  EXPECT_EQ(take_frames(p.b), std::vector(3, std::vector<std::uint8_t>(100, 0xaa)));
  EXPECT_EQ(p.net.next_event_ns(), start_ns + 30);
  p.net.advance_to(start_ns + 30);
  EXPECT_EQ(take_frames(p.a), std::vector(2, std::vector<std::uint8_t>(200, 0xbb)));
  EXPECT_EQ(p.net.next_event_ns(), kNever);
  EXPECT_EQ(p.net.buffers_available(), 256U);
  EXPECT_EQ(p.b.counters().rx_packets, 3U);
  EXPECT_EQ(p.b.counters().tx_bytes, 400U);
}

TEST(fake_network, pool_runs_out_and_recovers) {
  Pair p({.delay_ns = 10}, {}, 40);
  EXPECT_EQ(send_frames(p.a, 32, 100, 1), 32U);
  EXPECT_EQ(send_frames(p.a, 32, 100, 1), 8U);
  EXPECT_EQ(p.a.counters().tx_no_buffer, 1U);
  std::array<TxPacket, 1> tx;
  EXPECT_EQ(p.b.reserve(tx), 0U);
  p.net.advance_to(p.net.now_ns() + 10);
  EXPECT_EQ(take_frames(p.b).size(), 40U);
  EXPECT_EQ(p.b.reserve(tx), 1U);
  p.b.cancel(tx);
  EXPECT_EQ(p.net.buffers_available(), 40U);
}

TEST(fake_network, no_buffer_leaks_under_every_impairment) {
  Pair p({.rate_bps = 50'000'000,
          .queue_bytes = 20'000,
          .delay_ns = 5000,
          .jitter_ns = 1000,
          .loss = 0.1,
          .burst_loss = {0.05, 4},
          .reorder = 0.1,
          .reorder_extra_ns = 7000,
          .duplicate = 0.2,
          .corrupt = 0.2},
         {}, 64);
  std::uint64_t arrived = 0;
  for (int i = 0; i < 5000; ++i) {
    send_frames(p.a, 8, 300, 1);
    p.net.advance_to(p.net.now_ns() + 200'000);
    arrived += take_frames(p.b).size();
  }
  p.net.advance_to(p.net.now_ns() + kNsPerSec);
  arrived += take_frames(p.b).size();
  const LinkCounters& c = p.net.link(p.a).counters();
  EXPECT_EQ(p.net.buffers_available(), 64U);
  EXPECT_EQ(c.offered, p.a.counters().tx_packets);
  EXPECT_EQ(arrived + p.a.fake_counters().duplicates_no_buffer + p.b.fake_counters().rx_missed, c.delivered);
  EXPECT_GT(arrived, 15'000U);
}

TEST(fake_network, mtu_is_enforced_on_both_sides) {
  FakeNetwork net({.buffers = 64});
  FakePort& large = net.add_port({.mtu = 1800});
  FakePort& small = net.add_port({.mtu = 1000});
  net.connect(large, small, {}, {}, 1);
  EXPECT_EQ(send_frames(large, 1, 1819, 1), 1U);
  EXPECT_EQ(send_frames(large, 1, 13, 1), 1U);
  EXPECT_EQ(large.fake_counters().tx_invalid, 2U);
  EXPECT_EQ(send_frames(large, 1, 1818, 1), 1U);
  EXPECT_EQ(send_frames(large, 1, 1018, 1), 1U);
  net.advance_to(net.now_ns());
  EXPECT_EQ(take_frames(small).size(), 1U);
  EXPECT_EQ(small.fake_counters().rx_missed, 1U);
  EXPECT_EQ(net.buffers_available(), 64U);
}

TEST(fake_network, carrier_loss_is_seen_and_ends) {
  Pair p({.delay_ns = 10});
  p.net.set_carrier(p.a, false);
  EXPECT_FALSE(p.a.link_up());
  EXPECT_TRUE(p.b.link_up());
  EXPECT_EQ(send_frames(p.a, 4, 100, 1), 4U);
  EXPECT_EQ(p.a.fake_counters().tx_no_carrier, 4U);
  EXPECT_EQ(p.a.counters().tx_packets, 0U);
  p.net.set_carrier(p.a, true);
  EXPECT_EQ(send_frames(p.a, 4, 100, 1), 4U);
  EXPECT_EQ(p.net.buffers_available(), 252U);
}

TEST(fake_network, receive_ring_is_bounded) {
  FakeNetwork net({.buffers = 64});
  FakePort& a = net.add_port({});
  FakePort& b = net.add_port({.rx_frames_max = 5});
  net.connect(a, b, {}, {}, 1);
  EXPECT_EQ(send_frames(a, 8, 100, 1), 8U);
  net.advance_to(net.now_ns());
  EXPECT_EQ(take_frames(b).size(), 5U);
  EXPECT_EQ(b.fake_counters().rx_missed, 3U);
  EXPECT_EQ(net.buffers_available(), 64U);
}

}  // namespace
}  // namespace dwcp
