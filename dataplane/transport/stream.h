// SPDX-License-Identifier: Apache-2.0
// A stream is one UDP 5-tuple of a lane with packet numbers, RTT and loss recovery of its own (RFC 9002); window and pace
// come from its congestion group.  It knows packets and what they carried, not frames: what is settled it tells the lane
// through SentSink, and the lane may repair it on any stream.
//
//              open()                first ACK              close()
//     kIdle ────────────▶ kProbing ────────────▶ kActive ────────────▶ kClosing
//       ▲                   │   ▲                 │   ▲      open()      │   │
//       │     close()       │   │     fail()      │   └──────────────────┘   │ all settled, or fail()
//       ├───────────────────┘   └─────────────────┘                          │
//       └────────────────────────────────────────────────────────────────────┘
//
// A stream fails when nothing is acknowledged for kDeadPtos PTOs while other streams get through; a probing one, which goes on
// probing, when its pings go unanswered.
//
// Only active streams carry anything but pings.  A probing one sends a ping now and then; an answer makes it active, and
// without one it takes another source port: another path where routers choose by 5-tuple.  A failed one does so too, and has
// all its packets declared lost at once, so that others repair them.
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
#include "dataplane/transport/ecn_validator.h"
#include "dataplane/transport/ids.h"
#include "dataplane/transport/path_mtu.h"
#include "dataplane/transport/reorder_window.h"
#include "dataplane/transport/rtt.h"
#include "dataplane/transport/sent_map.h"
#include "dataplane/transport/skipped_numbers.h"

namespace dwcp {

// How what was sent ended.  Implemented by the lane.
class SentSink {
 public:
  virtual void on_packet_acked(const SentPacket& packet) noexcept = 0;
  // Declared lost: what it carried must be sent again unless it is settled otherwise.
  virtual void on_packet_lost(const SentPacket& packet) noexcept = 0;
  // The same, but because its path was left: nothing is known of the packet itself.
  virtual void on_packet_abandoned(const SentPacket& packet) noexcept = 0;

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
  std::uint64_t ecn_packets_sent = 0;  // as ECT(0)
  std::uint64_t ecn_ce_reported = 0;   // of those, marked CE on the way
  std::uint64_t ecn_violations = 0;    // times the peer's counts contradicted what was sent
  std::uint64_t mtu_probes_lost = 0;  // not among packets_lost
  std::uint64_t mtu_black_holes = 0;

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
    ecn_packets_sent += other.ecn_packets_sent;
    ecn_ce_reported += other.ecn_ce_reported;
    ecn_violations += other.ecn_violations;
    mtu_probes_lost += other.mtu_probes_lost;
    mtu_black_holes += other.mtu_black_holes;
    return *this;
  }
};

class Stream {
 public:
  // The peer's AckTracker::kDelayMaxNs, and room for its loop's sleep.
  static constexpr std::uint64_t kPeerAckDelayMaxNs = 5 * kNsPerMs;

  // What was sent goes unanswered for this many PTOs (not backed off) while others go on being answered: after one the stream
  // is given no more data, lest what it holds fills the window of all; after three it is dead.  A false verdict costs a repair
  // and a round trip, a late one stalls what the stream holds.
  static constexpr std::uint64_t kSuspectPtos = 1;
  static constexpr std::uint64_t kDeadPtos = 3;
  // Pings of a probing stream: the first at once, then ever rarer.
  static constexpr std::uint64_t kProbeMinNs = 250 * kNsPerMs;
  static constexpr std::uint64_t kProbeMaxNs = 4 * kNsPerSec;

  // `group` outlives this.
  Stream(StreamId id, SentPagePool& pages, CongestionGroup& group, const PathMtu& mtu = PathMtu(PathMtu::kStartBytes))
      : id_(id), sent_(pages), group_(group), mtu_(mtu) {}

  [[nodiscard]] StreamId id() const noexcept { return id_; }

  // --- Life ----------------------------------------------------------------------------------------------------------
  [[nodiscard]] StreamState state() const noexcept { return state_; }
  // `elsewhere`: one that was used before takes another path.
  void open(bool elsewhere = false) noexcept;
  // Opened on a path known to work.
  void open_active() noexcept { state_ = next_state(next_state(state_, StreamEvent::kOpen), StreamEvent::kAcked); }
  // The session begins.
  void begin(std::uint64_t now_ns) noexcept {
    if (state_ == StreamState::kActive) mtu_.path_up(now_ns, sent_.next());
  }
  void close(SentSink& sink) noexcept;
  // May send ECT(0) where its path proves to carry it; before the first packet.
  void enable_ecn() noexcept { ecn_.enable(); }
  [[nodiscard]] EcnState ecn_state() const noexcept { return ecn_.state(); }
  // Nothing gets through while it does elsewhere, where something was acknowledged at `others_acked_ns`.  When nothing gets
  // through anywhere, nobody is to blame.
  [[nodiscard]] bool looks_suspect(std::uint64_t others_acked_ns) const noexcept { return silent_for(kSuspectPtos, others_acked_ns); }
  [[nodiscard]] bool looks_dead(std::uint64_t others_acked_ns) const noexcept { return silent_for(kDeadPtos, others_acked_ns); }
  void fail(std::uint64_t now_ns, SentSink& sink) noexcept;
  // A probing stream's next ping.  What that sends is lost when on_time() finds it unanswered, and the next goes another way.
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
  // Leaves out packet numbers from now on, at places drawn from `seed`, to find out a peer that lies: see skipped_numbers.h.
  void skip_numbers(std::uint64_t seed) noexcept { skipped_.arm(seed); }
  void on_app_limited() noexcept { group_.on_app_limited(); }

  // What the next packet may have, and the size of a probe of the path's MTU (see path_mtu.h).
  [[nodiscard]] std::uint32_t datagram_bytes(std::uint64_t now_ns) const noexcept { return mtu_.next_bytes(now_ns, rtt_.smoothed_ns()); }
  [[nodiscard]] const PathMtu& mtu() const noexcept { return mtu_; }
  [[nodiscard]] std::uint32_t take_mtu_probe(std::uint64_t now_ns) noexcept { return mtu_.take_probe(now_ns); }
  // A router says that no more than `bytes` go through.
  void on_mtu_report(std::uint64_t now_ns, std::uint32_t bytes) noexcept { mtu_.on_report(now_ns, bytes, sent_.next()); }

  // Probes that a PTO allows past window and pacing.
  [[nodiscard]] std::uint32_t probes_pending() const noexcept { return probes_pending_; }
  void take_probe() noexcept {
    --probes_pending_;
    ++counters_.probes_sent;
  }
  // The oldest packet still outstanding; none when nothing is in flight.
  [[nodiscard]] const SentPacket* oldest_outstanding() noexcept;

  // --- Receiving -----------------------------------------------------------------------------------------------------
  // False when the ACK names a packet never sent.  `ecn`: the low 32 bits of its counts; null when it has none.
  [[nodiscard]] bool on_ack(std::uint64_t now_ns, std::span<const AckedRange> ranges, std::uint64_t ack_delay_ns,
                            SentSink& sink, const EcnCounts* ecn = nullptr) noexcept;
  // The peer has acknowledged a packet that was left out: it lies.
  [[nodiscard]] bool lied_to() const noexcept { return lied_to_; }
  [[nodiscard]] AckTracker& received() noexcept { return received_; }
  [[nodiscard]] const AckTracker& received() const noexcept { return received_; }

  // --- Time ----------------------------------------------------------------------------------------------------------
  // Loss and probe timers.  Acts when due, else returns at once.
  void on_time(std::uint64_t now_ns, SentSink& sink) noexcept;
  [[nodiscard]] std::uint64_t timer_ns() const noexcept { return timer_ns_; }

  // Idle: gives back records that nothing is waited for any more.
  void rest(std::uint64_t now_ns) noexcept {
    forget_settled(now_ns);
    sent_.release_page();
  }

  // Idle, with nothing held.
  [[nodiscard]] bool at_rest() const noexcept { return state_ == StreamState::kIdle && sent_.base() == sent_.next(); }

  // The session is over: gives all records back to the lane's pool, on the lane's thread.
  void forget_all() noexcept { sent_.erase_below(sent_.next()); sent_.release_page(); }

  // Its losses stand out from its group's: they are its own path's, and congestion control does not hear of them.
  void set_limited(bool limited) noexcept { limited_ = limited; }

  // --- State ---------------------------------------------------------------------------------------------------------
  [[nodiscard]] const RttEstimator& rtt() const noexcept { return rtt_; }
  [[nodiscard]] const ReorderWindow& reordering() const noexcept { return reorder_; }
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

  [[nodiscard]] bool take_range(std::uint64_t now_ns, const AckedRange& range, AckSample& sample, SentSink& sink) noexcept;
  void settle_acked(std::uint64_t now_ns, PacketNumber first, PacketNumber last, AckSample& sample, SentSink& sink) noexcept;
  void take_ecn(const EcnCounts* counts, AckSample& sample) noexcept;
  void on_spurious(std::uint64_t now_ns, PacketNumber number, const SentPacket& packet) noexcept;
  // Declares lost what RFC 9002 §6.1 says is; notes in the sample what congestion control is to hear of.
  void detect_losses(std::uint64_t now_ns, bool others_heard, AckSample& sample, SentSink& sink) noexcept;
  [[nodiscard]] bool silent_for(std::uint64_t ptos, std::uint64_t others_acked_ns) const noexcept;
  [[nodiscard]] bool hears_others(std::uint64_t now_ns) const noexcept;
  [[nodiscard]] bool neighbour_arrived(PacketNumber number) noexcept;
  void lose(PacketNumber number, SentSink& sink) noexcept;
  void settle_lost(PacketNumber number) noexcept;
  void lose_all(SentSink& sink) noexcept;
  void end_if_settled() noexcept;
  void take_path() noexcept;
  void leave_path(SentSink& sink) noexcept;
  void try_next_path(std::uint64_t now_ns, SentSink& sink) noexcept;
  void forget_settled(std::uint64_t now_ns) noexcept;
  void set_timer() noexcept;
  void maybe_skip() noexcept;
  [[nodiscard]] std::uint64_t loss_delay_ns() const noexcept;

  StreamId id_;
  SentMap sent_;
  SkippedNumbers skipped_;
  bool lied_to_ = false;
  Acked acked_;
  PacketNumber remembered_from_ = 0;  // ACKs of what is below are not looked at
  AckTracker received_;
  EcnValidator ecn_;
  RttEstimator rtt_;
  CongestionGroup& group_;
  PathMtu mtu_;

  StreamState state_ = StreamState::kIdle;
  std::uint8_t path_ = 0;
  bool limited_ = false;
  std::uint64_t probe_due_ns_ = 0;
  std::uint64_t probe_interval_ns_ = kProbeMinNs;
  std::uint64_t last_acked_ns_ = 0;
  std::uint64_t in_flight_since_ns_ = 0;  // when what is in flight began to be sent

  std::uint64_t in_flight_bytes_ = 0;  // of this stream
  PacketNumber largest_acked_ = 0;
  bool any_acked_ = false;
  PacketNumber loss_scan_ = 0;  // no packet below is outstanding

  ReorderWindow reorder_;
  PacketNumber path_first_ = 0;  // the first packet of this path

  std::uint64_t loss_time_ns_ = kNever;
  std::uint64_t last_eliciting_sent_ns_ = 0;
  std::uint64_t timer_ns_ = kNever;
  std::uint32_t pto_count_ = 0;
  std::uint32_t probes_pending_ = 0;

  StreamCounters counters_;
};

}  // namespace dwcp
