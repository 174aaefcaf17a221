// SPDX-License-Identifier: Apache-2.0
#include "control/process/syscall_filter.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <linux/sockios.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <memory>

namespace dwcp {
namespace {

// Names, by what needs them; taken from strace of running gateways (start to end, all of tests/integration) and from the
// sources of what is called rarely: device interrupts, hugepages, aborts.
constexpr const char* kAllowed[] = {
    // Memory: malloc, thread stacks, DPDK's segments.  mmap and mprotect are below.
    "brk", "munmap", "mremap", "madvise", "mlock", "mlock2", "munlock", "msync", "mbind", "get_mempolicy",
    "set_mempolicy", "memfd_create", "ftruncate", "fallocate",
    // Threads and their end.  clone is below.
    "futex", "futex_waitv", "set_robust_list", "rseq", "exit", "exit_group", "sched_yield", "sched_getaffinity",
    "sched_setaffinity", "sched_getparam", "sched_getscheduler", "sched_get_priority_max", "sched_get_priority_min",
    "gettid", "getpid", "getppid", "getcpu", "membarrier", "restart_syscall",
    // Signals: libuv's watches, pthread_cancel, abort.  tgkill is below.
    "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "rt_sigpending", "rt_sigtimedwait", "rt_sigsuspend", "sigaltstack",
    "signalfd4",
    // Time.
    "nanosleep", "clock_nanosleep", "clock_gettime", "clock_getres", "gettimeofday", "time", "times", "getrusage",
    "timerfd_create", "timerfd_settime", "timerfd_gettime",
    // Waiting.
    "epoll_create1", "epoll_create", "epoll_ctl", "epoll_wait", "epoll_pwait", "epoll_pwait2", "poll", "ppoll", "select",
    "pselect6", "eventfd2", "eventfd", "pipe2", "pipe",
    // Sockets: hypervisors, control sockets, af_packet and memif queues.  socket is below.  bind and listen are for the start.
    "accept", "accept4", "connect", "shutdown", "getsockopt", "setsockopt", "getsockname", "getpeername", "sendto", "recvfrom",
    "sendmsg", "recvmsg", "sendmmsg", "recvmmsg",
    // Files: log, certificates at a reload, /proc and /sys, device descriptors, the runtime folder at the end.
    "read", "write", "readv", "writev", "pread64", "pwrite64", "preadv", "pwritev", "lseek", "open", "openat", "close",
    "close_range", "stat", "fstat", "lstat", "newfstatat", "statx", "statfs", "fstatfs", "access", "faccessat", "faccessat2",
    "getdents64", "readlink", "readlinkat", "getcwd", "fcntl", "flock", "dup", "dup2", "dup3", "fsync", "fdatasync", "unlink",
    "unlinkat", "rmdir",
    // Who and where we are.
    "getuid", "geteuid", "getgid", "getegid", "getresuid", "getresgid", "getgroups", "capget", "uname", "sysinfo",
    "getrandom", "getrlimit",
};

// The first calls of a payload; no library makes one in the course of this program's work.
constexpr const char* kFatal[] = {
    // Run another program, or be one.
    "execve", "execveat",
    // Reach into other processes.
    "ptrace", "process_vm_readv", "process_vm_writev", "pidfd_getfd", "kcmp",
    // Load into the kernel.
    "init_module", "finit_module", "delete_module", "bpf", "kexec_load", "kexec_file_load", "iopl", "ioperm", "userfaultfd",
    // Become somebody else, or go somewhere else.
    "setuid", "setgid", "setreuid", "setregid", "setresuid", "setresgid", "setgroups", "setfsuid", "setfsgid", "capset",
    "chroot", "pivot_root", "mount", "umount2", "move_mount", "open_tree", "fsopen", "fsmount", "unshare", "setns",
    "open_by_handle_at", "name_to_handle_at",
    // The machine.
    "reboot", "swapon", "swapoff", "settimeofday", "clock_settime", "sethostname", "setdomainname", "quotactl", "acct",
    "add_key", "request_key", "keyctl", "mknod", "mknodat",
};

// int arguments: the upper half of the register is not looked at by the kernel, so not by us.
constexpr std::uint64_t kInt = 0xffff'ffff;

scmp_arg_cmp is_int(unsigned argument, std::uint64_t value, std::uint64_t mask = kInt) {
  return scmp_arg_cmp{argument, SCMP_CMP_MASKED_EQ, mask, value};
}

// Calls allowed with some arguments only; those of a row must all hold, rows of one call are alternatives.
struct Conditional {
  const char* name;
  std::vector<scmp_arg_cmp> arguments;
};

std::vector<Conditional> conditionals() {
  constexpr std::uint64_t kThreadFlags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM;
  constexpr std::uint64_t kSocketType = 0xf;  // the rest are SOCK_CLOEXEC and SOCK_NONBLOCK
  std::vector<Conditional> rows{
      {"mmap", {is_int(2, 0, PROT_EXEC)}},
      {"mprotect", {is_int(2, 0, PROT_EXEC)}},
      {"clone", {is_int(0, kThreadFlags, kThreadFlags)}},
      {"tgkill", {is_int(0, static_cast<std::uint64_t>(getpid()))}},  // abort, pthread_cancel
      {"prctl", {is_int(0, PR_SET_NAME)}},
      {"prctl", {is_int(0, PR_GET_NAME)}},
      {"prlimit64", {is_int(0, 0), scmp_arg_cmp{2, SCMP_CMP_EQ, 0, 0}}},  // read, our own
      {"ioctl", {is_int(1, FIONBIO)}},
      {"ioctl", {is_int(1, FIONREAD)}},
      {"ioctl", {is_int(1, FIOCLEX)}},
      {"ioctl", {is_int(1, TCGETS)}},            // isatty
      {"ioctl", {is_int(1, 0x8900, 0xff00)}},    // interfaces: SIOC...
      {"ioctl", {is_int(1, ';' << 8, 0xff00)}},  // VFIO
      {"ioctl", {is_int(1, 0x1b00, 0xff00)}},    // RDMA verbs: mlx5
  };
  for (const int family : {AF_UNIX, AF_INET, AF_INET6}) {
    for (const int type : {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET}) {
      rows.push_back({"socket", {is_int(0, static_cast<std::uint64_t>(family)), is_int(1, static_cast<std::uint64_t>(type), kSocketType)}});
    }
  }
  return rows;
}

// Refused calls by number; the last counts those without a place of their own.
constexpr std::size_t kNumbers = 512;
std::array<std::atomic<std::uint64_t>, kNumbers + 1> refused{};

// Runs in the thread that made the call.
void on_refused(int, siginfo_t* info, void* context) noexcept {
  constexpr int kSysSeccomp = 1;  // SYS_SECCOMP, which glibc 2.36 keeps to itself
  if (info->si_code != kSysSeccomp) return;  // a late one of on_all_threads()
  const auto number = static_cast<std::size_t>(static_cast<unsigned>(info->si_syscall));
  refused[std::min(number, kNumbers)].fetch_add(1, std::memory_order_relaxed);
#if defined(__x86_64__)
  static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_RAX] = -ENOSYS;
#elif defined(__aarch64__)
  static_cast<ucontext_t*>(context)->uc_mcontext.regs[0] = static_cast<unsigned long long>(-ENOSYS);
#else
#error "where does this machine keep a system call's result?"
#endif
}

unexpected<std::string> failed(const std::string& what, int error) {
  return unexpected<std::string>(what + ": " + std::strerror(error < 0 ? -error : error));
}

using Filter = std::unique_ptr<void, decltype(&seccomp_release)>;

// A name this libseccomp does not know is a call of a later kernel, or of another machine.
int add(scmp_filter_ctx filter, std::uint32_t action, const char* name, const std::vector<scmp_arg_cmp>& arguments = {}) {
  const int number = seccomp_syscall_resolve_name(name);
  if (number < 0) return 0;
  return seccomp_rule_add_array(filter, action, number, static_cast<unsigned>(arguments.size()), arguments.data());
}

int add_rules(scmp_filter_ctx filter) {
  int error = 0;
  for (const char* name : kAllowed) {
    if (error == 0) error = add(filter, SCMP_ACT_ALLOW, name);
  }
  for (const Conditional& row : conditionals()) {
    if (error == 0) error = add(filter, SCMP_ACT_ALLOW, row.name, row.arguments);
  }
  for (const char* name : kFatal) {
    if (error == 0) error = add(filter, SCMP_ACT_KILL_PROCESS, name);
  }
  // Its flags are in memory, out of a filter's sight; told that there is none, libc takes clone.  Not by SIGSYS, which
  // pthread_create() blocks at this moment.
  if (error == 0) error = add(filter, SCMP_ACT_ERRNO(ENOSYS), "clone3");
  return error;
}

int set_attributes(scmp_filter_ctx filter) {
  // All threads at once, or none: it is an error when one cannot follow.
  int error = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
  if (error == 0) error = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
  // Compared by halving: a call costs 8 comparisons instead of up to 200.
  if (error == 0) error = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
  // Without this older kernels switch speculative stores off for whoever has a filter, at a cost to the lcores.  It is
  // against code of others in this process; there is none.
  if (error == 0) error = seccomp_attr_set(filter, SCMP_FLTATR_CTL_SSB, 1);
  return error;
}

}  // namespace

expected<void, std::string> install_syscall_filter() {
  struct sigaction action {};
  action.sa_sigaction = on_refused;
  action.sa_flags = SA_SIGINFO | SA_RESTART;
  if (sigaction(SIGSYS, &action, nullptr) != 0) return failed("sigaction", errno);
  const Filter filter(seccomp_init(SCMP_ACT_TRAP), &seccomp_release);
  if (filter == nullptr) return unexpected<std::string>("no memory for the filter");
  if (const int error = set_attributes(filter.get()); error != 0) return failed("libseccomp refuses an attribute", error);
  if (const int error = add_rules(filter.get()); error != 0) return failed("libseccomp refuses a rule", error);
  if (const int error = seccomp_load(filter.get()); error != 0) {
    return failed("the kernel does not take the filter (set security.seccomp = false if it has no seccomp)", error);
  }
  return {};
}

std::vector<RefusedCall> refused_calls() {
  std::vector<RefusedCall> calls;
  for (std::size_t number = 0; number <= kNumbers; ++number) {
    const std::uint64_t count = refused[number].load(std::memory_order_relaxed);
    if (count == 0) continue;
    char* name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, static_cast<int>(number));
    calls.push_back({name != nullptr ? name : "syscall " + std::to_string(number), count});
    std::free(name);
  }
  return calls;
}

std::uint64_t refused_calls_total() noexcept {
  std::uint64_t total = 0;
  for (const auto& count : refused) total += count.load(std::memory_order_relaxed);
  return total;
}

bool syscall_is_allowed(const std::string& name) {
  const auto is_name = [&](const char* other) { return name == other; };
  const auto rows = conditionals();
  return std::any_of(std::begin(kAllowed), std::end(kAllowed), is_name) ||
         std::any_of(rows.begin(), rows.end(), [&](const Conditional& row) { return name == row.name; });
}

}  // namespace dwcp
