// SPDX-License-Identifier: Apache-2.0
// Streams to feed the codec with: by seed, the same on every machine.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

#include "base/byte_order.h"
#include "base/rng.h"
#include "compress/qemu/stream_format.h"

namespace dwcp::streams {

using Bytes = std::vector<std::uint8_t>;

inline Bytes random_bytes(Rng& rng, std::size_t size) {
  Bytes out(size);
  std::size_t at = 0;
  for (; at + 8 <= size; at += 8) {
    const std::uint64_t word = rng.next();
    std::memcpy(out.data() + at, &word, 8);
  }
  for (; at < size; ++at) out[at] = static_cast<std::uint8_t>(rng.next());
  return out;
}

// Words of a small vocabulary, drawn unevenly: shrinks about as prose and JSON do.
inline Bytes text_bytes(Rng& rng, std::size_t size) {
  Bytes vocabulary[512];
  for (auto& word : vocabulary) {
    word.resize(2 + rng.below(9));
    for (auto& c : word) c = static_cast<std::uint8_t>('a' + rng.below(26));
    word.push_back(' ');
  }
  Bytes out;
  out.reserve(size + 16);
  while (out.size() < size) {
    const auto& word = vocabulary[rng.below(1 + rng.below(512))];
    out.insert(out.end(), word.begin(), word.end());
  }
  out.resize(size);
  return out;
}

// Zero runs of all lengths between runs of bytes.
inline Bytes zero_heavy_bytes(Rng& rng, std::size_t size) {
  Bytes out(size);
  for (std::size_t at = 0; at < size;) {
    at += rng.below(std::uint64_t{1} << (1 + rng.below(16)));
    for (std::uint64_t n = rng.below(300); n > 0 && at < size; --n, ++at)
      out[at] = static_cast<std::uint8_t>(rng.next());
  }
  return out;
}

// Writes a QEMU precopy stream record by record.
class QemuStream {
 public:
  Bytes bytes;

  void u8(std::uint8_t value) { bytes.push_back(value); }
  void u16(std::uint16_t value) { put(be16(value)); }
  void u32(std::uint32_t value) { put(be32(value)); }
  void u64(std::uint64_t value) { put(be64(value)); }
  void text(std::string_view value) { bytes.insert(bytes.end(), value.begin(), value.end()); }
  void name(std::string_view value) {
    u8(static_cast<std::uint8_t>(value.size()));
    text(value);
  }
  void raw(std::span<const std::uint8_t> value) { bytes.insert(bytes.end(), value.begin(), value.end()); }

  void magic() {
    u32(qemu::kMagic);
    u32(qemu::kVersion);
  }
  void configuration() {
    u8(qemu::kConfiguration);
    u32(13);
    text("pc-i440fx-7.2");
  }
  void start(std::string_view section, std::uint32_t id = 2, std::uint32_t version = 4) {
    u8(qemu::kSectionStart);
    u32(id);
    name(section);
    u32(0);
    u32(version);
  }
  void block(std::string_view block_name, std::uint64_t size) {
    name(block_name);
    u64(size);
  }
  void end_of_section(std::uint32_t id = 2) {
    u64(qemu::kFlagEndOfSection);
    u8(qemu::kSectionFooter);
    u32(id);
  }
  void part(std::uint32_t id = 2) {
    u8(qemu::kSectionPart);
    u32(id);
  }
  // The guest is stopped: what was dirty last follows.
  void end(std::uint32_t id = 2) {
    u8(qemu::kSectionEnd);
    u32(id);
  }
  void record(std::uint64_t offset, std::uint64_t flags, std::string_view block_name = {}) {
    u64(offset | flags | (block_name.empty() ? qemu::kFlagContinue : 0));
    if (!block_name.empty()) name(block_name);
  }
  void page(std::uint64_t offset, std::span<const std::uint8_t> content, std::string_view block_name = {}) {
    record(offset, qemu::kFlagPage, block_name);
    raw(content);
  }
  // Header, configuration, and a setup section that announces pc.ram (16 MiB) and pc.rom (128 KiB).
  void setup() {
    magic();
    configuration();
    start("ram");
    u64((16U << 20) + (128U << 10) + qemu::kFlagMemorySize);
    block("pc.ram", 16U << 20);
    block("pc.rom", 128U << 10);
    end_of_section();
  }

 private:
  template <typename Field>
  void put(Field field) {
    bytes.insert(bytes.end(), field.bytes, field.bytes + sizeof field);
  }
};

// A guest of `pages` pages: a third zero by flag, some zero in content, text, random and sparse ones, re-sent now and
// then, with XBZRLE and compressed records between, device state at the end.
inline Bytes qemu_bytes(Rng& rng, std::size_t pages) {
  QemuStream s;
  s.setup();
  s.part();
  bool named = false;
  for (std::size_t i = 0; i < pages; ++i) {
    const std::uint64_t offset = rng.below(4096) * 4096;
    const std::string_view name = named && rng.chance(0.97) ? "" : "pc.ram";
    named = true;
    switch (rng.below(10)) {
      case 0:
      case 1:
      case 2:
        s.record(offset, qemu::kFlagFill, name);
        s.u8(0);
        break;
      case 3:
        s.page(offset, Bytes(4096), name);
        break;
      case 4:
      case 5:
        s.page(offset, text_bytes(rng, 4096), name);
        break;
      case 6:
        s.page(offset, random_bytes(rng, 4096), name);
        break;
      case 7:
      case 8:
        s.page(offset, zero_heavy_bytes(rng, 4096), name);
        break;
      default: {
        const Bytes delta = random_bytes(rng, 1 + rng.below(500));
        const bool xbzrle = rng.chance(0.5);
        s.record(offset, xbzrle ? qemu::kFlagXbzrle : qemu::kFlagCompressedPage, name);
        if (xbzrle) {
          s.u8(qemu::kXbzrleEncoded);
          s.u16(static_cast<std::uint16_t>(delta.size()));
        } else {
          s.u32(static_cast<std::uint32_t>(delta.size()));
        }
        s.raw(delta);
      }
    }
    if (rng.chance(0.01)) {
      s.end_of_section();
      s.part();
      named = false;
    }
  }
  s.end_of_section();
  s.u8(qemu::kSectionFull);
  s.raw(text_bytes(rng, 20'000));
  return s.bytes;
}

}  // namespace dwcp::streams
