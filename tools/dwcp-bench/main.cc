// SPDX-License-Identifier: Apache-2.0
// dwcp-bench: the two ends of a goodput measurement, for tools/bench.  Each prints one JSON object when done.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <iostream>
#include <nlohmann/json.hpp>

#include "dwcp-bench/flows.h"

namespace {

using nlohmann::json;
using namespace dwcp::bench;

void print_source(const SourceOptions& options) {
  const SourceReport report = run_source(options);
  std::cout << json{{"began_ns", report.began_ns}, {"ended_ns", report.ended_ns}, {"bytes", report.bytes}} << std::endl;
}

bool print_sink(const SinkOptions& options) {
  const SinkReport report = run_sink(options, [] { std::cout << "listening" << std::endl; });
  std::cout << json{{"began_ns", report.began_ns}, {"ended_ns", report.ended_ns}, {"bytes", report.bytes},
                    {"intact", report.intact},     {"sample_ns", kSampleNs},      {"bytes_at", report.bytes_at}}
            << std::endl;
  return report.intact;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Sends random bytes through a stream, or receives and checks them.");
  app.require_subcommand(1);
  SourceOptions source;
  auto* send = app.add_subcommand("source", "send");
  send->add_option("--connect", source.connect, "tcp:ADDRESS:PORT or unix:/PATH")->required();
  send->add_option("--congestion", source.congestion, "kernel TCP congestion control");
  send->add_option("--flows", source.flows, "connections")->check(CLI::Range(1, 256));
  send->add_option("--seed", source.seed, "of the bytes");
  auto* seconds = send->add_option("--seconds", source.seconds, "send for so long")->check(CLI::PositiveNumber);
  auto* bytes = send->add_option("--bytes", source.bytes, "send so much in each flow")->check(CLI::PositiveNumber);
  SinkOptions sink;
  auto* receive = app.add_subcommand("sink", "receive and check");
  receive->add_option("--listen", sink.listen, "tcp:ADDRESS:PORT or unix:/PATH")->required();
  receive->add_option("--flows", sink.flows, "connections")->check(CLI::Range(1, 256));
  receive->add_option("--seed", sink.seed, "of the bytes");
  CLI11_PARSE(app, argc, argv);
  try {
    if (*receive) return print_sink(sink) ? 0 : 1;
    if (seconds->empty() && bytes->empty()) throw std::invalid_argument("--seconds or --bytes is needed");
    print_source(source);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "dwcp-bench: %s\n", error.what());
    return 1;
  }
}
