// SPDX-License-Identifier: Apache-2.0
#include "control/path_memory.h"

#include <algorithm>

namespace dwcp {
namespace {

bool plausible(const PathObserved& observed) {
  return observed.bandwidth_bytes_per_sec >= PathMemory::kBandwidthMin &&
         observed.bandwidth_bytes_per_sec <= PathMemory::kBandwidthMax && observed.min_rtt_ns >= PathMemory::kRttMinNs &&
         observed.min_rtt_ns <= PathMemory::kRttMaxNs;
}

}  // namespace

void PathMemory::learn(std::uint64_t now_ns, std::size_t lane, const PathObserved& observed) {
  Path& path = paths_[lane];
  const bool same = observed.session == path.session && path.reported_ns != 0 && observed.packets_acked >= path.packets_acked &&
                    observed.packets_sent > path.packets_sent && observed.bytes_sent >= path.bytes_sent;
  const auto packets_acked = static_cast<double>(observed.packets_acked - path.packets_acked);
  const auto packets_sent = static_cast<double>(observed.packets_sent - path.packets_sent);
  const auto bytes_sent = static_cast<double>(observed.bytes_sent - path.bytes_sent);
  const std::uint64_t span_ns = now_ns - path.reported_ns;
  path.session = observed.session;
  path.packets_acked = observed.packets_acked;
  path.packets_sent = observed.packets_sent;
  path.bytes_sent = observed.bytes_sent;
  path.reported_ns = now_ns;
  if (!same || span_ns == 0 || !observed.bandwidth_known || !plausible(observed)) return;
  const double acked = packets_acked * bytes_sent / packets_sent;  // what was sent meanwhile is of the same sizes
  const double possible = static_cast<double>(observed.bandwidth_bytes_per_sec) * static_cast<double>(span_ns) * 1e-9;
  if (acked * kUseDivisor < possible) return;

  path.learned_ns = now_ns;
  path.used_ns += span_ns;
  if (path.used_ns > kSpanNs) {
    path.used_ns = span_ns;
    path.filled = path.filling;
    path.filling = Span{};
  }
  path.filling.bandwidth_bytes_per_sec = std::max(path.filling.bandwidth_bytes_per_sec, observed.bandwidth_bytes_per_sec);
  path.filling.min_rtt_ns = std::min(path.filling.min_rtt_ns, observed.min_rtt_ns);
}

ResumePoint PathMemory::recall(std::uint64_t now_ns, std::size_t lane) const {
  const Path& path = paths_[lane];
  if (path.learned_ns == 0) return {};
  const ResumePoint best{
      .bandwidth_bytes_per_sec = std::max(path.filling.bandwidth_bytes_per_sec, path.filled.bandwidth_bytes_per_sec),
      .min_rtt_ns = std::min(path.filling.min_rtt_ns, path.filled.min_rtt_ns)};
  return aged(best, now_ns - path.learned_ns);
}

}  // namespace dwcp
