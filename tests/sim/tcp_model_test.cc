// SPDX-License-Identifier: Apache-2.0
// The model TCP flows by themselves: each kind must fill a link alone and share it with its like, or what our lanes are
// measured against is not TCP.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <numeric>

#include "tests/sim/tcp_bbr.h"
#include "tests/sim/tcp_cubic.h"
#include "tests/sim/tcp_flow.h"
#include "tests/sim/lane_pair.h"

namespace dwcp::sim {
namespace {

constexpr double kMbps = 100;

// Flows over one queue in virtual time, no lanes.
class Links {
 public:
  explicit Links(double rtt_ms, double queue_bdp = 1, double loss = 0)
      : there_(path(kMbps, rtt_ms, loss, queue_bdp), 1), back_(path(kMbps, rtt_ms, 0), 2), crowd_(3) {}

  void add(std::unique_ptr<TcpControl> control) {
    crowd_.add(std::move(control), now_ns_ + crowd_.size() * 100 * kNsPerMs);
  }

  void run(double seconds) {
    const std::uint64_t end_ns = now_ns_ + static_cast<std::uint64_t>(seconds * 1e9);
    for (; now_ns_ < end_ns; now_ns_ = std::max(now_ns_ + 50 * kNsPerUs, crowd_.deadline_ns())) {
      crowd_.pump_before(now_ns_, there_, back_);
      crowd_.pump_after(now_ns_, there_, back_);
      queue_sum_ += static_cast<double>(there_.queue_bytes(now_ns_));
      ++samples_;
    }
    now_ns_ = end_ns;
  }

  // Each flow's part of the link while this runs.
  std::vector<double> shares(double seconds) {
    std::vector<double> parts;
    for (std::size_t i = 0; i < crowd_.size(); ++i) parts.push_back(-static_cast<double>(crowd_.flow(i).delivered_bytes()));
    run(seconds);
    for (std::size_t i = 0; i < crowd_.size(); ++i) {
      parts[i] = (parts[i] + static_cast<double>(crowd_.flow(i).delivered_bytes())) * 8 / (kMbps * 1e6 * seconds);
    }
    return parts;
  }
  [[nodiscard]] double queue_bytes_mean() const { return queue_sum_ / static_cast<double>(samples_); }
  [[nodiscard]] const TcpFlow& flow(std::size_t i) const { return crowd_.flow(i); }

 private:
  LinkModel there_;
  LinkModel back_;
  TcpCrowd crowd_;
  std::uint64_t now_ns_ = kNsPerSec;
  double queue_sum_ = 0;
  std::uint64_t samples_ = 0;
};

double sum(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0);
}

TEST(tcp_cubic, one_flow_fills_the_link) {
  for (const double rtt_ms : {20.0, 50.0, 100.0}) {
    Links links(rtt_ms);
    links.add(std::make_unique<TcpCubic>());
    links.run(5);
    EXPECT_GT(sum(links.shares(20)), 0.97) << rtt_ms;
  }
}

TEST(tcp_cubic, two_flows_share_evenly) {
  Links links(20);
  for (int i = 0; i < 2; ++i) links.add(std::make_unique<TcpCubic>());
  links.run(10);
  const auto shares = links.shares(60);
  EXPECT_GT(sum(shares), 0.97);
  EXPECT_NEAR(shares[0], shares[1], 0.15);
}

// RFC 9438 §5.1: at 1 % loss and 50 ms it is Reno-friendly, about 1.2 / sqrt(p) packets per round trip.
TEST(tcp_cubic, random_loss_keeps_it_small) {
  Links links(50, 1, 0.01);
  links.add(std::make_unique<TcpCubic>());
  links.run(5);
  const double packets_per_rtt = sum(links.shares(60)) * kMbps * 1e6 / 8 / TcpFlow::kFrameBytes * 0.05;
  EXPECT_GT(packets_per_rtt, 8);
  EXPECT_LT(packets_per_rtt, 18);
}

// A round's first samples are of packets sent a round before: start-up may end with 4.5 products in flight, no more.
TEST(tcp_cubic, hystart_leaves_slow_start_without_a_loss) {
  for (const double rtt_ms : {40.0, 50.0, 60.0, 70.0, 80.0}) {
    for (const bool hystart : {false, true}) {
      Links links(rtt_ms, 3.6);
      links.add(std::make_unique<TcpCubic>(hystart));
      links.run(2);
      EXPECT_EQ(links.flow(0).lost_packets() == 0, hystart) << rtt_ms;
    }
  }
}

TEST(tcp_bbr, one_flow_fills_the_link_with_a_small_queue) {
  for (const double rtt_ms : {20.0, 50.0, 100.0}) {
    Links links(rtt_ms, 2);
    links.add(std::make_unique<TcpBbr>(1));
    links.run(5);
    EXPECT_GT(sum(links.shares(20)), 0.93) << rtt_ms;
    EXPECT_LT(links.queue_bytes_mean(), 0.25 * kMbps * 1e6 / 8 * rtt_ms * 1e-3) << rtt_ms;
  }
}

TEST(tcp_bbr, four_flows_share_evenly) {
  Links links(50);
  for (std::uint64_t i = 0; i < 4; ++i) links.add(std::make_unique<TcpBbr>(i));
  links.run(10);
  const auto shares = links.shares(60);
  EXPECT_GT(sum(shares), 0.93);
  for (const double share : shares) EXPECT_NEAR(share, 0.25, 0.1);
}

TEST(tcp_bbr, random_loss_does_not_slow_it) {
  Links links(50, 1, 0.01);
  links.add(std::make_unique<TcpBbr>(1));
  links.run(5);
  EXPECT_GT(sum(links.shares(20)), 0.9);
}

// Hock, Bless and Zitterbart (2017), Ware et al. (2019): at one BDP of buffer BBRv1 takes most from CUBIC.
TEST(tcp_bbr, takes_more_than_cubic_from_a_shallow_queue) {
  Links links(50);
  links.add(std::make_unique<TcpBbr>(1));
  links.add(std::make_unique<TcpCubic>());
  links.run(10);
  const auto shares = links.shares(60);
  EXPECT_GT(shares[0], shares[1]);
}

}  // namespace
}  // namespace dwcp::sim
