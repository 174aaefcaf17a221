// SPDX-License-Identifier: Apache-2.0
// The wire formats byte by byte, as docs/WIRE.md gives them: a change here is a new version.
#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "base/rng.h"
#include "dataplane/wire/chunk.h"
#include "dataplane/wire/drop_reason.h"
#include "dataplane/wire/end_reason.h"
#include "dataplane/wire/hello.h"
#include "dataplane/wire/limits.h"
#include "dataplane/wire/packet.h"
#include "dataplane/wire/seal.h"

namespace dwcp::wire {
namespace {

template <typename T>
std::vector<std::uint8_t> bytes_of(const T& value) {
  std::vector<std::uint8_t> bytes(sizeof(T));
  std::memcpy(bytes.data(), &value, sizeof(T));
  return bytes;
}

using Bytes = std::vector<std::uint8_t>;

TEST(wire_layout, packet_header) {
  const PacketHeader header{
      .type = type_byte(PacketType::kData), .stream = 2, .session = 0x03040506U, .number = 0x0708090aU};
  EXPECT_EQ(bytes_of(header), (Bytes{0x21, 2, 3, 4, 5, 6, 7, 8, 9, 10}));
  EXPECT_EQ(version_of(0x22), 2);
  EXPECT_EQ(type_of(0x22), static_cast<std::uint8_t>(PacketType::kHello));
}

TEST(wire_layout, data_chunk) {
  const DataChunk chunk{.type = 3,
                        .flow = 0x01020304U,
                        .frame = 0x05060708U,
                        .frame_bytes = 0x090a0bU,
                        .offset = 0x0c0d0eU,
                        .length = std::uint16_t{0x0f10}};
  EXPECT_EQ(bytes_of(chunk), (Bytes{3, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}));
}

TEST(wire_layout, ack_chunk) {
  const AckChunk chunk{.type = 2,
                       .stream = 1,
                       .largest = 0x02030405U,
                       .delay_8us = std::uint16_t{0x0607},
                       .first_length = std::uint16_t{0x0809},
                       .range_count = 10};
  EXPECT_EQ(bytes_of(chunk), (Bytes{2, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10}));
  EXPECT_EQ(bytes_of(AckRange{.gap = std::uint16_t{0x0102}, .length = std::uint16_t{0x0304}}), (Bytes{1, 2, 3, 4}));
}

TEST(wire_layout, credit_reset_close) {
  const CreditChunk credit{
      .type = 4, .flow = 0x01020304U, .charge_limit = 0x05060708090a0b0cU, .frame_limit = 0x0d0e0f10U};
  EXPECT_EQ(bytes_of(credit), (Bytes{4, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}));
  EXPECT_EQ(bytes_of(ResetChunk{.type = 5, .flow = 0x01020304U, .reason = 9}), (Bytes{5, 1, 2, 3, 4, 9}));
  EXPECT_EQ(bytes_of(CloseChunk{.type = 6, .reason = 10}), (Bytes{6, 10}));
}

TEST(wire_layout, ack_ecn_counts) {
  EXPECT_EQ(static_cast<int>(ChunkType::kAckEcn), 7);
  EXPECT_EQ(bytes_of(AckEcnCounts{.ect0 = 0x01020304U, .ect1 = 0x05060708U, .ce = 0x090a0b0cU}),
            (Bytes{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}));
}

TEST(wire_layout, hello_packet) {
  HelloPacket hello{};
  hello.type = type_byte(PacketType::kHello);
  hello.flags = 1;
  hello.datagram_bytes = std::uint16_t{0x0203};
  hello.nonce = 0x0405060708090a0bU;
  hello.echo_nonce = 0x0c0d0e0f10111213U;
  hello.session = 0x14151617U;
  hello.flows = 0x18191a1bU;
  hello.window_bytes = 0x1c1d1e1f20212223U;
  hello.frame_window = 0x24252627U;
  hello.streams = 0x28;
  hello.name_bytes = 1;
  hello.name[0] = 'x';
  const Bytes bytes = bytes_of(hello);
  EXPECT_EQ(bytes[0], 0x22);
  for (std::size_t i = 1; i <= 0x28; ++i) EXPECT_EQ(bytes[i], i) << "at byte " << i;
  EXPECT_EQ(bytes[41], 1);
  EXPECT_EQ(bytes[44], 'x');
}

TEST(wire_packet_number, rfc_9000_example) {
  // Appendix A.3's example, with 32 bits in place of 16.
  EXPECT_EQ(expand_packet_number(0xa82f30eaU + 1, 0xa82f9b32U), 0xa82f9b32U);
  EXPECT_EQ(expand_packet_number(0x1'0000'0005U, 0xfffffff0U), 0xfffffff0U);
  EXPECT_EQ(expand_packet_number(0xfffffff0U, 0x5U), 0x1'0000'0005U);
  EXPECT_EQ(expand_packet_number(0, 0xffffffffU), 0xffffffffU);  // nothing lies below zero
}

TEST(wire_packet_number, nearest_by_seed) {
  Rng rng(7);
  for (int i = 0; i < 100000; ++i) {
    const std::uint64_t expected = rng.next() >> (1 + rng.below(60));
    const std::uint64_t distance = rng.below(std::uint64_t{1} << 31);
    EXPECT_EQ(expand_packet_number(expected, static_cast<std::uint32_t>(expected + distance)), expected + distance);
    if (distance < expected) {
      EXPECT_EQ(expand_packet_number(expected, static_cast<std::uint32_t>(expected - distance)), expected - distance);
    }
  }
}

TEST(wire_seal, finds_every_single_flip) {
  Bytes packet(60 + kSealBytes);
  for (std::size_t i = 0; i < 60; ++i) packet[i] = static_cast<std::uint8_t>(i * 7);
  seal(packet.data(), 60);
  EXPECT_TRUE(unseal(packet));
  for (std::size_t bit = 0; bit < packet.size() * 8; ++bit) {
    packet[bit / 8] ^= static_cast<std::uint8_t>(1U << bit % 8);
    EXPECT_FALSE(unseal(packet)) << "bit " << bit;
    packet[bit / 8] ^= static_cast<std::uint8_t>(1U << bit % 8);
  }
  EXPECT_FALSE(unseal(std::span(packet).first(packet.size() - 1)));
  EXPECT_FALSE(unseal(std::span(packet).first(kSealBytes - 1)));
  EXPECT_FALSE(unseal({}));
}

TEST(wire_seal, is_crc32c) {
  // RFC 3720 appendix B.4: 32 bytes of zeros have CRC 0x8a9136aa.
  Bytes packet(32 + kSealBytes);
  seal(packet.data(), 32);
  EXPECT_EQ(load_be<be32>(packet.data() + 32), 0x8a9136aaU);
}

TEST(wire_limits, hold) {
  EXPECT_EQ(chunk_room(1472), 1446U);
  EXPECT_EQ(frame_charge(1), kCellBytes);
  EXPECT_EQ(frame_charge(kCellBytes), kCellBytes);
  EXPECT_EQ(frame_charge(kFrameBytesMax), kFrameBytesMax);
  EXPECT_EQ(kCellsPerFrameMax, 65U);
}

TEST(wire_names, cover_the_tables) {
  EXPECT_STREQ(drop_reason_name(DropReason::kNone), "none");
  EXPECT_STREQ(drop_reason_name(DropReason::kBadHello), "bad_hello");
  EXPECT_STREQ(drop_reason_name(DropReason::kCount), "unknown");
  for (std::size_t i = 0; i < kDropReasons; ++i) EXPECT_STRNE(drop_reason_name(static_cast<DropReason>(i)), "");
  for (std::uint8_t i = 0; i <= static_cast<std::uint8_t>(EndReason::kMaxValue); ++i) {
    EXPECT_STRNE(end_reason_text(static_cast<EndReason>(i)), "unknown reason");
  }
  EXPECT_STREQ(end_reason_text(static_cast<EndReason>(200)), "unknown reason");
}

}  // namespace
}  // namespace dwcp::wire
