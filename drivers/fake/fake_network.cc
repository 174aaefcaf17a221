// SPDX-License-Identifier: Apache-2.0
#include "drivers/fake/fake_network.h"

#include <algorithm>

#include "base/assert.h"
#include "base/time.h"

namespace dwcp {

FakeNetwork::FakeNetwork(const FakeNetworkConfig& config)
    : pool_(config.buffers, config.buffer_bytes), now_ns_(config.start_ns) {}

FakePort& FakeNetwork::add_port(const FakePortConfig& config) {
  return *ports_.emplace_back(std::make_unique<FakePort>(config, pool_, now_ns_));
}

void FakeNetwork::connect(FakePort& a, FakePort& b, const LinkProfile& a_to_b, const LinkProfile& b_to_a,
                          std::uint64_t seed) {
  DWCP_ASSERT(&a != &b && a.model_ == nullptr && b.model_ == nullptr);
  Rng seeds(seed);  // so that the two directions do not share their luck
  a.model_ = models_.emplace_back(std::make_unique<LinkModel>(a_to_b, seeds.next())).get();
  b.model_ = models_.emplace_back(std::make_unique<LinkModel>(b_to_a, seeds.next())).get();
  a.peer_ = &b;
  b.peer_ = &a;
}

LinkModel& FakeNetwork::link(const FakePort& from) noexcept {
  DWCP_ASSERT(from.model_ != nullptr);
  return *from.model_;
}

std::uint64_t FakeNetwork::next_event_ns() const noexcept {
  std::uint64_t next_ns = kNever;
  for (const auto& port : ports_) next_ns = std::min(next_ns, port->wire_.next_due_ns());
  return next_ns;
}

void FakeNetwork::advance_to(std::uint64_t now_ns) noexcept {
  DWCP_ASSERT(now_ns >= now_ns_ && now_ns != kNever);
  now_ns_ = now_ns;
  for (const auto& port : ports_) {
    while (port->wire_.next_due_ns() <= now_ns) port->peer_->arrive(port->wire_.pop());
  }
}

}  // namespace dwcp
