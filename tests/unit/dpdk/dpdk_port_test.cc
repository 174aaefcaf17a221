// SPDX-License-Identifier: Apache-2.0
// The port over virtual devices, in one EAL without hugepages: net_null, net_ring (a loopback), and a memif pair.
#include "drivers/dpdk/dpdk_port.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <thread>

#include "drivers/dpdk/eal.h"
#include "drivers/dpdk/flow.h"

namespace dwcp {
namespace {

class Eal : public testing::Environment {
 public:
  void SetUp() override {
    const std::string id = std::to_string(::getpid());
    const std::string socket = ",socket=/tmp/dwcp_memif_" + id + ".sock,socket-abstract=no,id=0,rsize=11";
    const std::vector<std::string> args = {"dpdk_port_test",
                                           "--no-huge",
                                           "-m",
                                           "256",
                                           "-l",
                                           "0",
                                           "--no-pci",
                                           "--file-prefix=dwcp_test_" + id,
                                           "--vdev=net_null0",
                                           "--vdev=net_null1",
                                           "--vdev=net_ring0",
                                           "--vdev=net_ring1",
                                           "--vdev=net_memif0,role=server" + socket,
                                           "--vdev=net_memif1,role=client" + socket,
                                           "--",
                                           "own"};
    std::vector<const char*> argv;
    for (const std::string& arg : args) argv.push_back(arg.c_str());
    const auto eal = start_eal(static_cast<int>(argv.size()), argv.data(), {});
    ASSERT_TRUE(eal) << eal.error();
    EXPECT_EQ(eal->consumed, static_cast<int>(args.size()) - 1);
  }
  void TearDown() override { stop_eal(); }
};
[[maybe_unused]] const auto* const kEal = testing::AddGlobalTestEnvironment(new Eal);

std::unique_ptr<DpdkPort> open(const std::string& device, DpdkPortConfig config = {}) {
  config.device = device;
  auto port = DpdkPort::open(config);
  EXPECT_TRUE(port) << port.error();
  return port ? std::move(*port) : nullptr;
}

std::string refusal(const std::string& device, DpdkPortConfig config = {}) {
  config.device = device;
  const auto port = DpdkPort::open(config);
  return port ? "opened" : port.error();
}

// Sends n frames of that length, numbered in their first bytes; what the queue does not take is given back.
std::size_t send_numbered(PortQueue& queue, std::size_t n, std::uint32_t length, std::uint32_t& next) {
  std::array<TxPacket, kBurstMax> tx;
  const std::size_t lent = queue.reserve(std::span(tx).first(n));
  for (std::size_t i = 0; i < lent; ++i, ++next) {
    EXPECT_GE(tx[i].capacity, length);
    std::memset(tx[i].data, static_cast<int>(next & 0xff), length);
    std::memcpy(tx[i].data, &next, sizeof(next));
    tx[i].length = length;
  }
  const std::size_t taken = queue.send(std::span(tx).first(lent));
  queue.cancel(std::span(tx).subspan(taken, lent - taken));
  return taken;
}

// Takes what is there, checks order and content, and returns how many.
std::size_t receive_numbered(PortQueue& queue, std::uint32_t length, std::uint32_t& expected) {
  std::array<RxPacket, kBurstMax> rx;
  const std::size_t n = queue.receive(rx);
  for (std::size_t i = 0; i < n; ++i, ++expected) {
    std::uint32_t number = 0;
    std::memcpy(&number, rx[i].data, sizeof(number));
    EXPECT_EQ(number, expected);
    EXPECT_EQ(rx[i].length, length);
    EXPECT_EQ(rx[i].data[length - 1], static_cast<std::uint8_t>(expected & 0xff));
    EXPECT_EQ(rx[i].ip, ChecksumState::kUnknown);
  }
  queue.release(std::span(rx).first(n));
  return n;
}

// Thread CPU time, since the machine may be busy with other tests.
double cpu_ns() {
  timespec spent{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &spent);
  return static_cast<double>(spent.tv_sec) * 1e9 + static_cast<double>(spent.tv_nsec);
}

// What reserve, send, receive and release cost a packet together, in bursts of 32, both ends on this core; the payload
// is not written.
void report_cost(const char* what, PortQueue& from, PortQueue& to, std::uint32_t length) {
  constexpr std::uint64_t kPackets = 500'000;
  std::array<RxPacket, kBurstMax> rx;
  std::array<TxPacket, kBurstMax> tx;
  const double begin = cpu_ns();
  std::uint64_t moved = 0;
  while (moved < kPackets) {
    const std::size_t lent = from.reserve(tx);
    for (std::size_t i = 0; i < lent; ++i) tx[i].length = length;
    ASSERT_EQ(from.send(std::span(tx).first(lent)), kBurstMax);
    const std::size_t n = to.receive(rx);
    to.release(std::span(rx).first(n));
    moved += n;
  }
  std::printf("%s: %.1f ns of CPU a packet\n", what, (cpu_ns() - begin) / static_cast<double>(moved));
}

TEST(dpdk_port, refusals_say_what_is_allowed) {
  EXPECT_EQ(refusal("eth9"),
            "no Ethernet port \"eth9\"; there are: net_null0 (0), net_null1 (1), net_ring0 (2), net_ring1 (3), "
            "net_memif0 (4), net_memif1 (5)");
  EXPECT_NE(refusal("99").find("no Ethernet port \"99\""), std::string::npos);
  EXPECT_EQ(refusal("net_null0", {.queues = 0}).find("port net_null0: 0 queues asked, allowed are 1.."), 0U);
  EXPECT_EQ(refusal("net_null0", {.queues = 2000}).find("port net_null0: 2000 queues asked, allowed are 1.."), 0U);
  EXPECT_EQ(refusal("net_null0", {.mtu = 20}).find("port net_null0: MTU 20 asked, allowed are 68.."), 0U);
  EXPECT_NE(refusal("net_null0", {.mbufs_per_queue = 100}).find("need at least"), std::string::npos);
}

TEST(dpdk_port, null_takes_all_and_leaks_nothing) {
  const auto port = open("net_null1", {.mtu = 9000});
  ASSERT_TRUE(port);
  EXPECT_EQ(port->info().mtu, 9000);
  EXPECT_TRUE(port->link().up);
  EXPECT_TRUE(port->queue(0).link_up());
  PortQueue& queue = port->queue(0);
  const std::uint32_t free = port->free_buffers(0);
  std::uint32_t next = 0;
  for (int i = 0; i < 1000; ++i) ASSERT_EQ(send_numbered(queue, kBurstMax, 9014, next), kBurstMax);
  EXPECT_EQ(queue.counters().tx_packets, 1000 * kBurstMax);
  EXPECT_EQ(queue.counters().tx_bytes, 1000 * kBurstMax * 9014);
  EXPECT_EQ(port->free_buffers(0), free);
  std::array<RxPacket, kBurstMax> rx;
  EXPECT_EQ(queue.receive(rx), kBurstMax);  // net_null makes frames of its own
  queue.release(rx);
  EXPECT_EQ(port->free_buffers(0), free);
}

TEST(dpdk_port, empty_name_is_the_first_and_a_number_will_do) {
  const auto port = open("");
  ASSERT_TRUE(port);
  EXPECT_EQ(port->name(), "net_null0");
  EXPECT_EQ(port->port_id(), 0);
  bool found = false;
  for (const auto& [name, value] : port->xstats()) found = found || name == "rx_good_packets";
  EXPECT_TRUE(found);
  const auto rule = steer_udp_port(*port, {.queue = 0, .destination_port = 4711});
  ASSERT_FALSE(rule);
  EXPECT_TRUE(rule.error().unsupported);
  EXPECT_EQ(rule.error().text.find("port net_null0: cannot steer UDP ports to queues"), 0U) << rule.error().text;
  const auto nowhere = steer_udp_port(*port, {.queue = 5, .destination_port = 4711});
  ASSERT_FALSE(nowhere);
  EXPECT_EQ(nowhere.error().text, "port net_null0: queue 5 asked, allowed are 0..0");
}

TEST(dpdk_port, ring_brings_back_in_order_what_was_sent) {
  const auto port = open("2");
  ASSERT_TRUE(port);
  EXPECT_EQ(port->name(), "net_ring0");
  PortQueue& queue = port->queue(0);
  const std::uint32_t free = port->free_buffers(0);
  std::uint32_t next = 0, expected = 0;
  for (int i = 0; i < 2000; ++i) {
    const std::uint32_t length = 64 + static_cast<std::uint32_t>(i) % 1400;
    const std::size_t n = 1 + static_cast<std::size_t>(i) % kBurstMax;
    ASSERT_EQ(send_numbered(queue, n, length, next), n);
    ASSERT_EQ(receive_numbered(queue, length, expected), n);
  }
  EXPECT_EQ(queue.counters().rx_packets, next);
  EXPECT_EQ(queue.counters().rx_bytes, queue.counters().tx_bytes);
  EXPECT_EQ(port->free_buffers(0), free);
  report_cost("ring", queue, queue, 1514);
}

TEST(dpdk_port, a_full_ring_is_counted_and_its_buffers_come_back) {
  const auto port = open("net_ring1");
  ASSERT_TRUE(port);
  PortQueue& queue = port->queue(0);
  const std::uint32_t free = port->free_buffers(0);
  std::uint32_t next = 0;
  std::size_t sent = 0;
  for (int i = 0; i < 100; ++i) sent += send_numbered(queue, kBurstMax, 100, next);
  EXPECT_GT(sent, 500U);
  EXPECT_LT(sent, 100 * kBurstMax);
  EXPECT_EQ(queue.counters().tx_packets, sent);
  EXPECT_GE(queue.counters().tx_full, (next - sent) / kBurstMax);
  EXPECT_EQ(queue.counters().tx_no_buffer, 0U);
  EXPECT_EQ(port->free_buffers(0), free - sent);
  std::uint32_t expected = 0;
  while (receive_numbered(queue, 100, expected) > 0) {
  }
  EXPECT_EQ(expected, sent);
  EXPECT_EQ(port->free_buffers(0), free);

  // Every buffer in hand: reserve() lends what there is, counts, and cancel() gives it back.
  std::vector<TxPacket> hoard(free + 10);
  EXPECT_EQ(queue.reserve(hoard), free);
  EXPECT_EQ(queue.counters().tx_no_buffer, 1U);
  queue.cancel(std::span(hoard).first(free));
  EXPECT_EQ(port->free_buffers(0), free);
}

TEST(dpdk_port, memif_carries_both_ways) {
  auto server = open("net_memif0");
  auto client = open("net_memif1");
  ASSERT_TRUE(server && client);
  for (int i = 0; i < 500 && !(server->link().up && client->link().up); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  ASSERT_TRUE(server->queue(0).link_up());
  ASSERT_TRUE(client->queue(0).link_up());
  EXPECT_NE(server->info().mac, client->info().mac);
  // A memif server sends into buffers that the client offers when it polls.
  std::uint32_t none = 0;
  EXPECT_EQ(receive_numbered(client->queue(0), 0, none) + receive_numbered(server->queue(0), 0, none), 0U);
  for (const bool forth : {true, false}) {
    PortQueue& from = forth ? server->queue(0) : client->queue(0);
    PortQueue& to = forth ? client->queue(0) : server->queue(0);
    std::uint32_t next = 0, expected = 0;
    for (int i = 0; i < 1000; ++i) {
      ASSERT_EQ(send_numbered(from, kBurstMax, 1514, next), kBurstMax);
      ASSERT_EQ(receive_numbered(to, 1514, expected), kBurstMax);
    }
    EXPECT_EQ(expected, next);
  }

  report_cost("memif, 1514 bytes, server to client", server->queue(0), client->queue(0), 1514);

  // net_memif frees what a peer that leaves had mapped on a thread of its own, and frees it again when closed meanwhile.
  client.reset();
  for (int i = 0; i < 500 && server->link().up; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
}

}  // namespace
}  // namespace dwcp
