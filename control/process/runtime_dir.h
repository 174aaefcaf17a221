// SPDX-License-Identifier: Apache-2.0
// Who may use the control sockets: DPDK's telemetry socket and ours, in the runtime folder that EAL made for its own user
// alone.  The folder stays its maker's, so that a process which gave up root leaves no place where root's next start could
// be led astray by links; sockets it can then not remove are found stale, and replaced, by that start.  Start-up only.
//
//   RUNTIME_DIR/dpdk            may be listed: 0755 (DPDK makes it 0700; each of its programs has a folder of its own in it)
//   RUNTIME_DIR/dpdk/dwcp-NAME  likewise: EAL lists it when it gives hugepages back, as whoever it has become
//   the two sockets             read and written by owner and group: 0660
#pragma once

#include <sys/types.h>

#include <span>
#include <string>

#include "base/expected.h"

namespace dwcp {

struct SocketOwner {
  uid_t uid = 0;
  gid_t gid = 0;
  bool shared = false;  // with somebody who is not the folder's owner, so that the folders must be opened too
};

// `sockets`: names in `folder`; one that is not there is left out.
[[nodiscard]] expected<void, std::string> share_sockets(const std::string& folder, std::span<const std::string> sockets,
                                                        const SocketOwner& owner);

}  // namespace dwcp
