// SPDX-License-Identifier: Apache-2.0
// Contract: whatever the stream, the adapter's spans cover it exactly, pages lie inside announced RAM blocks, and the
// same stream fed whole and in pieces gives the same pages.
//
// Input: a byte that seeds the cuts, then the stream.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <span>
#include <vector>

#include "compress/qemu/precopy_adapter.h"
#include "compress/qemu/stream_format.h"

namespace {

using namespace dwcp;

void require(bool condition) {
  if (!condition) std::abort();
}

struct Page {
  std::size_t at;
  std::uint16_t block;
  std::uint64_t offset;
  friend bool operator==(const Page&, const Page&) = default;
};

// piece_max 0: the whole stream at once.
std::vector<Page> pages_of(QemuPrecopyAdapter& adapter, std::span<const std::uint8_t> stream, std::size_t piece_max) {
  adapter.reset();
  std::vector<Page> pages;
  std::size_t at = 0;
  std::uint32_t begin = 0;
  std::uint32_t state = static_cast<std::uint32_t>(piece_max) + 1;
  while (at < stream.size()) {
    state = state * 1664525U + 1013904223U;
    std::size_t size = piece_max == 0 ? stream.size() - at : 1 + (state >> 8) % piece_max;
    if (size > stream.size() - at) size = stream.size() - at;
    auto piece = stream.subspan(at, size);
    while (!piece.empty()) {
      const Span span = adapter.next(piece);
      require(span.length > 0 && span.length <= piece.size());
      if (span.kind == SpanKind::kPage) {
        require(span.begin == begin && span.begin + span.length <= span.page_bytes);
        require(span.ram_block < adapter.ram_blocks().size());
        require(span.page_offset + span.page_bytes <= adapter.ram_blocks().bytes(span.ram_block));
        if (begin == 0) pages.push_back({at, span.ram_block, span.page_offset});
        begin = span.ends_page() ? 0 : begin + span.length;
      } else {
        require(begin == 0);
      }
      at += span.length;
      piece = piece.subspan(span.length);
    }
  }
  require(adapter.counters().sync_losses <= 1);
  return pages;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto adapter = std::make_unique<dwcp::QemuPrecopyAdapter>();
  if (size == 0) return 0;
  const std::span<const std::uint8_t> stream(data + 1, size - 1);
  const auto whole = pages_of(*adapter, stream, 0);
  const auto counters = adapter->counters();
  const auto stop = adapter->stop_offset();
  require(!stop || (*stop < stream.size() && stream[*stop] == dwcp::qemu::kSectionEnd));
  require(pages_of(*adapter, stream, 1 + data[0]) == whole);
  require(adapter->counters().fill_pages == counters.fill_pages);
  require(adapter->counters().sync_losses == counters.sync_losses);
  require(adapter->stop_offset() == stop);
  return 0;
}
