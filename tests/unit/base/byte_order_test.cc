// SPDX-License-Identifier: Apache-2.0
#include "base/byte_order.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>

namespace dwcp {
namespace {

struct Header {
  std::uint8_t type;
  be16 two;
  be24 three;
  be32 four;
  be64 eight;
};
static_assert(sizeof(Header) == 18 && alignof(Header) == 1);
static_assert(offsetof(Header, two) == 1 && offsetof(Header, three) == 3);
static_assert(offsetof(Header, four) == 6 && offsetof(Header, eight) == 10);

// The compile-time path.
static_assert(be16(0x0102).bytes[0] == 1 && be16(0x0102).bytes[1] == 2);
static_assert(be24(0x010203).bytes[0] == 1 && be24(0x010203).bytes[2] == 3);
static_assert(be24(0xff010203) == 0x010203, "the width of the field cuts");
static_assert(be32(0x01020304).bytes[3] == 4 && be32(0x01020304) == 0x01020304);
static_assert(be64(0x0102030405060708).bytes[0] == 1 && be64(0x0102030405060708) == 0x0102030405060708);

TEST(byte_order, lays_the_first_byte_first_at_any_address) {
  const std::uint8_t expected[sizeof(Header)] = {9, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17};
  std::uint8_t raw[sizeof(Header) + 8];
  for (std::size_t shift = 0; shift < 8; ++shift) {
    auto* header = reinterpret_cast<Header*>(raw + shift);
    header->type = 9;
    header->two = 0x0102;
    header->three = 0x030405;
    header->four = 0x06070809;
    header->eight = 0x0a0b0c0d0e0f1011;
    EXPECT_EQ(0, std::memcmp(expected, raw + shift, sizeof(Header))) << shift;
    EXPECT_EQ(header->two, 0x0102);
    EXPECT_EQ(header->three, 0x030405U);
    EXPECT_EQ(header->four, 0x06070809U);
    EXPECT_EQ(header->eight, 0x0a0b0c0d0e0f1011U);
  }
}

TEST(byte_order, three_bytes_leave_the_neighbour_alone) {
  Header header{};
  header.four = 0xffffffff;
  header.two = 0xffff;
  header.three = 0x12345678;
  EXPECT_EQ(header.three, 0x345678U);
  EXPECT_EQ(header.two, 0xffff);
  EXPECT_EQ(header.four, 0xffffffffU);
}

TEST(byte_order, load_and_store_agree_with_the_fields) {
  std::mt19937_64 rng(1);
  std::uint8_t raw[9];
  for (int i = 0; i < 1000; ++i) {
    const std::uint64_t value = rng();
    store_be<be64>(raw + 1, value);
    EXPECT_EQ(load_be<be64>(raw + 1), value);
    EXPECT_EQ(load_be<be32>(raw + 1), static_cast<std::uint32_t>(value >> 32));
    EXPECT_EQ(load_be<be24>(raw + 1), static_cast<std::uint32_t>(value >> 40));
    EXPECT_EQ(load_be<be16>(raw + 7), static_cast<std::uint16_t>(value));
  }
}

}  // namespace
}  // namespace dwcp
