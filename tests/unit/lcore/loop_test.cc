// SPDX-License-Identifier: Apache-2.0
// LcoreLoop on an ordinary thread.  EAL runs without hugepages and devices: only its time-stamp counter is used.
#include <gtest/gtest.h>
#include <rte_eal.h>
#include <time.h>

#include <array>
#include <atomic>
#include <chrono>
#include <thread>

#include "dataplane/lcore/lcore_loop.h"

namespace dwcp {
namespace {

class ScriptedRole final : public Role {
 public:
  std::size_t step(std::uint64_t now_ns) noexcept override {
    EXPECT_GE(now_ns, last_ns);
    last_ns = now_ns;
    steps.fetch_add(1);
    return work.load();
  }
  std::uint64_t deadline_ns() noexcept override { return kNever; }
  const char* name() const noexcept override { return "scripted"; }

  std::uint64_t last_ns = 0;
  std::atomic<std::size_t> steps{0};
  std::atomic<std::size_t> work{0};
};

std::uint64_t thread_cpu_ns() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * kNsPerSec + static_cast<std::uint64_t>(now.tv_nsec);
}

class LoopTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    std::array<std::string, 8> words = {"loop_test",      "--no-huge", "--no-pci", "--no-shconf",
                                        "--no-telemetry", "-m",        "16",       "--log-level=3"};
    std::array<char*, 8> args{};
    for (std::size_t i = 0; i < words.size(); ++i) args[i] = words[i].data();
    ASSERT_GE(rte_eal_init(static_cast<int>(args.size()), args.data()), 0);
  }

  // Runs the loop for `span` and returns the CPU time its thread used.
  std::uint64_t run(LcoreLoop& loop, std::chrono::milliseconds span) {
    std::uint64_t cpu_ns = 0;
    std::thread thread([&] {
      loop.run();
      cpu_ns = thread_cpu_ns();
    });
    std::this_thread::sleep_for(span);
    loop.stop();
    thread.join();
    return cpu_ns;
  }
};

TEST_F(LoopTest, an_idle_loop_sleeps_beats_and_stops) {
  ScriptedRole first;
  ScriptedRole second;
  LcoreLoop loop({&first, &second}, kNsPerMs);
  const std::uint64_t before_ns = TscClock().now_ns();
  const std::uint64_t cpu_ns = run(loop, std::chrono::milliseconds(400));
  EXPECT_LT(cpu_ns, 60 * kNsPerMs);  // under 15 % of a core, whatever the machine does
  EXPECT_GT(loop.counters().sleeps.get(), 50U);
  EXPECT_EQ(loop.counters().busy_cycles.get(), 0U);
  EXPECT_GT(loop.counters().idle_cycles.get(), 0U);
  EXPECT_EQ(loop.counters().loops.get(), first.steps.load());
  EXPECT_EQ(first.steps.load(), second.steps.load());
  EXPECT_EQ(loop.counters().heartbeat_ns.get(), first.last_ns);
  EXPECT_GE(first.last_ns, before_ns);
}

TEST_F(LoopTest, a_busy_loop_never_sleeps) {
  ScriptedRole role;
  role.work = 1;
  LcoreLoop loop({&role}, kNsPerMs);
  run(loop, std::chrono::milliseconds(50));
  EXPECT_EQ(loop.counters().sleeps.get(), 0U);
  EXPECT_EQ(loop.counters().idle_cycles.get(), 0U);
  EXPECT_GT(loop.counters().busy_cycles.get(), 0U);
}

TEST_F(LoopTest, counts_all_cycles_once) {
  ScriptedRole role;
  LcoreLoop loop({&role}, 100 * kNsPerUs);
  const std::uint64_t begin = TscClock::cycles();
  std::thread flip([&] {
    for (int i = 0; i < 20; ++i) {
      role.work = i % 2;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  });
  run(loop, std::chrono::milliseconds(100));
  flip.join();
  const std::uint64_t span = TscClock::cycles() - begin;
  const std::uint64_t counted = loop.counters().busy_cycles.get() + loop.counters().idle_cycles.get();
  EXPECT_LE(counted, span);
  EXPECT_GT(counted, span / 2);
  EXPECT_GT(loop.counters().busy_cycles.get(), 0U);
}

}  // namespace
}  // namespace dwcp
