// SPDX-License-Identifier: Apache-2.0
#include "dataplane/transport/new_reno.h"

namespace dwcp {

// RFC 9002 §7.3.3: one datagram more for each window acknowledged.
void NewReno::avoid(const AckSample& sample) noexcept {
  grow_to(window() + datagram() * static_cast<double>(sample.acked_bytes) / window());
}

double NewReno::reduce() noexcept { return kReduction * window(); }

}  // namespace dwcp
