// SPDX-License-Identifier: Apache-2.0
#include "drivers/fake/datagram_pipe.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstring>
#include <vector>

#include "base/time.h"

namespace dwcp {
namespace {

std::vector<std::uint8_t> datagram(std::uint64_t id, std::size_t bytes) {
  std::vector<std::uint8_t> d(bytes, static_cast<std::uint8_t>(id));
  std::memcpy(d.data(), &id, sizeof id);
  return d;
}

std::uint64_t id_of(const PipeDelivery& d) {
  std::uint64_t id = 0;
  std::memcpy(&id, d.bytes.data(), sizeof id);
  return id;
}

TEST(datagram_pipe, delivers_intact_in_order_and_on_time) {
  DatagramPipe pipe({.rate_bps = 1'000'000'000, .delay_ns = kNsPerMs}, 1);
  for (std::uint64_t i = 0; i < 100; ++i) EXPECT_EQ(pipe.send(0, datagram(i, 958), 42), DropReason::kNone);
  EXPECT_EQ(pipe.next_event_ns(), 8000 + kNsPerMs);
  EXPECT_FALSE(pipe.receive(8000 + kNsPerMs - 1));
  for (std::uint64_t i = 0; i < 100; ++i) {
    const auto d = pipe.receive(pipe.next_event_ns());
    ASSERT_TRUE(d);
    EXPECT_EQ(d->due_ns, (i + 1) * 8000 + kNsPerMs);
    EXPECT_TRUE(std::ranges::equal(d->bytes, datagram(i, 958)));
  }
  EXPECT_EQ(pipe.next_event_ns(), kNever);
  EXPECT_FALSE(pipe.receive(kNever - 1));
}

TEST(datagram_pipe, corruption_hits_the_datagram_only) {
  DatagramPipe pipe({.corrupt = 1}, 1);
  const auto sent = datagram(0, 9);
  for (int i = 0; i < 2000; ++i) {
    static_cast<void>(pipe.send(0, sent, 42));
    const auto d = pipe.receive(0);
    ASSERT_TRUE(d);
    ASSERT_EQ(d->bytes.size(), sent.size());
    ASSERT_FALSE(std::ranges::equal(d->bytes, sent));
  }
}

TEST(datagram_pipe, ecn_is_carried_and_marked) {
  DatagramPipe pipe({.rate_bps = 8'000'000, .ecn_mark_threshold_bytes = 500}, 1);
  static_cast<void>(pipe.send(0, datagram(0, 1000), 0, Ecn::kEct0));
  static_cast<void>(pipe.send(0, datagram(1, 1000), 0, Ecn::kEct0));
  static_cast<void>(pipe.send(0, datagram(2, 1000), 0, Ecn::kNotEct));
  EXPECT_EQ(pipe.receive(kNsPerSec)->ecn, Ecn::kEct0);
  EXPECT_EQ(pipe.receive(kNsPerSec)->ecn, Ecn::kCe);
  EXPECT_EQ(pipe.receive(kNsPerSec)->ecn, Ecn::kNotEct);
}

TEST(datagram_pipe, ecn_faults_come_behind_the_marks) {
  const std::pair<EcnFault, Ecn> faults[] = {
      {EcnFault::kBleach, Ecn::kNotEct}, {EcnFault::kEct1, Ecn::kEct1}, {EcnFault::kCe, Ecn::kCe}};
  for (const auto& [fault, after] : faults) {
    DatagramPipe pipe({.rate_bps = 8'000'000, .ecn_mark_threshold_bytes = 500, .ecn_fault = fault}, 1);
    for (const Ecn sent : {Ecn::kEct0, Ecn::kEct0, Ecn::kNotEct}) static_cast<void>(pipe.send(0, datagram(0, 1000), 0, sent));
    for (int i = 0; i < 3; ++i) EXPECT_EQ(pipe.receive(kNsPerSec)->ecn, after);
    EXPECT_EQ(pipe.counters().ecn_marked, 1U) << "the bottleneck saw them as they were sent";
    EXPECT_EQ(pipe.counters().ecn_faults, 3U);
  }
}

TEST(datagram_pipe, ecn_faults_strike_a_fraction) {
  DatagramPipe pipe({.ecn_fault = EcnFault::kBleach, .ecn_fault_rate = 0.25}, 1);
  std::uint64_t bleached = 0;
  for (int i = 0; i < 4000; ++i) {
    static_cast<void>(pipe.send(0, datagram(0, 100), 0, Ecn::kEct0));
    bleached += pipe.receive(0)->ecn == Ecn::kNotEct;
  }
  EXPECT_NEAR(static_cast<double>(bleached), 1000, 120);
  EXPECT_EQ(pipe.counters().ecn_faults, bleached);
}

TEST(datagram_pipe, duplicates_and_reorders) {
  DatagramPipe pipe({.delay_ns = 100, .reorder = 0.1, .reorder_extra_ns = 50, .duplicate = 0.1}, 9);
  std::vector<int> seen(20'000);
  std::uint64_t late = 0;
  std::uint64_t last_id = 0;
  std::uint64_t last_ns = 0;
  const auto drain = [&](std::uint64_t now_ns) {
    while (const auto d = pipe.receive(now_ns)) {
      ASSERT_GE(d->due_ns, last_ns);
      last_ns = d->due_ns;
      const std::uint64_t id = id_of(*d);
      ++seen.at(id);
      late += id < last_id;
      last_id = std::max(last_id, id);
    }
  };
  for (std::uint64_t i = 0; i < seen.size(); ++i) {
    static_cast<void>(pipe.send(i, datagram(i, 64)));
    drain(i);
  }
  drain(kNsPerSec);
  std::uint64_t twice = 0;
  for (const int n : seen) {
    ASSERT_GE(n, 1);
    twice += n == 2;
  }
  EXPECT_EQ(twice, pipe.counters().duplicated);
  EXPECT_GT(late, 1500U);
  EXPECT_EQ(pipe.in_flight(), 0U);
}

TEST(datagram_pipe, is_bounded) {
  DatagramPipe pipe({.delay_ns = 1}, 1, 10);
  for (std::uint64_t i = 0; i < 15; ++i) static_cast<void>(pipe.send(0, datagram(i, 100)));
  EXPECT_EQ(pipe.in_flight(), 10U);
  EXPECT_EQ(pipe.overflows(), 5U);
  for (std::uint64_t i = 0; i < 10; ++i) EXPECT_EQ(id_of(*pipe.receive(1)), i);
  EXPECT_FALSE(pipe.receive(1));
}

// 10 Gb/s x 320 ms: 286 k datagrams in the air.  Twice the depth must not cost twice per datagram.
TEST(datagram_pipe, depth_of_a_long_fat_link_costs_nothing_extra) {
  DatagramPipe pipe({.rate_bps = 10'000'000'000, .delay_ns = 320 * kNsPerMs}, 1);
  const auto d = datagram(1, 1400);
  const auto run = [&](std::uint64_t from, std::uint64_t to, bool drain) {
    const auto start = std::chrono::steady_clock::now();
    for (std::uint64_t i = from; i < to; ++i) {
      const std::uint64_t now_ns = i * 1200;
      EXPECT_EQ(pipe.send(now_ns, d), DropReason::kNone);
      while (drain && pipe.receive(now_ns)) {
      }
    }
    const std::chrono::duration<double, std::nano> spent = std::chrono::steady_clock::now() - start;
    return spent.count() / static_cast<double>(to - from);
  };
  run(0, 270'000, true);
  EXPECT_GT(pipe.in_flight(), 260'000U);
  const double deep_ns = run(270'000, 540'000, true);
  std::printf("send and receive at %zu in flight: %.0f ns\n", pipe.in_flight(), deep_ns);
  EXPECT_LT(deep_ns, 20'000);
}

}  // namespace
}  // namespace dwcp
