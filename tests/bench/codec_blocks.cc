// SPDX-License-Identifier: Apache-2.0
// codec_blocks [CAPTURE_FILE] [--level N]
// Speed and ratio of the block codec on one core: MB of raw stream per second, median of several passes over a stream
// longer than any cache, and the longest single step, which is what a codec lcore's other queues wait for.  A capture
// is a file made by `migrate exec:cat > FILE` in QEMU's monitor.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "../unit/compress/streams.h"
#include "compress/block_decoder.h"
#include "compress/block_encoder.h"

namespace {

using namespace dwcp;
using Clock = std::chrono::steady_clock;
using streams::Bytes;

constexpr std::size_t kStreamBytes = 64U << 20;
constexpr int kPasses = 5;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

struct Quantiles {
  std::vector<double> values;
  double at(double q) {
    std::sort(values.begin(), values.end());
    return values[static_cast<std::size_t>(q * static_cast<double>(values.size() - 1))];
  }
};

Bytes repeat(const Bytes& unit) {
  Bytes out;
  out.reserve(kStreamBytes + unit.size());
  while (out.size() < kStreamBytes) out.insert(out.end(), unit.begin(), unit.end());
  return out;
}

// The pages of a QEMU stream with 4 KiB of `content` each: all of one kind, so that a row says what one kind costs.
Bytes qemu_of(const Bytes& content) {
  streams::QemuStream s;
  s.setup();
  s.part();
  for (std::size_t at = 0; at + 4096 <= content.size(); at += 4096) {
    s.page(at % (16U << 20), std::span(content).subspan(at, 4096), at == 0 ? "pc.ram" : "");
  }
  s.end_of_section();
  return s.bytes;
}

void row(const std::string& name, const Bytes& stream, int level) {
  BlockEncoder encoder({.zstd_level = level, .zstd_level_max = std::max(level, 1)});
  BlockDecoder decoder;
  Bytes encoded(stream.size() + (stream.size() / kRawBlockMax + 1) * kBlockGrowthMax);
  Bytes raw(kRawBlockMax);
  Quantiles encode_mbps, decode_mbps, encode_step_us, decode_step_us;
  std::size_t wire_bytes = 0;
  for (int pass = 0; pass <= kPasses; ++pass) {
    encoder.reset();
    decoder.reset();
    std::vector<std::size_t> sizes;
    std::size_t at = 0;
    const auto encode_start = Clock::now();
    for (std::size_t done = 0; done < stream.size(); done += kRawBlockMax) {
      const auto block = std::span(stream).subspan(done, std::min(kRawBlockMax, stream.size() - done));
      encoder.begin(block, std::span(encoded).subspan(at));
      for (bool complete = false; !complete;) {
        const auto step_start = Clock::now();
        complete = encoder.step();
        if (pass == kPasses) encode_step_us.values.push_back(seconds_since(step_start) * 1e6);
      }
      sizes.push_back(encoder.size());
      at += encoder.size();
    }
    const double encode_s = seconds_since(encode_start);
    wire_bytes = at;
    at = 0;
    const auto decode_start = Clock::now();
    for (const std::size_t size : sizes) {
      auto result = decoder.begin(std::span(encoded).subspan(at, size)) ? BlockDecoder::StepResult::kMore
                                                                        : BlockDecoder::StepResult::kError;
      while (result == BlockDecoder::StepResult::kMore) {
        const auto step_start = Clock::now();
        result = decoder.step(raw);
        if (pass == kPasses) decode_step_us.values.push_back(seconds_since(step_start) * 1e6);
      }
      if (result == BlockDecoder::StepResult::kError) std::abort();
      at += size;
    }
    const double decode_s = seconds_since(decode_start);
    if (pass == 0) continue;  // memory touched for the first time
    encode_mbps.values.push_back(static_cast<double>(stream.size()) / encode_s / 1e6);
    decode_mbps.values.push_back(static_cast<double>(stream.size()) / decode_s / 1e6);
  }
  std::printf("%-24s %5d %9.3f %9.0f %9.0f %9.1f %9.1f %9.1f %9.1f\n", name.c_str(), level,
              static_cast<double>(stream.size()) / static_cast<double>(wire_bytes), encode_mbps.at(0.5),
              decode_mbps.at(0.5), encode_step_us.at(0.5), encode_step_us.at(0.99), decode_step_us.at(0.5),
              decode_step_us.at(0.99));
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<int> levels{1, 0};
  std::string capture;
  for (int i = 1; i < argc; ++i) {
    if (std::string(argv[i]) == "--level" && i + 1 < argc) {
      levels = {std::atoi(argv[++i])};
    } else {
      capture = argv[i];
    }
  }
  Rng rng(1);
  const Bytes random = streams::random_bytes(rng, kStreamBytes);
  const Bytes text = streams::text_bytes(rng, kStreamBytes);
  std::printf("%-24s %5s %9s %9s %9s %9s %9s %9s %9s\n", "stream", "level", "ratio", "enc MB/s", "dec MB/s", "enc us",
              "p99", "dec us", "p99");
  for (const int level : levels) {
    row("zero", Bytes(kStreamBytes), level);
    row("random", random, level);
    row("text", text, level);
    row("qemu zero pages", qemu_of(Bytes(kStreamBytes)), level);
    row("qemu random pages", qemu_of(random), level);
    row("qemu text pages", qemu_of(text), level);
    row("qemu mixed", repeat(streams::qemu_bytes(rng, 8192)), level);
    if (!capture.empty()) {
      std::ifstream file(capture, std::ios::binary);
      const Bytes bytes{std::istreambuf_iterator<char>(file), {}};
      if (bytes.empty()) {
        std::fprintf(stderr, "codec_blocks: cannot read %s\n", capture.c_str());
        return 1;
      }
      row("capture", bytes.size() < kStreamBytes ? repeat(bytes) : bytes, level);
    }
  }
  return 0;
}
