// SPDX-License-Identifier: Apache-2.0
// Two lanes and the path between them on one virtual clock: the simulation the transport is proven in.
//
//   LanePair world(setup); world.offer(...); world.run_until(t, stop); ... world.side(0).lane() ...
//
// Each side is an endpoint with an application: it submits frames whose contents follow from session, flow and number,
// and checks every frame that arrives, once and intact, and that every body it lent comes back once.  A failed check
// throws.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/rng.h"
#include "dataplane/transport/lane.h"
#include "drivers/fake/path_bundle.h"
#include "tests/sim/cross_traffic.h"

namespace dwcp::sim {

struct PairSetup {
  std::uint64_t seed = 1;
  LaneConfig lane{};
  ResumePoint resume{};   // what every session begins with
  LinkProfile forward{};  // side 0 -> side 1
  LinkProfile backward{};
  // More paths beside `forward`, among which each 5-tuple has one by hash.
  std::vector<LinkProfile> forward_more{};
  std::uint64_t poll_ns = 50 * kNsPerUs;  // the lcore loop wakes no more often than this
  // Packets that vanish by their 5-tuple: a path of one stream that is down.  Null: none.
  std::function<bool(std::uint64_t now_ns, std::size_t side, StreamId stream, std::uint8_t path)> path_down{};
  // Datagrams that vanish by what they are.  Null: none.
  std::function<bool(std::size_t side, const TxDatagram& datagram)> datagram_down{};
  // UDP payload that a stream's path carries; larger ones vanish.  Null: any.  (LinkProfile::mtu is for all of a direction.)
  std::function<std::uint32_t(std::uint64_t now_ns, std::size_t side, StreamId stream, std::uint8_t path)> path_bytes{};
  bool too_big_reports = false;  // what LinkProfile::mtu stops is answered as a router would
  std::size_t tx_arena_bytes = 64U << 20;
  std::uint64_t consume_delay_ns = 0;       // the receiving codec takes this long per frame
  std::uint64_t consume_bytes_per_sec = 0;  // and no more than this; 0 = any
  bool contents = true;                     // false: frames are neither filled nor compared, for measuring
  bool share_slots = false;  // each flow may use only its share of tx_frames_max, as the backlog bound does
};

// A direction of a flow: what is offered and what came of it.
struct Offer {
  FlowId flow{};
  std::uint64_t frames = 0;  // how many to send; kNever = without end
  std::uint32_t frame_bytes_min = 1;
  std::uint32_t frame_bytes_max = 256 * 1024;
  // Frames numbered n with n % tail_period >= tail_from are marked as a migration's last window.
  std::uint64_t tail_from = kNever;
  std::uint64_t tail_period = kNever;
  std::uint64_t submitted = 0;
  std::uint64_t acked = 0;
  std::uint64_t dropped = 0;
};

class Side {
 public:
  Side(const PairSetup& setup, const LaneSession& session);

  [[nodiscard]] Lane& lane() noexcept { return lane_; }
  Offer& offer(FlowId flow, std::uint64_t frames, std::uint32_t bytes_min, std::uint32_t bytes_max);
  // Ends the flow as its application would.
  void reset(FlowId flow, EndReason reason);
  // Submits no more frames of the flow.
  void stop_offering(FlowId flow) noexcept;
  // Abandons the session, takes back all it held, checks that the lane is drained, and begins another.
  void restart(std::uint64_t now_ns, const LaneSession& session);

  void pump(std::uint64_t now_ns, PathBundle& in, PathBundle& out);
  [[nodiscard]] std::uint64_t deadline_ns() const noexcept;

  [[nodiscard]] std::uint64_t frames_delivered(FlowId flow) const;
  [[nodiscard]] std::uint64_t bytes_delivered() const noexcept { return bytes_delivered_; }
  [[nodiscard]] std::map<std::uint32_t, EndReason>& resets() noexcept { return resets_; }
  [[nodiscard]] std::deque<Offer>& offers() noexcept { return offers_; }
  [[nodiscard]] bool all_acked() const noexcept;
  [[nodiscard]] bool bodies_home() const noexcept { return bodies_out_.empty(); }
  [[nodiscard]] bool idle() const noexcept { return waiting_.empty(); }

 private:
  struct Waiting {
    std::uint64_t ready_ns;
    std::uint32_t rx_slot;
  };

  void submit_offers();
  [[nodiscard]] bool submit_next(Offer& offer);
  void take_body(const LaneEvent& event);
  void take_events(std::uint64_t now_ns);
  void check_frame(const LaneEvent& event);
  [[noreturn]] void fail(const std::string& what) const;

  const PairSetup& setup_;
  Lane lane_;
  CellPool tx_cells_;
  Rng rng_;
  std::deque<Offer> offers_;
  std::vector<std::unique_ptr<FrameBody>> bodies_;
  std::vector<FrameBody*> free_bodies_;
  std::set<const FrameBody*> bodies_out_;
  std::map<std::uint32_t, std::set<std::uint32_t>> delivered_;  // flow -> frame numbers
  std::map<std::uint32_t, EndReason> resets_;
  std::deque<Waiting> waiting_;
  std::uint64_t epoch_ = 0;  // sessions begun before this one
  std::uint64_t consume_free_ns_ = 0;
  std::uint64_t bytes_delivered_ = 0;
  std::vector<std::uint8_t> datagram_;
};

class LanePair {
 public:
  explicit LanePair(const PairSetup& setup);

  [[nodiscard]] Side& side(std::size_t i) noexcept { return *sides_[i]; }
  [[nodiscard]] PathBundle& pipe(std::size_t from) noexcept { return *pipes_[from]; }
  [[nodiscard]] std::uint64_t now_ns() const noexcept { return now_ns_; }

  // Runs until `deadline_ns` or until stop() says so; true when stop() did.
  bool run_until(std::uint64_t deadline_ns, const std::function<bool()>& stop = {});
  // From now on `others`, who outlive this, use the same links.
  void share(CrossTraffic& others) noexcept { others_ = &others; }
  // Both sides lose their session at once and begin another; what is on the way stays on the way.
  void restart();
  // Every frame offered is acknowledged and consumed, nothing is in flight.
  [[nodiscard]] bool settled() const noexcept;

 private:
  [[nodiscard]] LaneSession session(std::uint32_t side) const noexcept;
  void pump();

  PairSetup setup_;
  std::uint32_t epoch_ = 0;
  std::array<std::unique_ptr<PathBundle>, 2> pipes_;
  std::array<std::unique_ptr<Side>, 2> sides_;
  CrossTraffic* others_ = nullptr;
  std::uint64_t now_ns_ = kNsPerSec;
};

// What names the 5-tuple a side sends a datagram by.
[[nodiscard]] constexpr std::uint64_t flow_name(std::uint32_t session, StreamId stream, std::uint8_t path) noexcept {
  return std::uint64_t{session} << 16 | std::uint64_t{path} << 8 | raw(stream);
}

// Rate in bits per second, round-trip time and loss of a symmetric path.
[[nodiscard]] LinkProfile path(double mbps, double rtt_ms, double loss, double queue_bdp = 1.0);

}  // namespace dwcp::sim
