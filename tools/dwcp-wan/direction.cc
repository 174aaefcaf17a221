// SPDX-License-Identifier: Apache-2.0
#include "dwcp-wan/direction.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/time.h"
#include "drivers/impair/frame_edit.h"
#include "dwcp-wan/too_big.h"

namespace dwcp::wan {
namespace {

constexpr std::size_t kReceiveBatch = 4096;  // before due frames get their turn again
constexpr double kLineBytesMin = 32 << 20;
constexpr double kLineBytesMax = 2.0 * (1U << 30);
constexpr std::uint64_t kUnlimitedRateBps = 2'500'000'000;  // about what AF_PACKET can carry on one core

// Memory for what can be queued and in the air at once, at any rate and delay the schedule will set, plus a quarter for
// the records of small frames.
std::size_t line_bytes_for(const LinkProfile& profile) {
  std::uint64_t rate_bps = profile.rate_bps == 0 ? kUnlimitedRateBps : profile.rate_bps;
  std::uint64_t delay_ns = profile.delay_ns;
  for (const LinkChange& change : profile.changes) {
    if (change.rate_bps) rate_bps = std::max(rate_bps, *change.rate_bps == 0 ? kUnlimitedRateBps : *change.rate_bps);
    if (change.delay_ns) delay_ns = std::max(delay_ns, *change.delay_ns);
  }
  const double air_bytes = static_cast<double>(rate_bps) / 8e9 * static_cast<double>(delay_ns + profile.jitter_ns);
  const double bytes = 1.25 * (air_bytes + static_cast<double>(queue_limit_bytes(profile)));
  return static_cast<std::size_t>(std::clamp(bytes, kLineBytesMin, kLineBytesMax));
}

}  // namespace

void Lateness::add(std::uint64_t late_ns) noexcept {
  ++count_;
  ++steps_[std::min<std::uint64_t>(late_ns / kStepNs, steps_.size() - 1)];
  max_ns_ = std::max(max_ns_, late_ns);
}

double Lateness::quantile_us(double fraction) const noexcept {
  const auto wanted = static_cast<std::uint64_t>(std::ceil(fraction * static_cast<double>(count_)));
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < steps_.size() && wanted != 0; ++i) {
    seen += steps_[i];
    if (seen >= wanted) return std::min(static_cast<double>((i + 1) * kStepNs) / 1e3, max_us());
  }
  return 0;
}

Direction::Direction(PacketPort& in, PacketPort& out, const LinkProfile& profile, std::uint64_t seed)
    : in_(in),
      out_(out),
      model_(profile, seed),
      line_bytes_(line_bytes_for(profile)),
      line_(std::make_unique<DelayLine>(line_bytes_)) {}

void Direction::reconfigure(const LinkProfile& profile) {
  const std::size_t bytes = line_bytes_for(profile);
  if (bytes > line_bytes_ && !old_line_) {
    auto larger = std::make_unique<DelayLine>(bytes);
    old_line_ = std::move(line_);
    line_ = std::move(larger);
    line_bytes_ = bytes;
  }
  model_.reconfigure(profile);
}

std::uint64_t Direction::next_due_ns() const noexcept {
  const std::uint64_t due_ns = line_->next_due_ns();
  return old_line_ ? std::min(due_ns, old_line_->next_due_ns()) : due_ns;
}

std::size_t Direction::receive(std::uint64_t now_ns, std::uint64_t start_real_ns) {
  return in_.drain(kReceiveBatch, [&](const RingFrame& frame) {
    // The kernel's stamp, so that a late wake-up of ours does not add to the delay.
    const std::uint64_t stamp_ns = frame.arrival_real_ns > start_real_ns ? frame.arrival_real_ns - start_real_ns : 0;
    accept(frame, std::min(stamp_ns, now_ns));
  });
}

void Direction::accept(const RingFrame& frame, std::uint64_t arrival_ns) {
  if (frame.truncated) {
    ++counters_.oversize;
    return;
  }
  counters_.checksum_missing += frame.checksum_missing;
  const bool ect = model_.marks_ecn() && frame_is_ect(frame.bytes);
  const Verdict verdict = model_.admit(arrival_ns, {.bytes = static_cast<std::uint32_t>(frame.bytes.size()),
                                                    .protected_bytes = frame_protected_bytes(frame.bytes),
                                                    .ect = ect});
  if (verdict.drop == DropReason::kMtu && model_.profile().mtu_report) report_too_big(frame);
  for (std::uint8_t copy = 0; copy < verdict.copies; ++copy) {
    std::uint8_t* room = verdict.in_order ? line_->append(verdict.deliver_ns, frame.bytes.size())
                                          : line_->append_straggler(verdict.deliver_ns, frame.bytes.size());
    if (room == nullptr) {
      ++counters_.line_full;
      continue;
    }
    std::memcpy(room, frame.bytes.data(), frame.bytes.size());
    if (verdict.edits()) edit_frame(verdict, {room, frame.bytes.size()});
  }
}

// The router is at the near end of the link: its word comes back at once.
void Direction::report_too_big(const RingFrame& frame) noexcept {
  TooBigFrame answer;
  const std::size_t length = write_too_big(frame.bytes, model_.profile().mtu, answer);
  if (length == 0) return;
  iovec out{answer.data(), length};
  counters_.too_big_reports += in_.send({&out, 1});
}

std::size_t Direction::transmit(std::uint64_t now_ns) noexcept {
  std::size_t total = 0;
  for (;;) {
    // In-order frames of the old line are due before any of the new one.
    DelayLine& line = old_line_ && !old_line_->empty() ? *old_line_ : *line_;
    const std::size_t n = line.gather(now_ns, batch_);
    if (n == 0) break;
    for (std::size_t i = 0; i < n; ++i) {
      lateness_.add(now_ns - batch_.due_ns[i]);
      counters_.sent_bytes += batch_.frames[i].iov_len;
    }
    const std::size_t sent = out_.send({batch_.frames.data(), n});
    line.release();
    counters_.sent += sent;
    counters_.tx_drops += n - sent;
    total += n;
  }
  if (old_line_ && old_line_->empty()) old_line_.reset();
  return total;
}

}  // namespace dwcp::wan
