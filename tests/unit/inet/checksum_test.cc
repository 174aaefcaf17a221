// SPDX-License-Identifier: Apache-2.0
#include "dataplane/inet/checksum.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace dwcp::inet {
namespace {

// RFC 1071 word by word, as the text has it.
std::uint16_t plain_sum(const std::uint8_t* data, std::size_t length) {
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i < length; i += 2) {
    sum += static_cast<std::uint32_t>(data[i] << 8) + (i + 1 < length ? data[i + 1] : 0U);
    sum = (sum & 0xffff) + (sum >> 16);
  }
  return static_cast<std::uint16_t>(sum);
}

TEST(checksum, gives_the_example_of_rfc_1071) {
  const std::uint8_t data[] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
  EXPECT_EQ(fold(add(ChecksumSum{}, data, sizeof(data))), 0xddf2);
  EXPECT_EQ(finish(add(ChecksumSum{}, data, sizeof(data))), 0x220d);
}

TEST(checksum, agrees_with_the_plain_sum_at_any_length_and_address) {
  std::mt19937_64 rng(7);
  std::vector<std::uint8_t> data(9100);
  for (auto& byte : data) byte = static_cast<std::uint8_t>(rng() % 5 == 0 ? 0xff : rng());
  for (std::size_t length = 0; length < 1700; ++length) {
    const std::size_t shift = length % 8;
    ASSERT_EQ(fold(add(ChecksumSum{}, data.data() + shift, length)), plain_sum(data.data() + shift, length)) << length;
  }
  EXPECT_EQ(fold(add(ChecksumSum{}, data.data() + 1, 9001)), plain_sum(data.data() + 1, 9001));
  const std::vector<std::uint8_t> ones(65535, 0xff);
  EXPECT_EQ(fold(add(ChecksumSum{}, ones.data(), ones.size())), plain_sum(ones.data(), ones.size()));
}

TEST(checksum, pieces_add_up) {
  std::vector<std::uint8_t> data(1001);
  std::mt19937_64 rng(8);
  for (auto& byte : data) byte = static_cast<std::uint8_t>(rng());
  const ChecksumSum first = add(ChecksumSum{}, data.data(), 422);
  EXPECT_EQ(fold(add(first, data.data() + 422, 579)), fold(add(ChecksumSum{}, data.data(), 1001)));
}

TEST(checksum, verifies_what_it_finished_and_nothing_else) {
  std::vector<std::uint8_t> data(64, 0x5a);
  data[10] = data[11] = 0;
  const be16 checksum = finish(add(ChecksumSum{}, data.data(), data.size()));
  std::memcpy(&data[10], &checksum, 2);
  EXPECT_TRUE(verifies(add(ChecksumSum{}, data.data(), data.size())));
  data[33] ^= 0x10;
  EXPECT_FALSE(verifies(add(ChecksumSum{}, data.data(), data.size())));
}

TEST(checksum, updates_one_word) {
  std::mt19937_64 rng(9);
  for (int i = 0; i < 2000; ++i) {
    std::uint8_t data[20];
    for (auto& byte : data) byte = static_cast<std::uint8_t>(rng());
    const be16 checksum = finish(add(ChecksumSum{}, data, sizeof(data)));
    be16 before, after = static_cast<std::uint16_t>(rng());
    std::memcpy(&before, data + 6, 2);
    std::memcpy(data + 6, &after, 2);
    ASSERT_EQ(update(checksum, before, after), finish(add(ChecksumSum{}, data, sizeof(data))));
  }
}

TEST(checksum, udp_sends_all_ones_for_zero) {
  const std::uint8_t ones[2] = {0xff, 0xff};
  EXPECT_EQ(finish(add(ChecksumSum{}, ones, 2)), 0);
  EXPECT_EQ(finish_udp(add(ChecksumSum{}, ones, 2)), 0xffff);
}

}  // namespace
}  // namespace dwcp::inet
