// SPDX-License-Identifier: Apache-2.0
// A stream is one UDP 5-tuple of a lane with packet numbers, RTT and loss recovery of its own (RFC 9002); window and pace
// come from its congestion group.  It knows packets and what they carried, not frames: what is settled it tells the lane
// through SentSink, and the lane may repair it on any stream.
//
//               open()                 first ACK                    close()
//     kIdle ─────────────▶ kProbing ─────────────▶ kActive ───────────────────▶ kClosing
//       ▲                    ▲    │ close()          │ fail()                      │
//       │                    │    └──▶ kIdle         │ nothing acknowledged for    │ all settled, or fail()
//       │                    └───────────────────────┘ kDeadPtos PTOs while others │
//       │                       a new path, and wait   of its group get through    │
//       └──────────────────────────────────────────────────────────────────────────┘
//
// Only active streams carry data.  A probing one sends a ping now and then; whoever answers makes it active.  A failed one
// has all its packets declared lost at once, so that others repair them, and takes another source port: another path where
// routers choose by 5-tuple.
//
// Called by the lane's net lcore only.  Use per packet sent:
//   if (stream.may_send(now, bytes)) { record = stream.begin_packet(); ... fill ranges ...; stream.on_sent(now, record, bytes, eliciting) }
// and per packet received: on_ack() for its ACK chunks, received() for its number.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "base/interval_set.h"
#include "base/time.h"
#include "dataplane/transport/ack_tracker.h"
#include "dataplane/transport/congestion_group.h"
#include "dataplane/transport/ids.h"
#include "dataplane/transport/rtt.h"
#include "dataplane/transport/sent_map.h"

namespace dwcp {

// How what was sent ended.  Implemented by the lane.
class SentSink {
 public:
  virtual void on_packet_acked(const SentPacket& packet) noexcept = 0;
  // Declared lost: what it carried must be sent again unless it is settled otherwise.
  virtual void on_packet_lost(const SentPacket& packet) noexcept = 0;

 protected:
  ~SentSink() = default;
};

enum class StreamState : std::uint8_t {
  kIdle,     // not used for sending
  kProbing,  // its path is not known to work: pings only
  kActive,   // carries data
  kClosing,  // carries nothing new; what is in flight is being settled
};
inline constexpr std::size_t kStreamStates = 4;

enum class StreamEvent : std::uint8_t { kOpen, kAcked, kFail, kClose, kSettled };
inline constexpr std::size_t kStreamEvents = 5;

// The diagram above as a table: the state after `event` in `state`.
[[nodiscard]] constexpr StreamState next_state(StreamState state, StreamEvent event) noexcept {
  using enum StreamState;
  constexpr StreamState table[kStreamStates][kStreamEvents] = {
      // kOpen     kAcked    kFail     kClose    kSettled
      {kProbing, kIdle, kIdle, kIdle, kIdle},             // kIdle
      {kProbing, kActive, kProbing, kIdle, kProbing},     // kProbing
      {kActive, kActive, kProbing, kClosing, kActive},    // kActive
      {kActive, kClosing, kIdle, kClosing, kIdle},        // kClosing
  };
  return table[static_cast<std::size_t>(state)][static_cast<std::size_t>(event)];
}

// Single-writer, copied out by the net lcore.
struct StreamCounters {
  std::uint64_t packets_sent = 0;
  std::uint64_t packets_received = 0;
  std::uint64_t bytes_sent = 0;      // UDP payload
  std::uint64_t bytes_received = 0;  // UDP payload
  std::uint64_t packets_acked = 0;
  std::uint64_t packets_lost = 0;
  std::uint64_t losses_spurious = 0;
  std::uint64_t probes_sent = 0;     // PTO
  std::uint64_t persistent_congestions = 0;
  std::uint64_t deaths = 0;          // paths given up

  StreamCounters& operator+=(const StreamCounters& other) noexcept {
    packets_sent += other.packets_sent;
    packets_received += other.packets_received;
    bytes_sent += other.bytes_sent;
    bytes_received += other.bytes_received;
    packets_acked += other.packets_acked;
    packets_lost += other.packets_lost;
    losses_spurious += other.losses_spurious;
    probes_sent += other.probes_sent;
    persistent_congestions += other.persistent_congestions;
    deaths += other.deaths;
    return *this;
  }
};

// Contiguous packet numbers [first, last] from an ACK chunk, highest range first.
struct AckedRange {
  PacketNumber first = 0;
  PacketNumber last = 0;
};

class Stream {
 public:
  // The peer's AckTracker::kDelayMaxNs, and room for its loop's sleep.
  static constexpr std::uint64_t kPeerAckDelayMaxNs = 5 * kNsPerMs;

  // PTOs without an answer after which a stream is dead, when others of its group are answered.
  static constexpr std::uint32_t kDeadPtos = 3;
  // Pings of a probing stream: the first at once, then ever rarer.
  static constexpr std::uint64_t kProbeMinNs = 250 * kNsPerMs;
  static constexpr std::uint64_t kProbeMaxNs = 4 * kNsPerSec;

  // `group` outlives this.
  Stream(StreamId id, SentPagePool& pages, CongestionGroup& group) : id_(id), sent_(pages), group_(group) {}

  [[nodiscard]] StreamId id() const noexcept { return id_; }

  // --- Life ----------------------------------------------------------------------------------------------------------
  [[nodiscard]] StreamState state() const noexcept { return state_; }
  void open() noexcept { state_ = next_state(state_, StreamEvent::kOpen); }
  // Opened on a path known to work.
  void open_active() noexcept { state_ = next_state(next_state(state_, StreamEvent::kOpen), StreamEvent::kAcked); }
  void close(SentSink& sink) noexcept;
  // Nothing gets through while it does elsewhere: see kDeadPtos.
  [[nodiscard]] bool looks_dead() const noexcept {
    return state_ == StreamState::kActive && pto_count_ >= kDeadPtos && group_.last_acked_ns() > last_acked_ns_ &&
           group_.last_acked_ns() >= last_eliciting_sent_ns_;
  }
  void fail(std::uint64_t now_ns, SentSink& sink) noexcept;
  // A probing stream's next ping.
  [[nodiscard]] std::uint64_t probe_due_ns() const noexcept { return state_ == StreamState::kProbing ? probe_due_ns_ : kNever; }
  // Which of the 5-tuples it may have it uses now: counts up with every death.
  [[nodiscard]] std::uint8_t path() const noexcept { return path_; }

  // --- Sending -------------------------------------------------------------------------------------------------------
  // Window, pacing and record space allow a packet that counts as in flight.
  [[nodiscard]] bool may_send(std::uint64_t now_ns) noexcept {
    return state_ == StreamState::kActive && group_.may_send(now_ns) && sent_.can_push_spared();
  }
  [[nodiscard]] bool window_open() const noexcept { return state_ == StreamState::kActive && group_.window_open(); }
  [[nodiscard]] bool has_record_space() noexcept { return sent_.can_push(); }
  [[nodiscard]] std::uint64_t pacing_next_ns() const noexcept { return group_.pacing_next_ns(); }
  [[nodiscard]] PacketNumber next_number() const noexcept { return sent_.next(); }
  [[nodiscard]] SentPacket& begin_packet() noexcept { return sent_.push(); }
  void on_sent(std::uint64_t now_ns, SentPacket& packet, std::size_t bytes, bool ack_eliciting) noexcept;
  void on_app_limited() noexcept { group_.on_app_limited(); }

  // Probes that a PTO allows past window and pacing.
  [[nodiscard]] std::uint32_t probes_pending() const noexcept { return probes_pending_; }
  void take_probe() noexcept {
    --probes_pending_;
    ++counters_.probes_sent;
  }
  // The oldest packet still outstanding; none when nothing is in flight.
  [[nodiscard]] const SentPacket* oldest_outstanding() noexcept;

  // --- Receiving -----------------------------------------------------------------------------------------------------
  // False when the ACK names a packet never sent.
  [[nodiscard]] bool on_ack(std::uint64_t now_ns, std::span<const AckedRange> ranges, std::uint64_t ack_delay_ns,
                            SentSink& sink) noexcept;
  [[nodiscard]] AckTracker& received() noexcept { return received_; }
  [[nodiscard]] const AckTracker& received() const noexcept { return received_; }

  // --- Time ----------------------------------------------------------------------------------------------------------
  // Loss and probe timers.  Acts when due, else returns at once.
  void on_time(std::uint64_t now_ns, SentSink& sink) noexcept;
  [[nodiscard]] std::uint64_t timer_ns() const noexcept { return timer_ns_; }

  // The session is over: gives all records back to the lane's pool, on the lane's thread.
  void forget_all() noexcept { sent_.erase_below(sent_.next()); sent_.release_page(); }

  // --- State ---------------------------------------------------------------------------------------------------------
  [[nodiscard]] const RttEstimator& rtt() const noexcept { return rtt_; }
  [[nodiscard]] const CongestionGroup& group() const noexcept { return group_; }
  [[nodiscard]] const CongestionControl& congestion() const noexcept { return group_.control(); }
  [[nodiscard]] std::uint64_t in_flight_bytes() const noexcept { return in_flight_bytes_; }
  [[nodiscard]] std::uint64_t last_eliciting_sent_ns() const noexcept { return last_eliciting_sent_ns_; }
  [[nodiscard]] std::uint32_t pto_count() const noexcept { return pto_count_; }
  [[nodiscard]] StreamCounters& counters() noexcept { return counters_; }
  [[nodiscard]] const StreamCounters& counters() const noexcept { return counters_; }

 private:
  // Packets acknowledged, remembered so that each ACK costs only what is new in it.
  using Acked = IntervalSet<PacketNumber, 512>;

  void settle_acked(std::uint64_t now_ns, PacketNumber first, PacketNumber last, AckSample& sample, SentSink& sink) noexcept;
  void on_spurious(std::uint64_t now_ns, PacketNumber number, const SentPacket& packet) noexcept;
  // Declares lost what RFC 9002 §6.1 says is; notes in the sample what congestion control is to hear of.
  void detect_losses(std::uint64_t now_ns, bool others_heard, AckSample& sample, SentSink& sink) noexcept;
  [[nodiscard]] bool hears_others(std::uint64_t now_ns) const noexcept;
  void lose(SentPacket& packet, SentSink& sink) noexcept;
  void lose_all(SentSink& sink) noexcept;
  void forget_settled(std::uint64_t now_ns) noexcept;
  void set_timer() noexcept;
  [[nodiscard]] std::uint64_t loss_delay_ns() const noexcept;

  StreamId id_;
  SentMap sent_;
  Acked acked_;
  AckTracker received_;
  RttEstimator rtt_;
  CongestionGroup& group_;

  StreamState state_ = StreamState::kIdle;
  std::uint8_t path_ = 0;
  std::uint64_t probe_due_ns_ = 0;
  std::uint64_t probe_interval_ns_ = kProbeMinNs;
  std::uint64_t last_acked_ns_ = 0;

  std::uint64_t in_flight_bytes_ = 0;  // of this stream
  PacketNumber largest_acked_ = 0;
  bool any_acked_ = false;
  PacketNumber loss_scan_ = 0;  // no packet below is outstanding

  // Adaptive reordering tolerance (RFC 8985's idea within RFC 9002 §6.1): grown by spurious losses.
  std::uint64_t reorder_packets_ = 3;       // kPacketThreshold
  std::uint64_t reorder_rtt_eighths_ = 9;   // kTimeThreshold = 9/8

  std::uint64_t loss_time_ns_ = kNever;
  std::uint64_t last_eliciting_sent_ns_ = 0;
  std::uint64_t timer_ns_ = kNever;
  std::uint32_t pto_count_ = 0;
  std::uint32_t probes_pending_ = 0;

  StreamCounters counters_;
};

}  // namespace dwcp
