// SPDX-License-Identifier: Apache-2.0
// An in-process network in virtual time: ports behind the seam of drivers/port.h, joined in pairs by wires that hold
// one LinkModel per direction.  Runs whole gateways' net loops, two or more, in one thread and by seed.
//
// Time stands still but for advance_to(); what a port sends at now_ns() is in its peer's receive() once time has
// reached the arrival.  All frames live in one bounded pool: an empty pool shows as reserve() lending less than asked.
// One owner thread, which also calls all ports.
//
// Use:  FakeNetwork net({.buffers = 4096});  auto& a = net.add_port({...});  auto& b = net.add_port({...});
//       net.connect(a, b, profile_ab, profile_ba, seed);
//       loop: run both net loops at net.now_ns(); net.advance_to(min(net.next_event_ns(), their deadlines));
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "drivers/fake/buffer_pool.h"
#include "drivers/fake/fake_port.h"
#include "drivers/impair/link_model.h"

namespace dwcp {

struct FakeNetworkConfig {
  std::uint32_t buffers = 8192;
  std::uint32_t buffer_bytes = 2048;
  std::uint64_t start_ns = 1'000'000'000;  // not zero, so that code which takes zero for "never" is found out
};

class FakeNetwork {
 public:
  explicit FakeNetwork(const FakeNetworkConfig& config);

  // The port lives as long as the network.
  FakePort& add_port(const FakePortConfig& config);

  // Joins two ports of this network that have no wire yet.
  void connect(FakePort& a, FakePort& b, const LinkProfile& a_to_b, const LinkProfile& b_to_a, std::uint64_t seed);

  // The direction that leads away from `from`, which must be connected.
  [[nodiscard]] LinkModel& link(const FakePort& from) noexcept;

  // Takes the carrier away from a port or gives it back: sends fail, arrivals are missed.
  void set_carrier(FakePort& port, bool up) noexcept { port.carrier_ = up; }

  [[nodiscard]] std::uint64_t now_ns() const noexcept { return now_ns_; }

  // When the next frame arrives anywhere; kNever when none is on its way.
  [[nodiscard]] std::uint64_t next_event_ns() const noexcept;

  // Moves time on (never back) and hands every frame that arrives meanwhile to its port, in order of arrival.
  void advance_to(std::uint64_t now_ns) noexcept;

  [[nodiscard]] std::size_t buffers_available() const noexcept { return pool_.available(); }

 private:
  BufferPool pool_;
  std::uint64_t now_ns_;
  std::vector<std::unique_ptr<FakePort>> ports_;
  std::vector<std::unique_ptr<LinkModel>> models_;
};

}  // namespace dwcp
