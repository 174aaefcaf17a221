// SPDX-License-Identifier: Apache-2.0
#include "dwcp-wan/settings.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <utility>

namespace dwcp::wan {
namespace {

constexpr double kRateMbpsMax = 100'000;
constexpr double kDelayMsMax = 60'000;
constexpr double kTimeSMax = 1e9;
constexpr double kQueueBytesMax = 4.0 * (1U << 30);

constexpr std::array kSettings = {
    Setting{"rate-mbps", "R", "link rate in Mb/s of Ethernet frames without FCS; 0 = unlimited"},
    Setting{"rtt-ms", "T", "round-trip delay in ms, half of it each way"},
    Setting{"delay-ms", "D", "one-way delay in ms"},
    Setting{"jitter-ms", "J", "the delay wanders between D and D+J"},
    Setting{"queue-bytes", "N", "tail-drop queue in bytes; 0 = rate x 2 x delay, at least 64 KiB"},
    Setting{"loss", "P", "random loss as a fraction, 0.001 = 0.1 %"},
    Setting{"burst-loss", "RATE:MEANLEN", "fraction of frames lost in bursts of this mean length"},
    Setting{"reorder", "P:EXTRA_MS", "fraction of frames held back by this much"},
    Setting{"duplicate", "P", "fraction of frames that arrive twice"},
    Setting{"corrupt", "P", "fraction of frames with 1 to 3 flipped bits"},
    Setting{"mtu", "BYTES", "larger L3 packets vanish; 0 = any"},
    Setting{"mtu-report", "0|1", "1: packets too big for mtu are answered by ICMP, as a router would"},
    Setting{"ecn-bytes", "N", "CE-mark ECT packets that find more than this queued; 0 = off"},
    Setting{"ecn-fault", "WHAT[:P]", "rewrite the ECN bits of all packets, or of a fraction: bleach, ect1, ce; none = off"},
};

bool parse_pair(const std::string& text, double limit_a, double limit_b, double& a, double& b) {
  const std::size_t colon = text.find(':');
  return colon != std::string::npos && parse_number(text.substr(0, colon), limit_a, a) &&
         parse_number(text.substr(colon + 1), limit_b, b);
}

std::uint64_t to_ns(double value, double unit_ns) {
  return static_cast<std::uint64_t>(std::llround(value * unit_ns));
}

bool set_ecn_fault(LinkProfile& p, const std::string& text) {
  constexpr std::array<std::pair<std::string_view, EcnFault>, 4> names = {
      {{"none", EcnFault::kNone}, {"bleach", EcnFault::kBleach}, {"ect1", EcnFault::kEct1}, {"ce", EcnFault::kCe}}};
  const std::size_t colon = text.find(':');
  double rate = 1;
  if (colon != std::string::npos && !parse_number(text.substr(colon + 1), 1, rate)) return false;
  for (const auto& [name, fault] : names) {
    if (text.substr(0, colon) != name) continue;
    p.ecn_fault = fault;
    p.ecn_fault_rate = rate;
    return true;
  }
  return false;
}

bool set_figure(LinkProfile& p, std::string_view key, const std::string& value, bool& known) {
  double a = 0;
  double b = 0;
  if (key == "rate-mbps") return parse_number(value, kRateMbpsMax, a) && (p.rate_bps = to_ns(a, 1e6), true);
  if (key == "rtt-ms") return parse_number(value, 2 * kDelayMsMax, a) && (p.delay_ns = to_ns(a, 0.5e6), true);
  if (key == "delay-ms") return parse_number(value, kDelayMsMax, a) && (p.delay_ns = to_ns(a, 1e6), true);
  if (key == "jitter-ms") return parse_number(value, kDelayMsMax, a) && (p.jitter_ns = to_ns(a, 1e6), true);
  if (key == "queue-bytes") return parse_number(value, kQueueBytesMax, a) && (p.queue_bytes = to_ns(a, 1), true);
  if (key == "loss") return parse_number(value, 1, p.loss);
  if (key == "burst-loss") {
    return parse_pair(value, 0.9, 1e6, a, b) && b >= 1 && (p.burst_loss = {.rate = a, .mean_length = b}, true);
  }
  if (key == "reorder") {
    return parse_pair(value, 1, kDelayMsMax, a, b) && (p.reorder = a, p.reorder_extra_ns = to_ns(b, 1e6), true);
  }
  if (key == "duplicate") return parse_number(value, 1, p.duplicate);
  if (key == "corrupt") return parse_number(value, 1, p.corrupt);
  if (key == "mtu") return parse_number(value, 65535, a) && (p.mtu = static_cast<std::uint32_t>(a), true);
  if (key == "mtu-report") return parse_number(value, 1, a) && (a == 0 || a == 1) && (p.mtu_report = a == 1, true);
  if (key == "ecn-bytes") {
    return parse_number(value, kQueueBytesMax, a) && (p.ecn_mark_threshold_bytes = to_ns(a, 1), true);
  }
  if (key == "ecn-fault") return set_ecn_fault(p, value);
  known = false;
  return false;
}

}  // namespace

std::span<const Setting> settings() {
  return kSettings;
}

bool parse_number(const std::string& text, double limit, double& out) {
  double value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc{} || stop != end || !(value >= 0 && value <= limit)) return false;
  out = value;
  return true;
}

std::string apply_setting(LinkProfile& profile, std::string_view key, const std::string& value) {
  bool known = true;
  LinkProfile changed = profile;
  if (set_figure(changed, key, value, known)) {
    if (const char* error = profile_error(changed)) return std::string(key) + ": " + error;
    profile = changed;
    return {};
  }
  if (!known) return "unknown setting '" + std::string(key) + "'";
  for (const Setting& setting : kSettings) {
    if (key == setting.key) {
      return std::string(key) + ": '" + value + "' is not a sensible " + setting.form + " (" + setting.what + ")";
    }
  }
  return std::string(key) + ": bad value";
}

std::string add_blackhole(LinkProfile& profile, const std::string& text) {
  const std::size_t first = text.find(':');
  const std::size_t second = first == std::string::npos ? first : text.find(':', first + 1);
  double start_s = 0;
  double duration_s = 0;
  double period_s = 0;
  if (first == std::string::npos || !parse_number(text.substr(0, first), kTimeSMax, start_s) ||
      !parse_number(text.substr(first + 1, second - first - 1), kTimeSMax, duration_s) ||
      (second != std::string::npos && !parse_number(text.substr(second + 1), kTimeSMax, period_s))) {
    return "blackhole: '" + text + "' is not START_S:DURATION_S[:PERIOD_S]";
  }
  profile.blackholes.push_back({to_ns(start_s, 1e9), to_ns(start_s + duration_s, 1e9), to_ns(period_s, 1e9)});
  const char* error = profile_error(profile);
  return error ? "blackhole: '" + text + "': " + error : std::string();
}

std::string add_change(LinkProfile& profile, const std::string& text) {
  const std::string usage = "at: '" + text + "' is not SECONDS:rate-mbps=R,delay-ms=D,loss=P (any of them)";
  std::size_t at = text.find(':');
  double seconds = 0;
  if (at == std::string::npos || !parse_number(text.substr(0, at), kTimeSMax, seconds)) return usage;
  LinkChange change;
  change.at_ns = to_ns(seconds, 1e9);
  while (at < text.size()) {
    const std::size_t comma = std::min(text.find(',', at + 1), text.size());
    const std::string item = text.substr(at + 1, comma - at - 1);
    const std::size_t equals = item.find('=');
    if (equals == std::string::npos) return usage;
    const std::string key = item.substr(0, equals);
    LinkProfile figure;
    const std::string error = apply_setting(figure, key, item.substr(equals + 1));
    if (!error.empty()) return "at: " + error;
    if (key == "rate-mbps") {
      change.rate_bps = figure.rate_bps;
    } else if (key == "delay-ms" || key == "rtt-ms") {
      change.delay_ns = figure.delay_ns;
    } else if (key == "loss") {
      change.loss = figure.loss;
    } else {
      return usage;
    }
    at = comma;
  }
  profile.changes.push_back(change);
  const char* error = profile_error(profile);
  return error ? "at: '" + text + "': " + error : std::string();
}

}  // namespace dwcp::wan
