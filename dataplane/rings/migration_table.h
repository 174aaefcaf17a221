// SPDX-License-Identifier: Apache-2.0
// The table of running migrations: a fixed number of slots, claimed by whoever learns of a migration first (an edge thread
// at the near site, a codec lcore at the far site) and released by the codec lcore when edge and transport are done.
// Each slot holds single-writer counters, grouped by writer on lines of their own, read relaxed by the control thread.
//
// A slot is reused: `generation` tells one tenant from the next, and every message carries it.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "dataplane/wire/end_reason.h"

namespace dwcp {

struct MigrationRef {
  std::uint16_t slot = 0;
  std::uint16_t spare = 0;
  std::uint32_t generation = 0;
  friend bool operator==(const MigrationRef&, const MigrationRef&) = default;
};

inline constexpr std::uint16_t kServiceNone = 0xffff;  // not known yet
inline constexpr std::uint64_t kVerdictPending = 0;
inline constexpr std::uint64_t kVerdictMatch = 1;
inline constexpr std::uint64_t kVerdictMismatch = 2;

enum class MigrationDirection : std::uint8_t { kOutgoing, kIncoming };  // a hypervisor connected to us / we connected to one

// A counter with one writer.
class Counter {
 public:
  void add(std::uint64_t n) noexcept { value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed); }
  void set(std::uint64_t n) noexcept { value_.store(n, std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t get() const noexcept { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

// A fact with one writer that others may look at meanwhile.
template <typename T>
class Shown {
 public:
  Shown(T value) noexcept : value_(value) {}  // NOLINT: stands in for T
  Shown& operator=(T value) noexcept {
    value_.store(value, std::memory_order_relaxed);
    return *this;
  }
  operator T() const noexcept { return value_.load(std::memory_order_relaxed); }  // NOLINT: stands in for T

 private:
  std::atomic<T> value_;
};

struct MigrationSlot {
  // Claim state: even = free, odd = taken; the value is the generation.
  alignas(64) std::atomic<std::uint32_t> generation{0};
  Shown<MigrationDirection> direction = MigrationDirection::kOutgoing;  // set by the claimer before the first message
  Shown<std::uint16_t> listener = std::uint16_t{0};  // index into Config::listeners (outgoing)
  Shown<std::uint16_t> service = std::uint16_t{0};   // index into Config::services (incoming)
  Shown<std::uint16_t> peer = std::uint16_t{0};      // index into Config::peers

  // Written by the edge thread.
  alignas(64) Counter edge_in_bytes;   // read from the hypervisor
  Counter edge_out_bytes;              // written to the hypervisor
  Counter edge_paused_ns;              // time for which reading was stopped by backpressure

  // Written by the net lcore, once a millisecond.
  alignas(64) Counter acked_bytes;     // of encoded_bytes, parts of frames included

  // Written by the codec lcore.
  alignas(64) Counter released;        // order of release, for claim()
  Counter blocks_in;                   // blocks encoded
  Counter blocks_out;                  // blocks decoded
  Counter frames_out, frames_in;       // of both kinds: blocks and marks
  Counter encoded_raw_bytes;           // of edge_in_bytes, what has been encoded
  Counter encoded_bytes;               // bytes of frames submitted
  Counter decoded_frame_bytes;         // bytes of frames taken
  Counter zero_pages, normal_pages, opaque_bytes;
  Counter backlog_bytes;               // frames submitted and not yet acknowledged
  Counter digest_in_lo, digest_in_hi;  // running digest of what the hypervisor sent
  Counter digest_out_lo, digest_out_hi;
  Counter digest_state;                // kVerdict...: of what the connecting hypervisor sent, as compared by the two gateways
  // The guest's pause, see lcore/pause_meter.h: 1 + the time in us; 0: not known.
  Counter pause_us, pause_backlog_us, pause_path_us, pause_far_us, pause_span_us;
  Counter ingress_limit_bytes;         // raw bytes the edge may hold of what it read; 0: as many as it has blocks for
  Counter stop_backlog_bytes;          // backlog_bytes when the guest was stopped
  Counter end_reason;                  // EndReason
  Counter phase;                       // MigrationPhase
  Counter started_ns, ended_ns;        // monotonic clock
};

enum class MigrationPhase : std::uint8_t {
  kOpening,    // the far side is connecting
  kRunning,    // bytes may flow
  kDraining,   // at least one direction has ended
  kCompleted,  // both directions ended in order, digests agree
  kFailed,     // ended for `end_reason`
};

class MigrationTable {
 public:
  explicit MigrationTable(std::size_t slots) : slots_(std::make_unique<MigrationSlot[]>(slots)), size_(slots) {}

  // A free slot of those with slot % stride == offset, now taken, its counters zero; none when all are in use.  The one
  // free longest is taken, so that what a slot says of its last tenant can still be read.  Any thread; rare.
  [[nodiscard]] std::optional<MigrationRef> claim(std::size_t offset = 0, std::size_t stride = 1) noexcept;

  // Ends so far.  Any thread.
  void count_end(bool completed) noexcept { (completed ? completed_ : failed_).fetch_add(1, std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t completed() const noexcept { return completed_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t failed() const noexcept { return failed_.load(std::memory_order_relaxed); }

  // The releasing thread must be the last user of the slot.
  void release(MigrationRef ref) noexcept;

  [[nodiscard]] MigrationSlot& operator[](std::size_t slot) noexcept { return slots_[slot]; }
  [[nodiscard]] const MigrationSlot& operator[](std::size_t slot) const noexcept { return slots_[slot]; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

 private:
  std::unique_ptr<MigrationSlot[]> slots_;
  std::size_t size_;
  std::atomic<std::uint64_t> releases_{0};
  std::atomic<std::uint64_t> completed_{0};
  std::atomic<std::uint64_t> failed_{0};
};

}  // namespace dwcp
