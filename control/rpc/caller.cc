// SPDX-License-Identifier: Apache-2.0
#include "control/rpc/caller.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace dwcp {

expected<Caller, std::string> caller_of(int socket) {
  ucred credentials{};
  socklen_t bytes = sizeof credentials;
  if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &bytes) != 0) {
    return unexpected<std::string>(std::string("SO_PEERCRED: ") + std::strerror(errno));
  }
  Caller caller{credentials.uid, credentials.gid, credentials.pid, {}};
  // ERANGE says how many there are.
  bytes = 0;
  if (getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, nullptr, &bytes) != 0) {
    if (errno != ERANGE) return unexpected<std::string>(std::string("SO_PEERGROUPS: ") + std::strerror(errno));
    caller.groups.resize(bytes / sizeof(gid_t));
    if (getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, caller.groups.data(), &bytes) != 0) {
      return unexpected<std::string>(std::string("SO_PEERGROUPS: ") + std::strerror(errno));
    }
  }
  return caller;
}

bool RpcAuthority::may_change(const Caller& caller) const noexcept {
  if (caller.uid == 0 || caller.uid == own_uid) return true;
  if (!group) return false;
  return caller.gid == *group || std::find(caller.groups.begin(), caller.groups.end(), *group) != caller.groups.end();
}

}  // namespace dwcp
