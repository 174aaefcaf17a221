// SPDX-License-Identifier: Apache-2.0
#include "dwcp-flood/pcap_file.h"

#include <array>
#include <fstream>
#include <stdexcept>

namespace dwcp::flood {
namespace {

constexpr std::uint32_t kMagic = 0xa1b2c3d4;
constexpr std::size_t kFileHeaderWords = 6;    // magic, version, zone, accuracy, longest frame, link type
constexpr std::size_t kRecordHeaderWords = 4;  // seconds, microseconds, bytes kept, bytes on the wire
constexpr std::uint32_t kLinkTypeEthernet = 1;
constexpr std::uint32_t kFrameBytesMax = 65536;

template <std::size_t kWords>
bool read_words(std::ifstream& file, std::array<std::uint32_t, kWords>& words) {
  return static_cast<bool>(file.read(reinterpret_cast<char*>(words.data()), sizeof(words)));
}

}  // namespace

std::vector<Frame> read_pcap(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error(path + ": can not be read");
  std::array<std::uint32_t, kFileHeaderWords> header{};
  if (!read_words(file, header) || header[0] != kMagic || header[5] != kLinkTypeEthernet) {
    throw std::runtime_error(path + ": is no little-endian pcap file of Ethernet frames");
  }
  std::vector<Frame> frames;
  std::array<std::uint32_t, kRecordHeaderWords> record{};
  while (read_words(file, record)) {
    if (record[2] == 0 || record[2] > kFrameBytesMax) throw std::runtime_error(path + ": holds a frame of impossible length");
    Frame& frame = frames.emplace_back(record[2]);
    if (!file.read(reinterpret_cast<char*>(frame.data()), static_cast<std::streamsize>(frame.size()))) {
      throw std::runtime_error(path + ": is cut short");
    }
  }
  if (frames.empty()) throw std::runtime_error(path + ": holds no frame");
  return frames;
}

}  // namespace dwcp::flood
