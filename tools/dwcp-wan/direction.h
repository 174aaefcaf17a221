// SPDX-License-Identifier: Apache-2.0
// One direction of the emulated link: takes frames from one port, asks the model, keeps them on the delay line, sends
// them from the other port when they are due.  One owner thread.  Times are nanoseconds since the emulator's start.
#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "drivers/impair/link_model.h"
#include "dwcp-wan/delay_line.h"
#include "dwcp-wan/packet_port.h"

namespace dwcp::wan {

// How late frames left after they were due: 20 us steps up to 10 ms.
class Lateness {
 public:
  void add(std::uint64_t late_ns) noexcept;
  [[nodiscard]] double quantile_us(double fraction) const noexcept;  // upper edge of the step
  [[nodiscard]] double max_us() const noexcept { return static_cast<double>(max_ns_) / 1e3; }

 private:
  static constexpr std::uint64_t kStepNs = 20'000;
  std::array<std::uint64_t, 501> steps_{};  // the last one holds all that is later
  std::uint64_t count_ = 0;
  std::uint64_t max_ns_ = 0;
};

struct DirectionCounters {
  std::uint64_t sent = 0;
  std::uint64_t sent_bytes = 0;
  std::uint64_t oversize = 0;          // dropped: larger than the MTU, an offload is still on
  std::uint64_t checksum_missing = 0;  // carried, but the receiver will drop them: tx offload is still on
  std::uint64_t line_full = 0;         // dropped by the emulator itself: no memory left for frames on their way
  std::uint64_t tx_drops = 0;          // refused by the interface
  std::uint64_t too_big_reports = 0;   // sent back where frames came from
};

class Direction {
 public:
  Direction(PacketPort& in, PacketPort& out, const LinkProfile& profile, std::uint64_t seed);

  // Takes what waits in the ring.  `start_real_ns` is the emulator's start by CLOCK_REALTIME, in which the kernel
  // stamps frames.  Returns the number of frames.
  std::size_t receive(std::uint64_t now_ns, std::uint64_t start_real_ns);

  // Sends what is due.  Returns the number of frames.
  std::size_t transmit(std::uint64_t now_ns) noexcept;

  // Frames on their way keep their times.  More memory is taken if the new profile needs it, which may stall for some
  // milliseconds.
  void reconfigure(const LinkProfile& profile);

  [[nodiscard]] std::uint64_t next_due_ns() const noexcept;
  [[nodiscard]] bool idle() const noexcept { return next_due_ns() == kNever; }
  [[nodiscard]] const LinkModel& model() const noexcept { return model_; }
  [[nodiscard]] const DirectionCounters& counters() const noexcept { return counters_; }
  [[nodiscard]] const Lateness& lateness() const noexcept { return lateness_; }
  [[nodiscard]] PacketPort& in() noexcept { return in_; }

 private:
  void accept(const RingFrame& frame, std::uint64_t arrival_ns);
  void report_too_big(const RingFrame& frame) noexcept;

  PacketPort& in_;
  PacketPort& out_;
  LinkModel model_;
  std::size_t line_bytes_;
  std::unique_ptr<DelayLine> line_;
  std::unique_ptr<DelayLine> old_line_;  // drains after a growth, then goes
  DueBatch batch_;
  DirectionCounters counters_;
  Lateness lateness_;
};

}  // namespace dwcp::wan
