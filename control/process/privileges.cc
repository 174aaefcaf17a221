// SPDX-License-Identifier: Apache-2.0
#include "control/process/privileges.h"

#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "control/process/threads.h"

namespace dwcp {
namespace {

constexpr std::uint64_t bit(unsigned capability) { return std::uint64_t{1} << capability; }

unexpected<std::string> failed(const std::string& what, int error) {
  return unexpected<std::string>(what + ": " + std::strerror(error));
}

// prctl and capset by number: both run in a signal handler.

void empty_bounding_set() noexcept {
  // EINVAL ends the list of those this kernel knows.
  for (unsigned capability = 0; capability < 64; ++capability) {
    if (syscall(SYS_prctl, PR_CAPBSET_DROP, capability, 0, 0, 0) != 0) return;
  }
}

bool bounding_is_done(const ThreadStatus& thread) { return thread.bounding == 0 || (thread.effective & bit(CAP_SETPCAP)) == 0; }

void give_up_capabilities() noexcept {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  const __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3]{};
  (void)syscall(SYS_prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  (void)syscall(SYS_capset, &header, none);
  (void)syscall(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

bool capabilities_are_gone(const ThreadStatus& thread) {
  return (thread.effective | thread.permitted | thread.inheritable | thread.ambient) == 0 && thread.no_new_privs;
}

// glibc carries these three to all threads (nptl(7)).
expected<void, std::string> become(const Account& account) {
  const std::string who = "cannot become " + account.name;
  if (geteuid() == account.uid && getuid() == account.uid && getegid() == account.gid) return {};  // it was started as it
  if (initgroups(account.name.c_str(), account.gid) != 0 ||
      setresgid(account.gid, account.gid, account.gid) != 0 ||
      setresuid(account.uid, account.uid, account.uid) != 0) {
    const int error = errno;
    if (error == EPERM) return unexpected<std::string>(who + ": only root may become another user; start it as root or as " + account.name);
    return failed(who, error);
  }
  return {};
}

expected<void, std::string> verify(const std::optional<Account>& account) {
  const auto threads = read_threads();
  if (!threads) return unexpected<std::string>(threads.error());
  for (const ThreadStatus& thread : *threads) {
    const bool is_account = !account || (std::all_of(thread.uids.begin(), thread.uids.end(), [&](uid_t id) { return id == account->uid; }) &&
                                         std::all_of(thread.gids.begin(), thread.gids.end(), [&](gid_t id) { return id == account->gid; }));
    if (!is_account) return unexpected<std::string>("thread " + thread.name + " has not become " + account->name);
    if (!capabilities_are_gone(thread)) return unexpected<std::string>("thread " + thread.name + " keeps capabilities");
  }
  if (account && account->uid != 0 && setresuid(0, 0, 0) == 0) return unexpected<std::string>("the way back to root is open");
  return {};
}

// Dumps: the limit stops those to a file, "not dumpable" those to a pipe too, and ptrace and /proc/PID/mem.
expected<void, std::string> forbid_dumps() {
  const rlimit none{0, 0};
  if (setrlimit(RLIMIT_CORE, &none) != 0) return failed("cannot forbid core dumps", errno);
  if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) return failed("cannot forbid core dumps", errno);
  return {};
}

// getpwnam_r and getgrnam_r, with a buffer as large as it takes.
template <typename Record, typename Lookup>
int look_up(const std::string& name, Lookup lookup, Record& record, std::vector<char>& buffer, Record*& found) {
  int error = ERANGE;
  for (std::size_t bytes = 1024; error == ERANGE && bytes <= (1 << 20); bytes *= 2) {
    buffer.resize(bytes);
    error = lookup(name.c_str(), &record, buffer.data(), buffer.size(), &found);
  }
  return error;
}

}  // namespace

expected<Account, std::string> find_account(const std::string& name) {
  passwd record{};
  passwd* found = nullptr;
  std::vector<char> buffer;
  const int error = look_up(name, getpwnam_r, record, buffer, found);
  if (found != nullptr) return Account{name, found->pw_uid, found->pw_gid};
  if (error != 0) return failed("user " + name + " cannot be looked up", error);
  return unexpected<std::string>("no such user: " + name + "; make it with: useradd --system --no-create-home " + name);
}

expected<gid_t, std::string> find_group(const std::string& name) {
  group record{};
  group* found = nullptr;
  std::vector<char> buffer;
  const int error = look_up(name, getgrnam_r, record, buffer, found);
  if (found != nullptr) return found->gr_gid;
  if (error != 0) return failed("group " + name + " cannot be looked up", error);
  return unexpected<std::string>("no such group: " + name + "; make it with: groupadd --system " + name);
}

expected<void, std::string> drop_privileges(const std::optional<Account>& account) {
  // Before the user changes, for that ends the right to.
  if (auto emptied = on_all_threads(empty_bounding_set, bounding_is_done); !emptied) return emptied;
  if (account) {
    if (auto changed = become(*account); !changed) return changed;
  }
  if (auto given = on_all_threads(give_up_capabilities, capabilities_are_gone); !given) return given;
  // After the user changed, for that sets "dumpable" anew.
  if (auto forbidden = forbid_dumps(); !forbidden) return forbidden;
  return verify(account);
}

}  // namespace dwcp
