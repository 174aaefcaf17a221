// SPDX-License-Identifier: Apache-2.0
#include "control/process/privileges.h"

#include <gtest/gtest.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include <atomic>
#include <thread>
#include <vector>

#include "child.h"
#include "control/process/threads.h"

namespace dwcp {
namespace {

#define NEEDS_ROOT() \
  if (geteuid() != 0) GTEST_SKIP() << "needs root"

bool is_bare(const ThreadStatus& thread, uid_t uid) {
  return (thread.effective | thread.permitted | thread.inheritable | thread.ambient | thread.bounding) == 0 &&
         thread.no_new_privs && thread.uids == std::array<uid_t, 4>{uid, uid, uid, uid};
}

bool all_are_bare(uid_t uid) {
  const auto threads = read_threads();
  if (!threads) return false;
  for (const ThreadStatus& thread : *threads) {
    if (!is_bare(thread, uid)) return false;
  }
  return true;
}

// Threads that wait in the ways ours and DPDK's do, until the child exits.
void start_waiting_threads() {
  for (const auto wait : {+[] { std::this_thread::sleep_for(std::chrono::hours(1)); },
                          +[] {
                            const int epoll = epoll_create1(EPOLL_CLOEXEC);
                            epoll_event event{};
                            while (epoll_wait(epoll, &event, 1, -1) <= 0) {}
                          },
                          +[] { for (std::atomic<bool> stop{false}; !stop.load(std::memory_order_relaxed);) {} }}) {
    std::thread(wait).detach();
  }
}

TEST(privileges, every_thread_becomes_the_user_without_any_capability) {
  NEEDS_ROOT();
  expect_child_succeeds([] {
    start_waiting_threads();
    const auto nobody = find_account("nobody");
    CHILD_EXPECT(nobody && nobody->uid != 0);
    const auto dropped = drop_privileges(*nobody);
    if (!dropped) std::fprintf(stderr, "%s\n", dropped.error().c_str());
    CHILD_EXPECT(dropped);
    CHILD_EXPECT(read_threads()->size() == 4);
    CHILD_EXPECT(all_are_bare(nobody->uid));
    CHILD_EXPECT(getegid() == nobody->gid);
    CHILD_EXPECT(setuid(0) != 0);
    bool later = false;
    std::thread([&] { later = all_are_bare(geteuid()); }).join();
    CHILD_EXPECT(later);
    return 0;
  });
}

TEST(privileges, threads_born_meanwhile_are_not_missed) {
  NEEDS_ROOT();
  expect_child_succeeds([] {
    // Generations: each thread makes the next and ends, so that one is always just being made.
    static std::atomic<bool> stop{false};
    static std::atomic<int> alive{0};
    struct Generation {
      static void live() {
        if (!stop.load()) {
          ++alive;
          std::thread(live).detach();
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
        --alive;
      }
    };
    alive = 3;
    for (int i = 0; i < 3; ++i) std::thread(Generation::live).detach();
    const auto dropped = drop_privileges(*find_account("nobody"));
    if (!dropped) std::fprintf(stderr, "%s\n", dropped.error().c_str());
    CHILD_EXPECT(dropped);
    for (int i = 0; i < 50; ++i) CHILD_EXPECT(all_are_bare(geteuid()));
    stop = true;
    while (alive.load() > 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return 0;
  });
}

TEST(privileges, without_a_user_capabilities_go_all_the_same) {
  NEEDS_ROOT();
  expect_child_succeeds([] {
    start_waiting_threads();
    CHILD_EXPECT(drop_privileges(std::nullopt));
    CHILD_EXPECT(all_are_bare(0));
    return 0;
  });
}

TEST(privileges, a_user_with_nothing_to_drop_is_bound_too) {
  expect_child_succeeds([] {
    if (geteuid() == 0) CHILD_EXPECT(setresgid(65534, 65534, 65534) == 0 && setresuid(65534, 65534, 65534) == 0);
    CHILD_EXPECT(drop_privileges(std::nullopt));
    const auto threads = read_threads();
    CHILD_EXPECT(threads && threads->size() == 1 && threads->front().no_new_privs && threads->front().permitted == 0);
    return 0;
  });
}

TEST(privileges, no_dumps) {
  expect_child_succeeds([] {
    CHILD_EXPECT(drop_privileges(std::nullopt));
    rlimit limit{1, 1};
    CHILD_EXPECT(getrlimit(RLIMIT_CORE, &limit) == 0 && limit.rlim_cur == 0 && limit.rlim_max == 0);
    CHILD_EXPECT(prctl(PR_GET_DUMPABLE) == 0);
    return 0;
  });
}

TEST(privileges, only_root_becomes_another) {
  NEEDS_ROOT();
  expect_child_succeeds([] {
    CHILD_EXPECT(drop_privileges(*find_account("nobody")));
    const auto again = drop_privileges(*find_account("daemon"));
    CHILD_EXPECT(!again && again.error().find("only root may become another user") != std::string::npos);
    return 0;
  });
}

TEST(privileges, the_user_it_was_started_as_is_fine) {
  NEEDS_ROOT();
  expect_child_succeeds([] {
    const auto nobody = find_account("nobody");
    CHILD_EXPECT(setresgid(nobody->gid, nobody->gid, nobody->gid) == 0 && setresuid(nobody->uid, nobody->uid, nobody->uid) == 0);
    CHILD_EXPECT(drop_privileges(*nobody));
    return 0;
  });
}

TEST(privileges, a_thread_out_of_reach_is_an_error_by_name) {
  expect_child_succeeds([] {
    std::atomic<bool> ready{false};
    std::thread([&] {
      sigset_t all;
      sigfillset(&all);
      pthread_sigmask(SIG_BLOCK, &all, nullptr);
      pthread_setname_np(pthread_self(), "out-of-reach");
      ready = true;
      std::this_thread::sleep_for(std::chrono::hours(1));
    }).detach();
    while (!ready) std::this_thread::yield();
    const auto dropped = drop_privileges(std::nullopt);
    CHILD_EXPECT(!dropped && dropped.error().find("out-of-reach") != std::string::npos);
    return 0;
  });
}

TEST(privileges, unknown_names_are_said) {
  const auto user = find_account("no-such-user-of-ours");
  ASSERT_FALSE(user);
  EXPECT_NE(user.error().find("no such user: no-such-user-of-ours"), std::string::npos) << user.error();
  const auto group = find_group("no-such-group-of-ours");
  ASSERT_FALSE(group);
  EXPECT_NE(group.error().find("no such group: no-such-group-of-ours"), std::string::npos) << group.error();
}

TEST(threads, status_is_read_whole_or_not_at_all) {
  const std::string text =
      "Name:\tworker\nUid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\nCapInh:\t0000000000000001\nCapPrm:\t0000000000000002\n"
      "CapEff:\t0000000000000004\nCapBnd:\t000001ffffffffff\nCapAmb:\t0000000000000008\nNoNewPrivs:\t1\nSeccomp:\t2\n";
  const auto status = parse_thread_status(7, text);
  ASSERT_TRUE(status) << status.error();
  EXPECT_EQ(status->name, "worker");
  EXPECT_EQ(status->uids, (std::array<uid_t, 4>{1, 2, 3, 4}));
  EXPECT_EQ(status->gids, (std::array<gid_t, 4>{5, 6, 7, 8}));
  EXPECT_EQ(status->inheritable, 1U);
  EXPECT_EQ(status->permitted, 2U);
  EXPECT_EQ(status->effective, 4U);
  EXPECT_EQ(status->bounding, 0x1ff'ffff'ffffU);
  EXPECT_EQ(status->ambient, 8U);
  EXPECT_TRUE(status->no_new_privs);
  EXPECT_EQ(status->seccomp, 2U);
  EXPECT_FALSE(parse_thread_status(7, text.substr(0, text.find("CapAmb"))));
  std::string bad = text;
  bad.replace(bad.find("0000000000000002"), 1, "x");
  EXPECT_FALSE(parse_thread_status(7, bad));
}

}  // namespace
}  // namespace dwcp
