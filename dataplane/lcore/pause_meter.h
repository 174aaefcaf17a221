// SPDX-License-Identifier: Apache-2.0
// How long a migration's guest stood still, as far as the two gateways see it: from when the near one read the first byte
// that the hypervisor wrote with the guest stopped (stop), until the far hypervisor's socket had taken the last byte.
//
//    near                 stop ──── backlog ────▶ what was read before is out ─┐
//    on the way                                                               └── path ──▶ all frames have come ─┐
//    far                                                                                                        └─ far ─▶
//
// The clocks of two sites are not the same, so times cross as durations, and the end is reckoned on the near clock, from two
// observations that are each late by whatever held up one packet on its way back, never early: DELIVERED, which says how
// long ago the last byte was taken, and the acknowledgement of the last block.  The earlier one counts.  For the way back
// itself half the least RTT is taken off: that way is idle, whereas the smoothed RTT holds the queue of the way there.
// Half of what the two ways differ in is the error.
//
// A SenderPause and a ReceiverPause per migration, one for each direction.  Codec lcore; plain values, no clock.  What the
// peer says is only ever shown, and bounded by what was seen here.
#pragma once

#include <cstdint>

namespace dwcp {

struct PauseTimes {
  std::uint32_t pause_us = 0;
  std::uint32_t backlog_us = 0;
  std::uint32_t path_us = 0;
  std::uint32_t far_us = 0;  // the three make up pause_us
};

class SenderPause {
 public:
  // The frame with the stop in it is about to be submitted.  `submitted_bytes`: of frames before it, all in all.
  void on_stop(std::uint64_t now_ns, std::uint64_t read_ns, std::uint64_t submitted_bytes) noexcept;
  // A block behind the stop, or with it, was submitted.
  void on_submitted(std::uint64_t now_ns) noexcept { submitted_ns_ = now_ns; }
  // `acked_bytes`: of frames submitted, all in all; called again and again.
  void on_acked(std::uint64_t now_ns, std::uint64_t acked_bytes) noexcept;
  // All blocks submitted so far are acknowledged.
  void on_blocks_acked(std::uint64_t now_ns) noexcept { blocks_acked_ns_ = now_ns; }

  // DELIVERED has come.
  [[nodiscard]] PauseTimes finish(std::uint64_t now_ns, std::uint64_t min_rtt_ns, std::uint32_t age_us,
                                  std::uint32_t far_us) const noexcept;

 private:
  std::uint64_t stop_ns_ = 0;
  std::uint64_t stop_submitted_ns_ = 0;
  std::uint64_t before_bytes_ = 0;      // submitted before the stop
  std::uint64_t before_acked_ns_ = 0;   // when that was acknowledged; 0: not yet
  std::uint64_t submitted_ns_ = 0;      // of the last block
  std::uint64_t blocks_acked_ns_ = 0;   // 0: not yet, or a block has been submitted since
};

class ReceiverPause {
 public:
  // A frame with a block has come whole, in whatever order.
  void on_block(std::uint64_t now_ns, bool stop) noexcept;
  // The hypervisor's socket has taken a block.
  void on_written(std::uint64_t at_ns) noexcept;

  [[nodiscard]] std::uint32_t age_us(std::uint64_t now_ns) const noexcept;
  [[nodiscard]] std::uint32_t span_us() const noexcept;
  [[nodiscard]] std::uint32_t far_us() const noexcept;

 private:
  std::uint64_t stop_ns_ = 0;     // when the frame with the stop had come
  std::uint64_t block_ns_ = 0;    // when the last one to come had
  std::uint64_t written_ns_ = 0;
};

}  // namespace dwcp
