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
  // What streams start with.  A path may come to carry more, or the port take more than any path carries: what is counted in
  // packets, as windows and what losses are too few to judge, is counted in these.
  std::uint32_t datagram_bytes = 1472;
  std::uint64_t rate_max_bytes_per_sec = 0;  // 0 = no cap
  std::uint64_t seed = 1;                    // desynchronises groups that probe
  ResumePoint resume{};                      // nothing known: starts cold
};

[[nodiscard]] std::unique_ptr<CongestionControl> make_congestion(const CongestionSetup& setup);

}  // namespace dwcp
