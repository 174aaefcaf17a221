// SPDX-License-Identifier: Apache-2.0
#include "drivers/impair/link_model.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "base/assert.h"
#include "base/time.h"

namespace dwcp {

const char* drop_reason_name(DropReason reason) noexcept {
  switch (reason) {
    case DropReason::kNone:
      return "none";
    case DropReason::kMtu:
      return "mtu";
    case DropReason::kBlackhole:
      return "blackhole";
    case DropReason::kQueueFull:
      return "queue_full";
    case DropReason::kRandomLoss:
      return "random_loss";
    case DropReason::kBurstLoss:
      return "burst_loss";
    case DropReason::kPoliced:
      return "policed";
  }
  return "unknown";
}

Ecn Verdict::ecn_after(Ecn ecn) const noexcept {
  switch (ecn_fault) {
    case EcnFault::kNone:
      return mark_ce ? Ecn::kCe : ecn;
    case EcnFault::kBleach:
      return Ecn::kNotEct;
    case EcnFault::kEct1:
      return Ecn::kEct1;
    case EcnFault::kCe:
      return Ecn::kCe;
  }
  return ecn;
}

std::uint64_t LinkCounters::dropped() const noexcept {
  return std::accumulate(drops.begin(), drops.end(), std::uint64_t{0});
}

LinkCounters& LinkCounters::operator+=(const LinkCounters& other) noexcept {
  offered += other.offered;
  offered_bytes += other.offered_bytes;
  delivered += other.delivered;
  delivered_bytes += other.delivered_bytes;
  for (std::size_t i = 0; i < drops.size(); ++i) drops[i] += other.drops[i];
  reordered += other.reordered;
  duplicated += other.duplicated;
  corrupted += other.corrupted;
  ecn_marked += other.ecn_marked;
  ecn_faults += other.ecn_faults;
  queue_bytes_max = std::max(queue_bytes_max, other.queue_bytes_max);
  queued += other.queued;
  queue_delay_ns_sum += other.queue_delay_ns_sum;
  queue_delay_ns_max = std::max(queue_delay_ns_max, other.queue_delay_ns_max);
  return *this;
}

LinkModel::LinkModel(LinkProfile profile, std::uint64_t seed) : rng_(seed) {
  reconfigure(std::move(profile));
}

void LinkModel::reconfigure(LinkProfile profile) {
  DWCP_ASSERT(profile_error(profile) == nullptr);
  profile_ = std::move(profile);
  queue_limit_bytes_ = queue_limit_bytes(profile_);
  burst_enter_ = profile_.burst_loss.enter_probability();
  burst_leave_ = profile_.burst_loss.leave_probability();
  blackhole_edge_ns_ = 0;
  jitter_from_ = std::min(jitter_from_, static_cast<double>(profile_.jitter_ns));
  jitter_to_ = std::min(jitter_to_, static_cast<double>(profile_.jitter_ns));
  lay_segments();
}

void LinkModel::lay_segments() {
  segments_.clear();
  Segment segment{.start_ns = 0, .rate_bps = profile_.rate_bps, .delay_ns = profile_.delay_ns, .loss = profile_.loss};
  segment.bytes_per_ns = static_cast<double>(segment.rate_bps) / 8e9;
  segments_.push_back(segment);
  for (const LinkChange& change : profile_.changes) {
    segment.start_ns = change.at_ns;
    segment.rate_bps = change.rate_bps.value_or(segment.rate_bps);
    segment.delay_ns = change.delay_ns.value_or(segment.delay_ns);
    segment.loss = change.loss.value_or(segment.loss);
    segment.bytes_per_ns = static_cast<double>(segment.rate_bps) / 8e9;
    segments_.push_back(segment);
  }
  segment_ = 0;
  busy_fraction_ = 0;
  enter_segment(busy_until_ns_);
}

void LinkModel::enter_segment(std::uint64_t start_ns) noexcept {
  while (segment_ + 1 < segments_.size() && segments_[segment_ + 1].start_ns <= start_ns) {
    ++segment_;
    busy_fraction_ = 0;  // its unit is the old rate's
  }
}

std::uint64_t LinkModel::queue_bytes(std::uint64_t now_ns) const noexcept {
  if (busy_until_ns_ < now_ns) return 0;
  // Frames were given their sending times by the rate in force when each starts, so the time left to busy_until_ns_
  // turns back into bytes segment by segment.
  double bytes = 0;
  std::uint64_t end_ns = busy_until_ns_;
  std::size_t i = segment_;
  for (; i > 0 && segments_[i].start_ns > now_ns; --i) {
    if (end_ns <= segments_[i].start_ns) continue;
    bytes += static_cast<double>(end_ns - segments_[i].start_ns) * segments_[i].bytes_per_ns;
    end_ns = segments_[i].start_ns;
  }
  bytes += static_cast<double>(end_ns - now_ns) * segments_[i].bytes_per_ns;
  bytes += static_cast<double>(busy_fraction_) / 8e9;
  return static_cast<std::uint64_t>(bytes + 0.5);
}

Verdict& LinkModel::drop(Verdict& verdict, DropReason reason) noexcept {
  verdict.drop = reason;
  verdict.copies = 0;
  ++counters_.drops[static_cast<std::size_t>(reason)];
  return verdict;
}

Verdict LinkModel::admit(std::uint64_t now_ns, const FrameInfo& frame) {
  Verdict verdict;
  now_ns = last_now_ns_ = std::max(now_ns, last_now_ns_);
  ++counters_.offered;
  counters_.offered_bytes += frame.bytes;
  if (profile_.mtu != 0 && frame.bytes > profile_.mtu + kEthernetHeaderBytes) return drop(verdict, DropReason::kMtu);
  if (in_blackhole(now_ns)) return drop(verdict, DropReason::kBlackhole);
  if (!pass_policer(now_ns, frame)) return drop(verdict, DropReason::kPoliced);
  if (!pass_bottleneck(now_ns, frame, verdict)) return drop(verdict, DropReason::kQueueFull);
  if (rng_.chance(segments_[segment_].loss)) return drop(verdict, DropReason::kRandomLoss);
  if (lost_in_burst()) return drop(verdict, DropReason::kBurstLoss);
  if (verdict.mark_ce) ++counters_.ecn_marked;

  schedule(verdict, busy_until_ns_);
  verdict.copies = 1;
  if (rng_.chance(profile_.corrupt)) flip(frame, verdict);
  if (profile_.ecn_fault != EcnFault::kNone && rng_.chance(profile_.ecn_fault_rate)) {
    verdict.ecn_fault = profile_.ecn_fault;
    ++counters_.ecn_faults;
  }
  if (rng_.chance(profile_.duplicate)) {
    verdict.copies = 2;
    ++counters_.duplicated;
  }
  counters_.delivered += verdict.copies;
  counters_.delivered_bytes += std::uint64_t{frame.bytes} * verdict.copies;
  return verdict;
}

// A token bucket per flow (RFC 2697's committed rate and burst), full at first.
bool LinkModel::pass_policer(std::uint64_t now_ns, const FrameInfo& frame) {
  const Policer& policer = profile_.policer;
  if (policer.rate_bps == 0) return true;
  const auto [at, fresh] = buckets_.try_emplace(frame.flow);
  Bucket& bucket = at->second;
  const double burst = static_cast<double>(policer.burst_bytes);
  const double earned = static_cast<double>(now_ns - bucket.filled_ns) * static_cast<double>(policer.rate_bps) / 8e9;
  bucket.bytes = fresh ? burst : std::min(burst, bucket.bytes + earned);
  bucket.filled_ns = now_ns;
  if (bucket.bytes < frame.bytes) return false;
  bucket.bytes -= frame.bytes;
  return true;
}

bool LinkModel::pass_bottleneck(std::uint64_t now_ns, const FrameInfo& frame, Verdict& verdict) noexcept {
  const std::uint64_t queued_bytes = queue_bytes(now_ns);
  if (busy_until_ns_ < now_ns) {
    busy_until_ns_ = now_ns;
    busy_fraction_ = 0;
  }
  enter_segment(busy_until_ns_);
  const std::uint64_t rate_bps = segments_[segment_].rate_bps;
  if (rate_bps == 0) return true;
  // An idle link takes any frame, however small the queue.
  if (queued_bytes > 0 && queued_bytes + frame.bytes > queue_limit_bytes_) return false;

  const std::uint64_t wait_ns = busy_until_ns_ - now_ns;
  ++counters_.queued;
  counters_.queue_delay_ns_sum += wait_ns;
  counters_.queue_delay_ns_max = std::max(counters_.queue_delay_ns_max, wait_ns);
  counters_.queue_bytes_max = std::max(counters_.queue_bytes_max, queued_bytes + frame.bytes);
  verdict.mark_ce = frame.ect && marks_ecn() && queued_bytes > profile_.ecn_mark_threshold_bytes;

  const std::uint64_t bit_ns = std::uint64_t{frame.bytes} * 8 * kNsPerSec;
  busy_until_ns_ += bit_ns / rate_bps;
  busy_fraction_ += bit_ns % rate_bps;
  if (busy_fraction_ >= rate_bps) {
    busy_fraction_ -= rate_bps;
    ++busy_until_ns_;
  }
  return true;
}

bool LinkModel::in_blackhole(std::uint64_t now_ns) noexcept {
  if (now_ns >= blackhole_edge_ns_) find_blackhole_edge(now_ns);
  return in_blackhole_;
}

void LinkModel::find_blackhole_edge(std::uint64_t now_ns) noexcept {
  in_blackhole_ = false;
  blackhole_edge_ns_ = kNever;
  for (const Blackhole& hole : profile_.blackholes) {
    if (now_ns < hole.start_ns) {
      blackhole_edge_ns_ = std::min(blackhole_edge_ns_, hole.start_ns);
      continue;
    }
    const std::uint64_t length_ns = hole.end_ns - hole.start_ns;
    std::uint64_t into_ns = now_ns - hole.start_ns;
    if (hole.period_ns != 0) into_ns %= hole.period_ns;
    if (into_ns < length_ns) {
      in_blackhole_ = true;
      blackhole_edge_ns_ = std::min(blackhole_edge_ns_, now_ns - into_ns + length_ns);
    } else if (hole.period_ns != 0) {
      blackhole_edge_ns_ = std::min(blackhole_edge_ns_, now_ns - into_ns + hole.period_ns);
    }
  }
}

bool LinkModel::lost_in_burst() noexcept {
  if (burst_enter_ <= 0 && !in_burst_) return false;
  in_burst_ = in_burst_ ? !rng_.chance(burst_leave_) : rng_.chance(burst_enter_);
  return in_burst_;
}

// Independent jitter per frame, kept in order, would only ever show its maximum at high rates.  A delay that wanders by
// at most half a nanosecond per nanosecond keeps frames in order by itself.
std::uint64_t LinkModel::jitter_ns(std::uint64_t depart_ns) noexcept {
  const std::uint64_t span_ns = 2 * profile_.jitter_ns;
  const auto limit = static_cast<double>(profile_.jitter_ns);
  while (depart_ns >= jitter_start_ns_ + span_ns) {
    const std::uint64_t spans = (depart_ns - jitter_start_ns_) / span_ns;
    jitter_from_ = spans == 1 ? jitter_to_ : rng_.uniform() * limit;
    jitter_to_ = rng_.uniform() * limit;
    jitter_start_ns_ += spans * span_ns;
  }
  const double done = static_cast<double>(depart_ns - jitter_start_ns_) / static_cast<double>(span_ns);
  return static_cast<std::uint64_t>(jitter_from_ + (jitter_to_ - jitter_from_) * done);
}

void LinkModel::schedule(Verdict& verdict, std::uint64_t depart_ns) noexcept {
  std::uint64_t deliver_ns = depart_ns + segments_[segment_].delay_ns;
  if (profile_.jitter_ns != 0) deliver_ns += jitter_ns(depart_ns);
  if (rng_.chance(profile_.reorder)) {
    ++counters_.reordered;
    verdict.in_order = false;
    verdict.deliver_ns = deliver_ns + profile_.reorder_extra_ns;
    return;
  }
  if (deliver_ns < last_in_order_ns_) {
    if (profile_.delay_fall_reorders) {
      ++counters_.reordered;
      verdict.in_order = false;
      verdict.deliver_ns = deliver_ns;
      return;
    }
    deliver_ns = last_in_order_ns_;
  }
  last_in_order_ns_ = verdict.deliver_ns = deliver_ns;
}

void LinkModel::flip(const FrameInfo& frame, Verdict& verdict) noexcept {
  if (frame.bytes <= frame.protected_bytes) return;
  const std::uint32_t first_bit = frame.protected_bytes * 8;
  const std::uint32_t bits = (frame.bytes - frame.protected_bytes) * 8;
  verdict.flips = static_cast<std::uint8_t>(1 + rng_.below(3));
  for (std::uint8_t i = 0; i < verdict.flips; ++i) {
    bool fresh = false;  // two flips of one bit would mend it
    while (!fresh) {
      verdict.flip_bits[i] = first_bit + static_cast<std::uint32_t>(rng_.below(bits));
      fresh = std::find(verdict.flip_bits.begin(), verdict.flip_bits.begin() + i, verdict.flip_bits[i]) ==
              verdict.flip_bits.begin() + i;
    }
  }
  ++counters_.corrupted;
}

}  // namespace dwcp
