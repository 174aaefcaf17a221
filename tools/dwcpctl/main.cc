// SPDX-License-Identifier: Apache-2.0
// dwcpctl: asks and commands a running gateway, and makes keys and certificates.  Exit codes: client.h.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>

#include "client.h"
#include "command.h"
#include "pki_command.h"
#include "report.h"

namespace {

using namespace dwcp;
using namespace dwcp::ctl;

struct Options {
  Target target;
  bool json = false;
  unsigned timeout_ms = 5000;
};

int give_up(const Fault& fault) {
  std::fprintf(stderr, "dwcpctl: %s\n", fault.text.c_str());
  return static_cast<int>(fault.exit);
}

int print(const expected<Json, Fault>& value, const Options& options, std::string (*render)(const Json&)) {
  if (!value) return give_up(value.error());
  const std::string text = options.json ? value->dump(2, ' ', true, Json::error_handler_t::replace) + '\n' : render(*value);
  const bool written = std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0;
  return static_cast<int>(written ? Exit::kOk : Exit::kFailed);
}

// Exactly one of the two.
int run(const Report* report, const Command* command, const Options& options) {
  const Deadline deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(options.timeout_ms);
  const auto path = find_socket(options.target, deadline);
  if (!path) return give_up(path.error());
  if (command != nullptr) return print(run_command(*command, *path, deadline), options, command->render);
  auto client = Client::connect(*path, deadline);
  if (!client) return give_up(client.error());
  return print(report->collect(*client), options, report->render);
}

}  // namespace

int main(int argc, char** argv) try {
  CLI::App app("Asks and commands a running dwcp-gateway over its control sockets; makes keys and certificates.", "dwcpctl");
  app.footer(
      "Exit codes: 0 done, 1 it failed, or the gateway did not answer well, 2 usage, 3 no gateway runs, 4 timeout, 5 no "
      "rights.");
  app.require_subcommand(1);
  Options options;
  const Report* chosen = nullptr;
  for (const Report& report : reports()) {
    CLI::App* command = app.add_subcommand(std::string(report.name), std::string(report.help));
    command->fallthrough();  // options may stand after the command too
    command->callback([&chosen, &report] { chosen = &report; });
  }
  const Command* commanded = nullptr;
  for (const Command& command : commands()) {
    CLI::App* added = app.add_subcommand(std::string(command.name), std::string(command.help));
    added->fallthrough();
    added->callback([&commanded, &command] { commanded = &command; });
  }
  PkiCommand pki(app);
  auto* gateway =
      app.add_option("--gateway", options.target.gateway, "The gateway's name (gateway.name in its config)");
  auto* prefix = app.add_option("--file-prefix", options.target.file_prefix, "The gateway's EAL --file-prefix");
  gateway->excludes(prefix);
  app.add_option("--runtime-dir", options.target.runtime_dir, "The gateway's control.runtime_dir (default: DPDK's)");
  app.add_option("--timeout-ms", options.timeout_ms, "Give up after this long")
      ->capture_default_str()
      ->check(CLI::Range(1, 600000));
  app.add_flag("--json", options.json, "Print JSON");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? static_cast<int>(Exit::kOk) : static_cast<int>(Exit::kUsage);
  }
  if (pki.chosen()) return static_cast<int>(pki.run());
  return run(chosen, commanded, options);
} catch (const std::exception& exception) {
  std::fprintf(stderr, "dwcpctl: %s\n", exception.what());
  return static_cast<int>(Exit::kFailed);
}
