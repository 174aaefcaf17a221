// SPDX-License-Identifier: Apache-2.0
// What an adapter says about the next bytes of a hypervisor's stream, and the seam all adapters stand behind.
//
// An adapter is a hint.  It parses what it understands and calls the rest opaque; it never fails, never changes a byte,
// never looks ahead of what it is given.  Only the encoder has one: the decoder needs no knowledge of the hypervisor.
// The same stream gives the same spans whatever the cuts between calls, except that a cut also cuts the span it falls
// in. Codec lcore; no allocation after construction.
//
// Use:
//   while (!input.empty()) {
//     Span span = adapter.next(input);             // 0 < span.length <= input.size()
//     ... input.first(span.length) is of span.kind ...
//     input = input.subspan(span.length);
//   }
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace dwcp {

enum class SpanKind : std::uint8_t {
  kOpaque,  // headers, device state, anything not understood
  kPage,    // (a piece of) the content of a guest page
};

struct Span {
  SpanKind kind = SpanKind::kOpaque;
  std::uint32_t length = 0;  // bytes of the stream

  // Set for kPage only.
  std::uint16_t ram_block = 0;    // index of the RAM block, in order of announcement
  std::uint64_t page_offset = 0;  // byte offset of the page in its RAM block
  std::uint32_t page_bytes = 0;   // size of the whole page
  std::uint32_t begin = 0;        // where in the page this piece begins; 0 when the page is whole

  [[nodiscard]] bool ends_page() const noexcept { return kind == SpanKind::kPage && begin + length == page_bytes; }
};

struct AdapterCounters {
  std::uint64_t fill_pages = 0;        // pages the hypervisor itself sent as one fill byte
  std::uint64_t delta_pages = 0;       // XBZRLE records, passed through
  std::uint64_t compressed_pages = 0;  // pages the hypervisor compressed, passed through
  std::uint64_t sync_losses = 0;       // 1 once a stream that began as a known one stopped making sense
};

class Adapter {
 public:
  virtual ~Adapter() = default;

  // Forgets everything: the next byte is the first of a new stream.
  virtual void reset() noexcept = 0;

  // Takes 1 to input.size() bytes off the front of a non-empty input.
  [[nodiscard]] virtual Span next(std::span<const std::uint8_t> input) noexcept = 0;

  [[nodiscard]] virtual const AdapterCounters& counters() const noexcept = 0;

  // Where in the stream, from 0, the first byte stands that the hypervisor wrote with the guest stopped: all from there on
  // is downtime.  Known up to four bytes later.  None: not there yet, or not to be told for this stream.
  [[nodiscard]] virtual std::optional<std::uint64_t> stop_offset() const noexcept = 0;
};

}  // namespace dwcp
