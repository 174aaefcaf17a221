// SPDX-License-Identifier: Apache-2.0
// Opaque datagrams through one direction of a link in virtual time, for sans-IO transport tests that have no Ethernet.
// Buffers are recycled, so a pipe in steady state does not allocate; its memory is that of the most datagrams it ever
// held.  One owner thread.  Two pipes make a path.
//
// Use:  pipe.send(now, bytes, overhead);  ...  now = pipe.next_event_ns();  while (auto d = pipe.receive(now)) use(*d);
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/ecn.h"
#include "drivers/impair/due_queue.h"
#include "drivers/impair/link_model.h"

namespace dwcp {

struct PipeDelivery {
  std::span<const std::uint8_t> bytes;  // lent until the next receive()
  std::uint64_t due_ns = 0;             // when it arrived, not later than the `now_ns` given
  Ecn ecn = Ecn::kNotEct;
};

class DatagramPipe {
 public:
  static constexpr std::uint32_t kUdpIpv4OverheadBytes = 14 + 20 + 8;

  DatagramPipe(LinkProfile profile, std::uint64_t seed, std::size_t datagrams_max = std::size_t{1} << 20);

  // Copies the datagram.  overhead_bytes are the headers that go with it on the wire: they cost link time, count
  // against the profile's mtu (less the Ethernet header) and are never corrupted.  `flow` names the 5-tuple to a policer.
  // Returns the fate, for tests that ask.
  DropReason send(std::uint64_t now_ns, std::span<const std::uint8_t> bytes,
                  std::uint32_t overhead_bytes = kUdpIpv4OverheadBytes, Ecn ecn = Ecn::kNotEct,
                  std::uint64_t flow = 0);

  // When the next datagram arrives; kNever when none is on its way.
  [[nodiscard]] std::uint64_t next_event_ns() const noexcept { return queue_.next_due_ns(); }

  // The earliest datagram that has arrived by now_ns, or nothing.
  [[nodiscard]] std::optional<PipeDelivery> receive(std::uint64_t now_ns) noexcept;

  [[nodiscard]] std::size_t in_flight() const noexcept { return queue_.size(); }
  [[nodiscard]] std::uint64_t overflows() const noexcept { return overflows_; }  // copies lost to datagrams_max
  [[nodiscard]] LinkModel& link() noexcept { return model_; }
  [[nodiscard]] const LinkCounters& counters() const noexcept { return model_.counters(); }

 private:
  struct Flight {
    std::uint32_t slot = 0;
    std::uint64_t due_ns = 0;
    Ecn ecn = Ecn::kNotEct;
  };

  void launch(const Verdict& verdict, std::span<const std::uint8_t> bytes, std::uint32_t overhead_bytes,
              Ecn ecn);

  LinkModel model_;
  DueQueue<Flight> queue_;
  std::vector<std::vector<std::uint8_t>> slots_;
  std::vector<std::uint32_t> free_slots_;  // used as a stack, so that warm buffers come first
  std::optional<std::uint32_t> lent_slot_;
  std::uint64_t overflows_ = 0;
};

}  // namespace dwcp
