// SPDX-License-Identifier: Apache-2.0
#include "dwcp-wan/options.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <map>
#include <vector>

#include "dwcp-wan/settings.h"

namespace dwcp::wan {
namespace {

constexpr const char* kAbout =
    "Carries every frame between two Ethernet interfaces as a WAN would: rate, delay, queue, loss and worse.\n"
    "Needs CAP_NET_RAW.  Switch segmentation and checksum offloads off on the neighbours of both interfaces\n"
    "(ethtool -K IFACE tso off gso off gro off tx off), or frames larger than the MTU appear; those are dropped and\n"
    "counted as 'oversize'.  Loss and the rest strike each direction by itself.  --ab-X and --ba-X set X for one\n"
    "direction.  Times of --blackhole and --at count from the moment --ready-file is written.";

struct Raw {
  std::map<std::string, std::string> figures;  // "loss", "ab-loss", "ba-loss" ... as given
  std::vector<std::string> blackholes;
  std::vector<std::string> changes;
  std::string queue_bdp;
  double tick_us = 200;
};

void declare(CLI::App& app, Options& options, Raw& raw) {
  app.add_option("--a", options.iface_a, "first interface")->required()->type_name("IFACE");
  app.add_option("--b", options.iface_b, "second interface")->required()->type_name("IFACE");
  for (const Setting& setting : settings()) {
    for (const char* prefix : {"", "ab-", "ba-"}) {
      const std::string key = std::string(prefix) + setting.key;
      const std::string what = *prefix ? std::string() : setting.what;
      if (*prefix && key.substr(3) == "rtt-ms") continue;  // a direction has no round trip
      app.add_option_function<std::string>(
             "--" + key, [&raw, key](const std::string& value) { raw.figures[key] = value; }, what)
          ->type_name(setting.form)
          ->group(*prefix ? "One direction" : "Link");
    }
  }
  app.add_option("--queue-bdp", raw.queue_bdp, "queue as a multiple of rate x round-trip delay")
      ->type_name("F")
      ->group("Link");
  app.add_option("--blackhole", raw.blackholes, "lose all for a while, again every PERIOD if given")
      ->type_name("START_S:DURATION_S[:PERIOD_S]")
      ->group("Link");
  app.add_option("--at", raw.changes, "change rate, delay or loss at a time")
      ->type_name("SECONDS:rate-mbps=R,delay-ms=D,loss=P")
      ->group("Link");
  app.add_option("--seed", options.seed, "seed of all chance")->capture_default_str();
  app.add_option("--counters", options.counters_path, "rewritten every second and at the end")->type_name("FILE.json");
  app.add_option("--ready-file", options.ready_path, "written once frames flow")->type_name("PATH");
  app.add_option("--control", options.control_path,
                 "unix socket for lines: set [ab-|ba-]KEY VALUE, blackhole SECONDS, counters")
      ->type_name("PATH");
  app.add_option("--tick-us", raw.tick_us, "shortest sleep while frames flow: precision against CPU")
      ->check(CLI::Range(1.0, 10'000.0))
      ->capture_default_str();
  app.add_flag("!--no-realtime", options.realtime, "do not ask for SCHED_FIFO");
}

std::string set_queue_bdp(Options& options, const std::string& text) {
  double factor = 0;
  if (!parse_number(text, 1000, factor) || factor <= 0)
    return "queue-bdp: '" + text + "' is not a number within 0 and 1000";
  const auto rtt_ns = static_cast<double>(options.a_to_b.delay_ns + options.b_to_a.delay_ns);
  for (LinkProfile* profile : {&options.a_to_b, &options.b_to_a}) {
    const double bytes = factor * static_cast<double>(profile->rate_bps) / 8e9 * rtt_ns;
    profile->queue_bytes = std::max<std::uint64_t>(2 * 1514, static_cast<std::uint64_t>(bytes));
  }
  return {};
}

// First what holds for both directions, then what overrides it.
std::string build_profiles(Options& options, const Raw& raw) {
  if (raw.figures.contains("rtt-ms") && raw.figures.contains("delay-ms"))
    return "give --rtt-ms or --delay-ms, not both";
  if (raw.figures.contains("queue-bytes") && !raw.queue_bdp.empty())
    return "give --queue-bytes or --queue-bdp, not both";
  for (const bool general : {true, false}) {
    for (const auto& [key, value] : raw.figures) {
      const bool ab = key.starts_with("ab-");
      const bool ba = key.starts_with("ba-");
      if (general == (ab || ba)) continue;
      const std::string name = ab || ba ? key.substr(3) : key;
      std::string error;
      if (!ba) error = apply_setting(options.a_to_b, name, value);
      if (error.empty() && !ab) error = apply_setting(options.b_to_a, name, value);
      if (!error.empty()) return error;
    }
  }
  if (!raw.queue_bdp.empty()) {
    if (std::string error = set_queue_bdp(options, raw.queue_bdp); !error.empty()) return error;
  }
  for (LinkProfile* profile : {&options.a_to_b, &options.b_to_a}) {
    for (const std::string& text : raw.blackholes) {
      if (std::string error = add_blackhole(*profile, text); !error.empty()) return error;
    }
    for (const std::string& text : raw.changes) {
      if (std::string error = add_change(*profile, text); !error.empty()) return error;
    }
  }
  return {};
}

}  // namespace

expected<Options, Stop> parse_options(int argc, const char* const* argv) {
  Options options;
  Raw raw;
  CLI::App app{kAbout, "dwcp-wan"};
  declare(app, options, raw);
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    return unexpected<Stop>(Stop{0, app.help()});
  } catch (const CLI::ParseError& error) {
    return unexpected<Stop>(Stop{2, std::string("dwcp-wan: ") + error.what()});
  }
  options.tick_ns = static_cast<std::uint64_t>(raw.tick_us * 1e3);
  std::string error;
  if (options.iface_a == options.iface_b) error = "--a and --b are the same interface";
  if (error.empty()) error = build_profiles(options, raw);
  if (!error.empty()) return unexpected<Stop>(Stop{2, "dwcp-wan: " + error});
  return options;
}

}  // namespace dwcp::wan
