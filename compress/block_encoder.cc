// SPDX-License-Identifier: Apache-2.0
#include "compress/block_encoder.h"

#include <algorithm>
#include <cstring>

#include "base/assert.h"
#include "compress/levels/level_chain.h"
#include "compress/levels/zero_runs.h"

namespace dwcp {
namespace {

// Below this, a zstd frame's own bytes eat what it could gain.
constexpr std::size_t kZstdBlockMin = 64;

// Fewer bytes than this do not tell whether coding pays.
constexpr std::size_t kJudgeFromBytes = 16 * 1024;

// Shrinking by less than 3 % is not worth a decoder's time.
constexpr bool shrank(std::size_t produced, std::size_t coded) noexcept {
  return produced * 100 < coded * 97;
}

bool only_zeros(std::span<const std::uint8_t> bytes) noexcept {
  return std::all_of(bytes.begin(), bytes.end(), [](std::uint8_t byte) { return byte == 0; });
}

}  // namespace

BlockEncoder::BlockEncoder(const EncoderOptions& options)
    : options_(options), level_(0), zstd_(options.zstd_level_max) {
  reset();
}

void BlockEncoder::reset() noexcept {
  set_level(options_.zstd_level);
  gate_.reset();
  digest_.reset();
  adapter_.reset();
  counters_ = {};
  under_way_ = false;
  page_all_zero_ = true;
  size_ = 0;
}

void BlockEncoder::set_level(int level) noexcept {
  level_ = std::clamp(level, 0, zstd_.level_max());
}

void BlockEncoder::begin(std::span<const std::uint8_t> raw, std::span<std::uint8_t> out) noexcept {
  DWCP_ASSERT(!under_way_ && raw.size() <= kRawBlockMax && out.size() >= encoded_bound(raw.size()));
  raw_ = raw;
  out_ = out;
  position_ = redo_position_ = coded_bytes_ = 0;
  size_ = kBlockHeaderBytes;
  under_way_ = true;
  fell_back_ = false;
  mode_ = Mode::kStored;
  if (level_ > 0 && raw.size() >= kZstdBlockMin && gate_.worth_coding(raw)) {
    mode_ = Mode::kZstd;
    zstd_.begin(level_, out_.subspan(kBlockHeaderBytes, raw.size()));
  }
}

bool BlockEncoder::step() noexcept {
  DWCP_ASSERT(under_way_);
  if (mode_ == Mode::kRedo) {
    step_redo();
  } else if (position_ < raw_.size()) {
    step_new_slice();
  }
  if (mode_ == Mode::kRedo || position_ < raw_.size()) return false;
  finish();
  return true;
}

void BlockEncoder::step_new_slice() noexcept {
  const auto slice = raw_.subspan(position_, std::min(kSliceBytes, raw_.size() - position_));
  position_ += slice.size();
  digest_.update(slice);
  describe(slice);
  if (mode_ == Mode::kStored) {
    write_stored(slice);
    return;
  }
  const bool fits = write_zstd(slice);
  const bool can_judge = coded_bytes_ >= kJudgeFromBytes && position_ >= raw_.size() / 2;
  if (fits && (!can_judge || shrank(zstd_.produced(), coded_bytes_))) return;
  mode_ = Mode::kRedo;
  fell_back_ = true;
  size_ = kBlockHeaderBytes;
}

void BlockEncoder::step_redo() noexcept {
  const auto slice = raw_.subspan(redo_position_, std::min(kSliceBytes, position_ - redo_position_));
  redo_position_ += slice.size();
  segment_.clear();
  encode_piece({.length = static_cast<std::uint32_t>(slice.size())}, slice, segment_);
  write_stored(slice);
  if (redo_position_ == position_) mode_ = Mode::kStored;
}

void BlockEncoder::describe(std::span<const std::uint8_t> slice) noexcept {
  segment_.clear();
  while (!slice.empty()) {
    Span span{.length = static_cast<std::uint32_t>(slice.size())};
    if (options_.adapter) span = adapter_.next(slice);
    const Level taken = encode_piece(span, slice.first(span.length), segment_);
    if (span.kind == SpanKind::kOpaque) {
      counters_.opaque_bytes += span.length;
    } else {
      // A short piece of a zero page is carried as literals, yet the page counts as what it is.
      const auto piece = slice.first(span.length);
      const bool zero = taken == Level::kZero || (piece.size() < kZeroPieceMin && only_zeros(piece));
      page_all_zero_ = (span.begin == 0 || page_all_zero_) && zero;
      if (span.ends_page()) ++(page_all_zero_ ? counters_.zero_pages : counters_.normal_pages);
    }
    slice = slice.subspan(span.length);
  }
  for (const Run& run : segment_.runs()) {
    if (run.code == Instruction::kZero) counters_.zero_run_bytes += run.length;
  }
}

bool BlockEncoder::write_zstd(std::span<const std::uint8_t> slice) noexcept {
  const auto head = segment_.serialise();
  bool fits = zstd_.write(head);
  coded_bytes_ += head.size();
  for (const Run& run : segment_.runs()) {
    if (run.code == Instruction::kLiteral) {
      fits = fits && zstd_.write(slice.first(run.length));
      coded_bytes_ += run.length;
    }
    slice = slice.subspan(run.length);
  }
  fits = fits && (position_ == raw_.size() ? zstd_.finish() : zstd_.flush());
  size_ = kBlockHeaderBytes + zstd_.produced();
  return fits;
}

void BlockEncoder::write_stored(std::span<const std::uint8_t> slice) noexcept {
  const auto put = [this](std::span<const std::uint8_t> bytes) {
    DWCP_ASSERT(bytes.size() <= out_.size() - size_);
    std::memcpy(out_.data() + size_, bytes.data(), bytes.size());
    size_ += bytes.size();
  };
  put(segment_.serialise());
  for (const Run& run : segment_.runs()) {
    if (run.code == Instruction::kLiteral) put(slice.first(run.length));
    slice = slice.subspan(run.length);
  }
}

void BlockEncoder::finish() noexcept {
  write_header({.entropy = mode_ == Mode::kZstd ? Entropy::kZstd : Entropy::kStored,
                .raw_bytes = raw_.size(),
                .digest_low = digest_.value().low},
               out_);
  if ((mode_ == Mode::kZstd || fell_back_) && coded_bytes_ >= kJudgeFromBytes) gate_.learn(!fell_back_);
  ++counters_.blocks;
  counters_.raw_bytes += raw_.size();
  counters_.encoded_bytes += size_;
  if (fell_back_) {
    ++counters_.fallback_blocks;
  } else if (mode_ == Mode::kStored) {
    ++counters_.stored_blocks;
  }
  under_way_ = false;
}

}  // namespace dwcp
