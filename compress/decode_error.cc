// SPDX-License-Identifier: Apache-2.0
#include "compress/decode_error.h"

#include <array>

namespace dwcp {
namespace {

struct Row {
  std::string_view name;
  std::string_view text;
};

constexpr std::array<Row, kDecodeErrorCount> kRows{{
    {"none", "no error"},
    {"truncated_header", "block is shorter than its header"},
    {"bad_version", "block format version is not supported"},
    {"bad_flags", "block header has unknown flags"},
    {"reserved_not_zero", "block header has a reserved field set"},
    {"raw_too_large", "block claims more raw bytes than a block may hold"},
    {"encoded_too_large", "block is longer than its raw bytes allow"},
    {"truncated_body", "block ends before the raw bytes it claims"},
    {"bad_instruction_bytes", "a segment's instruction part is empty or too long"},
    {"bad_length", "an instruction's length is zero, overlong or cut off"},
    {"unknown_instruction", "an instruction code is not known"},
    {"output_overrun", "instructions make more bytes than claimed"},
    {"corrupt_entropy", "the zstd frame is corrupt"},
    {"window_too_large", "the zstd frame needs a larger window than agreed"},
    {"trailing_bytes", "block goes on after the raw bytes it claims"},
    {"digest_mismatch", "decoded bytes differ from the bytes encoded"},
}};

const Row& row(DecodeError error) noexcept {
  const auto index = static_cast<std::size_t>(error);
  return kRows[index < kRows.size() ? index : 0];
}

}  // namespace

std::string_view name(DecodeError error) noexcept {
  return row(error).name;
}
std::string_view text(DecodeError error) noexcept {
  return row(error).text;
}

}  // namespace dwcp
