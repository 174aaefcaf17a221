// SPDX-License-Identifier: Apache-2.0
// Finds guest pages in a QEMU precopy stream (qemu/stream_format.h).  An Adapter: see span.h for thread and use.
//
// Invariants:
// - every call is O(bytes it takes): a byte is looked at once, nothing is searched for;
// - state is fixed in size whatever the stream says;
// - once a stream stops making sense, or reaches what cannot be followed (device state), the rest is opaque for good.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "compress/qemu/ram_blocks.h"
#include "compress/span.h"

namespace dwcp {

class QemuPrecopyAdapter final : public Adapter {
 public:
  QemuPrecopyAdapter() noexcept { reset(); }

  void reset() noexcept override;
  [[nodiscard]] Span next(std::span<const std::uint8_t> input) noexcept override;
  [[nodiscard]] const AdapterCounters& counters() const noexcept override { return counters_; }

  [[nodiscard]] std::optional<std::uint64_t> stop_offset() const noexcept override { return stop_offset_; }

  // Whether the stream has begun as a QEMU stream and is still being followed.
  [[nodiscard]] bool following() const noexcept { return recognised_ && state_ != State::kOpaque; }
  [[nodiscard]] const RamBlocks& ram_blocks() const noexcept { return blocks_; }

 private:
  // Each state but the last two waits for one field of known size, then handles it and says what comes next.
  enum class State : std::uint8_t {
    kMagic,              // magic and version
    kSectionType,        // the byte between sections
    kConfigurationName,  // length of the machine's name
    kSubsectionName,     // length of a configuration subsection's name
    kSubsectionHead,     // that name, and the subsection's version
    kPageBits,           // content of the target-page-bits subsection
    kCapabilityCount,    // content of the capabilities subsection: how many ...
    kCapability,         // ... and the length of each one's name
    kStartId,            // section id and name length of a start section
    kStartHead,          // its name, instance and version
    kPartId,             // section id of a part or end section
    kFooter,             // section id after the footer byte
    kCommandHead,        // command and length
    kPackageLength,      // length of a packaged command's payload
    kRecord,             // offset and flags of a RAM record
    kBlockNameLength,    // in the block list
    kBlockName,          // name and length of an announced RAM block
    kPageBlockLength,    // length of the block's name in a page record
    kPageBlockName,      // that name
    kXbzrleHead,         // flag and length
    kCompressedHead,     // length
    kPageContent,        // inside a page
    kOpaque,             // for good
  };

  using Field = std::span<const std::uint8_t>;

  // Waits for `bytes` bytes (1 to kFieldMax), to be handled in `state`.
  void expect(State state, std::size_t bytes) noexcept;
  // Passes over `bytes` bytes first.
  void skip(std::uint64_t bytes) noexcept { skip_ = bytes; }
  void lose_sync() noexcept;

  void handle(Field field) noexcept;
  void handle_magic(Field field) noexcept;
  void handle_section_type(std::uint8_t type) noexcept;
  void handle_configuration_name(std::uint32_t length) noexcept;
  void handle_page_bits(std::uint32_t bits) noexcept;
  void handle_subsection_head(Field field) noexcept;
  void handle_capability_count(std::uint32_t count) noexcept;
  void handle_start_head(Field field) noexcept;
  void handle_command(Field field) noexcept;
  void handle_record(std::uint64_t record) noexcept;
  void handle_block_name(Field field) noexcept;
  void begin_page_payload() noexcept;
  [[nodiscard]] Span page_piece(std::size_t available) noexcept;

  static constexpr std::size_t kFieldMax = 264;  // a name of 255 bytes and an u64

  State state_ = State::kMagic;
  bool recognised_ = false;           // magic and version were QEMU's
  bool subsections_allowed_ = false;  // right after the configuration
  std::size_t field_bytes_ = 0;       // wanted
  std::size_t field_filled_ = 0;
  std::uint64_t skip_ = 0;
  std::uint64_t position_ = 0;  // in the stream: of the next byte; inside handle(), of the one behind its field

  bool ending_ = false;    // the section that begins is an end section
  bool postcopy_ = false;  // the guest runs at the target when RAM's end section comes
  std::uint64_t end_offset_ = 0;  // where the end section began
  std::optional<std::uint64_t> stop_offset_;

  std::uint32_t page_bytes_ = 0;
  std::uint32_t names_left_ = 0;  // capabilities still to come
  bool ram_known_ = false;        // its start section has been seen
  std::uint32_t ram_section_id_ = 0;
  std::uint64_t announced_left_ = 0;  // bytes of RAM blocks still to be announced
  std::uint32_t extras_left_ = 0;     // u64s without flags that may still follow the block list
  bool block_known_ = false;          // "continue" has something to refer to
  std::uint16_t block_ = 0;
  std::uint64_t record_flags_ = 0;
  std::uint64_t page_offset_ = 0;
  std::uint32_t page_position_ = 0;  // bytes of the page handed out

  AdapterCounters counters_;
  RamBlocks blocks_;
  std::array<std::uint8_t, kFieldMax> field_{};
};

}  // namespace dwcp
