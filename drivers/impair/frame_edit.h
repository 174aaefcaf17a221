// SPDX-License-Identifier: Apache-2.0
// What a verdict does to the bytes of an Ethernet frame.  Frames are untrusted: whatever is not a whole IP header is
// left alone.  Pure functions, any thread.
#pragma once

#include <cstdint>
#include <span>

#include "drivers/impair/link_model.h"

namespace dwcp {

// Whether the frame carries IPv4 or IPv6 (behind at most one VLAN tag) with ECT(0) or ECT(1) (RFC 3168 section 5).
[[nodiscard]] bool frame_is_ect(std::span<const std::uint8_t> frame) noexcept;

// FrameInfo::protected_bytes of the frame: the link header, and all of what is not IP.  ARP has no checksum of its own, so
// damage that only the link layer's would have caught must not reach it.
[[nodiscard]] std::uint32_t frame_protected_bytes(std::span<const std::uint8_t> frame) noexcept;

// Applies the verdict's ECN changes (mending the IPv4 header checksum, RFC 1624) and the bit flips.
void edit_frame(const Verdict& verdict, std::span<std::uint8_t> frame) noexcept;

// Inverts the verdict's bits in `bytes`, which begins `skipped_bytes` into the frame; bits outside are left out.
void flip_bits(const Verdict& verdict, std::span<std::uint8_t> bytes, std::uint32_t skipped_bytes = 0) noexcept;

}  // namespace dwcp
