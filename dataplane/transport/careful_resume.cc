// SPDX-License-Identifier: Apache-2.0
#include "dataplane/transport/careful_resume.h"

#include <algorithm>

namespace dwcp {
namespace {

constexpr std::uint64_t kWholeNs = 3600 * kNsPerSec;
constexpr std::uint64_t kHalfNs = 24 * kWholeNs;
// Fewer lost packets say nothing.
constexpr std::uint64_t kLossPacketsMin = 6;
// More in flight than this is data; pings and lone marks are less.
constexpr std::uint64_t kDataPackets = 10;

std::uint64_t bytes_of(std::uint64_t bytes_per_sec, std::uint64_t ns) noexcept {
  return static_cast<std::uint64_t>(static_cast<double>(bytes_per_sec) * static_cast<double>(ns) * 1e-9);
}

}  // namespace

ResumePoint aged(const ResumePoint& point, std::uint64_t age_ns) noexcept {
  if (age_ns <= kWholeNs) return point;
  if (age_ns <= kHalfNs) return {.bandwidth_bytes_per_sec = point.bandwidth_bytes_per_sec / 2, .min_rtt_ns = point.min_rtt_ns};
  return {};
}

void CarefulResume::offer(const ResumePoint& point, std::uint64_t window_bytes) noexcept {
  if (point.bandwidth_bytes_per_sec == 0 || point.min_rtt_ns == 0) return;
  point_ = point;
  window_bytes_ = window_bytes;
  (void)apply(ResumeEvent::kOffered, 0);
}

ResumeEvent CarefulResume::apply(ResumeEvent event, std::uint64_t now_ns) noexcept {
  const ResumePhase before = phase_;
  phase_ = next_phase(phase_, event);
  if (phase_ == before) return ResumeEvent::kNone;
  if (phase_ == ResumePhase::kUnvalidated) begin_measuring();
  if (phase_ == ResumePhase::kValidating || phase_ == ResumePhase::kSafeRetreat) mark_ns_ = now_ns;
  return event;
}

void CarefulResume::begin_measuring() noexcept {
  in_use_ = false;
  pipe_bytes_ = lost_bytes_ = in_flight_most_ = 0;
  queue_samples_ = 0;
}

ResumeEvent CarefulResume::on_ack(const AckSample& sample, std::uint64_t min_rtt_ns) noexcept {
  switch (phase_) {
    case ResumePhase::kNormal:
      return ResumeEvent::kNone;
    case ResumePhase::kRecon:
      return judge_path(sample, min_rtt_ns);
    case ResumePhase::kUnvalidated:
      measure(sample, min_rtt_ns);
      if (in_trouble()) return apply(ResumeEvent::kTrouble, sample.now_ns);
      if (sample.acked_bytes != 0 && sample.sent_in_flight_bytes > window_bytes_) {
        return apply(ResumeEvent::kFirstAcked, sample.now_ns);
      }
      // What little there was to send is settled: the next begins afresh.
      if (sample.in_flight_bytes == 0) begin_measuring();
      return ResumeEvent::kNone;
    case ResumePhase::kValidating:
      measure(sample, min_rtt_ns);
      if (in_trouble()) return apply(ResumeEvent::kTrouble, sample.now_ns);
      if (sample.acked_sent_ns <= mark_ns_) return ResumeEvent::kNone;
      return apply(in_flight_most_ >= jump_bytes_ / 2 ? ResumeEvent::kLastAcked : ResumeEvent::kUnderused, sample.now_ns);
    case ResumePhase::kSafeRetreat:
      pipe_bytes_ += sample.acked_bytes;
      if (sample.acked_sent_ns <= mark_ns_) return ResumeEvent::kNone;
      return apply(ResumeEvent::kSettled, sample.now_ns);
  }
  return ResumeEvent::kNone;
}

ResumeEvent CarefulResume::on_congestion(const AckSample& sample) noexcept {
  const ResumeEvent event = apply(ResumeEvent::kTrouble, sample.now_ns);
  return phase_ == ResumePhase::kSafeRetreat ? event : ResumeEvent::kNone;
}

ResumeEvent CarefulResume::judge_path(const AckSample& sample, std::uint64_t min_rtt_ns) noexcept {
  if (min_rtt_ns == 0) return ResumeEvent::kNone;
  // Never more than was in flight before, should the path be longer now.
  jump_bytes_ = bytes_of(point_.bandwidth_bytes_per_sec, std::min(point_.min_rtt_ns, min_rtt_ns));
  const bool same = min_rtt_ns >= point_.min_rtt_ns / kRttLowDivisor && min_rtt_ns <= point_.min_rtt_ns * kRttHighFactor;
  const bool worthwhile = jump_bytes_ > window_bytes_;
  return apply(same && worthwhile ? ResumeEvent::kConfirmed : ResumeEvent::kRefuted, sample.now_ns);
}

void CarefulResume::measure(const AckSample& sample, std::uint64_t min_rtt_ns) noexcept {
  if (!in_use_) {
    if (sample.sent_in_flight_bytes <= kDataPackets * datagram_bytes_) return;
    // From the first ACK on: the rate is that of what comes after it.
    in_use_ = true;
    first_acked_ns_ = sample.now_ns;
    lost_bytes_ += sample.lost_bytes;
    return;
  }
  pipe_bytes_ += sample.acked_bytes;
  lost_bytes_ += sample.lost_bytes;
  in_flight_most_ = std::max(in_flight_most_, sample.sent_in_flight_bytes);
  if (sample.rtt_ns == 0) return;
  const std::uint64_t queue_ns = std::clamp(min_rtt_ns / kQueueRttDivisor, kQueueMinNs, kQueueMaxNs);
  queue_samples_ = sample.rtt_ns > min_rtt_ns + queue_ns ? queue_samples_ + 1 : 0;
}

bool CarefulResume::in_trouble() const noexcept {
  if (queue_samples_ >= kQueueSamples) return true;
  const auto lost = static_cast<double>(lost_bytes_);
  if (loss_tolerated_ == 0) return lost_bytes_ != 0;
  return lost_bytes_ >= kLossPacketsMin * datagram_bytes_ && lost > loss_tolerated_ * (lost + static_cast<double>(pipe_bytes_));
}

std::uint64_t CarefulResume::pipe_bytes_per_sec(std::uint64_t now_ns) const noexcept {
  if (now_ns <= first_acked_ns_) return 0;
  return static_cast<std::uint64_t>(static_cast<double>(pipe_bytes_) * 1e9 / static_cast<double>(now_ns - first_acked_ns_));
}

const char* CarefulResume::phase_name() const noexcept {
  switch (phase_) {
    case ResumePhase::kNormal:
    case ResumePhase::kRecon: return nullptr;
    case ResumePhase::kUnvalidated: return "resume";
    case ResumePhase::kValidating: return "resume_validating";
    case ResumePhase::kSafeRetreat: return "resume_retreat";
  }
  return nullptr;
}

}  // namespace dwcp
