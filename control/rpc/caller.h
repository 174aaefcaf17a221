// SPDX-License-Identifier: Apache-2.0
// Who is at the other end of a control connection, by the kernel's word (unix(7): SO_PEERCRED; SO_PEERGROUPS), and what he
// may do.  The groups are those of the process that connected, taken then: no user database is asked, which could be slow,
// load libraries, and need system calls the filter refuses.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "base/expected.h"

namespace dwcp {

struct Caller {
  uid_t uid = 0;
  gid_t gid = 0;
  pid_t pid = 0;
  std::vector<gid_t> groups;  // the others it is in
};

[[nodiscard]] expected<Caller, std::string> caller_of(int socket);

// Whoever the socket's mode lets connect may ask; to change something takes one of these.
struct RpcAuthority {
  uid_t own_uid = 0;           // the gateway's; root may always
  std::optional<gid_t> group;  // control.group
  [[nodiscard]] bool may_change(const Caller& caller) const noexcept;
};

}  // namespace dwcp
