// SPDX-License-Identifier: Apache-2.0
// What a net lcore tells the codec lcores about a lane, once a millisecond.  Written by the net lcore, read relaxed.
#pragma once

#include "dataplane/rings/migration_table.h"

namespace dwcp {

struct alignas(64) LaneShared {
  Counter drain_bytes_per_sec;  // what the path delivers; 0 before the first measurement
  Counter min_rtt_ns;           // 0 before the first measurement
  Counter backlog_limit_bytes;  // frames of one migration that may be submitted and unacknowledged
};

}  // namespace dwcp
