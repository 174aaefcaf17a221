// SPDX-License-Identifier: Apache-2.0
#include "drivers/impair/profile.h"

#include <algorithm>

#include "base/time.h"

namespace dwcp {
namespace {

constexpr std::uint64_t kQueueBytesMin = 64 * 1024;
constexpr std::uint64_t kRateMaxBps = 1'000'000'000'000;
constexpr std::uint64_t kPolicerBurstMinBytes = 9018;  // the largest frame there is
constexpr std::uint64_t kDelayMaxNs = 600 * kNsPerSec;

bool is_probability(double value) noexcept {
  return value >= 0 && value <= 1;
}  // false for NaN

const char* change_error(const std::vector<LinkChange>& changes) noexcept {
  std::uint64_t previous_ns = 0;
  for (const LinkChange& change : changes) {
    if (change.at_ns < previous_ns) return "changes must be in the order of time";
    previous_ns = change.at_ns;
    if (change.rate_bps.value_or(0) > kRateMaxBps) return "rate of a change is above 1 Tb/s";
    if (change.delay_ns.value_or(0) > kDelayMaxNs) return "delay of a change is above 600 s";
    if (!is_probability(change.loss.value_or(0))) return "loss of a change is not within 0 and 1";
  }
  return nullptr;
}

}  // namespace

std::uint64_t queue_limit_bytes(const LinkProfile& profile) noexcept {
  if (profile.rate_bps == 0) return 0;
  if (profile.queue_bytes != 0) return profile.queue_bytes;
  const double bdp = static_cast<double>(profile.rate_bps) / 8e9 * 2 * static_cast<double>(profile.delay_ns);
  return std::max(kQueueBytesMin, static_cast<std::uint64_t>(bdp));
}

const char* profile_error(const LinkProfile& profile) noexcept {
  if (profile.rate_bps > kRateMaxBps) return "rate is above 1 Tb/s";
  if (profile.policer.rate_bps > kRateMaxBps) return "rate of the policer is above 1 Tb/s";
  if (profile.policer.rate_bps != 0 && profile.policer.burst_bytes < kPolicerBurstMinBytes)
    return "burst of the policer is below a frame";
  if (profile.delay_ns > kDelayMaxNs) return "delay is above 600 s";
  if (profile.jitter_ns > kDelayMaxNs) return "jitter is above 600 s";
  if (profile.reorder_extra_ns > kDelayMaxNs) return "reorder delay is above 600 s";
  if (!is_probability(profile.loss)) return "loss is not within 0 and 1";
  if (!is_probability(profile.reorder)) return "reorder is not within 0 and 1";
  if (!is_probability(profile.duplicate)) return "duplicate is not within 0 and 1";
  if (!is_probability(profile.corrupt)) return "corrupt is not within 0 and 1";
  if (!is_probability(profile.ecn_fault_rate)) return "rate of the ECN fault is not within 0 and 1";
  if (!(profile.burst_loss.rate >= 0 && profile.burst_loss.rate <= 0.9))
    return "burst loss rate is not within 0 and 0.9";
  if (!(profile.burst_loss.mean_length >= 1)) return "burst loss mean length is below 1";
  if (profile.burst_loss.enter_probability() > 1) return "burst loss rate cannot be reached with bursts so short";
  if (profile.reorder > 0 && profile.reorder_extra_ns == 0) return "reorder needs a delay above 0";
  for (const Blackhole& hole : profile.blackholes) {
    if (hole.end_ns <= hole.start_ns) return "a blackhole must end after its start";
    if (hole.period_ns != 0 && hole.period_ns <= hole.end_ns - hole.start_ns)
      return "a blackhole must be shorter than its period";
  }
  return change_error(profile.changes);
}

}  // namespace dwcp
