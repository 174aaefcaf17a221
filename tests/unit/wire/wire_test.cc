// SPDX-License-Identifier: Apache-2.0
// The wire formats byte by byte, as docs/WIRE.md gives them: a change here is a new version.
#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "base/rng.h"
#include "dataplane/wire/chunk.h"
#include "dataplane/wire/drop_reason.h"
#include "dataplane/wire/end_reason.h"
#include "dataplane/wire/handshake.h"
#include "dataplane/wire/limits.h"
#include "dataplane/wire/packet.h"

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
  EXPECT_EQ(bytes_of(header), (Bytes{0x31, 2, 3, 4, 5, 6, 7, 8, 9, 10}));
  EXPECT_EQ(version_of(0x32), 3);
  EXPECT_EQ(type_of(0x32), static_cast<std::uint8_t>(PacketType::kHandshake));
  EXPECT_EQ(stream_byte(0x2a, 6), 0xaa);
  EXPECT_EQ(stream_of(0xaa), 0x2a);
  EXPECT_EQ(epoch_bits_of(0xaa), 2);
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

TEST(wire_layout, handshake_header) {
  HandshakeHeader header{};
  header.type = type_byte(PacketType::kHandshake);
  header.kind = static_cast<std::uint8_t>(HandshakeKind::kAsk);
  header.length = std::uint16_t{0x0203};
  header.attempt = 0x0405060708090a0bU;
  header.offset = 0x0c0d0e0fU;
  header.ack = 0x10111213U;
  for (std::size_t i = 0; i < kCookieBytes; ++i) header.cookie[i] = static_cast<std::uint8_t>(0x14 + i);
  const Bytes bytes = bytes_of(header);
  ASSERT_EQ(bytes.size(), 36U);
  EXPECT_EQ(bytes[0], 0x32);
  for (std::size_t i = 1; i < bytes.size(); ++i) EXPECT_EQ(bytes[i], i) << "at byte " << i;
}

TEST(wire_layout, handshake_params) {
  HandshakeParams params{};
  params.ciphers = 1;
  params.datagram_bytes = std::uint16_t{0x0203};
  params.session = 0x04050607U;
  params.rekey_session = 0x08090a0bU;
  params.epoch = 0x0c0d0e0fU;
  params.flows = 0x10111213U;
  params.frame_window = 0x14151617U;
  params.window_bytes = 0x18191a1b1c1d1e1fU;
  params.streams = 0x20;
  params.lanes = 0x21;
  params.codecs = std::uint16_t{0x2223};
  const Bytes bytes = bytes_of(params);
  ASSERT_EQ(bytes.size(), 36U);
  for (std::size_t i = 0; i < bytes.size(); ++i) EXPECT_EQ(bytes[i], i) << "at byte " << i;
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

TEST(wire_limits, hold) {
  EXPECT_EQ(chunk_room(1472), 1446U);
  EXPECT_EQ(frame_charge(1), kCellBytes);
  EXPECT_EQ(frame_charge(kCellBytes), kCellBytes);
  EXPECT_EQ(frame_charge(kFrameBytesMax), kFrameBytesMax);
  EXPECT_EQ(kCellsPerFrameMax, 65U);
}

TEST(wire_names, cover_the_tables) {
  EXPECT_STREQ(drop_reason_name(DropReason::kNone), "none");
  EXPECT_STREQ(drop_reason_name(DropReason::kTooMany), "too_many");
  EXPECT_STREQ(drop_reason_name(DropReason::kCount), "unknown");
  for (std::size_t i = 0; i < kDropReasons; ++i) EXPECT_STRNE(drop_reason_name(static_cast<DropReason>(i)), "");
  for (std::uint8_t i = 0; i <= static_cast<std::uint8_t>(EndReason::kMaxValue); ++i) {
    EXPECT_STRNE(end_reason_text(static_cast<EndReason>(i)), "unknown reason");
  }
  EXPECT_STREQ(end_reason_text(static_cast<EndReason>(200)), "unknown reason");
}

}  // namespace
}  // namespace dwcp::wire
