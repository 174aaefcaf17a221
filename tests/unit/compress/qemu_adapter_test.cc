// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "compress/qemu/precopy_adapter.h"
#include "streams.h"

namespace dwcp {
namespace {

using streams::Bytes;
using streams::QemuStream;

// A page as found, with where in the stream its content began.
struct Found {
  std::size_t at;
  std::uint16_t block;
  std::uint64_t offset;
  friend bool operator==(const Found&, const Found&) = default;
};

// Feeds the stream in pieces of 1..piece_max bytes and joins the pieces of each page.
std::vector<Found> pages_of(QemuPrecopyAdapter& adapter, const Bytes& stream, std::size_t piece_max, Rng& rng) {
  std::vector<Found> pages;
  std::size_t at = 0;
  std::uint32_t expected_begin = 0;
  while (at < stream.size()) {
    const std::size_t size = std::min<std::size_t>(1 + rng.below(piece_max), stream.size() - at);
    std::span<const std::uint8_t> piece(stream.data() + at, size);
    while (!piece.empty()) {
      const Span span = adapter.next(piece);
      EXPECT_GT(span.length, 0U);
      EXPECT_LE(span.length, piece.size());
      if (span.length == 0 || span.length > piece.size()) return pages;
      if (span.kind == SpanKind::kPage) {
        EXPECT_EQ(span.begin, expected_begin);
        if (span.begin == 0) pages.push_back({at, span.ram_block, span.page_offset});
        expected_begin = span.ends_page() ? 0 : span.begin + span.length;
      } else {
        EXPECT_EQ(expected_begin, 0U) << "opaque bytes inside a page";
      }
      at += span.length;
      piece = piece.subspan(span.length);
    }
  }
  return pages;
}

std::vector<Found> pages_of(QemuPrecopyAdapter& adapter, const Bytes& stream) {
  Rng rng(1);
  return pages_of(adapter, stream, stream.size(), rng);
}

std::uint64_t losses(const Bytes& stream) {
  const auto adapter = std::make_unique<QemuPrecopyAdapter>();
  pages_of(*adapter, stream);
  return adapter->counters().sync_losses;
}

TEST(qemu_adapter, finds_pages_by_block_and_offset) {
  QemuStream s;
  s.setup();
  s.part();
  std::vector<Found> expected;
  const Bytes page(4096, 0x02);
  s.record(0x1000, qemu::kFlagFill, "pc.ram");
  s.u8(0);
  s.page(0x2000, page);
  expected.push_back({s.bytes.size() - 4096, 0, 0x2000});
  s.page(0x1f000, page, "pc.rom");
  expected.push_back({s.bytes.size() - 4096, 1, 0x1f000});
  s.record(0x3000, qemu::kFlagXbzrle, "pc.ram");
  s.u8(1);
  s.u16(300);
  s.raw(Bytes(300, 0x08));
  s.record(0x4000, qemu::kFlagCompressedPage);
  s.u32(77);
  s.raw(Bytes(77, 0xff));
  s.u64(qemu::kFlagMultifdFlush);
  s.page(0xfff000, page);
  expected.push_back({s.bytes.size() - 4096, 0, 0xfff000});
  s.end_of_section();
  s.u8(qemu::kCommand);  // a ping
  s.u16(2);
  s.u16(4);
  s.u32(0x02020202);
  s.u8(qemu::kCommand);  // a package, whatever is in it
  s.u16(qemu::kCommandPackaged);
  s.u16(4);
  s.u32(5000);
  s.raw(Bytes(5000, 0x02));
  s.part();
  s.page(0x5000, page, "pc.ram");
  expected.push_back({s.bytes.size() - 4096, 0, 0x5000});
  s.end_of_section();
  s.u8(qemu::kSectionFull);
  s.raw(Bytes(10'000, 0x02));

  QemuPrecopyAdapter adapter;
  EXPECT_EQ(pages_of(adapter, s.bytes), expected);
  EXPECT_EQ(adapter.counters().fill_pages, 1U);
  EXPECT_EQ(adapter.counters().delta_pages, 1U);
  EXPECT_EQ(adapter.counters().compressed_pages, 1U);
  EXPECT_EQ(adapter.counters().sync_losses, 0U);
  EXPECT_FALSE(adapter.following());
}

TEST(qemu_adapter, any_cut_gives_the_same_pages) {
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Rng rng(seed);
    const Bytes stream = streams::qemu_bytes(rng, 100);
    QemuPrecopyAdapter whole;
    const auto expected = pages_of(whole, stream);
    EXPECT_EQ(whole.counters().sync_losses, 0U);
    EXPECT_GT(expected.size(), 20U);
    for (const std::size_t piece_max : {1, 2, 7, 300, 5000}) {
      QemuPrecopyAdapter adapter;
      EXPECT_EQ(pages_of(adapter, stream, piece_max, rng), expected);
    }
    whole.reset();
    EXPECT_EQ(pages_of(whole, stream), expected);
  }
}

TEST(qemu_adapter, reads_configuration_subsections) {
  QemuStream s;
  s.magic();
  s.configuration();
  const auto subsection = [&s](std::string_view name) {
    s.u8(qemu::kSubsection);
    s.name(name);
    s.u32(1);
  };
  subsection("configuration/target-page-bits");
  s.u32(14);
  subsection("configuration/capabilities");
  s.u32(2);
  s.name("x-ignore-shared");
  s.name("multifd");
  subsection("configuration/uuid");
  s.raw(Bytes(16, 0x01));
  s.start("ram", 7);
  s.u64((1U << 20) | qemu::kFlagMemorySize);
  s.block("ram", 1U << 20);
  s.end_of_section(7);
  s.part(7);
  s.page(0x4000, Bytes(16384, 3), "ram");
  s.end_of_section(7);
  QemuPrecopyAdapter adapter;
  const auto pages = pages_of(adapter, s.bytes);
  ASSERT_EQ(pages.size(), 1U);
  EXPECT_EQ(pages[0].offset, 0x4000U);
  EXPECT_TRUE(adapter.following());
}

// With postcopy on hugepages and with x-ignore-shared an u64 follows blocks in the list.
TEST(qemu_adapter, passes_over_extras_in_the_block_list) {
  for (const std::uint64_t extra : {std::uint64_t{0}, std::uint64_t{0x200000}, std::uint64_t{0xfffc0000}}) {
    QemuStream s;
    s.magic();
    s.configuration();
    s.start("ram");
    s.u64(0x300000 | qemu::kFlagMemorySize);
    s.block("a", 0x100000);
    s.u64(extra);
    s.block("b", 0x200000);
    s.u64(extra);
    s.end_of_section();
    s.part();
    s.page(0, Bytes(4096), "b");
    QemuPrecopyAdapter adapter;
    EXPECT_EQ(pages_of(adapter, s.bytes).size(), 1U);
    EXPECT_EQ(adapter.counters().sync_losses, 0U);
  }
}

TEST(qemu_adapter, other_streams_are_opaque_and_no_loss) {
  Rng rng(4);
  QemuPrecopyAdapter adapter;
  EXPECT_TRUE(pages_of(adapter, streams::random_bytes(rng, 100'000)).empty());
  EXPECT_EQ(adapter.counters().sync_losses, 0U);
  EXPECT_FALSE(adapter.following());
}

TEST(qemu_adapter, goes_opaque_for_good_when_it_loses_sync) {
  const auto with = [](auto&& bad) {
    QemuStream s;
    s.setup();
    s.part();
    s.page(0, Bytes(4096), "pc.ram");
    bad(s);
    s.page(0x1000, Bytes(4096), "pc.ram");
    return s.bytes;
  };
  using S = QemuStream;
  const Bytes streams[] = {
      with([](S& s) { s.record(0, qemu::kFlagPage | qemu::kFlagFill); }),
      with([](S& s) { s.record(0, qemu::kFlagHook); }),
      with([](S& s) { s.u64(0); }),
      with([](S& s) { s.page(16U << 20, Bytes(4096)); }),  // past the end of its block
      with([](S& s) { s.page(~std::uint64_t{0xfff}, Bytes(4096)); }),
      with([](S& s) { s.page(0, Bytes(4096), "pc.unknown"); }),
      with([](S& s) { s.u64(qemu::kFlagPage), s.u8(0); }),        // a name of no bytes
      with([](S& s) { s.u64(0x1000 | qemu::kFlagMemorySize); }),  // a second block list
      with([](S& s) { s.record(0, qemu::kFlagXbzrle), s.u8(2), s.u16(1); }),
      with([](S& s) { s.record(0, qemu::kFlagXbzrle), s.u8(1), s.u16(4097); }),
      with([](S& s) { s.record(0, qemu::kFlagCompressedPage), s.u32(0xffffffff); }),
      with([](S& s) { s.end_of_section(3); }),  // not the section that was open
      with([](S& s) { s.end_of_section(), s.part(9); }),
      with([](S& s) { s.end_of_section(), s.u8(0x55); }),
      with([](S& s) { s.end_of_section(), s.start("block", 5, 1); }),
      with([](S& s) { s.end_of_section(), s.u8(qemu::kSubsection); }),
      with([](S& s) { s.end_of_section(), s.configuration(); }),
      with([](S& s) { s.end_of_section(), s.u8(qemu::kCommand), s.u16(7), s.u16(3); }),
  };
  for (std::size_t i = 0; i < std::size(streams); ++i) {
    QemuPrecopyAdapter adapter;
    EXPECT_EQ(pages_of(adapter, streams[i]).size(), 1U) << i;
    EXPECT_EQ(adapter.counters().sync_losses, 1U) << i;
    EXPECT_FALSE(adapter.following()) << i;
  }
}

TEST(qemu_adapter, the_block_table_is_bounded) {
  const auto list = [](std::size_t count, bool same_name) {
    QemuStream s;
    s.magic();
    s.configuration();
    s.start("ram");
    s.u64((count * 4096) | qemu::kFlagMemorySize);
    for (std::size_t i = 0; i < count; ++i) s.block(std::string(200, 'x') + std::to_string(same_name ? 0 : i), 4096);
    s.end_of_section();
    return s.bytes;
  };
  EXPECT_EQ(losses(list(RamBlocks::kBlocksMax, false)), 0U);
  EXPECT_EQ(losses(list(RamBlocks::kBlocksMax + 1, false)), 1U);
  EXPECT_EQ(losses(list(2, true)), 1U);
  QemuStream s;  // a block larger than what is announced in all
  s.magic();
  s.start("ram");
  s.u64(0x1000 | qemu::kFlagMemorySize);
  s.block("a", 0x2000);
  EXPECT_EQ(losses(s.bytes), 1U);
}

// A guest that is stopped after `parts` sections; what it sent until then, and all of it.
Bytes stopping_stream(std::size_t parts, std::size_t& stop) {
  QemuStream s;
  s.setup();
  for (std::size_t i = 0; i < parts; ++i) {
    s.part();
    s.page(0x1000 * i, Bytes(4096, 0x03), "pc.ram");  // full of end section bytes
    s.end_of_section();
  }
  stop = s.bytes.size();
  s.end();
  s.page(0x2000, Bytes(4096, 0x03), "pc.ram");
  s.end_of_section();
  s.u8(qemu::kSectionFull);
  s.raw(Bytes(5000, 0x03));
  return s.bytes;
}

TEST(qemu_adapter, tells_where_the_guest_was_stopped) {
  std::size_t stop = 0;
  const Bytes stream = stopping_stream(3, stop);
  const auto adapter = std::make_unique<QemuPrecopyAdapter>();
  for (const std::size_t piece_max : {stream.size(), std::size_t{1}, std::size_t{7}, std::size_t{5000}}) {
    adapter->reset();
    EXPECT_EQ(adapter->stop_offset(), std::nullopt);
    Rng rng(piece_max);
    pages_of(*adapter, stream, piece_max, rng);
    EXPECT_EQ(adapter->stop_offset(), stop);
    EXPECT_EQ(adapter->counters().sync_losses, 0U);
  }
}

TEST(qemu_adapter, knows_of_the_stop_with_the_section_id_and_not_before) {
  std::size_t stop = 0;
  const Bytes stream = stopping_stream(2, stop);
  const auto adapter = std::make_unique<QemuPrecopyAdapter>();
  Rng rng(1);
  pages_of(*adapter, Bytes(stream.begin(), stream.begin() + static_cast<std::ptrdiff_t>(stop) + 4), 1, rng);
  EXPECT_EQ(adapter->stop_offset(), std::nullopt);
  pages_of(*adapter, {stream[stop + 4]}, 1, rng);
  EXPECT_EQ(adapter->stop_offset(), stop);
}

TEST(qemu_adapter, takes_no_other_end_for_the_stop) {
  const auto adapter = std::make_unique<QemuPrecopyAdapter>();
  // Of a section that is not RAM.
  QemuStream foreign;
  foreign.setup();
  foreign.end(9);
  pages_of(*adapter, foreign.bytes);
  EXPECT_EQ(adapter->stop_offset(), std::nullopt);
  // Of RAM when postcopy has moved all: the guest runs at the target by then.
  QemuStream postcopy;
  postcopy.setup();
  postcopy.u8(qemu::kCommand);
  postcopy.u16(qemu::kCommandPackaged);
  postcopy.u16(4);
  postcopy.u32(100);
  postcopy.raw(Bytes(100));
  postcopy.end();
  postcopy.end_of_section();
  adapter->reset();
  pages_of(*adapter, postcopy.bytes);
  EXPECT_EQ(adapter->counters().sync_losses, 0U);
  EXPECT_EQ(adapter->stop_offset(), std::nullopt);
  // Not a QEMU stream.
  adapter->reset();
  pages_of(*adapter, Bytes(1000, 0x03));
  EXPECT_EQ(adapter->stop_offset(), std::nullopt);
}

}  // namespace
}  // namespace dwcp
