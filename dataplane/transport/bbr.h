// SPDX-License-Identifier: Apache-2.0
// BBR: congestion control by a model of the path (bandwidth and round-trip time) instead of by loss
// (draft-ietf-ccwg-bbr; Cardwell et al., "BBR: congestion-based congestion control", 2016), with losses bounded as in v3
// but judged against the path's own ambient loss, so that a link that loses 2 % at random is still filled.
//
//          bandwidth stops growing, or loss with a queue
//   Startup ───────────────▶ Drain ──── in flight <= BDP ───▶ ProbeBw ⟲ (gains 1.25, 0.75, 1 x 6, about a min RTT each)
//                                                              │  ▲
//                                   min RTT unseen for 10 s    ▼  │  200 ms and a round at half the BDP
//                                                             ProbeRtt
//
// With a ResumePoint start-up is one jump to what the path gave before (careful_resume.h); if the path bears it out, the
// measured rate takes over in ProbeBw, and if not, the rate at which the jump came through does, in Drain.  What is known
// of the path is kept while there is too little to send; after minutes of that, it is a ResumePoint of its own.
//
// Loss counts as congestion only when it exceeds the ambient rate, which is learned in rounds without a queue, and when
// round trips show a queue, or when it is heavy (a policer or a shallow buffer shows no queue).  What congestive loss then
// allows to be in flight, and how that depends on who shares the bottleneck, is in loss_bound.h.  ECN marks are congestion
// without such doubts: see ecn_bound.h.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/time.h"
#include "dataplane/transport/bandwidth_filter.h"
#include "dataplane/transport/careful_resume.h"
#include "dataplane/transport/congestion_control.h"
#include "dataplane/transport/ecn_bound.h"
#include "dataplane/transport/loss_bound.h"
#include "dataplane/transport/path_step.h"

namespace dwcp {

struct BbrConfig {
  std::uint32_t datagram_bytes = 1472;
  // RFC 6928's 10 packets are for paths nobody knows.  These links carry a few hundred Mb/s at the least: a start at 100 Mb/s,
  // paced, is a burst nowhere and saves four round trips of doubling.  The first window is what that rate has under way, once
  // a round trip was seen (pings of an idle session show it before there is data), and initial_window_packets until then.
  std::uint64_t rate_initial_bytes_per_sec = 12'500'000;
  std::uint32_t initial_window_packets = 512;
  std::uint64_t rate_max_bytes_per_sec = 0;  // 0 = no cap
  std::uint64_t seed = 1;                    // desynchronises the probing of streams
  ResumePoint resume{};                      // of an earlier session
};

class Bbr final : public CongestionControl {
 public:
  enum class State : std::uint8_t {
    kStartup,   // doubling the rate each round
    kDrain,     // emptying the queue that start-up built
    kProbeBw,   // steady: at the estimate, with a short probe above it each cycle
    kProbeRtt,  // in flight cut for a moment to see the path without our queue
  };

  explicit Bbr(const BbrConfig& config) noexcept;

  void on_ack(const AckSample& sample) noexcept override;
  void on_lost(const AckSample& sample) noexcept override;
  void on_persistent_congestion(std::uint64_t now_ns) noexcept override;
  void on_spurious_loss(std::uint64_t bytes, std::uint64_t sent_ns) noexcept override;
  void on_streams_added(std::uint64_t now_ns) noexcept override;

  [[nodiscard]] std::uint64_t window_bytes() const noexcept override { return window_; }
  [[nodiscard]] std::uint64_t pacing_bytes_per_sec() const noexcept override { return pacing_; }
  [[nodiscard]] std::uint64_t bandwidth_bytes_per_sec() const noexcept override {
    return resume_.jumping() ? std::max(bandwidth(), resume_.rate_bytes_per_sec()) : bandwidth();
  }
  [[nodiscard]] bool starting_up() const noexcept override { return !full_pipe_; }
  [[nodiscard]] const char* name() const noexcept override { return "bbr"; }
  [[nodiscard]] const char* state_name() const noexcept override;

  [[nodiscard]] State state() const noexcept { return state_; }
  [[nodiscard]] double ambient_loss() const noexcept { return loss_bound_.ambient_loss(); }
  [[nodiscard]] const LossBound& loss_bound() const noexcept { return loss_bound_; }
  [[nodiscard]] const EcnBound& ecn() const noexcept { return ecn_; }
  [[nodiscard]] std::uint64_t min_rtt_ns() const noexcept { return min_rtt_ns_; }
  [[nodiscard]] const CarefulResume& resume() const noexcept { return resume_; }

 private:
  [[nodiscard]] std::uint64_t bandwidth() const noexcept { return bandwidth_.max(); }
  [[nodiscard]] std::uint64_t bdp_bytes() const noexcept;
  [[nodiscard]] std::uint64_t batch_bytes() const noexcept;
  [[nodiscard]] std::uint64_t ecn_bound_least() const noexcept;
  [[nodiscard]] std::uint64_t initial_bdp_bytes() const noexcept;
  [[nodiscard]] std::uint64_t grown_in_startup(const AckSample& sample) const noexcept;
  [[nodiscard]] std::uint64_t window_min() const noexcept { return 4ULL * config_.datagram_bytes; }
  [[nodiscard]] bool round_has_queue() const noexcept;

  void update_round(const AckSample& sample) noexcept;
  void update_bandwidth(const AckSample& sample) noexcept;
  void update_extra_acked(const AckSample& sample) noexcept;
  void update_min_rtt(const AckSample& sample) noexcept;
  void check_longer_path(const AckSample& sample) noexcept;
  void end_round(const AckSample& sample) noexcept;
  void check_fallen_rate(const AckSample& sample) noexcept;
  void check_regained_rate() noexcept;
  void start_up_again() noexcept;
  void check_full_pipe(bool lossy, bool queue, bool app_limited) noexcept;
  void check_startup_queue(const AckSample& sample) noexcept;
  void bound_by_marks(const AckSample& sample, bool marked) noexcept;
  void tell_loss_bound(const AckSample& sample) noexcept;
  [[nodiscard]] bool shows_queue(const AckSample& sample) const noexcept;
  void advance_state(const AckSample& sample) noexcept;
  void enter_probe_bw(std::uint64_t now_ns) noexcept;
  void advance_phase(const AckSample& sample) noexcept;
  void enter_probe_rtt(std::uint64_t now_ns) noexcept;
  void leave_probe_rtt(std::uint64_t now_ns) noexcept;
  void set_window_and_pacing(const AckSample& sample) noexcept;
  void resume_after_idle(const AckSample& sample) noexcept;
  void follow_resume(const AckSample& sample) noexcept;
  void check_resumed_growth() noexcept;
  void bound_by_resume() noexcept;

  BbrConfig config_;
  State state_ = State::kStartup;

  // Model.
  BandwidthFilter bandwidth_;
  std::uint64_t min_rtt_ns_ = 0;  // 0 = none yet
  std::uint64_t min_rtt_seen_ns_ = 0;
  std::uint64_t probe_rtt_least_ns_ = kNever;  // seen in the ProbeRtt in progress
  PathStep path_step_;
  LossBound loss_bound_;
  EcnBound ecn_;
  std::uint64_t marked_max_ = LossBound::kUnbounded;  // learned from rounds that met little but marks

  AckSample last_{};  // with a round trip: what losses found by time are judged by

  // The round in progress.
  std::uint64_t round_ = 0;
  std::uint64_t round_end_delivered_ = 0;
  std::uint64_t round_acked_ = 0;
  std::uint64_t round_lost_ = 0;
  std::uint64_t round_min_rtt_ns_ = kNever;
  std::uint64_t round_in_flight_max_ = 0;
  bool round_start_ = false;

  // ACK aggregation: how much more than the estimate arrives at once, max over the last two windows of 5 rounds.
  std::uint64_t extra_epoch_ns_ = 0;
  std::uint64_t extra_epoch_bytes_ = 0;
  std::array<std::uint64_t, 2> extra_acked_{};
  std::uint64_t extra_window_round_ = 0;

  // Startup.
  bool full_pipe_ = false;
  std::uint64_t full_bandwidth_ = 0;
  std::uint32_t full_rounds_ = 0;
  std::uint32_t queue_samples_ = 0;  // in a row, in this round

  // What came in the spell in progress, and how many in a row were slow.
  std::uint64_t spell_start_ns_ = 0;
  std::uint64_t spell_bytes_ = 0;
  std::uint32_t slow_spells_ = 0;
  std::uint64_t lost_rate_ = 0;    // what the path gave before it fell, until it does again; 0 = it did not fall
  std::uint64_t probed_from_ = 0;  // the estimate when the last probe began

  // ProbeBw and ProbeRtt.
  std::size_t phase_ = 0;
  // After streams were added: probing above the estimate goes on for as long as it brings more.
  bool searching_ = false;
  std::uint64_t search_bandwidth_ = 0;  // when the probe began
  std::uint64_t phase_start_ns_ = 0;
  std::uint64_t probe_rtt_done_ns_ = 0;
  std::uint64_t probe_rtt_round_ = 0;
  std::uint64_t window_before_ = 0;

  CarefulResume resume_;
  bool resumed_ = false;            // by a jump that held; not probed beyond yet
  std::uint64_t last_full_ns_ = 0;  // when there last was enough to send

  std::uint64_t window_ = 0;
  std::uint64_t pacing_ = 0;
};

}  // namespace dwcp
