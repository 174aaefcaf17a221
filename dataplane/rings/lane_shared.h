// SPDX-License-Identifier: Apache-2.0
// What a net lcore tells the codec lcores about a lane, once a millisecond.  Written by the net lcore, read relaxed.
#pragma once

#include "dataplane/rings/migration_table.h"

namespace dwcp {

struct alignas(64) LaneShared {
  Counter min_rtt_ns;           // 0 before the first measurement
  Counter backlog_limit_bytes;  // frames of one migration that may be submitted and unacknowledged
  Counter backlog_slack_bytes;  // of that, what is more than the path itself holds: what waits; 0 before the first measurement
};

}  // namespace dwcp
