// SPDX-License-Identifier: Apache-2.0
// The two ends of a measured transfer: some flows, a thread each, blocking sockets.
//
// A flow begins with 8 bytes, its number; then come random bytes until the time or the count is reached, then a half
// close.  The sink reads to the end, compares every byte, and samples how many had come at 100 ms steps.  Times are
// CLOCK_MONOTONIC, so that source and sink of one machine can be laid over each other.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace dwcp::bench {

struct SourceOptions {
  std::string connect;
  std::string congestion;  // kernel TCP's; empty: the default
  std::uint64_t flows = 1;
  std::uint64_t seed = 1;
  double seconds = 0;       // 0: until bytes
  std::uint64_t bytes = 0;  // in each flow; 0: until seconds
};

struct SourceReport {
  std::uint64_t began_ns = 0;
  std::uint64_t ended_ns = 0;  // all flows closed by the far end
  std::uint64_t bytes = 0;
};

struct SinkOptions {
  std::string listen;
  std::uint64_t flows = 1;
  std::uint64_t seed = 1;
};

struct SinkReport {
  std::uint64_t began_ns = 0;  // first connection
  std::uint64_t ended_ns = 0;  // last byte
  std::uint64_t bytes = 0;
  bool intact = false;                  // every byte was the one sent
  std::vector<std::uint64_t> bytes_at;  // received by began_ns + 100 ms * (i + 1)
};

inline constexpr std::uint64_t kSampleNs = 100'000'000;

[[nodiscard]] std::uint64_t monotonic_ns() noexcept;
[[nodiscard]] SourceReport run_source(const SourceOptions& options);
// Calls listening() once it can be connected to.
[[nodiscard]] SinkReport run_sink(const SinkOptions& options, void (*listening)());

}  // namespace dwcp::bench
