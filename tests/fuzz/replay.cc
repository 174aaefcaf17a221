// SPDX-License-Identifier: Apache-2.0
// Replays a corpus through a fuzz target as an ordinary test: replay CORPUS_DIR.  Each input is also tried cut short
// and with single bytes changed, so that a corpus of good inputs reaches the refusals too.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

constexpr std::size_t kVariants = 64;

// In a buffer of exactly its size, so that a sanitizer sees a byte too many.
void try_one(const std::vector<std::uint8_t>& input) {
  const std::vector<std::uint8_t> exact(input);
  (void)LLVMFuzzerTestOneInput(exact.data(), exact.size());
}

void try_variants(const std::vector<std::uint8_t>& input) {
  if (input.empty()) return;
  const std::size_t step = std::max<std::size_t>(input.size() / kVariants, 1);
  for (std::size_t at = 0; at < input.size(); at += step) {
    try_one({input.begin(), input.begin() + static_cast<std::ptrdiff_t>(at)});
    std::vector<std::uint8_t> changed = input;
    changed[at] = static_cast<std::uint8_t>(~changed[at]);
    try_one(changed);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: %s CORPUS_DIR\n", argv[0]);
    return 2;
  }
  std::vector<std::filesystem::path> inputs;
  for (const auto& entry : std::filesystem::directory_iterator(argv[1])) inputs.push_back(entry.path());
  std::sort(inputs.begin(), inputs.end());
  try_one({});
  for (const auto& path : inputs) {
    std::printf("%s\n", path.filename().c_str());
    std::fflush(stdout);  // names the input that aborts
    std::ifstream file(path, std::ios::binary);
    const std::vector<std::uint8_t> input{std::istreambuf_iterator<char>(file), {}};
    try_one(input);
    try_variants(input);
  }
  std::printf("%zu inputs\n", inputs.size());
  return inputs.empty() ? 1 : 0;
}
