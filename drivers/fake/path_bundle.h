// SPDX-License-Identifier: Apache-2.0
// Equal-cost paths in virtual time: one direction of a network whose routers spread flows by a hash of the 5-tuple (ECMP,
// RFC 2992), or whose link aggregates do.  Each path is a DatagramPipe with a bottleneck and impairments of its own; a flow
// keeps to one path.  One path is a plain pipe.  One owner thread.
//
// Use:  as a DatagramPipe, with the flow's name: bundle.send(now, bytes, flow);  ...  bundle.receive(now)
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/rng.h"
#include "drivers/fake/datagram_pipe.h"

namespace dwcp {

class PathBundle {
 public:
  // At least one profile.
  PathBundle(const std::vector<LinkProfile>& profiles, std::uint64_t seed) : seed_(seed) {
    pipes_.reserve(profiles.size());
    for (const LinkProfile& profile : profiles) pipes_.emplace_back(profile, seed + pipes_.size() * 7919);
  }

  [[nodiscard]] std::size_t path_of(std::uint64_t flow) const noexcept {
    return pipes_.size() == 1 ? 0 : Rng(seed_ ^ (flow * 0x9e3779b97f4a7c15U)).below(pipes_.size());
  }

  DropReason send(std::uint64_t now_ns, std::span<const std::uint8_t> bytes, std::uint64_t flow, Ecn ecn = Ecn::kNotEct) {
    return pipes_[path_of(flow)].send(now_ns, bytes, DatagramPipe::kUdpIpv4OverheadBytes, ecn, flow);
  }

  [[nodiscard]] std::uint64_t next_event_ns() const noexcept { return pipes_[first_due()].next_event_ns(); }
  // The earliest datagram of all paths that has arrived by now_ns, or nothing.
  [[nodiscard]] std::optional<PipeDelivery> receive(std::uint64_t now_ns) noexcept { return pipes_[first_due()].receive(now_ns); }

  [[nodiscard]] std::size_t size() const noexcept { return pipes_.size(); }
  [[nodiscard]] DatagramPipe& path(std::size_t index) noexcept { return pipes_[index]; }
  [[nodiscard]] LinkModel& link() noexcept { return pipes_.front().link(); }
  [[nodiscard]] std::size_t in_flight() const noexcept { return sum([](const DatagramPipe& pipe) { return pipe.in_flight(); }); }
  [[nodiscard]] std::uint64_t overflows() const noexcept { return sum([](const DatagramPipe& pipe) { return pipe.overflows(); }); }
  // Of all paths together.
  [[nodiscard]] LinkCounters counters() const noexcept {
    LinkCounters all = pipes_.front().counters();
    for (std::size_t i = 1; i < pipes_.size(); ++i) all += pipes_[i].counters();
    return all;
  }

 private:
  [[nodiscard]] std::size_t first_due() const noexcept {
    const auto first = std::min_element(pipes_.begin(), pipes_.end(), [](const DatagramPipe& a, const DatagramPipe& b) {
      return a.next_event_ns() < b.next_event_ns();
    });
    return static_cast<std::size_t>(first - pipes_.begin());
  }
  template <typename Value>
  [[nodiscard]] std::uint64_t sum(Value value) const noexcept {
    std::uint64_t total = 0;
    for (const DatagramPipe& pipe : pipes_) total += value(pipe);
    return total;
  }

  std::uint64_t seed_;
  std::vector<DatagramPipe> pipes_;
};

}  // namespace dwcp
