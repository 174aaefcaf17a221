// SPDX-License-Identifier: Apache-2.0
#include "drivers/impair/frame_edit.h"

#include <gtest/gtest.h>

#include <vector>

#include "base/rng.h"

namespace dwcp {
namespace {

// RFC 1071 over an IPv4 header; 0xffff when the checksum in it is right.
std::uint32_t header_sum(const std::vector<std::uint8_t>& frame, std::size_t at) {
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i < 20; i += 2) sum += static_cast<std::uint32_t>(frame[at + i] << 8 | frame[at + i + 1]);
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return sum;
}

std::vector<std::uint8_t> ipv4_frame(std::uint8_t tos, bool vlan, std::uint64_t seed) {
  std::vector<std::uint8_t> frame(vlan ? 64 : 60);
  Rng rng(seed);
  for (auto& byte : frame) byte = static_cast<std::uint8_t>(rng.next());
  const std::size_t at = vlan ? 18 : 14;
  if (vlan) frame[12] = 0x81, frame[13] = 0x00;
  frame[at - 2] = 0x08, frame[at - 1] = 0x00;
  frame[at] = 0x45, frame[at + 1] = tos;
  frame[at + 10] = frame[at + 11] = 0;
  const std::uint32_t sum = header_sum(frame, at) ^ 0xffff;
  frame[at + 10] = static_cast<std::uint8_t>(sum >> 8), frame[at + 11] = static_cast<std::uint8_t>(sum);
  return frame;
}

TEST(frame_edit, ce_mark_keeps_the_ipv4_checksum_right) {
  for (const bool vlan : {false, true}) {
    for (std::uint64_t seed = 0; seed < 2000; ++seed) {
      auto frame = ipv4_frame(seed % 2 ? 0xb9 : 0x02, vlan, seed);
      const std::size_t at = vlan ? 18 : 14;
      ASSERT_TRUE(frame_is_ect(frame));
      ASSERT_EQ(header_sum(frame, at), 0xffffU);
      edit_frame({.mark_ce = true}, frame);
      ASSERT_EQ(frame[at + 1] & 3, 3);
      ASSERT_EQ(header_sum(frame, at), 0xffffU) << seed;
      ASSERT_FALSE(frame_is_ect(frame));
    }
  }
}

TEST(frame_edit, faults_rewrite_ecn_alone_and_mend_the_checksum) {
  const std::pair<EcnFault, int> faults[] = {{EcnFault::kBleach, 0}, {EcnFault::kEct1, 1}, {EcnFault::kCe, 3}};
  for (const auto& [fault, bits] : faults) {
    for (std::uint64_t seed = 0; seed < 2000; ++seed) {
      const auto before = ipv4_frame(static_cast<std::uint8_t>(seed), seed % 3 == 0, seed);
      const std::size_t at = seed % 3 == 0 ? 18 : 14;
      auto frame = before;
      edit_frame({.mark_ce = seed % 2 == 0, .ecn_fault = fault}, frame);
      ASSERT_EQ(frame[at + 1], (before[at + 1] & 0xfc) | bits);
      ASSERT_EQ(header_sum(frame, at), 0xffffU) << seed;
      frame[at + 1] = before[at + 1];
      frame[at + 10] = before[at + 10], frame[at + 11] = before[at + 11];
      ASSERT_EQ(frame, before);
    }
  }
  std::vector<std::uint8_t> v6(60);
  v6[12] = 0x86, v6[13] = 0xdd;
  v6[14] = 0x60, v6[15] = 0x2f;
  edit_frame({.ecn_fault = EcnFault::kBleach}, v6);
  EXPECT_EQ(v6[15], 0x0f);
}

TEST(frame_edit, ipv6_traffic_class_is_marked) {
  std::vector<std::uint8_t> frame(60);
  frame[12] = 0x86, frame[13] = 0xdd;
  frame[14] = 0x60, frame[15] = 0x1f;
  EXPECT_TRUE(frame_is_ect(frame));
  edit_frame({.mark_ce = true}, frame);
  EXPECT_EQ(frame[15], 0x3f);
}

TEST(frame_edit, what_is_not_ip_is_protected_whole) {
  EXPECT_EQ(frame_protected_bytes(ipv4_frame(2, false, 1)), kEthernetHeaderBytes);
  std::vector<std::uint8_t> arp(60);
  arp[12] = 0x08, arp[13] = 0x06;
  EXPECT_EQ(frame_protected_bytes(arp), 60U);
}

TEST(frame_edit, short_or_foreign_frames_are_left_alone) {
  const auto whole = ipv4_frame(2, true, 1);
  for (std::size_t n = 0; n < 38; ++n) {
    std::vector<std::uint8_t> frame(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(n));
    const auto before = frame;
    EXPECT_FALSE(frame_is_ect(frame));
    edit_frame({.mark_ce = true}, frame);
    EXPECT_EQ(frame, before);
  }
}

TEST(frame_edit, flips_invert_exactly_those_bits) {
  std::vector<std::uint8_t> bytes(100);
  Verdict verdict;
  verdict.flips = 2;
  verdict.flip_bits = {160, 807, 0};
  flip_bits(verdict, bytes, 20);
  EXPECT_EQ(bytes[0], 1);
  EXPECT_EQ(bytes[80], 0x80);
  for (std::size_t i = 1; i < 100; ++i) EXPECT_TRUE(i == 80 || bytes[i] == 0);
  verdict.flip_bits = {159, 960, 0};  // one in front of the span, one behind
  const auto before = bytes;
  flip_bits(verdict, bytes, 20);
  EXPECT_EQ(bytes, before);
}

}  // namespace
}  // namespace dwcp
