// SPDX-License-Identifier: Apache-2.0
// Lane: its streams, how many there are and what each carries.
#include <algorithm>

#include "dataplane/transport/lane.h"

namespace dwcp {
namespace {

// Streams are tended once a round trip, and on the shortest paths not more often than this.
constexpr std::uint64_t kTendMinNs = 2 * kNsPerMs;
constexpr std::uint64_t kTendIdleNs = 50 * kNsPerMs;  // before a round trip was measured

}  // namespace

Streams Lane::make_streams(const LaneSession& session) {
  Streams streams;
  const std::uint32_t datagram_bytes = std::min(config_.datagram_bytes, session.peer_datagram_bytes);
  const PathMtu mtu(datagram_bytes, config_.datagram_bytes_start);
  const ScalerLimits limits = config_.stream_limits();
  const bool coupled = config_.coupling == Coupling::kLink;
  const std::size_t groups = coupled ? 1 : limits.max;
  for (std::size_t i = 0; i < groups; ++i) {
    CongestionSetup setup;
    setup.kind = config_.congestion;
    setup.datagram_bytes = std::min(datagram_bytes, config_.datagram_bytes_start);
    setup.rate_max_bytes_per_sec = config_.rate_max_bytes_per_sec;  // of all: see rate_cap_
    setup.seed = session.seed + i;
    if (i < limits.initial) setup.resume = session.resume;  // what was remembered is that of all: later streams add to it
    setup.resume.bandwidth_bytes_per_sec /= coupled ? 1 : limits.initial;
    streams.groups.push_back(std::make_unique<CongestionGroup>(make_congestion(setup)));
  }
  const std::size_t count = std::min<std::size_t>(std::max(limits.max, session.peer_streams), wire::kStreamsMax);
  for (std::size_t i = 0; i < count; ++i) {
    CongestionGroup& group = *streams.groups[i % groups];
    streams.all.push_back(std::make_unique<Stream>(static_cast<StreamId>(i), sent_pages_, group, mtu));
    if (config_.ecn) streams.all.back()->enable_ecn();
    if (config_.skip_numbers) streams.all.back()->skip_numbers(session.seed + (i << 32));
  }
  // The handshake has proven that the peer is there, so one stream carries data from the first packet on; the others prove their
  // paths first.
  streams[0].open_active();
  for (std::size_t i = 1; i < limits.initial; ++i) streams[i].open();
  streams.sending = limits.max;
  return streams;
}

void Lane::begin_streams(std::uint64_t now_ns) noexcept {
  const ScalerLimits limits = config_.stream_limits();
  scaler_.begin(now_ns, limits);
  shares_.begin();
  turns_.begin(streams_.sending);
  sending_ = 0;
  for (std::size_t i = 0; i < limits.initial; ++i) sending_ |= std::uint64_t{1} << i;
  receiving_ = 0;
  tend_due_ns_ = now_ns;
  active_seen_ = limits.initial;
  last_acked_ns_ = 0;
  rate_cap_ = {};
  if (config_.coupling == Coupling::kNone) rate_cap_.set_rate(config_.rate_max_bytes_per_sec);
}

void Lane::set_streams(std::uint32_t min, std::uint32_t max) noexcept {
  const auto most = static_cast<std::uint32_t>(std::max<std::size_t>(streams_.sending, 1));
  max = std::clamp(max, 1U, most);
  min = std::clamp(min, 1U, max);
  scaler_.set_limits({.min = min, .initial = std::clamp(config_.streams, min, max), .max = max});
  if (active_) apply_stream_target();
}

bool Lane::may_send(std::uint64_t now_ns, Stream& stream) noexcept {
  return rate_cap_.may_send(now_ns) && stream.may_send(now_ns) && !stream.looks_suspect(last_acked_ns_);
}

// A group whose only stream does not send says nothing of what the lane delivers.
bool Lane::group_in_use(std::size_t group) const noexcept {
  if (streams_.groups.size() == 1) return true;
  const StreamState state = streams_[group].state();
  return state == StreamState::kActive || state == StreamState::kClosing;
}

std::size_t Lane::streams_active() const noexcept {
  std::size_t count = 0;
  for_each(sending_, [&](const Stream& stream) { count += stream.state() == StreamState::kActive ? 1 : 0; });
  return count;
}

// Once a round trip: what each stream is to carry, how many there are to be, and whether more of them carry data now.
void Lane::tend_streams(std::uint64_t now_ns) noexcept {
  const std::uint64_t rtt_ns = smoothed_rtt_ns();
  tend_due_ns_ = now_ns + (rtt_ns == 0 ? kTendIdleNs : std::max(rtt_ns, kTendMinNs));
  if (config_.coupling == Coupling::kLink && streams_.sending > 1) {
    shares_.update(now_ns, std::span(streams_.all).first(streams_.sending));
    for (std::size_t i = 0; i < streams_.sending; ++i) {
      turns_.set_share(i, shares_.share(i));
      streams_[i].set_limited(shares_.limited(i));
    }
  }
  ScalerView view{.now_ns = now_ns, .rtt_ns = rtt_ns, .delivered_bytes = delivered_bytes_};
  for (std::size_t i = 0; i < streams_.groups.size(); ++i) {
    const CongestionGroup& group = *streams_.groups[i];
    view.acked_bytes += group.acked_bytes();
    view.limited_bytes += group.limited_bytes();
    view.starting_up = view.starting_up || (group_in_use(i) && group.control().starting_up());
  }
  view.active = static_cast<std::uint32_t>(streams_active());
  scaler_.step(view);
  apply_stream_target();
  if (view.active > active_seen_ && config_.coupling == Coupling::kLink) {
    streams_.groups.front()->control().on_streams_added(now_ns);
  }
  active_seen_ = view.active;
  for_each(sending_, [&](Stream& stream) {
    if (stream.state() != StreamState::kIdle) return;
    stream.rest(now_ns);
    if (stream.at_rest()) sending_ &= ~(std::uint64_t{1} << raw(stream.id()));
  });
}

void Lane::apply_stream_target() noexcept {
  std::uint32_t open = 0;
  for_each(sending_, [&](const Stream& stream) {
    open += stream.state() == StreamState::kProbing || stream.state() == StreamState::kActive ? 1 : 0;
  });
  for (; open < scaler_.target(); ++open) open_stream();
  for (; open > scaler_.target(); --open) close_stream();
}

// A trial of more takes paths not taken before.  When a trial of fewer is given up, the streams it closed come back, the last
// used first, on the paths they had: another draw among equal paths might lose the one that was theirs alone.
void Lane::open_stream() noexcept {
  const bool elsewhere = scaler_.state() == ScalerState::kOpening;
  std::size_t chosen = streams_.sending;
  for (std::size_t i = 0; i < streams_.sending; ++i) {
    if (streams_[i].state() != StreamState::kIdle && streams_[i].state() != StreamState::kClosing) continue;
    const bool better = chosen == streams_.sending ||
                        (!elsewhere && streams_[i].last_eliciting_sent_ns() > streams_[chosen].last_eliciting_sent_ns());
    if (better) chosen = i;
  }
  if (chosen == streams_.sending) return;
  streams_[chosen].open(elsewhere);
  sending_ |= std::uint64_t{1} << chosen;
}

// The one that carries least: one whose path is not proven, else one whose path is in doubt, else the least share; the newest
// of equals.
void Lane::close_stream() noexcept {
  std::size_t least = streams_.sending;
  double least_share = 2;
  for (std::size_t i = 0; i < streams_.sending; ++i) {
    const StreamState state = streams_[i].state();
    if (state != StreamState::kProbing && state != StreamState::kActive) continue;
    const double proven_share = streams_[i].pto_count() != 0 ? 0 : shares_.share(i);
    const double share = state == StreamState::kProbing ? -1 : proven_share;
    if (share > least_share) continue;
    least = i;
    least_share = share;
  }
  if (least != streams_.sending) streams_[least].close(*this);
}

}  // namespace dwcp
