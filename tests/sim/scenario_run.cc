// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <stdexcept>

#include "tests/sim/scenario.h"

namespace dwcp::sim {
namespace {

struct Run {
  const Scenario& scenario;
  LanePair world;
  std::vector<FlowId> ids{};
  std::vector<bool> reset{};  // by its application; the other side may know or not
  std::uint64_t start_ns = 0;
  bool restarted = false;
  std::size_t mtu_changed = 0;  // of scenario.mtu_changes
  Rng forger{scenario.setup.seed};
  std::uint64_t forged_ns = 0;
  bool streams_changed = false;

  [[noreturn]] static void fail(const std::string& what) { throw std::runtime_error(what); }
  static void require(bool holds, const char* what) {
    if (!holds) fail(what);
  }
  static void equal(std::uint64_t a, std::uint64_t b, const char* what) {
    if (a != b) fail(std::string(what) + ": " + std::to_string(a) + " and " + std::to_string(b));
  }

  void open_flows() {
    ids.clear();
    reset.assign(scenario.flows.size(), false);
    for (const ScenarioFlow& flow : scenario.flows) {
      const auto id = world.side(flow.opener).lane().open_flow();
      require(id.has_value(), "a flow within the limits was refused");
      ids.push_back(*id);
      for (std::size_t side : {0U, 1U}) {
        if (flow.frames[side] == 0) continue;
        world.side(side).offer(*id, flow.frames[side], flow.bytes_min, flow.bytes_max).tail_from = flow.tail_from;
      }
    }
  }

  // What the applications do at their times; true when all is over.
  bool step() {
    const std::uint64_t since_ns = world.now_ns() - start_ns;
    if (!restarted && since_ns >= scenario.restart_ns) {
      restarted = true;
      world.restart();
      open_flows();
      start_ns = world.now_ns();
      return false;
    }
    change_mtus(since_ns);
    if (!streams_changed && since_ns >= scenario.streams_change_ns) {
      streams_changed = true;
      for (std::size_t side : {0U, 1U}) world.side(side).lane().set_streams(scenario.streams_to, scenario.streams_to);
    }
    bool resets_heard = true;
    for (std::size_t i = 0; i < ids.size(); ++i) {
      const ScenarioFlow& flow = scenario.flows[i];
      if (!reset[i] && since_ns >= flow.reset_ns && world.side(flow.reset_side).lane().flow_open(ids[i])) {
        world.side(flow.reset_side).reset(ids[i], EndReason::kHypervisorReset);
        reset[i] = true;
      }
      // A flow that ended before the other side heard of it leaves that side with frames it cannot submit.
      Side& other = world.side(1 - flow.reset_side);
      if (reset[i] && !other.lane().flow_open(ids[i])) other.stop_offering(ids[i]);
      // A RESET that was lost may wait for its turn to be said again, with nothing in flight.
      if (reset[i] && other.lane().flow_open(ids[i])) resets_heard = false;
    }
    return resets_heard && world.settled() && world.pipe(0).in_flight() == 0 && world.pipe(1).in_flight() == 0 &&
           world.side(0).lane().in_flight_bytes() == 0 && world.side(1).lane().in_flight_bytes() == 0;
  }

  void change_mtus(std::uint64_t since_ns) {
    for (; mtu_changed < scenario.mtu_changes.size() && scenario.mtu_changes[mtu_changed].at_ns <= since_ns; ++mtu_changed) {
      const MtuChange& change = scenario.mtu_changes[mtu_changed];
      LinkProfile profile = world.pipe(change.direction).link().profile();
      profile.mtu = change.mtu;
      world.pipe(change.direction).link().reconfigure(profile);
    }
    if (scenario.forged_reports_ns == 0 || world.now_ns() < forged_ns + scenario.forged_reports_ns) return;
    forged_ns = world.now_ns();
    Lane& lane = world.side(forger.below(2)).lane();
    lane.on_mtu_report(forged_ns, static_cast<StreamId>(forger.below(wire::kStreamsMax)), static_cast<std::uint32_t>(forger.below(9500)));
    check_sizes();
  }

  // Whatever routers, or who speaks for them, may say.
  void check_sizes() {
    for (std::size_t side : {0U, 1U}) {
      Lane& lane = world.side(side).lane();
      for (const auto& stream : lane.streams()) {
        require(stream->mtu().bytes() >= wire::kDatagramBytesMin && stream->mtu().bytes() <= lane.datagram_bytes(),
                "a stream sends more or less than it may");
      }
    }
  }

  [[nodiscard]] std::string state() {
    std::string text;
    for (std::size_t side : {0U, 1U}) {
      Side& s = world.side(side);
      text += "side " + std::to_string(side) + ": in flight " + std::to_string(s.lane().in_flight_bytes()) + ", pipe " +
              std::to_string(world.pipe(side).in_flight());
      for (const auto& stream : s.lane().streams()) {
        const StreamCounters& c = stream->counters();
        text += ", stream " + std::to_string(raw(stream->id())) + " " + stream->congestion().state_name() + " sent " +
                std::to_string(c.packets_sent) + " acked " + std::to_string(c.packets_acked) + " lost " +
                std::to_string(c.packets_lost) + " mtu " + mtu_state_name(stream->mtu().state()) + " " +
                std::to_string(stream->mtu().bytes()) + " spurious " + std::to_string(c.losses_spurious) + " window " +
                std::to_string(stream->congestion().window_bytes()) + " pace " +
                std::to_string(stream->congestion().pacing_bytes_per_sec()) + " next " +
                std::to_string(static_cast<std::int64_t>(stream->pacing_next_ns() - world.now_ns()) / 1000) +
                " us, probes pending " + std::to_string(stream->probes_pending()) + ", records " +
                std::to_string(s.lane().records_free());
      }
      for (const Offer& o : s.offers()) {
        text += ", flow " + std::to_string(raw(o.flow)) + " of " + std::to_string(o.frames) + " submitted " +
                std::to_string(o.submitted) + " acked " + std::to_string(o.acked) + " dropped " +
                std::to_string(o.dropped);
      }
      text += "; ";
    }
    return text;
  }

  [[nodiscard]] bool any_reset() const { return std::find(reset.begin(), reset.end(), true) != reset.end(); }

  void check_flows() {
    for (std::size_t i = 0; i < ids.size(); ++i) {
      for (std::size_t side : {0U, 1U}) {
        auto& ends = world.side(side).resets();
        const auto end = ends.find(raw(ids[i]));
        if (end != ends.end())
          require(reset[i] && end->second == EndReason::kHypervisorReset, "a flow ended that nobody reset");
        if (!reset[i])
          equal(world.side(1 - side).frames_delivered(ids[i]), scenario.flows[i].frames[side],
                "frames offered and delivered");
      }
    }
  }

  // Records of packets declared lost are kept for a while, in case their ACK comes after all.
  [[nodiscard]] bool records_home() {
    for (std::size_t side : {0U, 1U}) {
      const Lane& lane = world.side(side).lane();
      if (lane.records_free() + SentPage::kRecords * 2 * lane.config().stream_limits().max < lane.config().packets_max)
        return false;
    }
    return true;
  }

  void check_memory(Side& side) {
    Lane& lane = side.lane();
    const LaneConfig& config = lane.config();
    equal(lane.rx_free_bytes(), config.rx_arena_bytes / wire::kCellBytes * wire::kCellBytes,
          "receive cells free and in the arena");
    equal(lane.rx_frames_free(), config.rx_frames_max, "receive slots free and all");
    equal(lane.tx_frames_free(), config.tx_frames_max, "send slots free and all");
    require(lane.parity_idle(), "parity is kept of frames that are whole");
  }

  void check_counters(std::size_t from) {
    Lane& lane = world.side(from).lane();
    Lane& peer = world.side(1 - from).lane();
    const LinkCounters link = world.pipe(from).counters();
    StreamCounters sent;
    StreamCounters received;
    for (const auto& stream : lane.streams()) sent += stream->counters();
    for (const auto& stream : peer.streams()) received += stream->counters();
    std::uint64_t drops = 0;
    for (const std::uint64_t n : peer.counters().drops) drops += n;
    equal(world.pipe(from).overflows(), 0, "datagrams the simulated path could not hold");
    const std::uint64_t settled = sent.packets_acked + sent.packets_lost + sent.mtu_probes_lost - sent.losses_spurious;
    require(settled <= sent.packets_sent && sent.packets_sent - settled <= lane.counters().acks_sent,
            "packets sent = settled + bare ACKs");
    equal(sent.packets_sent, link.offered, "packets sent and offered to the path");
    equal(sent.bytes_sent + sent.packets_sent * DatagramPipe::kUdpIpv4OverheadBytes, link.offered_bytes,
          "bytes sent and offered");
    equal(received.packets_received + drops, link.delivered, "packets received or dropped, and delivered by the path");
    check_ecn(from, sent);
    const LaneCounters& out = lane.counters();
    const LaneCounters& in = peer.counters();
    equal(in.frame_bytes_received, world.side(1 - from).bytes_delivered(), "frame bytes counted and handed up");
    if (any_reset()) return;
    equal(out.frames_sent, in.frames_received, "frames acknowledged and handed up");
    equal(out.data_bytes_sent - out.repair_bytes_sent, out.frame_bytes_sent, "data bytes sent first and frame bytes");
    if (in.drops[static_cast<std::size_t>(wire::DropReason::kNoRoom)] == 0)
      require(in.frame_bytes_received + in.data_bytes_duplicate <= out.data_bytes_sent + out.parity_bytes_sent,
              "data bytes received and sent");
    require(in.parity_packets_received <= out.parity_packets_sent, "parity received and sent");
    require(in.parity_useless <= in.parity_packets_received, "parity useless and received");
  }

  void check_ecn(std::size_t from, const StreamCounters& sent) {
    if (world.pipe(from).link().profile().ecn_fault != EcnFault::kNone) return;
    EcnCounts arrived;
    for (const auto& stream : world.side(1 - from).lane().streams()) arrived += stream->received().ecn();
    equal(sent.ecn_violations, 0, "ECN counts found wrong, of an honest peer on a path that does not rewrite them");
    equal(arrived.ect1, 0, "packets sent as ECT(1)");
    require(arrived.ect0 + arrived.ce <= sent.ecn_packets_sent, "more packets arrived marked than were sent so");
    require(arrived.ce <= world.pipe(from).counters().ecn_marked, "more CE arrived than the path marked");
    require(sent.ecn_ce_reported <= arrived.ce, "more CE reported than arrived");
  }

  void check_drops(std::size_t at) {
    using wire::DropReason;
    const LaneCounters& counters = world.side(at).lane().counters();
    for (const DropReason reason :
         {DropReason::kTruncated, DropReason::kOversized, DropReason::kMalformedChunk, DropReason::kBadAck}) {
      equal(counters.drops[static_cast<std::size_t>(reason)], 0, wire::drop_reason_name(reason));
    }
    const auto damaged = counters.drops[static_cast<std::size_t>(DropReason::kBadSeal)];
    require(damaged <= 2 * world.pipe(1 - at).counters().corrupted, "more damaged datagrams than the path damaged");
    if (any_reset()) return;
    for (const DropReason reason : {DropReason::kBadFrame, DropReason::kOverCredit}) {
      equal(counters.drops[static_cast<std::size_t>(reason)], 0, wire::drop_reason_name(reason));
    }
  }

  void check_end() {
    for (const FlowId id : ids) {
      for (std::size_t side : {0U, 1U}) world.side(side).lane().close_flow(id);
    }
    for (std::size_t side : {0U, 1U}) {
      Lane& lane = world.side(side).lane();
      equal(lane.flows_open(), 0, "flows open after all were closed");
      lane.abandon(EndReason::kShutdown);
      LaneEvent event;
      require(!lane.poll_event(event), "an event after all was over");
      require(lane.drained(), "a lane with nothing in it is not drained");
      require(lane.records_free() >= lane.config().packets_max, "records of an abandoned session are kept");
    }
  }
};

}  // namespace

void run_scenario(const Scenario& scenario) {
  Run run{.scenario = scenario, .world = LanePair(scenario.setup)};
  run.start_ns = run.world.now_ns();
  run.open_flows();
  if (!run.world.run_until(run.start_ns + scenario.time_max_ns(), [&] { return run.step(); })) {
    Run::fail("not settled after " + std::to_string(scenario.time_max_ns() / kNsPerSec) + " s: " + run.state());
  }
  run.check_flows();
  for (std::size_t side : {0U, 1U}) {
    run.check_memory(run.world.side(side));
    run.check_drops(side);
    if (!run.restarted) run.check_counters(side);
  }
  Run::require(run.world.run_until(run.world.now_ns() + scenario.time_max_ns(), [&] { return run.records_home(); }),
               "records of settled packets are kept");
  run.check_end();
}

}  // namespace dwcp::sim
