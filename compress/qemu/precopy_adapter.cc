// SPDX-License-Identifier: Apache-2.0
#include "compress/qemu/precopy_adapter.h"

#include <algorithm>
#include <cstring>
#include <string_view>

#include "base/assert.h"
#include "base/byte_order.h"
#include "compress/qemu/stream_format.h"

namespace dwcp {
namespace {

bool is(std::span<const std::uint8_t> bytes, std::string_view name) noexcept {
  return bytes.size() == name.size() && std::memcmp(bytes.data(), name.data(), name.size()) == 0;
}

}  // namespace

void QemuPrecopyAdapter::reset() noexcept {
  recognised_ = subsections_allowed_ = ram_known_ = block_known_ = ending_ = postcopy_ = false;
  skip_ = position_ = end_offset_ = announced_left_ = 0;
  stop_offset_.reset();
  extras_left_ = names_left_ = 0;
  page_bytes_ = 1U << qemu::kPageBitsDefault;
  counters_ = {};
  blocks_.clear();
  expect(State::kMagic, 8);
}

Span QemuPrecopyAdapter::next(std::span<const std::uint8_t> input) noexcept {
  DWCP_ASSERT(!input.empty());
  const std::uint64_t begin = position_;
  std::size_t taken = 0;
  while (taken < input.size()) {
    const auto rest = input.subspan(taken);
    if (skip_ > 0) {
      const std::size_t passed = static_cast<std::size_t>(std::min<std::uint64_t>(skip_, rest.size()));
      skip_ -= passed;
      taken += passed;
    } else if (state_ == State::kPageContent) {
      if (taken > 0) break;
      const Span piece = page_piece(rest.size());
      position_ += piece.length;
      return piece;
    } else if (state_ == State::kOpaque) {
      taken = input.size();
    } else if (field_filled_ == 0 && rest.size() >= field_bytes_) {
      taken += field_bytes_;
      position_ = begin + taken;
      handle(rest.first(field_bytes_));
    } else {
      const std::size_t copied = std::min(field_bytes_ - field_filled_, rest.size());
      std::memcpy(field_.data() + field_filled_, rest.data(), copied);
      field_filled_ += copied;
      taken += copied;
      position_ = begin + taken;
      if (field_filled_ == field_bytes_) handle(std::span(field_).first(field_bytes_));
    }
  }
  position_ = begin + taken;
  return {.kind = SpanKind::kOpaque, .length = static_cast<std::uint32_t>(taken)};
}

Span QemuPrecopyAdapter::page_piece(std::size_t available) noexcept {
  const std::uint32_t length =
      static_cast<std::uint32_t>(std::min<std::size_t>(available, page_bytes_ - page_position_));
  const Span span{.kind = SpanKind::kPage,
                  .length = length,
                  .ram_block = block_,
                  .page_offset = page_offset_,
                  .page_bytes = page_bytes_,
                  .begin = page_position_};
  page_position_ += length;
  if (page_position_ == page_bytes_) expect(State::kRecord, 8);
  return span;
}

void QemuPrecopyAdapter::expect(State state, std::size_t bytes) noexcept {
  DWCP_DCHECK(bytes > 0 && bytes <= kFieldMax);
  state_ = state;
  field_bytes_ = bytes;
  field_filled_ = 0;
}

void QemuPrecopyAdapter::lose_sync() noexcept {
  state_ = State::kOpaque;
  ++counters_.sync_losses;
}

void QemuPrecopyAdapter::handle(Field field) noexcept {
  const std::uint8_t first = field[0];
  switch (state_) {
    case State::kMagic:
      return handle_magic(field);
    case State::kSectionType:
      return handle_section_type(first);
    case State::kConfigurationName:
      return handle_configuration_name(load_be<be32>(field.data()));
    case State::kSubsectionName:
      return expect(State::kSubsectionHead, first + 4U);
    case State::kSubsectionHead:
      return handle_subsection_head(field);
    case State::kPageBits:
      return handle_page_bits(load_be<be32>(field.data()));
    case State::kCapabilityCount:
      return handle_capability_count(load_be<be32>(field.data()));
    case State::kCapability:
      skip(first);
      return --names_left_ > 0 ? expect(State::kCapability, 1) : expect(State::kSectionType, 1);
    case State::kStartId:
      ram_section_id_ = load_be<be32>(field.data());
      return expect(State::kStartHead, field[4] + 8U);
    case State::kStartHead:
      return handle_start_head(field);
    case State::kPartId:
    case State::kFooter: {
      if (!ram_known_ || load_be<be32>(field.data()) != ram_section_id_) return lose_sync();
      if (state_ == State::kFooter) return expect(State::kSectionType, 1);
      if (ending_ && !postcopy_ && !stop_offset_) stop_offset_ = end_offset_;
      return expect(State::kRecord, 8);
    }
    case State::kCommandHead:
      return handle_command(field);
    case State::kPackageLength:
      skip(load_be<be32>(field.data()));
      return expect(State::kSectionType, 1);
    case State::kRecord:
      return handle_record(load_be<be64>(field.data()));
    case State::kBlockNameLength:
      if (first != 0) return expect(State::kBlockName, first + 8U);
      skip(7);  // the rest of an extra u64
      return expect(State::kBlockNameLength, 1);
    case State::kBlockName:
      return handle_block_name(field);
    case State::kPageBlockLength:
      return first == 0 ? lose_sync() : expect(State::kPageBlockName, first);
    case State::kPageBlockName: {
      const auto found = blocks_.find(field);
      if (!found) return lose_sync();
      block_ = *found;
      block_known_ = true;
      return begin_page_payload();
    }
    case State::kXbzrleHead: {
      const std::uint16_t length = load_be<be16>(field.data() + 1);
      if (first != qemu::kXbzrleEncoded || length > page_bytes_) return lose_sync();
      ++counters_.delta_pages;
      skip(length);
      return expect(State::kRecord, 8);
    }
    case State::kCompressedHead: {
      const std::uint32_t length = load_be<be32>(field.data());
      if (length > 2 * page_bytes_) return lose_sync();  // zlib's own bound is far below
      ++counters_.compressed_pages;
      skip(length);
      return expect(State::kRecord, 8);
    }
    case State::kPageContent:
    case State::kOpaque:
      return;
  }
}

void QemuPrecopyAdapter::handle_magic(Field field) noexcept {
  // Any other stream is no loss of sync: it was never one of ours.
  if (load_be<be32>(field.data()) != qemu::kMagic || load_be<be32>(field.data() + 4) != qemu::kVersion) {
    state_ = State::kOpaque;
    return;
  }
  recognised_ = true;
  expect(State::kSectionType, 1);
}

void QemuPrecopyAdapter::handle_section_type(std::uint8_t type) noexcept {
  if (type == qemu::kSubsection && subsections_allowed_) return expect(State::kSubsectionName, 1);
  subsections_allowed_ = false;
  switch (type) {
    case qemu::kConfiguration:
      return ram_known_ ? lose_sync() : expect(State::kConfigurationName, 4);
    case qemu::kSectionStart:
      return ram_known_ ? lose_sync() : expect(State::kStartId, 5);
    case qemu::kSectionPart:
    case qemu::kSectionEnd:
      ending_ = type == qemu::kSectionEnd;
      end_offset_ = position_ - 1;
      return expect(State::kPartId, 4);
    case qemu::kSectionFooter:
      return expect(State::kFooter, 4);
    case qemu::kCommand:
      return expect(State::kCommandHead, 4);
    case qemu::kSectionFull:
    case qemu::kVmDescription:
    case qemu::kSectionEof:
      state_ = State::kOpaque;
      return;  // the end of what can be followed, as it should be
    default:
      return lose_sync();
  }
}

void QemuPrecopyAdapter::handle_configuration_name(std::uint32_t length) noexcept {
  if (length > qemu::kMachineNameMax) return lose_sync();
  skip(length);
  subsections_allowed_ = true;
  expect(State::kSectionType, 1);
}

void QemuPrecopyAdapter::handle_page_bits(std::uint32_t bits) noexcept {
  if (bits < qemu::kPageBitsMin || bits > qemu::kPageBitsMax) return lose_sync();
  page_bytes_ = 1U << bits;
  expect(State::kSectionType, 1);
}

void QemuPrecopyAdapter::handle_subsection_head(Field field) noexcept {
  const auto name = field.first(field.size() - 4);
  if (is(name, "configuration/target-page-bits")) return expect(State::kPageBits, 4);
  if (is(name, "configuration/capabilities")) return expect(State::kCapabilityCount, 4);
  if (!is(name, "configuration/uuid")) return lose_sync();
  skip(qemu::kUuidBytes);
  expect(State::kSectionType, 1);
}

void QemuPrecopyAdapter::handle_capability_count(std::uint32_t count) noexcept {
  if (count > qemu::kCapabilitiesMax) return lose_sync();
  names_left_ = count;
  return count > 0 ? expect(State::kCapability, 1) : expect(State::kSectionType, 1);
}

void QemuPrecopyAdapter::handle_start_head(Field field) noexcept {
  const auto name = field.first(field.size() - 8);
  const std::uint32_t version = load_be<be32>(field.data() + field.size() - 4);
  if (!is(name, "ram") || version != qemu::kRamSectionVersion) return lose_sync();
  ram_known_ = true;
  expect(State::kRecord, 8);
}

void QemuPrecopyAdapter::handle_command(Field field) noexcept {
  const std::uint16_t command = load_be<be16>(field.data());
  const std::uint16_t length = load_be<be16>(field.data() + 2);
  postcopy_ = postcopy_ || command == qemu::kCommandPackaged;
  if (command == qemu::kCommandPackaged) return length == 4 ? expect(State::kPackageLength, 4) : lose_sync();
  skip(length);
  expect(State::kSectionType, 1);
}

void QemuPrecopyAdapter::handle_record(std::uint64_t record) noexcept {
  using namespace qemu;
  record_flags_ = record & (page_bytes_ - 1);
  page_offset_ = record - record_flags_;
  const bool after_block_list = extras_left_ > 0;
  if (record_flags_ == 0) {
    if (!after_block_list) return lose_sync();
    --extras_left_;
    return expect(State::kRecord, 8);
  }
  extras_left_ = 0;
  switch (record_flags_ & ~kFlagContinue) {
    case kFlagEndOfSection:
      return expect(State::kSectionType, 1);
    case kFlagMultifdFlush:
      return expect(State::kRecord, 8);
    case kFlagMemorySize:
      if (blocks_.size() > 0) return lose_sync();
      announced_left_ = page_offset_;
      return announced_left_ > 0 ? expect(State::kBlockNameLength, 1) : expect(State::kRecord, 8);
    case kFlagFill:
    case kFlagPage:
    case kFlagXbzrle:
    case kFlagCompressedPage:
      break;
    default:
      return lose_sync();
  }
  if ((record_flags_ & kFlagContinue) == 0) return expect(State::kPageBlockLength, 1);
  return block_known_ ? begin_page_payload() : lose_sync();
}

void QemuPrecopyAdapter::handle_block_name(Field field) noexcept {
  const auto name = field.first(field.size() - 8);
  const std::uint64_t bytes = load_be<be64>(field.data() + name.size());
  if (bytes > announced_left_ || !blocks_.add(name, bytes)) return lose_sync();
  announced_left_ -= bytes;
  if (announced_left_ > 0) return expect(State::kBlockNameLength, 1);
  extras_left_ = 2;
  expect(State::kRecord, 8);
}

void QemuPrecopyAdapter::begin_page_payload() noexcept {
  const std::uint64_t block_bytes = blocks_.bytes(block_);
  if (block_bytes < page_bytes_ || page_offset_ > block_bytes - page_bytes_) return lose_sync();
  switch (record_flags_ & ~qemu::kFlagContinue) {
    case qemu::kFlagFill:
      ++counters_.fill_pages;
      skip(1);
      return expect(State::kRecord, 8);
    case qemu::kFlagXbzrle:
      return expect(State::kXbzrleHead, 3);
    case qemu::kFlagCompressedPage:
      return expect(State::kCompressedHead, 4);
    default:
      expect(State::kPageContent, 1);
      page_position_ = 0;
  }
}

}  // namespace dwcp
