// SPDX-License-Identifier: Apache-2.0
// dwcp-flood: sends the frames of a pcap file over and over, at a rate; for attack tests and tools/bench flood.  Prints one
// JSON object when done, or when told to end by SIGTERM.
#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <exception>
#include <iostream>
#include <nlohmann/json.hpp>

#include "dwcp-flood/flooder.h"

namespace {

volatile std::sig_atomic_t told_to_end = 0;

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Sends the frames of a pcap file over and over.");
  dwcp::flood::FloodPlan plan;
  std::string path;
  app.add_option("--interface", plan.interface, "to send from")->required();
  app.add_option("--frames", path, "pcap file of Ethernet frames")->required();
  app.add_option("--rate", plan.packets_per_s, "packets/s; 0: as fast as it goes")->check(CLI::NonNegativeNumber);
  app.add_option("--seconds", plan.seconds, "for so long; 0: until SIGTERM")->check(CLI::NonNegativeNumber);
  app.add_option("--packets", plan.packets, "so many; 0: no limit");
  CLI11_PARSE(app, argc, argv);
  std::signal(SIGTERM, [](int) { told_to_end = 1; });
  try {
    std::vector<dwcp::flood::Frame> frames = dwcp::flood::read_pcap(path);
    std::cout << "ready" << std::endl;
    const auto report = dwcp::flood::flood(plan, frames, [] { return told_to_end != 0; });
    std::cout << nlohmann::json{{"packets", report.packets}, {"bytes", report.bytes},   {"refused", report.refused},
                                {"seconds", report.seconds}, {"cpu_s", report.cpu_s}}
              << std::endl;
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "dwcp-flood: %s\n", error.what());
    return 1;
  }
}
