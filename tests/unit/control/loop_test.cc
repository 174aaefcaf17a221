// SPDX-License-Identifier: Apache-2.0
#include "control/loop.h"

#include <gtest/gtest.h>

#include <csignal>
#include <optional>
#include <thread>

#include "base/time.h"

namespace dwcp {
namespace {

// Ends a run that would hang, and fails the test.
class Guard {
 public:
  explicit Guard(Loop& loop)
      : timer_(loop, [&loop] {
          ADD_FAILURE() << "the loop did not end by itself";
          loop.stop();
        }) {
    timer_.once(5000);
  }

 private:
  Timer timer_;
};

TEST(loop, timer_fires_once_after_its_delay) {
  Loop loop;
  Guard guard(loop);
  int calls = 0;
  Timer timer(loop, [&] { ++calls; });
  Timer end(loop, [&] { loop.stop(); });
  EXPECT_FALSE(timer.armed());
  const std::uint64_t start_ns = Loop::now_ns();
  timer.once(5);
  EXPECT_TRUE(timer.armed());
  end.once(30);
  loop.run();
  EXPECT_EQ(calls, 1);
  EXPECT_FALSE(timer.armed());
  EXPECT_GE(Loop::now_ns() - start_ns, 29 * kNsPerMs);
}

TEST(loop, timer_repeats_until_cancelled) {
  Loop loop;
  Guard guard(loop);
  int calls = 0;
  Timer end(loop, [&] { loop.stop(); });
  Timer timer(loop, [&] {});
  Timer ticking(loop, [&] {
    if (++calls == 3) end.once(20);
    if (calls == 3) timer.cancel();
  });
  timer.every(1);
  ticking.every(1);
  loop.run();
  EXPECT_GE(calls, 3);
  EXPECT_FALSE(timer.armed());
  EXPECT_TRUE(ticking.armed());
}

TEST(loop, delay_counts_from_the_call_not_from_the_last_wake) {
  Loop loop;
  Guard guard(loop);
  std::uint64_t armed_ns = 0, fired_ns = 0;
  Timer late(loop, [&] {
    fired_ns = Loop::now_ns();
    loop.stop();
  });
  Wake other(loop, [] {});
  Timer busy(loop, [&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(30));  // a slow callback: the loop's clock is now 30 ms old
    armed_ns = Loop::now_ns();
    late.once(20);
    other.signal();  // ends the loop's next wait at once, so that it looks at its timers again
  });
  busy.once(1);
  loop.run();
  EXPECT_GE(fired_ns - armed_ns, 19 * kNsPerMs);
}

TEST(loop, a_callback_may_destroy_its_own_timer) {
  Loop loop;
  Guard guard(loop);
  std::optional<Timer> timer;
  int after = 0;
  timer.emplace(loop, [&, text = std::string(100, 'x')] {
    timer.reset();
    after = static_cast<int>(text.size());  // the callback's own captures must still be there
    loop.stop();
  });
  timer->every(1);
  loop.run();
  EXPECT_EQ(after, 100);
}

TEST(loop, a_destroyed_timer_does_not_fire) {
  Loop loop;
  bool fired = false;
  {
    Timer timer(loop, [&] { fired = true; });
    timer.once(0);
  }
  loop.poll();
  EXPECT_FALSE(fired);
}

TEST(loop, wake_comes_from_another_thread) {
  Loop loop;
  Guard guard(loop);
  std::thread::id ran_on;
  Wake wake(loop, [&] {
    ran_on = std::this_thread::get_id();
    loop.stop();
  });
  std::thread other([&] { wake.signal(); });
  loop.run();
  other.join();
  EXPECT_EQ(ran_on, std::this_thread::get_id());
}

TEST(loop, signals_arrive_on_the_loop) {
  Loop loop;
  Guard guard(loop);
  std::string got;
  SignalWatch hup(loop, SIGHUP, [&] {
    got += "hup ";
    std::raise(SIGTERM);
  });
  SignalWatch term(loop, SIGTERM, [&] {
    got += "term ";
    loop.stop();
  });
  std::raise(SIGHUP);
  loop.run();
  EXPECT_EQ(got, "hup term ");
}

TEST(loop, a_bad_signal_is_refused_cleanly) {
  Loop loop;
  EXPECT_THROW(SignalWatch(loop, SIGKILL, [] {}), std::system_error);
}

TEST(loop, a_hundred_loops_leave_nothing_open) {
  for (int i = 0; i < 100; ++i) {
    Loop loop;
    Timer timer(loop, [] {});
    timer.every(1);
    Wake wake(loop, [] {});
    SignalWatch term(loop, SIGTERM, [] {});
    loop.poll();
  }
}

}  // namespace
}  // namespace dwcp
