// SPDX-License-Identifier: Apache-2.0
#include "compress/block_decoder.h"

#include <algorithm>
#include <cstring>

#include "base/assert.h"
#include "base/byte_order.h"

namespace dwcp {

void BlockDecoder::reset() noexcept {
  digest_.reset();
  counters_ = {};
  error_ = DecodeError::kNone;
  under_way_ = false;
}

BlockDecoder::Read BlockDecoder::refuse(DecodeError error) noexcept {
  error_ = error;
  under_way_ = false;
  ++counters_.errors;
  return Read::kError;
}

expected<std::size_t, DecodeError> BlockDecoder::begin(std::span<const std::uint8_t> encoded) noexcept {
  DWCP_ASSERT(!under_way_);
  if (error_ != DecodeError::kNone) return unexpected<DecodeError>(error_);
  const auto info = read_header(encoded);
  if (!info) {
    refuse(info.error());
    return unexpected<DecodeError>(error_);
  }
  info_ = *info;
  body_ = encoded.subspan(kBlockHeaderBytes);
  encoded_bytes_ = encoded.size();
  consumed_ = produced_ = filled_ = 0;
  run_ = {};
  under_way_ = true;
  stage_ = info_.raw_bytes > 0 ? Stage::kHead : Stage::kEnd;
  if (info_.entropy == Entropy::kZstd) zstd_.begin(body_);
  return info_.raw_bytes;
}

BlockDecoder::StepResult BlockDecoder::step(std::span<std::uint8_t> out) noexcept {
  if (error_ != DecodeError::kNone) return StepResult::kError;
  DWCP_ASSERT(under_way_ && out.size() >= info_.raw_bytes);
  input_budget_ = kStepInputMax;
  Read result = Read::kDone;
  if (stage_ == Stage::kHead) result = read_head();
  if (result == Read::kDone && stage_ == Stage::kInstructions) result = read_instructions();
  if (result == Read::kDone && stage_ == Stage::kRuns) result = carry_out(out);
  if (result == Read::kDone && stage_ == Stage::kEnd) {
    result = read_end();
    if (result == Read::kDone) return complete();
  }
  return result == Read::kError ? StepResult::kError : StepResult::kMore;
}

BlockDecoder::Read BlockDecoder::read(std::span<std::uint8_t> dst) noexcept {
  if (info_.entropy == Entropy::kZstd) {
    const Read result = zstd_.read(dst, filled_, input_budget_);
    return result == Read::kError ? refuse(zstd_.error()) : result;
  }
  const std::size_t wanted = dst.size() - filled_;
  if (wanted > body_.size() - consumed_) return refuse(DecodeError::kTruncatedBody);
  std::memcpy(dst.data() + filled_, body_.data() + consumed_, wanted);
  consumed_ += wanted;
  filled_ += wanted;
  return Read::kDone;
}

BlockDecoder::Read BlockDecoder::read_head() noexcept {
  if (const Read result = read(head_); result != Read::kDone) return result;
  instruction_bytes_ = load_be<be16>(head_.data());
  if (instruction_bytes_ == 0 || instruction_bytes_ > kInstructionBytesMax) {
    return refuse(DecodeError::kBadInstructionBytes);
  }
  filled_ = 0;
  stage_ = Stage::kInstructions;
  return Read::kDone;
}

BlockDecoder::Read BlockDecoder::read_instructions() noexcept {
  const auto part = std::span(instructions_).first(instruction_bytes_);
  if (const Read result = read(part); result != Read::kDone) return result;
  const DecodeError error = segment_.open(part, info_.raw_bytes - produced_);
  if (error != DecodeError::kNone) return refuse(error);
  filled_ = 0;
  run_ = {};
  slice_begin_ = produced_;
  stage_ = Stage::kRuns;
  return Read::kDone;
}

// segment_.open() has made sure that the runs fit into the raw bytes still due, hence into out.
BlockDecoder::Read BlockDecoder::carry_out(std::span<std::uint8_t> out) noexcept {
  for (;;) {
    if (run_.length == 0 && !segment_.next(run_)) break;
    const auto target = out.subspan(produced_, run_.length);
    if (run_.code == Instruction::kZero) {
      std::memset(target.data(), 0, target.size());
    } else if (const Read result = read(target); result != Read::kDone) {
      return result;
    }
    produced_ += run_.length;
    filled_ = 0;
    run_ = {};
  }
  digest_.update(out.subspan(slice_begin_, produced_ - slice_begin_));
  stage_ = produced_ < info_.raw_bytes ? Stage::kHead : Stage::kEnd;
  return Read::kDone;
}

BlockDecoder::Read BlockDecoder::read_end() noexcept {
  if (info_.entropy == Entropy::kZstd) {
    const Read result = zstd_.finish(input_budget_);
    return result == Read::kError ? refuse(zstd_.error()) : result;
  }
  return consumed_ == body_.size() ? Read::kDone : refuse(DecodeError::kTrailingBytes);
}

BlockDecoder::StepResult BlockDecoder::complete() noexcept {
  if (digest_.value().low != info_.digest_low) {
    refuse(DecodeError::kDigestMismatch);
    return StepResult::kError;
  }
  under_way_ = false;
  ++counters_.blocks;
  counters_.raw_bytes += info_.raw_bytes;
  counters_.encoded_bytes += encoded_bytes_;
  if (info_.entropy == Entropy::kStored) ++counters_.stored_blocks;
  return StepResult::kDone;
}

}  // namespace dwcp
