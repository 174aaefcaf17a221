// SPDX-License-Identifier: Apache-2.0
// Which congestion controls there are, and the one place that makes them.  Called by the control thread for the groups of a
// session to come.
#pragma once

#include <cstdint>
#include <memory>

#include "dataplane/transport/careful_resume.h"
#include "dataplane/transport/congestion_control.h"

namespace dwcp {

enum class CongestionKind : std::uint8_t { kBbr, kCubic, kNewReno };
inline constexpr std::size_t kCongestionKinds = 3;

struct CongestionSetup {
  CongestionKind kind = CongestionKind::kBbr;
  std::uint32_t datagram_bytes = 1472;        // the largest that may be sent
  std::uint32_t datagram_bytes_start = 1472;  // and what streams start with
  std::uint64_t rate_max_bytes_per_sec = 0;  // 0 = no cap
  std::uint64_t seed = 1;                    // desynchronises groups that probe
  ResumePoint resume{};                      // nothing known: starts cold
};

[[nodiscard]] std::unique_ptr<CongestionControl> make_congestion(const CongestionSetup& setup);

}  // namespace dwcp
