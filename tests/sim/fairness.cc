// SPDX-License-Identifier: Apache-2.0
// fairness [--all] [--only TEXT] [--seed N]: a coupled lane pair shares one drop-tail queue of one BDP with N TCP flows
// (models: tcp_cubic.h, tcp_bbr.h), in virtual time.  A line per cell; exit code 1 when a cell is outside its bounds.
// --all adds what takes long; --only runs the cells whose line contains TEXT.
//
// share: the lane's part of the link in fair shares, one of N + 1.  least, most: of the TCP flows.  jain: Jain's index
// over all N + 1.  queue: delay in the bottleneck in BDP, mean and p90 over time, and what it is without us, with the
// TCP flows alone.  lost: fraction of the lane's packets, and of the TCP flows'.
//
// Lines begin with who came when: "together" within the first second; "we join" after the TCP flows had the link to
// themselves; "tcp joins": one of the N comes when the others and we are settled, and `late` is its share.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <map>
#include <numeric>
#include <string>
#include <vector>

#include "tests/sim/lane_pair.h"
#include "tests/sim/statistics.h"
#include "tests/sim/tcp_bbr.h"
#include "tests/sim/tcp_cubic.h"
#include "tests/sim/tcp_flow.h"

namespace dwcp::sim {
namespace {

constexpr double kShareMin = 0.5;
constexpr double kShareMax = 2;
// Flows of BBRv1 have no even share that they return to: shares beside them drift about.  On short paths their ProbeRTT of
// 200 ms outlasts the ten rounds that they remember their bandwidth for, ours among them, and whoever comes back first grows
// at the others' cost.
constexpr double kBbrShareMin = 0.4;
constexpr double kShortPathMs = 30;
constexpr double kShortPathShareMin = 0.2;
constexpr double kShortPathShareMax = 3;
constexpr double kBbrMeanMin = 0.67;  // geometric
constexpr double kBbrMeanMax = 1.5;
constexpr double kOwnQueueMax = 0.1;  // by ourselves
// What we add, mean over time, to a queue that holds one BDP at the most.  One BBRv1 flow alone keeps it all but empty.
constexpr double kQueueAddedMax = 0.25;
constexpr double kBbrQueueAddedMax = 0.85;

enum class Order { kTogether, kWeJoin, kTcpJoins };

struct Cell {
  Order order;
  std::string tcp;
  std::size_t flows;
  double mbps;
  double rtt_ms;
  std::uint32_t streams;
  bool slow = false;  // only with --all
};

struct Figures {
  double share = 0;  // of the link
  std::vector<double> tcp_shares{};
  double queue_mean = 0;
  double queue_p90 = 0;
  double lost = 0;
  double tcp_lost = 0;
};

const char* name(Order order) {
  switch (order) {
    case Order::kTogether: return "together";
    case Order::kWeJoin: return "we join";
    case Order::kTcpJoins: return "tcp joins";
  }
  return "?";
}

std::vector<Cell> cells() {
  std::vector<Cell> all;
  for (const double mbps : {100.0, 1000.0}) {
    for (const double rtt : {20.0, 50.0, 100.0}) {
      for (const char* tcp : {"cubic", "bbr"}) {
        for (const std::size_t flows : {1U, 4U, 8U}) {
          for (const std::uint32_t streams : {4U, 32U}) {
            const bool slow = mbps > 100 ? flows != 4 || rtt != 20.0 || streams != 4 : streams == 32 && flows != 4;
            all.push_back({Order::kTogether, tcp, flows, mbps, rtt, streams, slow});
          }
        }
      }
    }
  }
  for (const Order order : {Order::kWeJoin, Order::kTcpJoins}) {
    for (const char* tcp : {"cubic", "bbr"}) {
      for (const std::size_t flows : {1U, 4U, 8U}) {
        const bool slow = order == Order::kTcpJoins && flows != 4;
        for (const double rtt : {20.0, 50.0}) all.push_back({order, tcp, flows, 100, rtt, 4, slow});
        all.push_back({order, tcp, flows, 1000, 50, 4, true});
      }
    }
  }
  // By ourselves: the queue is ours alone.
  for (const double mbps : {100.0, 1000.0}) {
    for (const double rtt : {10.0, 20.0, 50.0, 100.0}) all.push_back({Order::kTogether, "no tcp", 0, mbps, rtt, 4});
  }
  return all;
}

double bdp_bytes(const Cell& cell) {
  return cell.mbps * 1e6 / 8 * cell.rtt_ms * 1e-3;
}

// CUBIC regains its window in K seconds (RFC 9438 §4.2), 5 s at 100 Mb/s x 100 ms and 17 s at ten times that: several of them.
std::uint64_t settle_ns(const Cell& cell) {
  const double k_s = std::cbrt(bdp_bytes(cell) / 1448 * 2 / static_cast<double>(cell.flows + 1) * 0.3 / 0.4);
  return static_cast<std::uint64_t>(std::max(15.0, k_s * 8) * 1e9);
}

PairSetup setup_for(const Cell& cell, std::uint64_t seed) {
  PairSetup setup;
  setup.seed = seed;
  setup.contents = false;
  setup.share_slots = true;
  setup.forward = setup.backward = path(cell.mbps, cell.rtt_ms, 0);
  setup.lane.streams = cell.streams;
  setup.lane.flows_max = 2;
  setup.lane.rx_frames_max = Lane::flow_places(setup.lane) * wire::kFramesPerFlowMax;
  setup.lane.rx_arena_bytes = std::max<std::size_t>(32U << 20, static_cast<std::size_t>(8 * bdp_bytes(cell)));
  setup.tx_arena_bytes = std::max<std::size_t>(32U << 20, static_cast<std::size_t>(6 * bdp_bytes(cell)));
  setup.lane.tx_frames_max = setup.tx_arena_bytes / (256 * 1024);
  setup.lane.packets_max = std::max<std::size_t>(65536, static_cast<std::size_t>(6 * bdp_bytes(cell) / 1400));
  return setup;
}

std::unique_ptr<TcpControl> control(const std::string& kind, std::uint64_t seed) {
  if (kind == "bbr") return std::make_unique<TcpBbr>(seed);
  return std::make_unique<TcpCubic>();
}

class Race {
 public:
  Race(const Cell& cell, std::uint64_t seed, bool with_us)
      : cell_(cell), world_(setup_for(cell, seed)), crowd_(seed), seed_(seed), with_us_(with_us) {
    world_.share(crowd_);
  }

  Figures run() {
    const std::uint64_t start_ns = world_.now_ns();
    const std::uint64_t settled_ns = settle_ns(cell_);
    const bool late = cell_.order == Order::kTcpJoins;
    for (std::size_t i = 0; i < cell_.flows; ++i) {
      const bool joins = late && i + 1 == cell_.flows;
      crowd_.add(control(cell_.tcp, seed_ * 31 + i), start_ns + (joins ? settled_ns : (i + 1) * 100 * kNsPerMs));
    }
    std::uint64_t from_ns = start_ns + settled_ns;
    if (cell_.order == Order::kWeJoin) world_.run_until(from_ns);
    if (cell_.order != Order::kTogether) from_ns += settled_ns;
    if (with_us_) offer();
    world_.run_until(from_ns);
    return measure(std::max(20 * kNsPerSec, settled_ns));
  }

 private:
  void offer() {
    for (int i = 0; i < 2; ++i) {
      Side& from = world_.side(0);
      from.offer(*from.lane().open_flow(), kNever, 256 * 1024, 256 * 1024);
    }
  }

  // Wire bytes that arrived: of the lane, then of each flow.
  std::vector<double> arrived() {
    double bytes = 0;
    for (const auto& stream : world_.side(1).lane().streams()) {
      const StreamCounters& c = stream->counters();
      bytes += static_cast<double>(c.bytes_received + c.packets_received * DatagramPipe::kUdpIpv4OverheadBytes);
    }
    bytes -= static_cast<double>(world_.side(1).lane().counters().data_bytes_duplicate);
    std::vector<double> all{bytes};
    for (std::size_t i = 0; i < crowd_.size(); ++i) all.push_back(static_cast<double>(crowd_.flow(i).delivered_bytes()));
    return all;
  }

  struct Packets {
    double sent = 0;
    double lost = 0;
  };
  Packets ours() {
    Packets sum;
    for (const auto& stream : world_.side(0).lane().streams()) {
      sum.sent += static_cast<double>(stream->counters().packets_sent);
      sum.lost += static_cast<double>(stream->counters().packets_lost);
    }
    return sum;
  }
  Packets theirs() const {
    Packets sum;
    for (std::size_t i = 0; i < crowd_.size(); ++i) {
      sum.sent += static_cast<double>(crowd_.flow(i).sent_packets());
      sum.lost += static_cast<double>(crowd_.flow(i).lost_packets());
    }
    return sum;
  }

  Figures measure(std::uint64_t during_ns) {
    std::vector<double> queues;
    std::uint64_t sample_ns = world_.now_ns();
    const auto sample = [&] {
      if (world_.now_ns() < sample_ns) return false;
      sample_ns += kNsPerMs;
      queues.push_back(static_cast<double>(world_.pipe(0).link().queue_bytes(world_.now_ns())) / bdp_bytes(cell_));
      return false;
    };
    const std::vector<double> before = arrived();
    const Packets ours_before = ours();
    const Packets theirs_before = theirs();
    world_.run_until(world_.now_ns() + during_ns, sample);
    const std::vector<double> after = arrived();
    const double carried = cell_.mbps * 1e6 / 8 * static_cast<double>(during_ns) * 1e-9;
    Figures figures;
    figures.share = (after[0] - before[0]) / carried;
    for (std::size_t i = 1; i < after.size(); ++i) figures.tcp_shares.push_back((after[i] - before[i]) / carried);
    figures.queue_mean = mean(queues);
    figures.queue_p90 = percentile(queues, 0.9);
    figures.lost = (ours().lost - ours_before.lost) / std::max(ours().sent - ours_before.sent, 1.0);
    figures.tcp_lost = (theirs().lost - theirs_before.lost) / std::max(theirs().sent - theirs_before.sent, 1.0);
    return figures;
  }

  Cell cell_;
  LanePair world_;
  TcpCrowd crowd_;
  std::uint64_t seed_;
  bool with_us_;
};

double jain(const std::vector<double>& shares) {
  const double sum = std::accumulate(shares.begin(), shares.end(), 0.0);
  const double squares = std::inner_product(shares.begin(), shares.end(), shares.begin(), 0.0);
  return squares == 0 ? 0 : sum * sum / (squares * static_cast<double>(shares.size()));
}

// The TCP flows alone, once for all that is compared with them.
const Figures& without_us(const Cell& cell, std::uint64_t seed) {
  static std::map<std::string, Figures> known;
  const std::string key = cell.tcp + std::to_string(cell.flows) + " " + std::to_string(cell.mbps) + " " + std::to_string(cell.rtt_ms);
  const auto found = known.find(key);
  if (found != known.end()) return found->second;
  Cell alone = cell;
  alone.order = Order::kTogether;
  alone.streams = 1;
  return known[key] = cell.flows == 0 ? Figures{} : Race(alone, seed, false).run();
}

std::string text(const Cell& cell) {
  char line[160];
  std::snprintf(line, sizeof line, "%-9s %-6s x%zu %5.0f Mb/s %4.0f ms %2u streams", name(cell.order), cell.tcp.c_str(),
                cell.flows, cell.mbps, cell.rtt_ms, cell.streams);
  return line;
}

// Shares beside BBRv1, cell by cell.
class BbrShares {
 public:
  void add(double share) {
    log_sum_ += std::log(std::max(share, 1e-3));
    ++cells_;
  }
  // Prints and judges the mean; a handful of cells is no mean.
  [[nodiscard]] bool good() const {
    if (cells_ < 6) return true;
    const double mean = std::exp(log_sum_ / cells_);
    const bool within = mean >= kBbrMeanMin && mean <= kBbrMeanMax;
    std::printf("beside bbr, geometric mean of %d cells: share %.2f%s\n", cells_, mean, within ? "" : "  MEAN");
    return within;
  }

 private:
  double log_sum_ = 0;
  int cells_ = 0;
};

bool run(const Cell& cell, std::uint64_t seed, BbrShares& bbr_shares) {
  const Figures f = Race(cell, seed, true).run();
  const Figures& alone = without_us(cell, seed);
  const double fair = 1 / static_cast<double>(cell.flows + 1);
  std::vector<double> all = f.tcp_shares;
  all.push_back(f.share);
  std::string fault;
  const double share = f.share / fair;
  const bool bbr = cell.tcp == "bbr";
  if (bbr) bbr_shares.add(share);
  const bool drifts = bbr && cell.rtt_ms < kShortPathMs;
  const double share_min = cell.flows == 0 ? 0.95 : drifts ? kShortPathShareMin : bbr ? kBbrShareMin : kShareMin;
  if (share < share_min || share > (drifts ? kShortPathShareMax : kShareMax)) fault += "  SHARE";
  if (f.queue_mean - alone.queue_mean > (cell.flows == 0 ? kOwnQueueMax : bbr ? kBbrQueueAddedMax : kQueueAddedMax)) fault += "  QUEUE";
  std::printf("%s  share %.2f", text(cell).c_str(), share);
  if (!f.tcp_shares.empty()) {
    const auto [least, most] = std::minmax_element(f.tcp_shares.begin(), f.tcp_shares.end());
    std::printf(" least %.2f most %.2f", *least / fair, *most / fair);
    if (cell.order == Order::kTcpJoins) std::printf(" late %.2f", f.tcp_shares.back() / fair);
  }
  std::printf("  jain %.3f  queue %.2f p90 %.2f", jain(all), f.queue_mean, f.queue_p90);
  if (cell.flows != 0) std::printf(", without us %.2f p90 %.2f", alone.queue_mean, alone.queue_p90);
  std::printf("  lost %.4f, tcp %.4f%s\n", f.lost, f.tcp_lost, fault.c_str());
  std::fflush(stdout);
  return fault.empty();
}

}  // namespace
}  // namespace dwcp::sim

int main(int argc, char** argv) {
  std::string only;
  bool all = false;
  std::uint64_t seed = 1;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--only") == 0 && i + 1 < argc) {
      only = argv[++i];
    } else if (std::strcmp(argv[i], "--seed") == 0 && i + 1 < argc) {
      seed = std::strtoull(argv[++i], nullptr, 10);
    } else if (std::strcmp(argv[i], "--all") == 0) {
      all = true;
    } else {
      return std::fprintf(stderr, "usage: fairness [--all] [--only TEXT] [--seed N]\n"), 2;
    }
  }
  bool good = true;
  dwcp::sim::BbrShares bbr_shares;
  for (const auto& cell : dwcp::sim::cells()) {
    if (cell.slow && !all) continue;
    if (dwcp::sim::text(cell).find(only) == std::string::npos) continue;
    good = dwcp::sim::run(cell, seed, bbr_shares) && good;
  }
  good = bbr_shares.good() && good;
  return good ? 0 : 1;
}
