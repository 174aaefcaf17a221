// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <cstdio>

#include "tests/sim/scenario.h"

namespace dwcp::sim {
namespace {

constexpr double kBytesTarget =
    3e6;  // of all flows together: enough for every mechanism, little enough for thousands of seeds

double log_uniform(Rng& rng, double low, double high) {
  return low * std::pow(high / low, rng.uniform());
}

std::uint64_t round_trip_max_ns(const PairSetup& setup) {
  std::uint64_t sum = 100 * kNsPerMs;  // ACK delay, loops, queues
  for (const LinkProfile* p : {&setup.forward, &setup.backward}) {
    std::uint64_t delay_ns = p->delay_ns;
    for (const LinkChange& change : p->changes) delay_ns = std::max(delay_ns, change.delay_ns.value_or(0));
    sum += delay_ns + p->jitter_ns + p->reorder_extra_ns;
  }
  return sum;
}

// One direction of the path.
void impair(Rng& rng, LinkProfile& profile) {
  if (rng.chance(0.6)) profile.loss = log_uniform(rng, 0.0005, 0.2);
  if (rng.chance(0.2))
    profile.burst_loss = {.rate = log_uniform(rng, 0.001, 0.1), .mean_length = 1 + rng.uniform() * 30};
  if (rng.chance(0.3)) {
    profile.reorder = log_uniform(rng, 0.001, 0.3);
    profile.reorder_extra_ns = static_cast<std::uint64_t>(log_uniform(rng, 1e5, 1e8));
  }
  if (rng.chance(0.2)) profile.duplicate = log_uniform(rng, 0.001, 0.5);
  if (rng.chance(0.2)) profile.corrupt = log_uniform(rng, 0.001, 0.1);
  if (rng.chance(0.2)) profile.jitter_ns = static_cast<std::uint64_t>(log_uniform(rng, 1e5, 5e7));
  for (std::uint64_t n = rng.chance(0.15) ? 1 + rng.below(3) : 0, at = kNsPerSec; n-- > 0;) {
    at += static_cast<std::uint64_t>(log_uniform(rng, 1e6, 2e9));
    const auto length = static_cast<std::uint64_t>(log_uniform(rng, 1e6, 30e9));
    profile.blackholes.push_back({.start_ns = at, .end_ns = at + length});
    at += length;
  }
  if (rng.chance(0.1)) {
    profile.changes.push_back(
        {.at_ns = kNsPerSec + rng.below(2 * kNsPerSec), .rate_bps = profile.rate_bps / 10 + 100'000});
    profile.changes.push_back({.at_ns = profile.changes[0].at_ns + kNsPerSec, .rate_bps = profile.rate_bps});
  }
  if (rng.chance(0.1)) {
    profile.changes.push_back(
        {.at_ns = 5 * kNsPerSec, .delay_ns = static_cast<std::uint64_t>(log_uniform(rng, 1e5, 1e8))});
    profile.delay_fall_reorders = rng.chance(0.5);
  }
}

void choose_limits(Rng& rng, PairSetup& setup) {
  LaneConfig& lane = setup.lane;
  lane.streams = rng.chance(0.5) ? 1 : static_cast<std::uint32_t>(1 + rng.below(8));
  if (rng.chance(0.5)) {
    lane.streams_min = static_cast<std::uint32_t>(1 + rng.below(lane.streams));
    lane.streams_max = static_cast<std::uint32_t>(lane.streams + rng.below(9));
  }
  if (rng.chance(0.2)) lane.coupling = Coupling::kNone;
  const std::uint32_t streams_most = lane.stream_limits().max;
  lane.flows_max = static_cast<std::uint32_t>(1 + rng.below(4));
  lane.datagram_bytes = rng.chance(0.5) ? 1472 : static_cast<std::uint32_t>(1200 + rng.below(8972 - 1200 + 1));
  const std::size_t places = Lane::flow_places(lane);
  const auto windows = static_cast<std::size_t>(log_uniform(rng, 1, 12));
  lane.rx_arena_bytes = places * wire::kFrameBytesMax * windows + rng.below(1'000'000);
  lane.rx_frames_max = places * (1 + rng.below(rng.chance(0.5) ? 8 : 200));
  lane.tx_frames_max = 1 + rng.below(rng.chance(0.5) ? 8 : 300);
  lane.packets_max = SentPage::kRecords * (4 * streams_most + 4 + rng.below(60));
  // So long that the pings of all streams of both sides leave moments with nothing in flight to end at.
  lane.keepalive_ns =
      (2 + 4 * streams_most) * round_trip_max_ns(setup) + static_cast<std::uint64_t>(log_uniform(rng, 1e8, 5e9));
  setup.tx_arena_bytes = wire::kFrameBytesMax * (1 + rng.below(16));
  lane.tail_parity_max_percent = rng.chance(0.1) ? 0 : static_cast<std::uint32_t>(1 + rng.below(25));
  setup.poll_ns = static_cast<std::uint64_t>(log_uniform(rng, 5e3, 2e6));
  if (rng.chance(0.3)) setup.consume_delay_ns = static_cast<std::uint64_t>(log_uniform(rng, 1e4, 3e7));
  if (rng.chance(0.3)) setup.consume_bytes_per_sec = static_cast<std::uint64_t>(log_uniform(rng, 1e5, 1e8));
}

// What treats each 5-tuple by itself.
void choose_paths(Rng& rng, PairSetup& setup) {
  if (rng.chance(0.1)) {
    setup.forward.policer = {.rate_bps = setup.forward.rate_bps / (1 + rng.below(8)),
                             .burst_bytes = static_cast<std::uint64_t>(log_uniform(rng, 2e4, 1e6))};
  }
  for (std::uint64_t more = rng.chance(0.2) ? 1 + rng.below(3) : 0; more-- > 0;) {
    setup.forward_more.push_back(setup.forward);
    setup.forward_more.back().rate_bps = static_cast<std::uint64_t>(log_uniform(rng, 0.3, 1) * static_cast<double>(setup.forward.rate_bps));
  }
}

// Anything may be remembered of a link, right or wrong.
void choose_congestion(Rng& rng, PairSetup& setup) {
  setup.lane.congestion = static_cast<CongestionKind>(rng.below(kCongestionKinds));
  if (rng.chance(0.5)) setup.lane.coupling = Coupling::kNone;
  if (rng.chance(0.5)) return;
  setup.resume.bandwidth_bytes_per_sec = static_cast<std::uint64_t>(log_uniform(rng, 1e4, 1e9));
  setup.resume.min_rtt_ns = static_cast<std::uint64_t>(log_uniform(rng, 1e4, 1e9));
}

const char* name_of(CongestionKind kind) {
  switch (kind) {
    case CongestionKind::kBbr: return "bbr";
    case CongestionKind::kCubic: return "cubic";
    case CongestionKind::kNewReno: return "newreno";
  }
  return "?";
}

void choose_flows(Rng& rng, Scenario& scenario) {
  const std::uint64_t count = 1 + rng.below(2 * scenario.setup.lane.flows_max);
  std::array<std::uint32_t, 2> opened{};
  for (std::uint64_t i = 0; i < count; ++i) {
    ScenarioFlow flow;
    flow.opener = rng.below(2);
    if (opened[flow.opener] == scenario.setup.lane.flows_max) flow.opener = 1 - flow.opener;
    ++opened[flow.opener];
    switch (rng.below(4)) {
      case 0:
        flow.bytes_max = 1 + static_cast<std::uint32_t>(rng.below(200));
        break;
      case 1:
        flow.bytes_min = flow.bytes_max = wire::kFrameBytesMax;
        break;
      case 2:
        flow.bytes_max = wire::kFrameBytesMax;
        break;
      default:
        flow.bytes_max = static_cast<std::uint32_t>(log_uniform(rng, 2, wire::kFrameBytesMax));
        break;
    }
    const double mean = (flow.bytes_min + flow.bytes_max) / 2.0 + 500;
    const double most = std::clamp(kBytesTarget / static_cast<double>(count) / mean, 1.0, 1500.0);
    for (auto& frames : flow.frames) frames = static_cast<std::uint64_t>(log_uniform(rng, 1, most + 1));
    if (rng.chance(0.4)) flow.frames[1 - flow.opener] = 0;
    if (rng.chance(0.12)) {
      flow.reset_ns = static_cast<std::uint64_t>(log_uniform(rng, 1e4, 1e9));
      flow.reset_side = rng.below(2);
    }
    if (rng.chance(0.6)) flow.tail_from = rng.chance(0.3) ? 0 : rng.below(flow.frames[flow.opener] + 1);
    scenario.flows.push_back(flow);
  }
  if (rng.chance(0.1)) scenario.restart_ns = static_cast<std::uint64_t>(log_uniform(rng, 1e6, 2e9));
}

// Drawn apart, so that a seed's other draws do not depend on it.
void choose_ecn(std::uint64_t seed, PairSetup& setup) {
  Rng rng(seed + 0xec0);
  setup.lane.ecn = !rng.chance(0.1);
  for (LinkProfile* profile : {&setup.forward, &setup.backward}) {
    if (rng.chance(0.4)) {
      profile->ecn_mark_threshold_bytes =
          static_cast<std::uint64_t>(log_uniform(rng, 1500, static_cast<double>(profile->queue_bytes)));
    }
    if (!rng.chance(0.2)) continue;
    constexpr std::array faults = {EcnFault::kBleach, EcnFault::kEct1, EcnFault::kCe};
    profile->ecn_fault = faults[rng.below(faults.size())];
    if (rng.chance(0.5)) profile->ecn_fault_rate = log_uniform(rng, 0.001, 1);
  }
}

// Paths that carry less than the port, that change, and routers that say so, or others in their name.
void choose_mtus(Rng& rng, Scenario& scenario) {
  const auto draw = [&rng] { return static_cast<std::uint32_t>(log_uniform(rng, 1228, 9000)); };
  if (rng.chance(0.3)) scenario.setup.forward.mtu = draw();
  if (rng.chance(0.3)) scenario.setup.backward.mtu = draw();
  if (rng.chance(0.15)) {
    std::uint64_t at_ns = 0;
    for (std::uint64_t n = 1 + rng.below(4); n-- > 0;) {
      at_ns += static_cast<std::uint64_t>(log_uniform(rng, 1e6, 3e9));
      scenario.mtu_changes.push_back({.at_ns = at_ns, .direction = rng.below(2), .mtu = draw()});
    }
  }
  scenario.setup.too_big_reports = rng.chance(0.4);
  if (rng.chance(0.1)) scenario.forged_reports_ns = static_cast<std::uint64_t>(log_uniform(rng, 1e6, 1e9));
}

std::string describe_path(const LinkProfile& p) {
  char text[400];
  std::snprintf(
      text, sizeof(text),
      "%.2f Mb/s, %.2f ms, queue %lu, loss %.4f, burst %.4f x %.1f, reorder %.4f by %.2f ms, dup %.4f, corrupt %.4f, "
      "jitter %.2f ms, CE above %lu, ECN fault %d x %.4f, %zu blackholes, %zu changes, mtu %u",
      static_cast<double>(p.rate_bps) * 1e-6, static_cast<double>(p.delay_ns) * 1e-6, p.queue_bytes, p.loss,
      p.burst_loss.rate, p.burst_loss.mean_length, p.reorder, static_cast<double>(p.reorder_extra_ns) * 1e-6,
      p.duplicate, p.corrupt, static_cast<double>(p.jitter_ns) * 1e-6, p.ecn_mark_threshold_bytes,
      static_cast<int>(p.ecn_fault), p.ecn_fault_rate, p.blackholes.size(), p.changes.size(), p.mtu);
  std::string all = text;
  for (const Blackhole& hole : p.blackholes) {
    std::snprintf(text, sizeof(text), " [%.3f, %.3f) s", static_cast<double>(hole.start_ns) * 1e-9,
                  static_cast<double>(hole.end_ns) * 1e-9);
    all += text;
  }
  return all;
}

}  // namespace

Scenario make_scenario(std::uint64_t seed) {
  Rng rng(seed);
  Scenario scenario;
  PairSetup& setup = scenario.setup;
  setup.seed = seed;
  const double mbps = log_uniform(rng, 1, 2000);
  const double rtt_ms = log_uniform(rng, 0.1, 320);
  const double queue_bdp = log_uniform(rng, 0.1, 4);
  setup.forward = setup.backward = path(mbps, rtt_ms, 0, queue_bdp);
  if (rng.chance(0.3))
    setup.backward = path(log_uniform(rng, std::max(mbps / 30, 0.3), mbps), rtt_ms * 2 * rng.uniform(), 0);
  impair(rng, setup.forward);
  impair(rng, setup.backward);
  choose_limits(rng, setup);
  choose_paths(rng, setup);
  if (rng.chance(0.2)) {
    scenario.streams_change_ns = static_cast<std::uint64_t>(log_uniform(rng, 1e6, 2e9));
    scenario.streams_to = static_cast<std::uint32_t>(1 + rng.below(setup.lane.stream_limits().max));
  }
  choose_flows(rng, scenario);
  choose_mtus(rng, scenario);
  choose_ecn(seed, setup);
  choose_congestion(rng, setup);
  return scenario;
}

std::uint64_t Scenario::bytes_max() const noexcept {
  std::uint64_t sum = 0;
  for (const ScenarioFlow& flow : flows) sum += (flow.frames[0] + flow.frames[1]) * flow.bytes_max;
  return sum;
}

std::uint64_t Scenario::time_max_ns() const noexcept {
  std::uint64_t rate_bps = std::min(setup.forward.rate_bps, setup.backward.rate_bps) / 10;
  if (setup.forward.policer.rate_bps != 0) rate_bps = std::min(rate_bps, setup.forward.policer.rate_bps / 2);
  for (const LinkProfile& more : setup.forward_more) rate_bps = std::min(rate_bps, more.rate_bps / 10);
  std::uint64_t frames = 0;
  for (const ScenarioFlow& flow : flows) frames += flow.frames[0] + flow.frames[1];
  std::uint64_t time_ns = 240 * kNsPerSec + frames * setup.consume_delay_ns;
  time_ns += static_cast<std::uint64_t>(static_cast<double>(bytes_max()) * 8e9 / static_cast<double>(rate_bps) * 4);
  if (setup.consume_bytes_per_sec != 0) time_ns += bytes_max() * kNsPerSec / setup.consume_bytes_per_sec;
  for (const LinkProfile* profile : {&setup.forward, &setup.backward}) {
    for (const Blackhole& hole : profile->blackholes) time_ns += 2 * (hole.end_ns - hole.start_ns);
  }
  // A window of one frame costs a few round trips for each, more with losses.
  return time_ns + frames * 8 * round_trip_max_ns(setup);
}

std::string Scenario::describe() const {
  char text[700];
  const LaneConfig& lane = setup.lane;
  std::snprintf(
      text, sizeof(text),
      "%s, resumes %lu B/s at %.3f ms, streams %u (%u..%u, to %u at %.3f s), %s, %zu more paths, policer %.2f Mb/s + %lu, ECN %d, datagram %u, flows_max %u, arena %zu (window %lu), rx_frames %zu (frame window %u), tx_frames %zu, "
      "records %zu, keepalive %.2f s, tx arena %zu, poll %.3f ms, consume %.2f ms + %lu B/s, restart %.3f s\n",
      name_of(lane.congestion), setup.resume.bandwidth_bytes_per_sec, static_cast<double>(setup.resume.min_rtt_ns) * 1e-6,
      lane.streams, lane.stream_limits().min, lane.stream_limits().max, streams_to,
      streams_change_ns == kNever ? -1.0 : static_cast<double>(streams_change_ns) * 1e-9,
      lane.coupling == Coupling::kLink ? "coupled" : "each a group", setup.forward_more.size(),
      static_cast<double>(setup.forward.policer.rate_bps) * 1e-6, setup.forward.policer.burst_bytes, lane.ecn, lane.datagram_bytes, lane.flows_max, lane.rx_arena_bytes, Lane::window_initial(lane),
      lane.rx_frames_max, Lane::frame_window(lane), lane.tx_frames_max, lane.packets_max,
      static_cast<double>(lane.keepalive_ns) * 1e-9, setup.tx_arena_bytes, static_cast<double>(setup.poll_ns) * 1e-6,
      static_cast<double>(setup.consume_delay_ns) * 1e-6, setup.consume_bytes_per_sec,
      restart_ns == kNever ? -1.0 : static_cast<double>(restart_ns) * 1e-9);
  std::string all =
      "0 -> 1: " + describe_path(setup.forward) + "\n1 -> 0: " + describe_path(setup.backward) + "\n" + text;
  for (const MtuChange& change : mtu_changes) {
    std::snprintf(text, sizeof(text), "mtu of %zu -> %zu becomes %u at %.6f s\n", change.direction, 1 - change.direction,
                  change.mtu, static_cast<double>(change.at_ns) * 1e-9);
    all += text;
  }
  if (setup.too_big_reports) all += "routers report packets too big\n";
  if (forged_reports_ns != 0) all += "forged reports every " + std::to_string(forged_reports_ns) + " ns\n";
  for (const ScenarioFlow& flow : flows) {
    std::snprintf(text, sizeof(text), "flow by %zu: %lu + %lu frames of %u .. %u bytes, tail from %ld, reset by %zu at %.6f s\n",
                  flow.opener, flow.frames[0], flow.frames[1], flow.bytes_min, flow.bytes_max,
                  static_cast<std::int64_t>(flow.tail_from), flow.reset_side,
                  flow.reset_ns == kNever ? -1.0 : static_cast<double>(flow.reset_ns) * 1e-9);
    all += text;
  }
  return all;
}

}  // namespace dwcp::sim
