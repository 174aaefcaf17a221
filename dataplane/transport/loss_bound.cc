// SPDX-License-Identifier: Apache-2.0
#include "dataplane/transport/loss_bound.h"

#include <algorithm>
#include <cmath>

namespace dwcp {
namespace {

// Without a queue only heavy loss is congestion: a policer, or a buffer too shallow to show one.
constexpr double kLossWithoutQueue = 0.15;
constexpr std::uint64_t kHeavyPacketsMin = 6;
constexpr double kLossyPath = 0.0005;
constexpr double kAmbientGain = 1.0 / 8;

// Measured over simulated links of 20 to 100 ms, 0.1 and 1 Gb/s, with a queue of one BDP (tests/sim/fairness).  While we do
// not yield, a block meets 0.2 to 0.8 % of loss beside CUBIC, more the smaller our window (2 % at 300 packets: the rate that
// Reno settles at falls with loss), and 0.7 to 5 % beside BBRv1.  While we do yield, CUBIC lets less than 0.7 % through, but
// for windows of a few packets.  Between what is surely CUBIC and what is surely not, one cannot tell: there both stances
// take turns, each as long as keeps the mean share near one.
constexpr std::uint32_t kBlockRounds = 16;
constexpr double kYieldBelow = 0.010;
constexpr double kYieldBelowSmall = 4;  // over the window in packets
constexpr double kYieldBelowMax = 0.028;
constexpr double kSurelyBelow = 0.4;  // of it
constexpr std::uint32_t kBlocksSure = 3;    // in a row
constexpr std::uint32_t kBlocksUnsure = 7;  // more than of those above it
constexpr std::uint32_t kBlocksYielding = 64;
constexpr std::uint32_t kBlocksYieldingUnsure = 6;
constexpr std::uint32_t kContestedRounds = 128;  // longer than it takes to see whether others yield
constexpr double kUnyieldingAbove = 0.005;
constexpr double kSmallWindowLoss = 5;  // over the square of the window in packets
constexpr double kSmallWindowLossMax = 0.01;

// RFC 9438 §4.1 and §4.6; what is scaled with another beta is so by §4.3.
constexpr double kC = 0.4;
constexpr double kCubicBeta = 0.7;
// Pacing loses less when a queue overflows than the bursts of others do, and a round is judged only at its end: at their own
// pace we would come out at 1.2 to 2 shares.
constexpr double kPace = 0.75;
constexpr double kBetaMin = 0.5;
constexpr double kBetaMax = 0.8;

// A queue that leaves alone for so long is nobody's: the room it leaves is taken as a probe would.
constexpr std::uint32_t kCalmRounds = 16;
constexpr double kCalmGrowth = 0.25;

}  // namespace

void LossBound::on_ack(const Ack& ack) noexcept {
  if (yielding_) return;
  const std::uint64_t least = ack.in_flight_bytes + ack.acked_bytes;
  round_lost_bytes_ += ack.lost_bytes;
  if (ack.now_ns >= conserve_until_ns_) {
    if (ack.lost_bytes == 0 || !(ack.queue || crowded()) || !stands_out(round_lost_bytes_, least)) return;
    conserve_until_ns_ = ack.now_ns + ack.rtt_ns;
    conserved_ = std::max(least, ack.bdp_bytes);
    return;
  }
  // Not below what the pipe holds: what is found lost may be of a flight that was far more.
  conserved_ = std::max({conserved_ - std::min(conserved_, ack.lost_bytes), least, ack.bdp_bytes});
}

bool LossBound::on_round(const Round& round) noexcept {
  if (round.acked_bytes + round.lost_bytes == 0) return false;
  round_lost_bytes_ = 0;
  const bool stood_out = congested(round);
  const bool news = stood_out && !reduced_;
  learn_ambient(round, news);
  calm_rounds_ = round.queue || round.lost_bytes != 0 ? 0 : calm_rounds_ + 1;
  contested_rounds_ -= std::min(contested_rounds_, 1U);
  reduced_ = false;
  if (yielding_ && news) {
    reduce(round);
  } else if (bounded()) {
    grow(round);
  }
  if (round.queue && !round.starting_up) judge_others(round);
  return news;
}

// Those who do not yield lose, and so do we.
bool LossBound::crowded() const noexcept { return !yielding_ && contested_loss_ > ambient_loss_ + kUnyieldingAbove; }

// On a path that loses by itself: five standard deviations above that, and two packets, since chance is uneven in few.
bool LossBound::stands_out(std::uint64_t lost_bytes, std::uint64_t bytes) const noexcept {
  const double expected = static_cast<double>(bytes) / datagram_bytes_ * ambient_loss_;
  const double chance = ambient_loss_ > kLossyPath ? 5 * std::sqrt(expected) + 2 : 0;
  return static_cast<double>(lost_bytes) / datagram_bytes_ > expected + chance;
}

bool LossBound::congested(const Round& round) const noexcept {
  const std::uint64_t bytes = round.acked_bytes + round.lost_bytes;
  const double heavy = static_cast<double>(bytes) * (kLossWithoutQueue + 2 * ambient_loss_);
  if (round.lost_bytes >= kHeavyPacketsMin * datagram_bytes_ && static_cast<double>(round.lost_bytes) > heavy) return true;
  return round.queue && stands_out(round.lost_bytes, bytes);
}

void LossBound::learn_ambient(const Round& round, bool congested) noexcept {
  // A much shorter path shows: what was learned before was learned behind a queue.
  if (round.min_rtt_ns < min_rtt_ns_ - min_rtt_ns_ / 8) ambient_loss_ = 0;
  min_rtt_ns_ = round.min_rtt_ns;
  const double loss =
      static_cast<double>(round.lost_bytes) / static_cast<double>(round.acked_bytes + round.lost_bytes);
  // A round may end with a queue that its first round trips did not show.
  const bool clear = !round.queue && !round.probing && !congested && round.rtt_ns < round.min_rtt_ns * 5 / 4 + kNsPerMs;
  // What is found lost in the first such round was sent before it.
  const bool settled = clear && was_clear_;
  was_clear_ = clear;
  // Nor is the path to blame while those who do not yield keep it full: our least round trip may have had their queue in it.
  if (settled && !crowded()) ambient_loss_ += (loss - ambient_loss_) * kAmbientGain;
}

void LossBound::judge_others(const Round& round) noexcept {
  block_lost_bytes_ += round.lost_bytes;
  block_bytes_ += round.acked_bytes + round.lost_bytes;
  block_flight_bytes_ += round.in_flight_bytes;
  if (++block_rounds_ < kBlockRounds) return;
  contested_loss_ = static_cast<double>(block_lost_bytes_) / static_cast<double>(block_bytes_);
  block_stood_out_ = stands_out(block_lost_bytes_, block_bytes_);
  block_rounds_ = 0;
  block_lost_bytes_ = block_bytes_ = 0;
  const double window = std::max(static_cast<double>(block_flight_bytes_) / kBlockRounds / datagram_bytes_, 1.0);
  block_flight_bytes_ = 0;
  // Nobody loses less than what the path loses anyway.
  ambient_loss_ = std::min(ambient_loss_, contested_loss_);
  const double beyond = contested_loss_ - ambient_loss_;
  if (++blocks_ == 1) return;  // what others do in the first one answers to the stance before
  if (yielding_) {
    const bool goes_on = beyond > kUnyieldingAbove + std::min(kSmallWindowLoss / (window * window), kSmallWindowLossMax);
    if (goes_on || blocks_ > (sure_ ? kBlocksYielding : kBlocksYieldingUnsure)) stop_yielding();
    return;
  }
  const double yield_below = std::min(kYieldBelow + kYieldBelowSmall / window, kYieldBelowMax);
  sure_blocks_ = beyond < kSurelyBelow * yield_below ? sure_blocks_ + 1 : 0;
  unsure_blocks_ = beyond < yield_below ? unsure_blocks_ + 1 : unsure_blocks_ - std::min(unsure_blocks_, 1U);
  sure_ = sure_blocks_ >= kBlocksSure;
  if (sure_ || unsure_blocks_ >= kBlocksUnsure) yield(round);
}

// What it allows is more than the path can use.
void LossBound::forget_bound() noexcept {
  stop_yielding();
  contested_rounds_ = 0;
  yielded_bound_ = kUnbounded;
}

void LossBound::take_stance(bool yielding) noexcept {
  yielding_ = yielding;
  blocks_ = block_rounds_ = 0;
  block_lost_bytes_ = block_bytes_ = block_flight_bytes_ = 0;
  sure_blocks_ = unsure_blocks_ = 0;
}

void LossBound::stop_yielding() noexcept {
  take_stance(false);
  if (bounded()) contested_rounds_ = kContestedRounds;
  yielded_bound_ = bound_;
  bound_ = kUnbounded;
}

// What was ours while we did not yield, a cubic would give back over minutes.  So a test goes on from where it was before it,
// or half-way there when the others may be such as would not have given it; and the first time what we have counts as
// congested.
void LossBound::yield(const Round& round) noexcept {
  take_stance(true);
  conserve_until_ns_ = 0;
  if (yielded_bound_ == kUnbounded) {
    if (block_stood_out_) reduce(round);
    return;
  }
  const auto before = static_cast<double>(yielded_bound_);
  const double now = std::max(static_cast<double>(round.in_flight_bytes), before);
  bound_ = sure_ ? yielded_bound_ : static_cast<std::uint64_t>(std::sqrt(before * now));
  reno_ = plateau_ = static_cast<double>(bound_);
  origin_s_ = 0;
  epoch_ns_ = round.now_ns;
}

// Cuts by what the queue holds (Leith and Shorten, H-TCP), so that alone the pipe stays full, and grows at the pace that
// makes this as fair as CUBIC's own beta.
void LossBound::reduce(const Round& round) noexcept {
  const auto reached = static_cast<double>(std::min(round.in_flight_bytes, bound_));
  const double beta =
      std::clamp(static_cast<double>(round.min_rtt_ns) / static_cast<double>(std::max<std::uint64_t>(round.rtt_ns, 1)),
                 kBetaMin, kBetaMax);
  scale_ = kPace * kC * datagram_bytes_ * (1 - beta) / (1 - kCubicBeta);
  reno_step_ = kPace * 3 * (1 - beta) / (1 + beta) * datagram_bytes_;
  reno_ = std::max(beta * reached, 4.0 * datagram_bytes_);
  // Fast convergence (§4.7) always: who came first has the most to give.
  plateau_ = std::max(reached * (1 + beta) / 2, reno_);
  origin_s_ = std::cbrt((plateau_ - reno_) / scale_);
  epoch_ns_ = round.now_ns;
  bound_ = static_cast<std::uint64_t>(reno_);
  reduced_ = true;
}

void LossBound::grow(const Round& round) noexcept {
  if (bound_ > 4 * round.bdp_bytes) return forget_bound();
  const auto bound = static_cast<double>(bound_);
  if (static_cast<double>(round.in_flight_bytes) < 0.8 * bound) return;
  if (calm_rounds_ >= kCalmRounds) {
    bound_ += static_cast<std::uint64_t>(kCalmGrowth * bound);
    return;
  }
  const double t = static_cast<double>(round.now_ns + round.rtt_ns - epoch_ns_) * 1e-9 - origin_s_;
  const double target = std::clamp(plateau_ + scale_ * t * t * t, bound, 1.5 * bound);
  reno_ += reno_ < plateau_ ? reno_step_ : datagram_bytes_;
  bound_ = static_cast<std::uint64_t>(std::max(target, reno_));
}

}  // namespace dwcp
