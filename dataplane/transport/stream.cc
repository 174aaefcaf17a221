// SPDX-License-Identifier: Apache-2.0
#include "dataplane/transport/stream.h"

#include <algorithm>

namespace dwcp {
namespace {

constexpr std::uint32_t kPtoProbes = 2;  // RFC 9002 §6.2.4
// Backoff beyond this would leave a link unprobed for long after a blackout ends.
constexpr std::uint64_t kPtoMaxNs = kNsPerSec;
constexpr std::uint64_t kPersistentPtos = 3;  // kPersistentCongestionThreshold, RFC 9002 §7.6.1

}  // namespace

void Stream::on_sent(std::uint64_t now_ns, SentPacket& packet, std::size_t bytes, bool ack_eliciting) noexcept {
  packet.sent_ns = now_ns;
  packet.bytes = static_cast<std::uint16_t>(bytes);
  ++counters_.packets_sent;
  counters_.bytes_sent += bytes;
  const PacketNumber number = sent_.next() - 1;
  maybe_skip();
  if (!ack_eliciting) {
    // One who only receives is never acknowledged: forget these records as pages fill.
    if (number / SentPage::kRecords != sent_.next() / SentPage::kRecords) forget_settled(now_ns);
    return;
  }
  packet.state = SentState::kOutstanding;
  packet.ect = ecn_.on_sent(now_ns, number, rtt_.pto_ns(kPeerAckDelayMaxNs));
  counters_.ecn_packets_sent += packet.ect;
  if (in_flight_bytes_ == 0) in_flight_since_ns_ = now_ns;
  in_flight_bytes_ += bytes;
  group_.on_sent(packet);
  last_eliciting_sent_ns_ = now_ns;
  if (packet.mtu_probe) {
    mtu_.on_probe_sent(now_ns, number, rtt_.sampled() ? rtt_.smoothed_ns() : 0);
  } else {
    mtu_.on_sent(now_ns, packet.bytes);
  }
  if (state_ == StreamState::kProbing) {
    probe_due_ns_ = now_ns + probe_interval_ns_;
    probe_interval_ns_ = std::min(2 * probe_interval_ns_, kProbeMaxNs);
  }
  set_timer();
}

// A number left out has a record like one that asked for no acknowledgement, so that nothing waits for it.
void Stream::maybe_skip() noexcept {
  if (!skipped_.due(sent_.next()) || !sent_.can_push()) return;
  skipped_.note(sent_.next());
  (void)sent_.push();
}

const SentPacket* Stream::oldest_outstanding() noexcept {
  for (PacketNumber number = std::max(loss_scan_, sent_.base()); number < sent_.next(); ++number) {
    if (sent_[number].state == SentState::kOutstanding) return &sent_[number];
  }
  return nullptr;
}

bool Stream::on_ack(std::uint64_t now_ns, std::span<const AckedRange> ranges, std::uint64_t ack_delay_ns, SentSink& sink,
                    const EcnCounts* ecn) noexcept {
  if (ranges.empty() || ranges.front().last >= sent_.next()) return false;
  if (skipped_.claimed_by(ranges)) {
    lied_to_ = true;
    return false;
  }
  AckSample sample;
  sample.now_ns = now_ns;
  const bool others_heard = hears_others(now_ns);
  const PacketNumber largest = ranges.front().last;
  const bool raised = !any_acked_ || largest > largest_acked_;
  if (raised) {
    any_acked_ = true;
    largest_acked_ = largest;
    // §5.1: a sample only from the largest packet, and only when it is newly acknowledged.
    if (largest >= sent_.base()) {
      const SentPacket& packet = sent_[largest];
      if (packet.state == SentState::kOutstanding || packet.state == SentState::kLost) {
        sample.rtt_ns = now_ns - packet.sent_ns;
        rtt_.on_sample(sample.rtt_ns, std::min(ack_delay_ns, kPeerAckDelayMaxNs));
      }
    }
  }
  // What is outstanding on a path that is tried was sent there: a late ACK of packets of another proves nothing.
  const std::uint64_t in_flight_before = in_flight_bytes_;
  for (const AckedRange& range : ranges) {
    if (!take_range(now_ns, range, sample, sink)) break;
  }
  const bool probing = state_ == StreamState::kProbing;
  const bool answered = probing ? in_flight_bytes_ < in_flight_before : sample.acked_bytes != 0;
  detect_losses(now_ns, others_heard, sample, sink);
  if (raised) take_ecn(ecn, sample);
  if (answered) {
    if (pto_count_ >= (probing ? 1 : EcnValidator::kSilentPtos)) ecn_.restart(sent_.next());
    if (probing) mtu_.path_up(now_ns, sent_.next());
    state_ = next_state(state_, StreamEvent::kAcked);
    last_acked_ns_ = now_ns;
    probe_interval_ns_ = kProbeMinNs;
    pto_count_ = 0;
    probes_pending_ = 0;
  }
  end_if_settled();
  sample.smoothed_rtt_ns = rtt_.smoothed_ns();
  group_.on_ack(sample, rtt_.min_ns());
  forget_settled(now_ns);
  set_timer();
  return true;
}

// Settles what is new in the range; false when it and all below it were settled long ago.
bool Stream::take_range(std::uint64_t now_ns, const AckedRange& range, AckSample& sample, SentSink& sink) noexcept {
  // Of what is older than the set remembers nothing is heard any more: a peer could have all of it looked up again by every
  // ACK.  An honest one tells of half as many intervals.
  if (acked_.full()) remembered_from_ = acked_.intervals().front().begin;
  if (range.last < remembered_from_) return false;
  const PacketNumber begin = std::max(range.first, remembered_from_);
  for (PacketNumber first = begin; first <= range.last;) {
    const auto hole = acked_.first_hole(first, range.last + 1);
    if (hole.begin == hole.end) break;
    settle_acked(now_ns, hole.begin, hole.end - 1, sample, sink);
    first = hole.end;
  }
  PacketNumber added = 0;
  while (acked_.insert(begin, range.last + 1, added) == Acked::Inserted::kFull) acked_.pop_front();
  return true;
}

void Stream::take_ecn(const EcnCounts* counts, AckSample& sample) noexcept {
  sample.ecn_ce_packets = ecn_.on_ack(counts);
  counters_.ecn_ce_reported += sample.ecn_ce_packets;
  counters_.ecn_violations = ecn_.violations();
}

void Stream::settle_acked(std::uint64_t now_ns, PacketNumber first, PacketNumber last, AckSample& sample,
                          SentSink& sink) noexcept {
  for (PacketNumber number = std::max(first, sent_.base()); number <= last; ++number) {
    SentPacket& packet = sent_[number];
    if (packet.state == SentState::kAcked || packet.state == SentState::kNotTracked) continue;
    mtu_.on_acked(now_ns, number, packet.bytes);
    if (packet.state == SentState::kLost && packet.mtu_probe) {
      packet.state = SentState::kAcked;  // nobody was told of its loss, nor need be of this
      continue;
    }
    if (packet.state == SentState::kLost) {
      on_spurious(now_ns, number, packet);
    } else {
      in_flight_bytes_ -= packet.bytes;
      group_.on_settled(packet.bytes);
    }
    if (packet.ect) {
      ecn_.on_acked(number);
      ++sample.ecn_acked_packets;
    }
    sample.acked_bytes += packet.bytes;
    sample.acked_sent_ns = std::max(sample.acked_sent_ns, packet.sent_ns);
    ++counters_.packets_acked;
    group_.on_acked(now_ns, packet);
    packet.state = SentState::kAcked;
    sink.on_packet_acked(packet);
  }
}

void Stream::on_spurious(std::uint64_t now_ns, PacketNumber number, const SentPacket& packet) noexcept {
  ++counters_.losses_spurious;
  if (packet.ect) ecn_.on_spurious(number);
  if (!packet.abandoned) group_.control().on_spurious_loss(packet.bytes, packet.sent_ns);
  // What was given up with its path came late by no measure of the path there is now.
  if (packet.abandoned || number < path_first_) return;
  const bool too_short = (now_ns - packet.sent_ns) * 8 > rtt_.smoothed_ns() * reorder_.rtt_eighths();
  reorder_.on_spurious(number, largest_acked_, sent_.next(), too_short);
}

std::uint64_t Stream::loss_delay_ns() const noexcept {
  const std::uint64_t rtt = std::max(rtt_.smoothed_ns(), rtt_.latest_ns());
  return std::max(rtt * reorder_.rtt_eighths() / 8, RttEstimator::kGranularityNs);
}

bool Stream::silent_for(std::uint64_t ptos, std::uint64_t others_acked_ns) const noexcept {
  if (in_flight_bytes_ == 0 || (state_ != StreamState::kActive && state_ != StreamState::kClosing)) return false;
  const std::uint64_t silent_since_ns = std::max(last_acked_ns_, in_flight_since_ns_);
  return others_acked_ns >= silent_since_ns + ptos * rtt_.pto_ns(kPeerAckDelayMaxNs);
}

// Something of another stream of the group was acknowledged not long ago.
bool Stream::hears_others(std::uint64_t now_ns) const noexcept {
  return group_.last_acked_ns() > last_acked_ns_ && now_ns < group_.last_acked_ns() + rtt_.pto_ns(kPeerAckDelayMaxNs);
}

// A packet next to `number`, other than probes, was acknowledged.
bool Stream::neighbour_arrived(PacketNumber number) noexcept {
  const auto telling = [](const SentPacket& packet) { return !packet.mtu_probe && packet.state != SentState::kNotTracked; };
  PacketNumber below = number;
  while (below > sent_.base() && !telling(sent_[below - 1])) --below;
  if (below == sent_.base() || sent_[below - 1].state == SentState::kAcked) return true;  // settled long ago, or acknowledged
  PacketNumber above = number + 1;
  while (above < sent_.next() && !telling(sent_[above])) ++above;
  return above < sent_.next() && sent_[above].state == SentState::kAcked;
}

void Stream::detect_losses(std::uint64_t now_ns, bool others_heard, AckSample& sample, SentSink& sink) noexcept {
  loss_time_ns_ = kNever;
  if (!any_acked_) return;
  const std::uint64_t delay_ns = loss_delay_ns();
  std::uint64_t lost_bytes = 0;
  std::uint64_t lost_large_bytes = 0;  // of those, in packets that a black hole would swallow
  std::uint64_t newest_sent_ns = 0;
  PacketNumber newest = 0;
  std::uint64_t run_start_ns = 0;  // of a run of lost packets with nothing acknowledged between
  std::uint64_t run_ns = 0;
  bool in_run = false;
  loss_scan_ = std::max(loss_scan_, sent_.base());
  // Older packets are lost before newer ones, so the scan stops at the first that is still waited for.
  for (; loss_scan_ <= largest_acked_ && loss_scan_ < sent_.next(); ++loss_scan_) {
    SentPacket& packet = sent_[loss_scan_];
    if (packet.state == SentState::kAcked) in_run = false;
    if (packet.state != SentState::kOutstanding) continue;
    const bool by_count = largest_acked_ - loss_scan_ >= reorder_.packets();
    // While reordering is seen, a count alone convicts nobody: time decides (RFC 8985 §6.2).
    const bool count_trusted = !reorder_.seen() || now_ns >= packet.sent_ns + rtt_.smoothed_ns();
    const bool by_time = now_ns >= packet.sent_ns + delay_ns;
    if (!by_time && !(by_count && count_trusted)) {
      loss_time_ns_ = packet.sent_ns + delay_ns;
      break;
    }
    if (packet.mtu_probe) {
      lose(loss_scan_, sink);
      mtu_.on_probe_lost(now_ns, loss_scan_, packet.bytes, neighbour_arrived(loss_scan_));
      continue;
    }
    mtu_.on_lost(loss_scan_, packet.bytes);
    if (packet.bytes > mtu_.bytes()) {
      lose(loss_scan_, sink);  // too large for what the path is known to carry now, so no sign of congestion
      continue;
    }
    lost_bytes += packet.bytes;
    if (packet.bytes > PathMtu::kBaseBytes) lost_large_bytes += packet.bytes;
    newest_sent_ns = packet.sent_ns;
    newest = loss_scan_;
    if (!in_run) run_start_ns = packet.sent_ns;
    in_run = true;
    run_ns = std::max(run_ns, packet.sent_ns - run_start_ns);
    lose(loss_scan_, sink);
  }
  if (lost_bytes != 0) reorder_.on_lost(newest, sent_.next());
  if (mtu_.detect_black_hole(now_ns, sent_.next())) {
    ++counters_.mtu_black_holes;
    lost_bytes -= lost_large_bytes;
  } else if (lost_bytes != 0 && rtt_.sampled() && run_ns > kPersistentPtos * rtt_.pto_ns(kPeerAckDelayMaxNs)) {
    ++counters_.persistent_congestions;
    rtt_.forget_min();
    // While others of the group are answered it is this stream's path that failed, not the bottleneck.
    if (!others_heard) group_.control().on_persistent_congestion(now_ns);
    return;  // an outage, not a rate of loss
  }
  if (limited_) return;
  sample.lost_bytes = lost_bytes;
  sample.lost_sent_ns = newest_sent_ns;
}

void Stream::settle_lost(PacketNumber number) noexcept {
  SentPacket& packet = sent_[number];
  if (packet.ect) ecn_.on_lost(number);
  packet.state = SentState::kLost;
  in_flight_bytes_ -= packet.bytes;
  group_.on_settled(packet.bytes);
  ++(packet.mtu_probe ? counters_.mtu_probes_lost : counters_.packets_lost);
}

void Stream::lose(PacketNumber number, SentSink& sink) noexcept {
  settle_lost(number);
  sink.on_packet_lost(sent_[number]);
}

void Stream::lose_all(SentSink& sink) noexcept {
  for (PacketNumber number = std::max(loss_scan_, sent_.base()); number < sent_.next(); ++number) {
    if (sent_[number].state != SentState::kOutstanding) continue;
    settle_lost(number);
    sent_[number].abandoned = true;
    sink.on_packet_abandoned(sent_[number]);
  }
  loss_scan_ = sent_.next();
  loss_time_ns_ = kNever;
}

void Stream::leave_path(SentSink& sink) noexcept {
  state_ = next_state(state_, StreamEvent::kFail);
  lose_all(sink);
  ++counters_.deaths;
  take_path();
}

// Another 5-tuple from the next packet on.  How the last path reordered says nothing of it.
void Stream::take_path() noexcept {
  ++path_;
  path_first_ = sent_.next();
  reorder_.reset();
}

void Stream::fail(std::uint64_t now_ns, SentSink& sink) noexcept {
  leave_path(sink);
  ecn_.restart(sent_.next());
  mtu_.path_down();
  pto_count_ = 0;
  probes_pending_ = 0;
  probe_due_ns_ = now_ns;
  probe_interval_ns_ = kProbeMinNs;
  set_timer();
}

// No ping of a probing stream was answered in time.  Each path is given longer than the one before, for a path may be slower
// than what was measured on the last that worked; pings come no sooner.
void Stream::try_next_path(std::uint64_t now_ns, SentSink& sink) noexcept {
  leave_path(sink);
  ++pto_count_;
  if (pto_count_ == EcnValidator::kSilentPtos) ecn_.on_silence();
  forget_settled(now_ns);
}

void Stream::open(bool elsewhere) noexcept {
  if (state_ == StreamState::kIdle) {
    if (elsewhere && sent_.next() != 0) take_path();
    pto_count_ = 0;
    probe_due_ns_ = 0;
    probe_interval_ns_ = kProbeMinNs;
  }
  state_ = next_state(state_, StreamEvent::kOpen);
}

// One that closes keeps what it knows of its path's MTU until then: it may be opened again before.
void Stream::end_if_settled() noexcept {
  if (in_flight_bytes_ == 0) state_ = next_state(state_, StreamEvent::kSettled);
  if (state_ == StreamState::kIdle) mtu_.path_down();
}

void Stream::close(SentSink& sink) noexcept {
  state_ = next_state(state_, StreamEvent::kClose);
  if (state_ == StreamState::kIdle) lose_all(sink);
  end_if_settled();
  set_timer();
}

void Stream::forget_settled(std::uint64_t now_ns) noexcept {
  // A lost packet is kept for two round trips, so that an ACK that comes after all is known for what it is.
  const std::uint64_t keep_ns = 2 * rtt_.smoothed_ns();
  PacketNumber number = sent_.base();
  for (; number < sent_.next(); ++number) {
    const SentPacket& packet = sent_[number];
    if (packet.state == SentState::kOutstanding) break;
    if (packet.state == SentState::kLost && now_ns < packet.sent_ns + loss_delay_ns() + keep_ns) break;
  }
  sent_.erase_below(number);
}

void Stream::on_time(std::uint64_t now_ns, SentSink& sink) noexcept {
  if (now_ns < timer_ns_) return;
  if (loss_time_ns_ <= now_ns) {
    AckSample sample;
    sample.now_ns = now_ns;
    detect_losses(now_ns, hears_others(now_ns), sample, sink);
    if (sample.lost_bytes != 0) group_.on_lost(sample);
    forget_settled(now_ns);
  } else if (state_ == StreamState::kProbing) {
    try_next_path(now_ns, sink);
  } else if (in_flight_bytes_ != 0) {
    ++pto_count_;
    if (pto_count_ == EcnValidator::kSilentPtos) ecn_.on_silence();
    probes_pending_ = kPtoProbes;
  }
  end_if_settled();
  set_timer();
}

void Stream::set_timer() noexcept {
  if (loss_time_ns_ != kNever) {
    timer_ns_ = loss_time_ns_;
  } else if (in_flight_bytes_ != 0) {
    const std::uint64_t pto = rtt_.pto_ns(kPeerAckDelayMaxNs);
    const std::uint64_t backed_off = std::min(pto << std::min(pto_count_, 16U), std::max(kPtoMaxNs, 2 * pto));
    // A path being tried has this long from its first ping, however many follow.
    timer_ns_ = (state_ == StreamState::kProbing ? in_flight_since_ns_ : last_eliciting_sent_ns_) + backed_off;
  } else {
    timer_ns_ = kNever;
  }
}

}  // namespace dwcp
