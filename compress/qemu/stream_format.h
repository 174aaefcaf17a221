// SPDX-License-Identifier: Apache-2.0
// What is known of QEMU's migration stream, version 3, from its wire: QEMU 7.2 and those around it.  All integers are
// big-endian.
//
//   stream  = magic, version, [configuration], section ...
//   section = type (u8), then
//     start / full    section id (u32), name length (u8), name, instance (u32), version (u32), content
//     part / end      section id (u32), content
//     command         command (u16), length (u16), data; the packaged command is followed by as many bytes as it says
//     footer          section id (u32)
//   content of "ram"  records, each beginning with an u64 of page offset | flags (low bits of a page offset are zero),
//                     and up to the record flagged end of section:
//     memory size     the offset is the total; then per RAM block: name length (u8), name, length (u64), until the
//                     lengths make up the total.  With some capabilities an u64 (a page size, an address) follows a
//                     block; its first byte is zero, which no name length is.
//     page records    unless flagged "continue" (same block as the last): name length (u8), name; then
//                     fill: u8.  page: the bytes.  XBZRLE: u8 of 1, u16 length, bytes.  compressed: u32 length, bytes.
//
// Order in precopy: part sections of RAM while the guest runs; then the guest is stopped, and the very next thing written is
// RAM's end section, with what was dirty last; then the device state.  In postcopy the guest is stopped for the packaged
// command, which holds the device state, and RAM's end section comes when all of it has moved and the guest runs over there.
//
// Content of any other section carries no length, so nothing after the first foreign section can be found.  In precopy
// that is the device state at the very end.
#pragma once

#include <cstddef>
#include <cstdint>

namespace dwcp::qemu {

inline constexpr std::uint32_t kMagic = 0x5145564d;  // "QEVM"
inline constexpr std::uint32_t kVersion = 3;

enum SectionType : std::uint8_t {
  kSectionEof = 0x00,
  kSectionStart = 0x01,
  kSectionPart = 0x02,
  kSectionEnd = 0x03,
  kSectionFull = 0x04,
  kSubsection = 0x05,
  kVmDescription = 0x06,
  kConfiguration = 0x07,
  kCommand = 0x08,
  kSectionFooter = 0x7e,
};

inline constexpr std::uint16_t kCommandPackaged = 7;

inline constexpr std::uint32_t kRamSectionVersion = 4;

inline constexpr std::uint64_t kFlagFill = 0x02;
inline constexpr std::uint64_t kFlagMemorySize = 0x04;
inline constexpr std::uint64_t kFlagPage = 0x08;
inline constexpr std::uint64_t kFlagEndOfSection = 0x10;
inline constexpr std::uint64_t kFlagContinue = 0x20;
inline constexpr std::uint64_t kFlagXbzrle = 0x40;
inline constexpr std::uint64_t kFlagHook = 0x80;  // RDMA only: not a TCP stream that can be followed
inline constexpr std::uint64_t kFlagCompressedPage = 0x100;
inline constexpr std::uint64_t kFlagMultifdFlush = 0x200;  // 8.1 and later, no payload

inline constexpr std::uint8_t kXbzrleEncoded = 1;

inline constexpr std::uint32_t kPageBitsDefault = 12;
inline constexpr std::uint32_t kPageBitsMin = 10;  // flags take the ten bits below
inline constexpr std::uint32_t kPageBitsMax = 16;

inline constexpr std::size_t kMachineNameMax = 255;
inline constexpr std::size_t kUuidBytes = 16;
inline constexpr std::uint32_t kCapabilitiesMax = 64;

}  // namespace dwcp::qemu
