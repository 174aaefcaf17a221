// SPDX-License-Identifier: Apache-2.0
// dwcp-gateway [EAL arguments] -- --config FILE [--check]
//
// Exit status: 0 stopped by a signal or --check passed; 1 could not start; 2 wrong arguments or configuration.
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <string>
#include <thread>

#include "config/config.h"
#include "drivers/dpdk/eal.h"
#include "tools/dwcp-gateway/confine.h"
#include "tools/dwcp-gateway/convert.h"
#include "tools/dwcp-gateway/gateway.h"

namespace {

using namespace dwcp;

struct Arguments {
  std::string config;
  bool check = false;
};

int fail(int status, const std::string& line) {
  std::fprintf(stderr, "dwcp-gateway: %s\n", line.c_str());
  return status;
}

// Lcores that the operator did not place float over all cores, so that a small machine shares them as it likes: one for
// the control thread, one for the net role, one for each codec lcore.
std::string floating_lcores(const Config& config) {
  const unsigned cores = std::max(std::thread::hardware_concurrency(), 1U);
  const std::string all = "@(0-" + std::to_string(cores - 1) + ")";
  std::string lcores;
  for (unsigned id = 0; id < 2 + config.lcores.codec_count; ++id) lcores += (id == 0 ? "" : ",") + std::to_string(id) + all;
  return lcores;
}

int run(int argc, char** argv, const Config& config) {
  // Whoever asks and goes before the answer must not end a gateway: libuv and DPDK's telemetry write plainly.
  signal(SIGPIPE, SIG_IGN);
  // Keys are read before confine() forbids the rest.
  const rlimit no_core{0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  auto log = Log::open(config.log);
  if (!log) return fail(1, log.error().to_string());
  const auto accounts = find_accounts(config);
  if (!accounts) return fail(1, accounts.error().to_string());
  EalDefaults defaults;
  defaults.file_prefix = config.file_prefix();
  defaults.lcores = floating_lcores(config);
  if (!config.control.runtime_dir.empty()) setenv("RUNTIME_DIRECTORY", config.control.runtime_dir.c_str(), 1);
  const auto eal = start_eal(argc, argv, defaults);
  if (!eal) return fail(1, eal.error());
  if (!eal->warning.empty()) (*log)->write(LogLevel::kWarning, eal->warning);
  int status = 0;
  {
    Gateway gateway(config, *accounts, **log);
    if (auto started = gateway.start(); !started) {
      status = fail(1, started.error().to_string());
    } else if (auto confined = confine(config, *accounts, **log); !confined) {
      status = fail(1, confined.error().to_string());
    } else {
      gateway.run();
    }
  }
  stop_eal();
  RefusedCallsLog(**log).write_news();
  return status;
}

}  // namespace

int main(int argc, char** argv) {
  // EAL's arguments come first, ours behind "--"; without one, all are ours.
  int own = 1;
  for (int i = 1; i < argc; ++i) {
    if (std::string_view(argv[i]) == "--") own = i + 1;
  }
  Arguments arguments;
  CLI::App app("DWCP gateway: moves running virtual machines between sites", "dwcp-gateway [EAL arguments] --");
  app.set_version_flag("--version", DWCP_VERSION);
  app.add_option("--config", arguments.config, "the configuration file (docs/CONFIG.md)")->required();
  app.add_flag("--check", arguments.check, "only check the configuration");
  std::vector<std::string> words(argv + own, argv + argc);
  std::reverse(words.begin(), words.end());  // as CLI11 wants them
  try {
    app.parse(words);
  } catch (const CLI::ParseError& error) {
    return error.get_exit_code() == 0 ? app.exit(error) : fail(2, std::string(error.what()) + "; see --help");
  }
  auto config = load_config(arguments.config);
  if (!config) {
    for (const ConfigError& error : config.error()) std::fprintf(stderr, "dwcp-gateway: %s\n", error.to_string().c_str());
    return 2;
  }
  const std::vector<std::string> lines = unsupported(*config);
  for (const std::string& line : lines) std::fprintf(stderr, "dwcp-gateway: %s: %s\n", arguments.config.c_str(), line.c_str());
  if (!lines.empty()) return 2;
  if (arguments.check) return std::printf("%s: valid\n", arguments.config.c_str()), 0;
  try {
    return run(own > 1 ? argc : 1, argv, *config);
  } catch (const std::exception& error) {
    return fail(1, std::string("out of resources: ") + error.what());
  }
}
