// SPDX-License-Identifier: Apache-2.0
#include "dataplane/transport/stream_shares.h"

#include <algorithm>

namespace dwcp {
namespace {

// Fewer packets settled than this say nothing of a path; they are judged with the next round's.
constexpr double kSettledMin = 16;
// Poisson deviations: two to believe the best stream's rate of loss, three to call another's worse.  With 32 streams judged
// each round trip, chance convicts one every few seconds, of a loss it then follows for a moment: a few per cent.
constexpr double kDeviationsBest = 2;
constexpr double kDeviationsWorse = 3;
// Round trip beyond the best stream's that is a queue of this stream's path, at the least: hosts jitter by less.
constexpr double kQueueMinNs = 2 * kNsPerMs;

// A cap, of what was delivered: below, so that a queue drains.
constexpr double kCapQueue = 0.92;
constexpr double kCapLoss = 0.97;
constexpr double kCutMax = 0.5;  // of what was sent, in one round
// Each clean round a binding cap rises by one step more than the round before: a path's limit is tried again after about six
// rounds, and a path that has become wider is filled in a dozen.
constexpr double kRiseStep = 0.01;
constexpr double kRiseMax = 0.125;
constexpr double kBinding = 0.9;  // sent, of the cap: nearly what it allows
constexpr double kFarAbove = 2;   // a cap this far above an even share is none

}  // namespace

void StreamShares::update(std::uint64_t now_ns, std::span<const std::unique_ptr<Stream>> streams) noexcept {
  count_ = streams.size();
  bool joined = false;
  for (std::size_t i = 0; i < count_; ++i) joined = renew(now_ns, places_[i], *streams[i]) || joined;
  if (joined || now_ns > window_start_ns_ + kMinRttWindowNs) {
    window_start_ns_ = now_ns;
    for (Place& place : places_) place.min_rtt_ns = {kNever, joined ? kNever : place.min_rtt_ns[0]};
  }
  double loss_base = 1;
  double queue_base_ns = HUGE_VAL;
  for (std::size_t i = 0; i < count_; ++i) {
    Place& place = places_[i];
    look(place, *streams[i]);
    place.judged = place.active && place.settled >= kSettledMin && now_ns > place.since_ns;
    if (!place.judged) continue;
    const double lost_most = place.lost + kDeviationsBest * std::sqrt(place.lost) + kDeviationsBest;
    loss_base = std::min(loss_base, lost_most / place.settled);
    queue_base_ns = std::min(queue_base_ns, place.queue_ns);
  }
  for (std::size_t i = 0; i < count_; ++i) {
    if (places_[i].judged) judge(now_ns, places_[i], loss_base, queue_base_ns);
  }
  spread();
}

// True when the stream has begun to carry data.
bool StreamShares::renew(std::uint64_t now_ns, Place& place, const Stream& stream) const noexcept {
  const StreamCounters& counters = stream.counters();
  const bool active = stream.state() == StreamState::kActive;
  if (active == place.active && stream.path() == place.path) return false;
  place = {.active = active,
           .part = total_ == 0 ? kWhole : kNewPart,
           .path = stream.path(),
           .since_ns = now_ns,
           .acked_before = counters.packets_acked,
           .lost_before = counters.packets_lost};
  return active;
}

void StreamShares::look(Place& place, const Stream& stream) noexcept {
  const StreamCounters& counters = stream.counters();
  if (!place.active || !stream.rtt().sampled()) return;
  place.lost = static_cast<double>(counters.packets_lost - place.lost_before);
  place.settled = static_cast<double>(counters.packets_acked - place.acked_before) + place.lost;
  place.rtt_ns = static_cast<double>(stream.rtt().smoothed_ns());
  place.min_rtt_ns[0] = std::min(place.min_rtt_ns[0], stream.rtt().smoothed_ns());
  place.queue_ns = place.rtt_ns - static_cast<double>(std::min(place.min_rtt_ns[0], place.min_rtt_ns[1]));
}

void StreamShares::judge(std::uint64_t now_ns, Place& place, double loss_base, double queue_base_ns) noexcept {
  const double expected = place.settled * loss_base;
  const bool queues = place.queue_ns - queue_base_ns > std::max(kQueueMinNs, place.rtt_ns / 8);
  place.limited = place.lost - expected > kDeviationsWorse * std::sqrt(expected) + 1;
  const double per_sec = 1e9 / static_cast<double>(now_ns - place.since_ns);
  place.rate = place.settled * per_sec;
  if (place.limited || queues) {
    const double delivered = (place.settled - place.lost) * per_sec;
    place.cap = std::max((queues ? kCapQueue : kCapLoss) * delivered, kCutMax * std::min(place.rate, place.cap));
    place.clean = 0;
    place.part = kWhole;
  } else if (place.part < kWhole) {
    place.part *= 2;
  } else if (place.rate > kBinding * place.cap) {
    ++place.clean;
    place.cap *= 1 + std::min(kRiseStep * place.clean, kRiseMax);
  }
  place.since_ns = now_ns;
  place.acked_before += static_cast<std::uint64_t>(place.settled - place.lost);
  place.lost_before += static_cast<std::uint64_t>(place.lost);
  place.settled = 0;
}

// Shares such that each stream gets the same of the group's rate, or its cap.
void StreamShares::spread() noexcept {
  total_ = 0;
  std::size_t active = 0;
  for (std::size_t i = 0; i < count_; ++i) {
    if (!places_[i].active) continue;
    ++active;
    total_ += places_[i].rate;
  }
  const double each = level(active);
  double greatest = 0;
  for (std::size_t i = 0; i < count_; ++i) {
    Place& place = places_[i];
    if (!place.active) continue;
    if (place.cap > kFarAbove * each) place.cap = kUncapped;
    greatest = std::max(greatest, std::min(place.cap, place.part * each));
  }
  for (std::size_t i = 0; i < count_; ++i) {
    Place& place = places_[i];
    const bool known = place.active && greatest != 0 && greatest != kUncapped;
    place.share = known ? std::clamp(std::min(place.cap, place.part * each) / greatest, kShareMin, 1.0) : 1.0;
  }
}

// The level up to which caps are filled when the group's rate is poured over them; kUncapped when they hold less.
double StreamShares::level(std::size_t active) const noexcept {
  std::array<double, wire::kStreamsMax> caps;
  std::size_t n = 0;
  for (std::size_t i = 0; i < count_; ++i) {
    if (places_[i].active) caps[n++] = places_[i].cap;
  }
  std::sort(caps.begin(), caps.begin() + static_cast<std::ptrdiff_t>(n));
  double left = total_;
  for (std::size_t i = 0; i < n; ++i) {
    const double each = left / static_cast<double>(active - i);
    if (caps[i] >= each) return each;
    left -= caps[i];
  }
  return kUncapped;
}

}  // namespace dwcp
