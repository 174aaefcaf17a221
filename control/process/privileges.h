// SPDX-License-Identifier: Apache-2.0
// Giving up what was needed to start.  Control thread, once, when EAL, port and sockets are open; then the syscall filter
// (syscall_filter.h).
//
// After drop_privileges(), in every thread and for good:
//   P1 the process is the user asked for, with that user's groups, and cannot become another
//   P2 no capability in any set: effective, permitted, inheritable, ambient; nor bounding, if there was the right to empty it
//   P3 no_new_privs: nothing it might execute gives rights back
//   P4 no core dump, and no other process but root's may read its memory: keys stay in it (prctl(2), PR_SET_DUMPABLE)
// P1 to P3 are read back from /proc; what does not hold is an error, and the program must not go on.
//
// Use:
//   auto account = find_account(config.security.user);      before EAL, so that a wrong name ends the start early
//   ... start ...
//   if (auto dropped = drop_privileges(account); !dropped) return dropped.error();
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "base/expected.h"

namespace dwcp {

struct Account {
  std::string name;
  uid_t uid = 0;
  gid_t gid = 0;  // its first group
};

// By the system's databases (nsswitch.conf(5)); the error is for an operator.
[[nodiscard]] expected<Account, std::string> find_account(const std::string& name);
[[nodiscard]] expected<gid_t, std::string> find_group(const std::string& name);

// No account: whoever it is, without capabilities.
[[nodiscard]] expected<void, std::string> drop_privileges(const std::optional<Account>& account);

}  // namespace dwcp
