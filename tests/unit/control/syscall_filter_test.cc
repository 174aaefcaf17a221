// SPDX-License-Identifier: Apache-2.0
#include "control/process/syscall_filter.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/netlink.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <thread>
#include <vector>

#include "child.h"

namespace dwcp {
namespace {

bool install() {
  const auto installed = install_syscall_filter();
  if (!installed) std::fprintf(stderr, "%s\n", installed.error().c_str());
  return installed.has_value();
}

TEST(syscall_filter, the_programs_work_goes_on) {
  expect_child_succeeds([] {
    CHILD_EXPECT(install());
    std::vector<char> memory(64 << 20, 'x');  // by mmap
    std::free(std::malloc(100));
    std::atomic<bool> ran{false};
    std::thread([&] { ran = pthread_setname_np(pthread_self(), "later") == 0; }).join();
    CHILD_EXPECT(ran);
    const int file = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    char text[64];
    struct stat found {};
    CHILD_EXPECT(file >= 0 && read(file, text, sizeof text) > 0 && fstat(file, &found) == 0 && close(file) == 0);
    CHILD_EXPECT(eventfd(0, EFD_CLOEXEC) >= 0 && epoll_create1(0) >= 0 && timerfd_create(CLOCK_MONOTONIC, 0) >= 0);
    CHILD_EXPECT(getrandom(text, sizeof text, 0) == sizeof text);
    for (const int family : {AF_INET, AF_INET6, AF_UNIX}) {
      const int made = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
      int on = 1;
      CHILD_EXPECT(made >= 0 || errno == EAFNOSUPPORT);
      CHILD_EXPECT(made < 0 || ioctl(made, FIONBIO, &on) == 0);
    }
    const timespec moment{0, 1000};
    CHILD_EXPECT(clock_nanosleep(CLOCK_MONOTONIC, 0, &moment, nullptr) == 0);
    CHILD_EXPECT(signal(SIGHUP, SIG_IGN) != SIG_ERR);
    CHILD_EXPECT(refused_calls_total() == 0);
    return 0;
  });
}

TEST(syscall_filter, a_thread_can_be_cancelled_and_the_process_aborted) {
  const int status = run_in_child([] {
    std::atomic<bool> ready{false};
    pthread_t thread{};
    CHILD_EXPECT(pthread_create(&thread, nullptr, [](void* flag) -> void* {
      *static_cast<std::atomic<bool>*>(flag) = true;
      for (;;) sleep(1);
    }, &ready) == 0);
    CHILD_EXPECT(install());
    while (!ready) std::this_thread::yield();
    CHILD_EXPECT(pthread_cancel(thread) == 0 && pthread_join(thread, nullptr) == 0);
    CHILD_EXPECT(refused_calls_total() == 0);
    std::abort();
  });
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT) << describe(status);
}

struct Refused {
  const char* name;  // of the call, as counted
  long (*call)();
};

const Refused kRefused[] = {
    {"socket", [] { return syscall(SYS_socket, AF_NETLINK, SOCK_RAW, NETLINK_ROUTE); }},
    {"socket", [] { return syscall(SYS_socket, AF_PACKET, SOCK_RAW, 0); }},
    {"socket", [] { return syscall(SYS_socket, AF_INET, SOCK_RAW, IPPROTO_ICMP); }},
    {"mmap", [] { return syscall(SYS_mmap, nullptr, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); }},
    {"mprotect", [] { return syscall(SYS_mprotect, nullptr, 4096, PROT_READ | PROT_EXEC); }},
    {"clone", [] { return syscall(SYS_clone, SIGCHLD, nullptr, nullptr, nullptr, nullptr); }},
    {"clone", [] { return syscall(SYS_clone, CLONE_VM | CLONE_VFORK | SIGCHLD, nullptr, nullptr, nullptr, nullptr); }},
    {"fork", [] { return syscall(SYS_fork); }},
    {"io_uring_setup", [] { return syscall(SYS_io_uring_setup, 1, nullptr); }},
    {"prctl", [] { return syscall(SYS_prctl, PR_SET_DUMPABLE, 1, 0, 0, 0); }},
    {"kill", [] { return syscall(SYS_kill, getppid(), 0); }},
    {"tgkill", [] { return syscall(SYS_tgkill, getppid(), getppid(), 0); }},
    {"prlimit64", [] {
       const std::uint64_t none[2]{0, 0};
       return syscall(SYS_prlimit64, 0, 4, none, nullptr);
     }},
    {"ioctl", [] { return syscall(SYS_ioctl, 0, TIOCSTI, "x"); }},
    {"chmod", [] { return syscall(SYS_chmod, "/nowhere", 0777); }},
    {"bind", [] { return syscall(SYS_bind, 0, nullptr, 0); }},
    {"personality", [] { return syscall(SYS_personality, 0xffffffff); }},
    {"perf_event_open", [] { return syscall(SYS_perf_event_open, nullptr, 0, -1, -1, 0); }},
};

TEST(syscall_filter, other_calls_are_refused_and_counted) {
  for (const Refused& each : kRefused) {
    SCOPED_TRACE(each.name);
    expect_child_succeeds([&each] {
      CHILD_EXPECT(install());
      errno = 0;
      const long result = each.call();
      CHILD_EXPECT(result == -1 && errno == ENOSYS);
      (void)each.call();
      const auto calls = refused_calls();
      CHILD_EXPECT(calls.size() == 1 && calls[0].name == each.name && calls[0].count == 2);
      CHILD_EXPECT(refused_calls_total() == 2);
      return 0;
    });
  }
}

TEST(syscall_filter, an_unknown_number_is_refused_and_counted) {
  expect_child_succeeds([] {
    CHILD_EXPECT(install());
    CHILD_EXPECT(syscall(100000) == -1 && errno == ENOSYS);
    CHILD_EXPECT(refused_calls_total() == 1 && refused_calls().size() == 1);
    return 0;
  });
}

// libc takes clone instead; a refusal by signal would kill it, for pthread_create() blocks signals at that moment.
TEST(syscall_filter, clone3_is_not_there) {
  expect_child_succeeds([] {
    CHILD_EXPECT(install());
    CHILD_EXPECT(syscall(SYS_clone3, nullptr, 0) == -1 && errno == ENOSYS);
    CHILD_EXPECT(refused_calls_total() == 0);
    return 0;
  });
}

struct Fatal {
  const char* name;
  void (*call)();
};

const Fatal kFatalCalls[] = {
    {"execve", [] { (void)execl("/bin/true", "true", nullptr); }},
    {"execveat", [] { (void)syscall(SYS_execveat, AT_FDCWD, "/bin/true", nullptr, nullptr, 0); }},
    {"ptrace", [] { (void)ptrace(PTRACE_TRACEME, 0, nullptr, nullptr); }},
    {"process_vm_readv", [] { (void)syscall(SYS_process_vm_readv, getppid(), nullptr, 0, nullptr, 0, 0); }},
    {"setuid", [] { (void)syscall(SYS_setuid, getuid()); }},
    {"setresuid", [] { (void)syscall(SYS_setresuid, -1, -1, -1); }},
    {"capset", [] { (void)syscall(SYS_capset, nullptr, nullptr); }},
    {"mount", [] { (void)syscall(SYS_mount, nullptr, nullptr, nullptr, 0, nullptr); }},
    {"unshare", [] { (void)syscall(SYS_unshare, 0); }},
    {"setns", [] { (void)syscall(SYS_setns, -1, 0); }},
    {"chroot", [] { (void)syscall(SYS_chroot, "/nowhere"); }},
    {"bpf", [] { (void)syscall(SYS_bpf, 0, nullptr, 0); }},
    {"init_module", [] { (void)syscall(SYS_init_module, nullptr, 0, nullptr); }},
    {"kexec_load", [] { (void)syscall(SYS_kexec_load, 0, 0, nullptr, 0); }},
};

TEST(syscall_filter, an_intruders_calls_end_the_process) {
  for (const Fatal& each : kFatalCalls) {
    const int status = run_in_child([&each] {
      CHILD_EXPECT(install());
      each.call();
      return 0;
    });
    EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS) << each.name << ": " << describe(status);
  }
}

// Not by way of the calls of another machine, whose numbers differ.
#if defined(__x86_64__)
TEST(syscall_filter, calls_of_32_bit_programs_end_the_process) {
  const int status = run_in_child([] {
    CHILD_EXPECT(install());
    long number = 20;  // getpid there
    asm volatile("int $0x80" : "+a"(number) : : "memory", "r8", "r9", "r10", "r11");
    return 0;
  });
  EXPECT_TRUE(WIFSIGNALED(status)) << describe(status);  // SIGSEGV where the kernel has none of them
}

TEST(syscall_filter, calls_of_x32_programs_end_the_process) {
  const int status = run_in_child([] {
    CHILD_EXPECT(install());
    (void)syscall(0x40000000 | 39);  // getpid there
    return 0;
  });
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS) << describe(status);
}
#endif

TEST(syscall_filter, holds_for_threads_that_were_there_before) {
  const int status = run_in_child([] {
    std::atomic<bool> filtered{false};
    std::atomic<int> found{-1};
    std::thread earlier([&] {
      while (!filtered) std::this_thread::yield();
      found = syscall(SYS_socket, AF_NETLINK, SOCK_RAW, NETLINK_ROUTE) == -1 && errno == ENOSYS ? 1 : 0;
      (void)execl("/bin/true", "true", nullptr);
    });
    CHILD_EXPECT(install());
    filtered = true;
    while (found < 0) std::this_thread::yield();
    CHILD_EXPECT(found == 1);
    earlier.join();
    return 0;
  });
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS) << describe(status);
}

}  // namespace
}  // namespace dwcp
