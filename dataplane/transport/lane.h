// SPDX-License-Identifier: Apache-2.0
// A lane is one net lcore's share of the link to a peer: streams, frames in transit, recovery, credit.  Sans-IO: it is
// handed time, datagrams and frames, and gives back datagrams, events and a deadline; no clock, socket, lock, log or
// allocation after construction.  One thread.
//
// Each round:
//   lane.examine(datagram, number)         for every datagram that came; the caller opens its seal ...
//   lane.receive(now, datagram, number)    ... and hands up what is authentic
//   lane.submit / consume / reset_flow ... what the codec asks for
//   lane.on_time(now)                      timers
//   lane.transmit(now, batch)              until it gives less than asked
//   while (lane.poll_event(event)) ...     frames arrived, frames acknowledged, flows reset
//   sleep until lane.deadline_ns() at the latest
//
// Invariants
//  1. Memory is what the constructor reserved, whatever the peer does.  Credit never promises more than the arena holds.
//  2. A submitted body is lent until exactly one event (kFrameAcked or kFrameDropped) gives it back.
//  3. A frame is handed up at most once, complete; its cells are lent until consume().
//  4. Packet numbers are never reused; a packet declared lost is never counted in flight.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "dataplane/transport/cell_pool.h"
#include "dataplane/transport/erasure.h"
#include "dataplane/transport/flow.h"
#include "dataplane/transport/frame_table.h"
#include "dataplane/transport/ids.h"
#include "dataplane/transport/loss_meter.h"
#include "dataplane/transport/make_congestion.h"
#include "dataplane/transport/parity.h"
#include "dataplane/transport/repair_queue.h"
#include "dataplane/transport/stream.h"
#include "dataplane/transport/stream_scaler.h"
#include "dataplane/transport/stream_shares.h"
#include "dataplane/transport/stream_turns.h"
#include "dataplane/wire/drop_reason.h"

namespace dwcp {

enum class Coupling : std::uint8_t {
  kLink,  // all streams of the lane are one congestion group: one share, however many 5-tuples
  kNone,  // each stream is a group of its own
};

struct LaneConfig {
  std::uint32_t datagram_bytes = 1472;           // UDP payload the port can send and receive
  std::uint32_t datagram_bytes_start = PathMtu::kStartBytes;  // what a stream starts with: see path_mtu.h
  std::uint32_t streams = 1;                     // that we send on at first
  std::uint32_t streams_min = 0;                 // never fewer; 0 = always `streams`
  std::uint32_t streams_max = 0;                 // never more; 0 = always `streams`
  Coupling coupling = Coupling::kLink;
  std::uint32_t flows_max = 16;                  // opened by each side
  std::size_t rx_arena_bytes = 64U << 20;        // cells for frames being received
  std::uint64_t window_max_bytes = ~std::uint64_t{0};  // the most credit one flow is granted
  std::size_t rx_frames_max = 16384;
  std::size_t tx_frames_max = 4096;
  std::size_t packets_max = 262144;              // records of packets sent and not settled, all streams
  std::uint64_t keepalive_ns = kNsPerSec;        // a ping after this long without asking the peer for anything
  std::uint64_t rate_max_bytes_per_sec = 0;      // per lane; 0 = no cap
  CongestionKind congestion = CongestionKind::kBbr;
  bool ecn = true;                               // send ECT(0) where a path proves to carry it
  bool skip_numbers = true;                      // see skipped_numbers.h; off where a test plays a peer by numbers
  std::uint32_t tail_parity_max_percent = 20;    // of a frame marked FrameBody::tail; 0 = none.  What comes is always used

  [[nodiscard]] ScalerLimits stream_limits() const noexcept {
    return {.min = streams_min == 0 ? streams : streams_min, .initial = streams, .max = streams_max == 0 ? streams : streams_max};
  }
};

// What the handshake settled.
struct LaneSession {
  std::uint32_t local_session = 0;   // in packets to us
  std::uint32_t remote_session = 0;  // in packets we send
  bool opens_odd_flows = false;      // we initiated
  std::uint32_t peer_datagram_bytes = 65535;  // largest UDP payload the peer takes
  std::uint32_t peer_flows_max = 16;     // flows the peer lets us open
  std::uint32_t peer_streams = 1;        // streams the peer may send on
  std::uint64_t peer_window_bytes = 0;   // credit each flow starts with at the peer
  std::uint32_t peer_frame_window = 0;   // frames likewise
  std::uint64_t seed = 1;
  ResumePoint resume{};  // what the link gave in an earlier session
};

enum class LaneEventKind : std::uint8_t {
  kFrameReceived,  // `rx_slot` holds a complete frame: read it, then consume()
  kFrameAcked,     // `body` is the submitter's again, all of it at the peer
  kFrameDropped,   // `body` is the submitter's again, its flow having ended
  kFlowReset,      // the flow is over, by the peer or by protocol error; no more events for it
};

struct LaneEvent {
  FrameBody* body = nullptr;
  FlowId flow{};
  FrameSeq seq{};
  std::uint32_t rx_slot = kNoSlot;
  LaneEventKind kind = LaneEventKind::kFrameReceived;
  EndReason reason = EndReason::kNone;
};

// A datagram to send: the lane writes up to `capacity` bytes at `data`, which are at least Lane::datagram_bytes(), and sets
// the rest.  The caller seals it: `length` counts wire::kSealBytes at the end that are not written yet.
struct TxDatagram {
  std::uint8_t* data = nullptr;
  std::uint32_t capacity = 0;
  std::uint32_t length = 0;
  StreamId stream{};
  PacketNumber number = 0;
  std::uint8_t path = 0;  // which of the stream's 5-tuples: see Stream::path()
  Ecn ecn = Ecn::kNotEct;  // for its IP header
};

struct LaneCounters {
  wire::DropCounters drops{};
  std::uint64_t frames_sent = 0;      // acknowledged whole
  std::uint64_t frames_received = 0;  // handed up
  std::uint64_t frame_bytes_sent = 0;
  std::uint64_t frame_bytes_received = 0;
  std::uint64_t data_bytes_sent = 0;      // in DATA chunks, repairs included
  std::uint64_t repair_bytes_sent = 0;    // sent again
  std::uint64_t data_bytes_duplicate = 0; // received more than once
  std::uint64_t acks_sent = 0;
  std::uint64_t parity_packets_sent = 0;     // copies of frames of one packet included; in no other counter of data
  std::uint64_t parity_bytes_sent = 0;
  std::uint64_t parity_packets_received = 0; // copies are not told from other data
  std::uint64_t parity_useless = 0;          // of those: the frame was whole without
  std::uint64_t parity_no_room = 0;          // frames to send that got none, and symbols received and not kept
  std::uint64_t frames_recovered = 0;        // whole by parity
};

// A session's streams and the groups they belong to.
struct Streams {
  std::vector<std::unique_ptr<CongestionGroup>> groups;
  std::vector<std::unique_ptr<Stream>> all;  // the first `sending` may be sent on; the rest only receive
  std::size_t sending = 0;

  [[nodiscard]] bool empty() const noexcept { return all.empty(); }
  [[nodiscard]] std::size_t size() const noexcept { return all.size(); }
  [[nodiscard]] Stream& operator[](std::size_t index) const noexcept { return *all[index]; }
};

class Lane final : private SentSink {
 public:
  // Reserves and touches all memory; idle until start().
  explicit Lane(const LaneConfig& config);

  // --- Sessions ------------------------------------------------------------------------------------------------------
  // The streams of a session to come.  Any thread, so that the lcore need not allocate; `config` is this lane's.
  [[nodiscard]] Streams make_streams(const LaneSession& session);
  // Begins a session.  Requires drained().  Returns the last session's streams, for another thread to free.
  Streams start(std::uint64_t now_ns, const LaneSession& session, Streams streams) noexcept;
  // Ends the session: all flows end locally.  Bodies come back, kFlowReset is reported for each.
  void abandon(EndReason reason) noexcept;
  // Between start() and abandon().
  [[nodiscard]] bool active() const noexcept { return active_; }
  // Not active, every event polled, every lent frame consumed.
  [[nodiscard]] bool drained() const noexcept;

  // --- Network side --------------------------------------------------------------------------------------------------
  // What can be said of a datagram before its seal is opened; kNone: open it, as packet `number` of its stream.  Changes
  // nothing but counters, since the header is not known to be authentic.
  wire::DropReason examine(std::span<const std::uint8_t> datagram, PacketNumber& number) noexcept;
  // An authentic datagram that examine() let pass: its header, open chunks and the tag, and what its IP header said.
  // kNone when taken.
  wire::DropReason receive(std::uint64_t now_ns, std::span<const std::uint8_t> datagram, PacketNumber number,
                           Ecn ecn = Ecn::kNotEct) noexcept;
  // Counts a datagram of ours that its caller dropped: its seal is not good, or there is no key to it.
  wire::DropReason drop(wire::DropReason reason) noexcept {
    ++counters_.drops[static_cast<std::size_t>(reason)];
    return reason;
  }
  // Writes due datagrams to batch[0..n) and returns n; less than batch.size() when nothing more may go now.
  [[nodiscard]] std::size_t transmit(std::uint64_t now_ns, std::span<TxDatagram> batch) noexcept;
  void on_time(std::uint64_t now_ns) noexcept;
  // When to call again if nothing else happens; may be in the past.
  [[nodiscard]] std::uint64_t deadline_ns() const noexcept;

  // --- Frame side ----------------------------------------------------------------------------------------------------
  // A new flow opened by us; none when flows_max are in use.
  [[nodiscard]] std::optional<FlowId> open_flow() noexcept;
  // Queues the flow's next frame.  False when the flow is not open or tx_frames_max are in use, those counted whose event
  // has not been polled: keep the body, come back.
  [[nodiscard]] bool submit(FlowId flow, FrameBody& body) noexcept;
  // Gives the frame's memory back and grants credit for it.  Safe after the flow has ended.
  void consume(std::uint64_t now_ns, std::uint32_t rx_slot) noexcept;
  // Ends a flow in both directions, now.  Bodies come back by kFrameDropped; no kFlowReset is reported to the caller.
  void reset_flow(FlowId flow, EndReason reason) noexcept;
  // Ends a flow whose last frames were acknowledged and consumed in both directions.
  void close_flow(FlowId flow) noexcept;
  // Says CLOSE to the peer in the next three packets; flows are the caller's to end.
  void close(EndReason reason) noexcept;
  // Sends on no fewer and no more streams from now on, at most LaneConfig::streams_max; those beyond close without losing
  // anything, new ones carry data once their path has answered.
  void set_streams(std::uint32_t min, std::uint32_t max) noexcept;
  // A router says that the stream's path carries no more than this UDP payload: see path_mtu.h.  What is to be repaired
  // is cut anew.
  void on_mtu_report(std::uint64_t now_ns, StreamId stream, std::uint32_t bytes) noexcept;

  [[nodiscard]] RxFrame& rx_frame(std::uint32_t rx_slot) noexcept { return rx_frames_[rx_slot]; }
  [[nodiscard]] bool poll_event(LaneEvent& event) noexcept;

  // --- State ---------------------------------------------------------------------------------------------------------
  [[nodiscard]] const LaneConfig& config() const noexcept { return config_; }
  [[nodiscard]] const LaneSession& session() const noexcept { return session_; }
  [[nodiscard]] const LaneCounters& counters() const noexcept { return counters_; }
  // The most UDP payload any stream may come to send: the least of what port and peer take.  Each stream sends what its
  // path carries, Stream::mtu().
  [[nodiscard]] std::uint32_t datagram_bytes() const noexcept { return datagram_bytes_; }
  [[nodiscard]] std::span<const std::unique_ptr<Stream>> streams() const noexcept { return streams_.all; }
  [[nodiscard]] std::size_t streams_active() const noexcept;
  // What stream `stream` carries beside the one that carries most: see StreamShares.
  [[nodiscard]] double share(std::size_t stream) const noexcept { return shares_.share(stream); }
  // How many there are to be, and what led there.
  [[nodiscard]] const StreamScaler& scaler() const noexcept { return scaler_; }
  // What its paths lose, and parity is measured by.
  [[nodiscard]] const LossMeter& loss() const noexcept { return loss_; }
  [[nodiscard]] std::uint64_t last_received_ns() const noexcept { return last_received_ns_; }
  [[nodiscard]] bool closed_by_peer() const noexcept { return closed_by_peer_; }
  // The peer has acknowledged what was never sent: end the session.
  [[nodiscard]] bool lied_to() const noexcept { return lied_to_; }
  [[nodiscard]] std::uint64_t in_flight_bytes() const noexcept;
  [[nodiscard]] std::uint64_t window_bytes() const noexcept;
  // What the streams deliver together; 0 before the first measurement.
  [[nodiscard]] std::uint64_t bandwidth_bytes_per_sec() const noexcept;
  // False while that is still being found, by any group: it may be far below what the path gives.
  [[nodiscard]] bool bandwidth_known() const noexcept;
  [[nodiscard]] std::uint64_t min_rtt_ns() const noexcept;
  // The least of the active streams; 0 before a sample.
  [[nodiscard]] std::uint64_t smoothed_rtt_ns() const noexcept;
  // What a flow may have unacknowledged so that the path stays full and no more than `backlog_ns` of it waits here, the
  // flows that send sharing it evenly: the backlog bound.
  [[nodiscard]] std::uint64_t backlog_limit_bytes(std::uint64_t backlog_ns) const noexcept;
  [[nodiscard]] bool flow_open(FlowId flow) noexcept;
  // Bytes of the flow's frames that the peer has acknowledged, parts of frames included; 0 once the flow is over.
  [[nodiscard]] std::uint64_t flow_acked_bytes(FlowId flow) noexcept;
  [[nodiscard]] std::size_t rx_free_bytes() const noexcept { return rx_cells_.free_bytes(); }
  [[nodiscard]] std::size_t rx_frames_free() const noexcept { return rx_frames_.free_count(); }
  [[nodiscard]] std::size_t records_free() const noexcept { return sent_pages_.free_pages() * SentPage::kRecords; }
  [[nodiscard]] std::size_t tx_frames_free() const noexcept { return tx_frames_.free_count(); }
  [[nodiscard]] std::size_t flows_open() const noexcept;
  // Nothing of the pools for parity is in use.
  [[nodiscard]] bool parity_idle() const noexcept {
    return parity_ready_ == 0 && tx_symbols_.free_count() == tx_symbols_.size() && rx_symbols_.free_count() == rx_symbols_.size() &&
           tx_parity_.free_count() == tx_parity_.size() && rx_parity_.free_count() == rx_parity_.size();
  }
  // Times a range must have been lost for it to be sent twice.
  static constexpr std::uint16_t kLossesForCopy = 2;
  // Flows one side has ended and the other not yet, beyond what both may have open.
  static constexpr std::size_t kFlowsEnding = 8;
  // Flows the peer may have open here at once.
  [[nodiscard]] static std::size_t peer_flow_places(const LaneConfig& config) noexcept {
    return config.flows_max + kFlowsEnding;
  }
  [[nodiscard]] static std::size_t flow_places(const LaneConfig& config) noexcept {
    return 2 * config.flows_max + kFlowsEnding;
  }
  // The credit a flow starts with, for the handshake.
  [[nodiscard]] static std::uint64_t window_initial(const LaneConfig& config) noexcept;
  [[nodiscard]] static std::uint32_t frame_window(const LaneConfig& config) noexcept;

 private:
  struct Received;  // what one packet held, while it is being taken apart

  // SentSink
  void on_packet_acked(const SentPacket& packet) noexcept override;
  void on_packet_lost(const SentPacket& packet) noexcept override;
  void on_packet_abandoned(const SentPacket& packet) noexcept override { say_again(packet); }

  // lane_receive.cc
  wire::DropReason take_chunks(std::uint64_t now_ns, Received& packet) noexcept;
  wire::DropReason take_ack(std::uint64_t now_ns, Received& packet) noexcept;
  wire::DropReason take_data(std::uint64_t now_ns, Received& packet) noexcept;
  wire::DropReason take_parity(std::uint64_t now_ns, Received& packet) noexcept;
  wire::DropReason take_credit(Received& packet) noexcept;
  wire::DropReason take_reset(Received& packet) noexcept;
  // False when the peer's new flow finds no place: drop the packet, it will be repeated.
  [[nodiscard]] bool flow_of_peer(FlowId id, Flow*& flow) noexcept;
  [[nodiscard]] bool peer_may_open(FlowId id) const noexcept;
  void note_peer_flow(FlowId id) noexcept;
  wire::DropReason violate(Flow& flow, wire::DropReason reason) noexcept;
  wire::DropReason store(std::uint64_t now_ns, Flow& flow, FrameSeq seq, std::uint32_t frame_bytes, std::uint32_t offset,
                         std::span<const std::uint8_t> bytes) noexcept;
  // The slot to write the frame to, begun if new; kNoSlot when all of it has come already.
  wire::DropReason rx_frame_for(std::uint64_t now_ns, Flow& flow, FrameSeq seq, std::uint32_t frame_bytes,
                                std::uint32_t& slot) noexcept;
  void complete(Flow& flow, std::uint32_t slot) noexcept;

  // lane_transmit.cc
  // `turn`: it may carry data.  Sets `data_sent_` when it did.
  [[nodiscard]] bool build(std::uint64_t now_ns, Stream& stream, bool turn, TxDatagram& out) noexcept;
  [[nodiscard]] bool build_mtu_probe(std::uint64_t now_ns, Stream& stream, TxDatagram& out) noexcept;
  std::size_t put_header(Stream& stream, TxDatagram& out) noexcept;
  void finish(std::uint64_t now_ns, Stream& stream, SentPacket& record, std::size_t size, bool eliciting, TxDatagram& out) noexcept;
  [[nodiscard]] bool ack_due(std::uint64_t now_ns) const noexcept;
  [[nodiscard]] std::size_t put_acks(std::uint64_t now_ns, std::span<std::uint8_t> room) noexcept;
  [[nodiscard]] std::size_t put_ack(std::uint64_t now_ns, Stream& stream, std::span<std::uint8_t> room) noexcept;
  [[nodiscard]] std::size_t put_resets(SentPacket& record, std::span<std::uint8_t> room) noexcept;
  [[nodiscard]] std::size_t put_data(SentPacket& record, std::span<std::uint8_t> room) noexcept;
  [[nodiscard]] bool repair_waiting() noexcept;
  [[nodiscard]] bool next_repair(const SentPacket& record, SentRange& range, std::uint32_t length_max) noexcept;
  // `alone`: the packet carries no other data.
  [[nodiscard]] bool next_new(SentRange& range, std::uint32_t length_max, bool alone) noexcept;
  // Writes the range's DATA chunk; returns its bytes of data.
  std::span<const std::uint8_t> put_range(const SentRange& range, std::span<std::uint8_t> room) noexcept;
  [[nodiscard]] bool admit(Flow& flow, TxFrame& frame) noexcept;
  [[nodiscard]] bool data_waiting() noexcept;
  [[nodiscard]] bool frames_waiting() noexcept;
  [[nodiscard]] bool control_waiting() const noexcept { return resets_pending_ != 0 || credits_pending_ != 0; }
  [[nodiscard]] std::uint32_t packet_bytes(std::uint64_t now_ns, const Stream& stream, bool probe) noexcept;
  [[nodiscard]] std::uint64_t ping_due_ns(const Stream& stream) const noexcept;
  void queue_probe(Stream& stream) noexcept;

  // lane_credit.cc
  void note_credit(FlowId id, std::uint64_t charge_limit, std::uint32_t frame_limit) noexcept;
  [[nodiscard]] std::size_t put_credits(SentPacket& record, std::span<std::uint8_t> room) noexcept;
  void grant(std::uint64_t now_ns, Flow& flow) noexcept;
  void grow_window(std::uint64_t now_ns, Flow& flow) noexcept;
  void grow_frame_window(std::uint64_t now_ns, Flow& flow) noexcept;
  void grant_ahead() noexcept;
  void take_back_ahead() noexcept;
  void use_credit_ahead(Flow& flow) noexcept;
  void set_ahead_pending(bool pending) noexcept;
  void set_credit_pending(Flow& flow, bool pending) noexcept;

  // lane_parity.cc
  [[nodiscard]] std::size_t tail_turns() const noexcept;
  [[nodiscard]] std::uint32_t next_frame(Flow& flow, std::uint32_t& before) noexcept;
  void protect(Flow& flow, std::uint32_t slot) noexcept;
  [[nodiscard]] bool within_tail_budget(const Flow& flow, std::uint32_t bytes) const noexcept;
  [[nodiscard]] std::uint32_t least_datagram_bytes() const noexcept;
  [[nodiscard]] bool give_parity(Flow& flow, std::uint32_t slot, bool aligned) noexcept;
  [[nodiscard]] Flow* next_in_flight() noexcept;
  void protect_in_flight() noexcept;
  [[nodiscard]] std::uint32_t cut_to_symbol(const TxFrame& frame, std::uint32_t length_max, bool alone) noexcept;
  void add_to_parity(TxFrame& frame, const SentRange& range, std::span<const std::uint8_t> bytes) noexcept;
  [[nodiscard]] std::size_t put_parity(SentPacket& record, std::span<std::uint8_t> room, std::size_t room_max) noexcept;
  void release_tx_parity(std::uint32_t frame_slot) noexcept;
  [[nodiscard]] std::uint64_t burst_gap_ns() const noexcept;
  wire::DropReason store_parity(std::uint64_t now_ns, Flow& flow, const wire::ParityChunk& chunk,
                                std::span<const std::uint8_t> bytes) noexcept;
  [[nodiscard]] std::size_t missing_symbols(const RxFrame& frame, std::size_t most,
                                            std::span<std::uint8_t> missing) const noexcept;
  [[nodiscard]] bool recover(RxFrame& frame) noexcept;
  void release_rx_parity(RxFrame& frame) noexcept;
  // lane_streams.cc
  void begin_streams(std::uint64_t now_ns) noexcept;
  void tend_streams(std::uint64_t now_ns) noexcept;
  void apply_stream_target() noexcept;
  void open_stream() noexcept;
  void close_stream() noexcept;
  [[nodiscard]] bool may_send(std::uint64_t now_ns, Stream& stream) noexcept;
  [[nodiscard]] bool group_in_use(std::size_t group) const noexcept;
  template <typename Visit>
  void for_each(std::uint64_t streams, Visit visit) const noexcept {
    for (; streams != 0; streams &= streams - 1) visit(streams_[static_cast<std::size_t>(std::countr_zero(streams))]);
  }

  // lane_flows.cc
  [[nodiscard]] Flow* find(FlowId id) noexcept;
  [[nodiscard]] Flow* make_flow(FlowId id) noexcept;
  void end_flow(Flow& flow, bool report, EndReason reason) noexcept;
  void free_flow(Flow& flow) noexcept;
  void drop_tx_frame(std::uint32_t slot) noexcept;
  void free_tx_frame(std::uint32_t slot) noexcept;
  void release_rx_frame(std::uint32_t slot) noexcept;
  void fail_flow(Flow& flow, EndReason reason) noexcept;
  void repair(const SentRange& range) noexcept;
  void say_again(const SentPacket& packet) noexcept;
  void set_reset_pending(Flow& flow, bool pending) noexcept;
  void set_guarding(Flow& flow, std::uint32_t next) noexcept;
  void push_event(const LaneEvent& event) noexcept;

  LaneConfig config_;
  LaneSession session_;

  bool active_ = false;
  std::uint32_t datagram_bytes_ = 0;

  SentPagePool sent_pages_;
  Streams streams_;
  StreamScaler scaler_;
  StreamShares shares_;
  StreamTurns turns_;
  std::uint64_t sending_ = 0;     // bit i: stream i is not idle, or was not lately
  std::uint64_t receiving_ = 0;   // bit i: something came on stream i
  std::uint64_t tend_due_ns_ = 0;
  std::uint64_t last_acked_ns_ = 0;  // on any stream
  std::size_t active_seen_ = 0;   // streams, when last tended
  std::uint64_t delivered_bytes_ = 0;  // of frames, acknowledged for the first time
  Pacer rate_cap_;                // of the lane, where its streams are no group that could keep to it
  bool data_sent_ = false;        // by the last build()
  bool copy_follows_ = false;     // what it sent is queued once more
  std::uint64_t acks_next_ns_ = 0;  // ACKs that are not urgent wait until then
  bool acks_due_ = false;         // in this transmit(): they go with the next packet built

  CellPool rx_cells_;
  FrameTable<RxFrame> rx_frames_;
  FrameTable<TxFrame> tx_frames_;
  std::vector<FlowId> tx_owners_;  // by slot, FlowId{} of a free one: who looks for a flow's frames touches no others
  RepairQueue repairs_;

  LossMeter loss_;
  SymbolPool tx_symbols_;
  SymbolPool rx_symbols_;
  FrameTable<TxParity> tx_parity_{ParityConfig::kTxSets};
  FrameTable<RxParity> rx_parity_{ParityConfig::kRxSets};
  ErasureDecoder decoder_;
  std::array<std::uint8_t, wire::kDatagramBytesMax> symbol_scratch_;
  std::size_t parity_ready_ = 0;   // TxParity whose rows are to be sent
  std::size_t parity_turn_ = 0;
  std::size_t guarding_ = 0;       // flows with Flow::tx_guard_next
  bool parity_turn_over_ = false;  // the next packet goes on another stream

  std::vector<Flow> flows_;
  std::size_t flows_end_ = 0;      // places from here on are free
  std::size_t flow_turn_ = 0;
  std::size_t flow_hint_ = 0;      // where the last lookup succeeded
  std::uint64_t rx_committed_ = 0; // sum of open flows' windows, at most the arena
  std::uint64_t rx_frames_committed_ = 0;  // and of their frame windows, at most rx_frames_max
  std::uint32_t next_local_flow_ = 0;
  std::uint32_t peer_flow_highest_ = 0;  // 0 = none yet
  std::uint64_t peer_flow_seen_ = 0;     // bit i: peer_flow_highest_ - 2 i was seen
  std::size_t resets_pending_ = 0;
  std::size_t credits_pending_ = 0;
  NextFlowCredit rx_ahead_;    // granted to the peer's next flow, beyond what the handshake grants to any
  NextFlowCredit tx_ahead_;    // granted by the peer to ours
  bool ahead_pending_ = false; // rx_ahead_ is to be (re)sent

  std::vector<LaneEvent> events_;  // a ring
  std::size_t events_head_ = 0;
  std::size_t events_tail_ = 0;
  std::size_t reset_events_ = 0;  // kFlowReset not polled yet
  std::size_t body_events_ = 0;   // kFrameAcked and kFrameDropped not polled yet

  std::uint64_t last_received_ns_ = 0;
  bool closed_by_peer_ = false;
  bool lied_to_ = false;
  EndReason close_reason_ = EndReason::kNone;
  std::uint32_t closes_pending_ = 0;
  LaneCounters counters_;
};

}  // namespace dwcp
