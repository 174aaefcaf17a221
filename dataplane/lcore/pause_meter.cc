// SPDX-License-Identifier: Apache-2.0
#include "dataplane/lcore/pause_meter.h"

#include <algorithm>
#include <limits>

#include "base/time.h"

namespace dwcp {
namespace {

// The stamps come from several threads, so that one may seem to lie before its cause.
std::uint32_t us_between(std::uint64_t from_ns, std::uint64_t to_ns) noexcept {
  const std::uint64_t us = to_ns > from_ns ? (to_ns - from_ns) / kNsPerUs : 0;
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(us, std::numeric_limits<std::uint32_t>::max()));
}

std::uint64_t less(std::uint64_t from, std::uint64_t amount) noexcept { return from - std::min(from, amount); }

}  // namespace

void SenderPause::on_stop(std::uint64_t now_ns, std::uint64_t read_ns, std::uint64_t submitted_bytes) noexcept {
  *this = {};
  stop_ns_ = read_ns;
  stop_submitted_ns_ = now_ns;
  before_bytes_ = submitted_bytes;
}

void SenderPause::on_acked(std::uint64_t now_ns, std::uint64_t acked_bytes) noexcept {
  if (before_acked_ns_ == 0 && acked_bytes >= before_bytes_) before_acked_ns_ = now_ns;
}

PauseTimes SenderPause::finish(std::uint64_t now_ns, std::uint64_t min_rtt_ns, std::uint32_t age_us,
                               std::uint32_t far_us) const noexcept {
  const std::uint64_t back_ns = min_rtt_ns / 2;
  std::uint64_t end_ns = less(now_ns, age_us * kNsPerUs + back_ns);
  if (blocks_acked_ns_ >= submitted_ns_) end_ns = std::min(end_ns, less(blocks_acked_ns_, back_ns) + far_us * kNsPerUs);
  end_ns = std::max(end_ns, submitted_ns_);

  PauseTimes times;
  times.pause_us = us_between(stop_ns_, end_ns);
  times.far_us = std::min(far_us, times.pause_us);
  // What was acknowledged now left one round trip ago.  Nothing of the stop's leaves before it was submitted.
  const std::uint64_t left_ns = std::max(stop_submitted_ns_, less(before_acked_ns_ != 0 ? before_acked_ns_ : now_ns, min_rtt_ns));
  times.backlog_us = std::min(us_between(stop_ns_, left_ns), times.pause_us - times.far_us);
  times.path_us = times.pause_us - times.far_us - times.backlog_us;
  return times;
}

void ReceiverPause::on_block(std::uint64_t now_ns, bool stop) noexcept {
  block_ns_ = now_ns;
  if (stop && stop_ns_ == 0) stop_ns_ = now_ns;
}

void ReceiverPause::on_written(std::uint64_t at_ns) noexcept { written_ns_ = std::max(written_ns_, at_ns); }

std::uint32_t ReceiverPause::age_us(std::uint64_t now_ns) const noexcept { return us_between(written_ns_, now_ns); }
std::uint32_t ReceiverPause::span_us() const noexcept { return us_between(stop_ns_, written_ns_); }
std::uint32_t ReceiverPause::far_us() const noexcept { return us_between(block_ns_, written_ns_); }

}  // namespace dwcp
