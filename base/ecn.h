// SPDX-License-Identifier: Apache-2.0
// Explicit congestion notification: the two low bits of the IPv4 TOS byte and of the IPv6 traffic class (RFC 3168 §5),
// and counts of what came with them.  Plain data, any thread.
#pragma once

#include <cstdint>

namespace dwcp {

enum class Ecn : std::uint8_t {
  kNotEct = 0,  // the sender does not want marks: a congested router drops
  kEct1 = 1,    // as ECT(0), but for the L4S experiment (RFC 9331); never sent here
  kEct0 = 2,    // the sender understands marks
  kCe = 3,      // congestion experienced: a router's mark in place of a drop
};

[[nodiscard]] constexpr bool is_ect(Ecn ecn) noexcept {
  return ecn == Ecn::kEct0 || ecn == Ecn::kEct1;
}

// Packets, by what they came with; those without are not counted (RFC 9000 §19.3.2).
struct EcnCounts {
  std::uint64_t ect0 = 0;
  std::uint64_t ect1 = 0;
  std::uint64_t ce = 0;

  constexpr void add(Ecn ecn) noexcept {
    ect0 += ecn == Ecn::kEct0;
    ect1 += ecn == Ecn::kEct1;
    ce += ecn == Ecn::kCe;
  }
  constexpr EcnCounts& operator+=(const EcnCounts& other) noexcept {
    ect0 += other.ect0;
    ect1 += other.ect1;
    ce += other.ce;
    return *this;
  }
  [[nodiscard]] constexpr bool any() const noexcept { return (ect0 | ect1 | ce) != 0; }
  bool operator==(const EcnCounts&) const = default;
};

}  // namespace dwcp
