// SPDX-License-Identifier: Apache-2.0
// What a codec role gives to the net role of a stream in which the guest is stopped: kinds of frames, and which of them are
// the tail.  The test plays edge and net.
#include <gtest/gtest.h>

#include "dataplane/lcore/codec_role.h"
#include "dataplane/wire/frame.h"
#include "streams.h"  // of tests/unit/compress

namespace dwcp {
namespace {

using streams::Bytes;

struct Sent {
  wire::FrameKind kind;
  bool tail;
  friend bool operator==(const Sent&, const Sent&) = default;
};

class CodecTail : public testing::Test {
 protected:
  CodecTail() { lane_.backlog_limit_bytes.set(64U << 20); }

  void start(std::size_t tail_bytes_max) {
    CodecRoleConfig config;
    config.tail_bytes_max = tail_bytes_max;
    config.encoder.zstd_level = 0;  // frames of about the blocks' size
    config.encoder.zstd_level_max = 1;
    config.listener_services = {"vm"};
    codec_ = std::make_unique<CodecRole>(config, table_, std::vector<CodecEdge>{{.rings = &edge_, .waker = &waker_}},
                                         std::vector<CodecNet>{{.rings = &net_, .lanes = {&lane_}}});
    migration_ = *table_.claim();
    say({.migration = migration_, .kind = EdgeToCodecKind::kOpen});
    CodecToNet open;
    ASSERT_TRUE(net_.to_net.pop(open));
    ASSERT_EQ(open.kind, CodecToNetKind::kOpenFlow);
    ASSERT_TRUE(net_.to_codec.push({.flow = flow_, .migration = migration_, .kind = NetToCodecKind::kFlowOpened}));
    steps();
  }

  void say(const EdgeToCodec& message) {
    ASSERT_TRUE(edge_.to_codec.push(message));
    steps();
  }
  void say_data(std::span<const std::uint8_t> bytes) {
    Block* block = blocks_.take();
    ASSERT_NE(block, nullptr);
    std::copy(bytes.begin(), bytes.end(), block->data);
    block->length = static_cast<std::uint32_t>(bytes.size());
    say({.migration = migration_, .block = block, .kind = EdgeToCodecKind::kData});
  }
  void steps() {
    for (int i = 0; i < 100; ++i) (void)codec_->step(now_ns_ += kNsPerUs);
  }
  std::vector<Sent> sent() {
    std::vector<Sent> all;
    CodecToNet message;
    while (net_.to_net.pop(message)) {
      EXPECT_EQ(message.kind, CodecToNetKind::kSubmit);
      all.push_back({static_cast<wire::FrameKind>(message.body->cells[0][0]), message.body->tail});
    }
    return all;
  }

  struct NoWaker final : Waker {
    void wake() noexcept override {}
  };
  static constexpr std::size_t kBlocks = 32;
  std::uint64_t now_ns_ = kNsPerSec;
  MigrationTable table_{1};
  BlockPool blocks_{kBlocks};
  EdgeCodecRings edge_{kBlocks, 64, 1};
  CodecNetRings net_{4096, 64, 8};
  LaneShared lane_;
  NoWaker waker_;
  FlowRef flow_{.session = 7, .flow = FlowId{2}};
  MigrationRef migration_{};
  std::unique_ptr<CodecRole> codec_;
};

// Setup, one section of pages, then the stop in the middle of the third block.
std::vector<Bytes> blocks_of_a_guest(std::size_t stopped_blocks) {
  Rng rng(1);
  streams::QemuStream s;
  s.setup();
  s.part();
  std::vector<Bytes> blocks;
  const auto page = [&] { s.page(0x1000, streams::random_bytes(rng, 4096), "pc.ram"); };
  const auto cut = [&] { blocks.push_back(std::exchange(s.bytes, {})); };
  page();
  cut();
  page();
  cut();
  page();
  s.end_of_section();
  s.end();
  page();
  cut();
  for (std::size_t i = 0; i < stopped_blocks; ++i) {
    for (int n = 0; n < 16; ++n) page();
    cut();
  }
  return blocks;
}

TEST_F(CodecTail, begins_with_the_block_in_which_the_guest_was_stopped) {
  start(1U << 20);
  for (const Bytes& block : blocks_of_a_guest(2)) say_data(block);
  say({.migration = migration_, .kind = EdgeToCodecKind::kEof});
  EXPECT_EQ(sent(), (std::vector<Sent>{{wire::FrameKind::kOpen, false},
                                       {wire::FrameKind::kBlock, false},
                                       {wire::FrameKind::kBlock, false},
                                       {wire::FrameKind::kStop, true},
                                       {wire::FrameKind::kBlock, true},
                                       {wire::FrameKind::kBlock, true},
                                       {wire::FrameKind::kEof, true}}));
}

// However much a stream sends after it claims to be at its end, so much is tail and no more; but its last word is.
TEST_F(CodecTail, is_bounded) {
  start(200'000);
  for (const Bytes& block : blocks_of_a_guest(10)) say_data(block);
  say({.migration = migration_, .kind = EdgeToCodecKind::kEof});
  const std::vector<Sent> all = sent();
  ASSERT_EQ(all.size(), 15U);
  for (std::size_t i = 0; i < 14; ++i) EXPECT_EQ(all[i].tail, i >= 3 && i < 6) << i;  // 10 + 66 + 66 KB, and not 66 more
  EXPECT_EQ(all[14], (Sent{wire::FrameKind::kEof, true}));
}

TEST_F(CodecTail, is_only_the_marks_of_a_stream_that_is_not_understood) {
  start(1U << 20);
  for (int i = 0; i < 3; ++i) say_data(Bytes(10'000, 3));
  say({.migration = migration_, .kind = EdgeToCodecKind::kEof});
  EXPECT_EQ(sent(), (std::vector<Sent>{{wire::FrameKind::kOpen, false},
                                       {wire::FrameKind::kBlock, false},
                                       {wire::FrameKind::kBlock, false},
                                       {wire::FrameKind::kBlock, false},
                                       {wire::FrameKind::kEof, true}}));
}

// The edge may hold what the path drains in a quarter of the time that may wait: of raw bytes, so more of what shrinks.
TEST_F(CodecTail, edge_is_told_what_it_may_hold) {
  start(0);
  const Counter& limit = table_[migration_.slot].ingress_limit_bytes;
  EXPECT_EQ(limit.get(), 0U);
  lane_.backlog_slack_bytes.set(400'000);
  Rng rng(2);
  say_data(streams::random_bytes(rng, 100'000));
  EXPECT_NEAR(static_cast<double>(limit.get()), 100'000, 500);
  for (int i = 0; i < 30; ++i) {
    say_data(Bytes(100'000));  // zeros, all but nothing
    CodecToEdge back;
    while (edge_.to_edge.pop(back)) blocks_.put(back.block);
  }
  EXPECT_GT(limit.get(), 2'000'000U);
}

}  // namespace
}  // namespace dwcp
