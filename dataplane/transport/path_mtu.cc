// SPDX-License-Identifier: Apache-2.0
#include "dataplane/transport/path_mtu.h"

#include <algorithm>

#include "base/assert.h"

namespace dwcp {
namespace {

// A probe that goes down with its neighbours is sent again, but not for ever: a path that loses half of what it carries
// need not be searched.
constexpr std::uint32_t kVoidMax = 8;
constexpr std::uint64_t kAttemptGapMinNs = kNsPerMs;

}  // namespace

const char* mtu_state_name(MtuState state) noexcept {
  switch (state) {
    case MtuState::kDisabled: return "disabled";
    case MtuState::kBase: return "base";
    case MtuState::kSearching: return "searching";
    case MtuState::kSearchComplete: return "complete";
    case MtuState::kError: return "error";
  }
  return "?";
}

PathMtu::PathMtu(std::uint32_t limit_bytes, std::uint32_t start_bytes) noexcept
    : limit_(std::max(limit_bytes, kBaseBytes)),
      start_(std::clamp(start_bytes, kBaseBytes, limit_)),
      size_(start_),
      ceiling_(limit_ + 1) {}

void PathMtu::path_up(std::uint64_t now_ns, PacketNumber next) noexcept {
  size_ = start_;
  ceiling_ = limit_ + 1;
  first_try_ = limit_;
  left_ = 0;
  above_first_ = false;
  since_ = next;
  candidate_ = 0;
  raise_ns_ = kRaiseMinNs;
  run_ = 0;
  small_acked_ = full_acked_ = next;
  step(MtuEvent::kPathUp);
  choose(now_ns);
}

void PathMtu::path_down() noexcept {
  step(MtuEvent::kPathDown);
  candidate_ = 0;
}

std::uint32_t PathMtu::next_bytes(std::uint64_t now_ns, std::uint64_t rtt_ns) const noexcept {
  const bool confirmed = state_ == MtuState::kSearching || state_ == MtuState::kSearchComplete;
  const bool small = confirmed ? sent_since_small_ >= kSmallEvery && now_ns >= small_sent_ns_ + rtt_ns
                               : sent_since_small_ + 1 >= kSmallEveryUnconfirmed;
  return small ? kBaseBytes : size_;
}

std::uint64_t PathMtu::probe_due_ns() const noexcept {
  if (candidate_ != 0) return attempts_ < kProbesMax ? due_ns_ : kNever;
  if (state_ == MtuState::kError || (state_ == MtuState::kSearchComplete && size_ < limit_)) return due_ns_;
  return kNever;
}

std::uint32_t PathMtu::take_probe(std::uint64_t now_ns) noexcept {
  if (now_ns < probe_due_ns()) return 0;
  if (candidate_ == 0) {
    // Has the path grown?  The most it may carry, and if not that, a little more than it did.
    step(MtuEvent::kRaise);
    ceiling_ = limit_ + 1;
    above_first_ = true;
    choose(now_ns);
  }
  return candidate_ != 0 && now_ns >= due_ns_ ? candidate_ : 0;
}

void PathMtu::on_probe_sent(std::uint64_t now_ns, PacketNumber number, std::uint64_t rtt_ns) noexcept {
  ++counters_.probes_sent;
  if (attempts_++ == 0 && attempts_void_ == 0) candidate_since_ = number;
  due_ns_ = now_ns + std::max(rtt_ns / 8, kAttemptGapMinNs);
}

void PathMtu::on_acked(std::uint64_t now_ns, PacketNumber number, std::uint32_t bytes) noexcept {
  if (number < since_) return;
  if (bytes <= kBaseBytes) small_acked_ = std::max(small_acked_, number);
  if (run_ != 0 && number > run_first_ && bytes >= run_bytes_) run_ = 0;
  if (bytes < size_) return;
  full_acked_ = std::max(full_acked_, number);
  const bool unconfirmed = state_ == MtuState::kBase || state_ == MtuState::kError;
  if (bytes > size_ || unconfirmed) confirm(now_ns, bytes);
}

void PathMtu::confirm(std::uint64_t now_ns, std::uint32_t bytes) noexcept {
  if (state_ == MtuState::kDisabled) return;
  size_ = std::min(std::max(size_, bytes), limit_);
  // A probe taken for lost was only late, or the path is another than the one that carried nothing.
  if (size_ >= ceiling_ || state_ == MtuState::kError) ceiling_ = limit_ + 1;
  if (first_try_ <= size_) first_try_ = 0;
  above_first_ = size_ == start_;
  if (left_ != 0 && size_ >= left_) {
    left_ = 0;
    ++counters_.reports_refuted;
    reports_held_until_ns_ = now_ns + kReportHoldNs;
  }
  step(MtuEvent::kConfirmed);
  if (state_ == MtuState::kSearchComplete) step(MtuEvent::kRaise);
  choose(now_ns);
}

void PathMtu::on_lost(PacketNumber number, std::uint32_t bytes) noexcept {
  if (number < since_) return;
  if (bytes <= kBaseBytes) {
    run_ = 0;  // small ones are lost as well: an outage, or chance
    return;
  }
  if (number < full_acked_) return;
  if (run_ == 0) {
    run_first_ = number;
    run_bytes_ = bytes;
  }
  run_bytes_ = std::min(run_bytes_, bytes);
  ++run_;
}

void PathMtu::on_probe_lost(std::uint64_t now_ns, PacketNumber number, std::uint32_t bytes, bool alone) noexcept {
  if (number < candidate_since_ || bytes != candidate_ || attempts_ == 0) return;
  if (!alone && attempts_void_ < kVoidMax) {
    ++attempts_void_;
    --attempts_;
    return;
  }
  if (++attempts_lost_ == kProbesMax) give_up_candidate(now_ns);
}

bool PathMtu::detect_black_hole(std::uint64_t now_ns, PacketNumber next) noexcept {
  if (run_ < kProbesMax || size_ <= kBaseBytes || small_acked_ <= run_first_) return false;
  ++counters_.black_holes;
  reduce(now_ns, kBaseBytes, next);
  return true;
}

void PathMtu::reduce(std::uint64_t now_ns, std::uint32_t bytes, PacketNumber next) noexcept {
  first_try_ = size_;
  size_ = bytes;
  above_first_ = false;
  since_ = next;  // what was sent before the path changed may arrive yet
  small_acked_ = full_acked_ = next;
  run_ = 0;
  raise_ns_ = kRaiseMinNs;
  candidate_ = 0;
  step(MtuEvent::kReduced);
  choose(now_ns);
}

void PathMtu::on_report(std::uint64_t now_ns, std::uint32_t bytes, PacketNumber next) noexcept {
  if (state_ == MtuState::kDisabled || bytes < kBaseBytes || now_ns < reports_held_until_ns_) return;
  if (bytes < size_) {
    ++counters_.reports_heeded;
    left_ = std::max(left_, size_);
    reduce(now_ns, bytes, next);
    first_try_ = left_;
    choose(now_ns);
  } else if (bytes < candidate_ && attempts_ != 0) {
    ++counters_.reports_heeded;
    ceiling_ = std::min(ceiling_, bytes + 1);
    first_try_ = bytes > size_ ? bytes : 0;
    choose(now_ns);
  }
}

void PathMtu::give_up_candidate(std::uint64_t now_ns) noexcept {
  if (candidate_ == size_) {
    // The size in use does not arrive; there were no data to show it.
    if (size_ > kBaseBytes) {
      ++counters_.black_holes;
      ceiling_ = size_;
      return reduce(now_ns, kBaseBytes, since_);
    }
    step(MtuEvent::kBaseLost);
    candidate_ = 0;
    due_ns_ = now_ns + kErrorRetryNs;
    return;
  }
  ceiling_ = candidate_;
  if (candidate_ == first_try_) first_try_ = 0;
  if (candidate_ <= left_) left_ = 0;
  choose(now_ns);
}

// The size to try next; 0 when there is none.
std::uint32_t PathMtu::pick() const noexcept {
  if (state_ == MtuState::kDisabled || state_ == MtuState::kError || state_ == MtuState::kSearchComplete) return 0;
  if (first_try_ > size_ && first_try_ < ceiling_) return first_try_;
  if (state_ == MtuState::kBase) return size_;
  if (size_ < limit_ && ceiling_ > limit_) return limit_;
  if (ceiling_ - size_ <= kStepBytes) return 0;
  if (above_first_) return size_ + kStepBytes;
  if (size_ < start_ && start_ < ceiling_) return start_;
  return size_ + (ceiling_ - size_) / 2;
}

void PathMtu::choose(std::uint64_t now_ns) noexcept {
  const std::uint32_t next = pick();
  if (next != 0 && next == candidate_) return;  // goes on
  candidate_ = next;
  attempts_ = attempts_lost_ = attempts_void_ = 0;
  due_ns_ = now_ns;
  if (next == size_) due_ns_ += kConfirmNs;
  if (next != 0) return;
  step(MtuEvent::kExhausted);
  due_ns_ = now_ns + raise_ns_;
  raise_ns_ = std::min(4 * raise_ns_, kRaiseMaxNs);
}

}  // namespace dwcp
