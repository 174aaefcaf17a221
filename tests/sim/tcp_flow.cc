// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/tcp_flow.h"

#include <algorithm>

namespace dwcp::sim {
namespace {

constexpr std::uint64_t kDelayedAckNs = 40 * kNsPerMs;
constexpr std::uint64_t kTimeoutMinNs = 200 * kNsPerMs;  // as in Linux
constexpr std::uint64_t kReorderPackets = 3;
// A pacer that was kept from sending catches up for this long at most.
constexpr double kPaceCatchUpNs = 1e6;

}  // namespace

void TcpFlow::receive(std::uint64_t now_ns, LinkModel& back) {
  for (; !arriving_.empty() && arriving_.front().due_ns <= now_ns; arriving_.pop_front()) {
    if (unacked_ == 0) unacked_since_ns_ = now_ns;
    acked_.push_back(arriving_.front().number);
    ++unacked_;
    ++arrived_;
  }
  if (unacked_ < 2 && (unacked_ == 0 || now_ns < unacked_since_ns_ + kDelayedAckNs)) return;
  const Verdict verdict = back.admit(now_ns, {.bytes = kAckBytes});
  // A lost ACK is made good by the next, which names its packets too.
  if (verdict.copies == 0) return;
  acks_.push_back({.due_ns = verdict.deliver_ns, .count = unacked_});
  unacked_ = 0;
}

void TcpFlow::send(std::uint64_t now_ns, LinkModel& there) {
  if (now_ns < start_ns_) return;
  take_acks(now_ns);
  if (in_flight_ != 0 && now_ns >= timeout_ns()) {
    for (Sent& sent : flight_) {
      if (!sent.settled) settle(sent), ++lost_;
    }
    loss_scan_ = sent_packets();
    recovering_ = false;
    last_progress_ns_ = now_ns;
    control_->on_timeout(now_ns);
  }
  transmit(now_ns, there);
}

void TcpFlow::take_acks(std::uint64_t now_ns) {
  for (; !acks_.empty() && acks_.front().due_ns <= now_ns; acks_.pop_front()) take_ack(now_ns, acks_.front().count);
}

void TcpFlow::settle(Sent& sent) {
  sent.settled = true;
  --in_flight_;
}

void TcpFlow::take_ack(std::uint64_t now_ns, std::size_t count) {
  TcpAck ack{.now_ns = now_ns, .in_flight_before = in_flight_};
  Sent newest{};
  for (; count != 0; --count) {
    const std::uint64_t number = acked_.front();
    acked_.pop_front();
    if (number < first_) continue;  // given up after a timeout
    Sent& sent = flight_[number - first_];
    highest_acked_ = number;
    if (sent.settled) continue;
    settle(sent);
    ++ack.acked;
    ++delivered_;
    delivered_ns_ = now_ns;
    newest = sent;
    if (number >= recover_until_) recovering_ = false;
  }
  if (ack.acked == 0) return;
  last_progress_ns_ = now_ns;
  ack.rtt_ns = now_ns - newest.sent_ns;
  smoothed_rtt_ns_ = smoothed_rtt_ns_ == 0 ? ack.rtt_ns : (7 * smoothed_rtt_ns_ + ack.rtt_ns) / 8;
  ack.prior_delivered = newest.delivered;
  ack.delivered = delivered_;
  // draft-cheng-iccrg-delivery-rate-estimation: over the longer of the sending and the ACK interval.
  const std::uint64_t interval_ns = std::max(newest.sent_ns - newest.first_sent_ns, now_ns - newest.delivered_ns);
  first_sent_ns_ = newest.sent_ns;
  if (interval_ns != 0) ack.packets_per_ns = static_cast<double>(delivered_ - newest.delivered) / static_cast<double>(interval_ns);
  ack.lost = find_losses();
  if (ack.lost != 0 && !recovering_) {
    recovering_ = ack.recovery_began = true;
    recover_until_ = sent_packets();
  }
  ack.recovering = recovering_;
  ack.in_flight = in_flight_;
  control_->on_ack(ack);
  for (; !flight_.empty() && flight_.front().settled; flight_.pop_front()) ++first_;
}

std::uint64_t TcpFlow::find_losses() {
  std::uint64_t lost = 0;
  for (loss_scan_ = std::max(loss_scan_, first_); loss_scan_ + kReorderPackets <= highest_acked_; ++loss_scan_) {
    Sent& sent = flight_[loss_scan_ - first_];
    if (!sent.settled) settle(sent), ++lost;
  }
  lost_ += lost;
  return lost;
}

void TcpFlow::transmit(std::uint64_t now_ns, LinkModel& there) {
  const double pace = control_->packets_per_ns();
  const auto now = static_cast<double>(now_ns);
  while (in_flight_ < control_->window_packets() && (pace == 0 || pace_next_ns_ <= now)) {
    if (in_flight_ == 0) first_sent_ns_ = delivered_ns_ = last_progress_ns_ = now_ns;
    flight_.push_back({.sent_ns = now_ns, .delivered = delivered_, .delivered_ns = delivered_ns_, .first_sent_ns = first_sent_ns_});
    ++in_flight_;
    if (pace != 0) pace_next_ns_ = std::max(pace_next_ns_, now - kPaceCatchUpNs) + 1 / pace;
    const Verdict verdict = there.admit(now_ns, {.bytes = kFrameBytes});
    if (verdict.copies != 0) arriving_.push_back({.due_ns = verdict.deliver_ns, .number = sent_packets() - 1});
  }
}

std::uint64_t TcpFlow::timeout_ns() const {
  if (in_flight_ == 0) return kNever;
  return last_progress_ns_ + (smoothed_rtt_ns_ == 0 ? kNsPerSec : std::max(kTimeoutMinNs, 2 * smoothed_rtt_ns_));
}

std::uint64_t TcpFlow::deadline_ns() const {
  std::uint64_t at = timeout_ns();
  if (in_flight_ < control_->window_packets()) {
    const double pace = control_->packets_per_ns();
    at = std::min(at, std::max(start_ns_, pace == 0 ? std::uint64_t{0} : static_cast<std::uint64_t>(pace_next_ns_)));
  }
  if (!arriving_.empty()) at = std::min(at, arriving_.front().due_ns);
  if (unacked_ != 0) at = std::min(at, unacked_since_ns_ + kDelayedAckNs);
  if (!acks_.empty()) at = std::min(at, acks_.front().due_ns);
  return at;
}

void TcpCrowd::pump_before(std::uint64_t now_ns, LinkModel& there, LinkModel& back) {
  for (std::size_t i = order_.size(); i > 1; --i) std::swap(order_[i - 1], order_[rng_.below(i)]);
  for (const auto& flow : flows_) flow->receive(now_ns, back);
  const std::size_t before = rng_.below(order_.size() + 1);
  for (turn_ = 0; turn_ < before; ++turn_) flows_[order_[turn_]]->send(now_ns, there);
}

void TcpCrowd::pump_after(std::uint64_t now_ns, LinkModel& there, LinkModel&) {
  for (; turn_ < order_.size(); ++turn_) flows_[order_[turn_]]->send(now_ns, there);
}

std::uint64_t TcpCrowd::deadline_ns() const {
  std::uint64_t at = kNever;
  for (const auto& flow : flows_) at = std::min(at, flow->deadline_ns());
  return at;
}

}  // namespace dwcp::sim
