// SPDX-License-Identifier: Apache-2.0
#include "drivers/impair/frame_edit.h"

#include <cstddef>

namespace dwcp {
namespace {

constexpr std::size_t kVlanTagBytes = 4;
constexpr std::size_t kIpv4HeaderBytes = 20;
constexpr std::size_t kIpv6HeaderBytes = 40;

std::uint16_t load16(std::span<const std::uint8_t> bytes, std::size_t at) noexcept {
  return static_cast<std::uint16_t>(bytes[at] << 8 | bytes[at + 1]);
}

struct IpAt {
  int version = 0;  // 0 = none
  std::size_t offset = 0;
};

IpAt find_ip(std::span<const std::uint8_t> frame) noexcept {
  std::size_t offset = kEthernetHeaderBytes;
  if (frame.size() < offset) return {};
  std::uint16_t type = load16(frame, offset - 2);
  if (type == 0x8100 && frame.size() >= offset + kVlanTagBytes) {
    offset += kVlanTagBytes;
    type = load16(frame, offset - 2);
  }
  if (type == 0x0800 && frame.size() >= offset + kIpv4HeaderBytes && frame[offset] >> 4 == 4) return {4, offset};
  if (type == 0x86dd && frame.size() >= offset + kIpv6HeaderBytes && frame[offset] >> 4 == 6) return {6, offset};
  return {};
}

Ecn ecn_of(std::span<const std::uint8_t> frame, IpAt ip) noexcept {
  const unsigned byte = frame[ip.offset + 1];
  return static_cast<Ecn>((ip.version == 4 ? byte : byte >> 4) & 3U);
}

void set_ecn(std::span<std::uint8_t> frame, IpAt ip, Ecn ecn) noexcept {
  const unsigned byte = frame[ip.offset + 1];
  const auto bits = static_cast<unsigned>(ecn);
  if (ip.version == 6) {
    frame[ip.offset + 1] = static_cast<std::uint8_t>((byte & 0xcfU) | bits << 4);
    return;
  }
  const std::uint16_t old_word = load16(frame, ip.offset);
  frame[ip.offset + 1] = static_cast<std::uint8_t>((byte & 0xfcU) | bits);
  // RFC 1624, equation 3: HC' = ~(~HC + ~m + m').
  std::uint32_t sum = (load16(frame, ip.offset + 10) ^ 0xffffU) + (old_word ^ 0xffffU) + load16(frame, ip.offset);
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  sum ^= 0xffff;
  frame[ip.offset + 10] = static_cast<std::uint8_t>(sum >> 8);
  frame[ip.offset + 11] = static_cast<std::uint8_t>(sum);
}

}  // namespace

std::uint32_t frame_protected_bytes(std::span<const std::uint8_t> frame) noexcept {
  const IpAt ip = find_ip(frame);
  return static_cast<std::uint32_t>(ip.version == 0 ? frame.size() : kEthernetHeaderBytes);
}

bool frame_is_ect(std::span<const std::uint8_t> frame) noexcept {
  const IpAt ip = find_ip(frame);
  return ip.version != 0 && is_ect(ecn_of(frame, ip));
}

void edit_frame(const Verdict& verdict, std::span<std::uint8_t> frame) noexcept {
  if (const IpAt ip = find_ip(frame); ip.version != 0) {
    const Ecn before = ecn_of(frame, ip);
    if (const Ecn after = verdict.ecn_after(before); after != before) set_ecn(frame, ip, after);
  }
  flip_bits(verdict, frame);
}

void flip_bits(const Verdict& verdict, std::span<std::uint8_t> bytes, std::uint32_t skipped_bytes) noexcept {
  for (std::size_t i = 0; i < verdict.flips; ++i) {
    const std::size_t byte = verdict.flip_bits[i] / 8;
    if (byte < skipped_bytes || byte - skipped_bytes >= bytes.size()) continue;
    bytes[byte - skipped_bytes] ^= static_cast<std::uint8_t>(1U << verdict.flip_bits[i] % 8);
  }
}

}  // namespace dwcp
