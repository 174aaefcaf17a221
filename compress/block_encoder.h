// SPDX-License-Identifier: Apache-2.0
// Turns one direction of one migration (one shard of it) into encoded blocks, in stream order, a slice at a time.
//
// Called from one codec lcore.  Nothing allocates, blocks or throws after construction.  One step() does at most
// kSliceBytes of raw input, so the lcore can look after its queues between steps.
//
// Invariants:
// - whatever the adapter or a level makes of the bytes, the block decodes to exactly the bytes given;
// - size() <= encoded_bound(raw.size());
// - the same options, levels and blocks since reset() give the same bytes.
//
// Use:
//   encoder.begin(raw, out);              raw and out stay valid and untouched until step() has returned true
//   while (!encoder.step()) ...;
//   send out.first(encoder.size());
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "compress/block_format.h"
#include "compress/digest.h"
#include "compress/entropy/entropy_gate.h"
#include "compress/entropy/zstd_compressor.h"
#include "compress/qemu/precopy_adapter.h"
#include "compress/segment.h"
#include "compress/span.h"

namespace dwcp {

struct EncoderOptions {
  int zstd_level = 1;      // 1 to zstd_level_max; 0: no entropy coder
  int zstd_level_max = 9;  // what set_level() may ask for later.  Memory: 1.1 MiB at 1, 4.0 at 9, 5.8 at 19
  bool adapter = true;     // look for guest pages; false: everything is opaque
};

// Single writer, read by the owner and published by it.
struct EncoderCounters {
  std::uint64_t blocks = 0;
  std::uint64_t raw_bytes = 0;
  std::uint64_t encoded_bytes = 0;
  std::uint64_t zero_pages = 0;       // page contents that were all zero
  std::uint64_t normal_pages = 0;     // other page contents
  std::uint64_t opaque_bytes = 0;     // raw bytes outside page contents
  std::uint64_t zero_run_bytes = 0;   // raw bytes carried as zero runs, in pages and outside
  std::uint64_t stored_blocks = 0;    // blocks that the entropy gate (or level 0) left uncoded
  std::uint64_t fallback_blocks = 0;  // blocks coded, found not to shrink, and stored after all
};

class BlockEncoder {
 public:
  explicit BlockEncoder(const EncoderOptions& options);

  // Ready for a new migration: digest, counters, adapter and level back to the start.
  void reset() noexcept;

  // raw.size() <= kRawBlockMax, out.size() >= encoded_bound(raw.size()); no block may be under way.
  void begin(std::span<const std::uint8_t> raw, std::span<std::uint8_t> out) noexcept;

  // Does a slice; true when the block is complete.
  [[nodiscard]] bool step() noexcept;

  [[nodiscard]] std::size_t size() const noexcept { return size_; }

  // From the next block on; clamped to 0..zstd_level_max.
  void set_level(int level) noexcept;
  [[nodiscard]] int level() const noexcept { return level_; }

  [[nodiscard]] const EncoderCounters& counters() const noexcept { return counters_; }
  [[nodiscard]] const AdapterCounters& adapter_counters() const noexcept { return adapter_.counters(); }
  // See Adapter; of the blocks encoded so far.
  [[nodiscard]] std::optional<std::uint64_t> stop_offset() const noexcept { return adapter_.stop_offset(); }
  [[nodiscard]] Digest digest() const noexcept { return digest_.value(); }

 private:
  // kZstd --- does not shrink ---> kRedo --- caught up ---> kStored
  enum class Mode : std::uint8_t {
    kStored,  // segments go to out as they are
    kZstd,    // segments go to out through zstd
    kRedo,    // zstd did not pay: slices up to position_ are laid down again, all as opaque
  };

  void describe(std::span<const std::uint8_t> slice) noexcept;
  [[nodiscard]] bool write_zstd(std::span<const std::uint8_t> slice) noexcept;
  void write_stored(std::span<const std::uint8_t> slice) noexcept;
  void step_new_slice() noexcept;
  void step_redo() noexcept;
  void finish() noexcept;

  EncoderOptions options_;
  int level_;
  ZstdCompressor zstd_;
  EntropyGate gate_;
  RunningDigest digest_;
  QemuPrecopyAdapter adapter_;
  SegmentWriter segment_;
  EncoderCounters counters_;

  std::span<const std::uint8_t> raw_;
  std::span<std::uint8_t> out_;
  std::size_t position_ = 0;       // raw bytes parsed and digested
  std::size_t redo_position_ = 0;  // in kRedo: raw bytes laid down again
  std::size_t coded_bytes_ = 0;    // bytes given to zstd for this block
  std::size_t size_ = 0;           // encoded bytes in out_
  Mode mode_ = Mode::kStored;
  bool under_way_ = false;
  bool fell_back_ = false;
  bool page_all_zero_ = true;  // so far, of the page the adapter is in
};

}  // namespace dwcp
