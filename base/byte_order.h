// SPDX-License-Identifier: Apache-2.0
// Integers as they lie on the wire: big-endian, alignment 1, no padding, so a struct of them is a wire format that may
// stand at any address.  Reading converts to the host's integer, assigning converts back.  Any thread, constexpr.
//
// Use:
//   struct UdpHeader { be16 source_port; be16 destination_port; be16 length; be16 checksum; };
//   static_assert(sizeof(UdpHeader) == 8 && alignof(UdpHeader) == 1);
//   std::uint16_t port = header.source_port;
//   header.length = 8 + payload;          // truncates to the field's width: range checks are the caller's
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

namespace dwcp {

namespace detail {

template <typename Int>
[[nodiscard]] constexpr Int swap_bytes(Int value) noexcept {
  if constexpr (sizeof(Int) == 2) {
    return __builtin_bswap16(value);
  } else if constexpr (sizeof(Int) == 4) {
    return __builtin_bswap32(value);
  } else {
    static_assert(sizeof(Int) == 8);
    return __builtin_bswap64(value);
  }
}

// kBytes bytes on the wire, held by the host as Int.
template <typename Int, std::size_t kBytes>
struct BigEndian {
  static_assert(std::is_unsigned_v<Int> && kBytes <= sizeof(Int));
  static constexpr std::size_t kSize = kBytes;

  std::uint8_t bytes[kBytes];

  BigEndian() = default;                                               // trivial: left unset, as any integer is
  constexpr BigEndian(Int value) noexcept : bytes{} { store(value); }  // NOLINT: stands in for the integer

  constexpr BigEndian& operator=(Int value) noexcept {
    store(value);
    return *this;
  }
  constexpr operator Int() const noexcept { return load(); }  // NOLINT: stands in for the integer
  [[nodiscard]] constexpr Int value() const noexcept { return load(); }

 private:
  static constexpr bool kWhole = kBytes == sizeof(Int);

  [[nodiscard]] constexpr Int load() const noexcept {
    if (kWhole && !std::is_constant_evaluated()) {
      Int raw;
      std::memcpy(&raw, bytes, kBytes);
      return std::endian::native == std::endian::little ? swap(raw) : raw;
    }
    Int value = 0;
    for (std::size_t i = 0; i < kBytes; ++i) value = static_cast<Int>((value << 8) | bytes[i]);
    return value;
  }

  constexpr void store(Int value) noexcept {
    if (kWhole && !std::is_constant_evaluated()) {
      const Int raw = std::endian::native == std::endian::little ? swap(value) : value;
      std::memcpy(bytes, &raw, kBytes);
      return;
    }
    for (std::size_t i = kBytes; i-- > 0; value = static_cast<Int>(value >> 8)) {
      bytes[i] = static_cast<std::uint8_t>(value & 0xff);
    }
  }

  [[nodiscard]] static constexpr Int swap(Int value) noexcept { return swap_bytes(value); }
};

}  // namespace detail

using be16 = detail::BigEndian<std::uint16_t, 2>;
using be24 = detail::BigEndian<std::uint32_t, 3>;  // holds 0 .. 2^24 - 1
using be32 = detail::BigEndian<std::uint32_t, 4>;
using be64 = detail::BigEndian<std::uint64_t, 8>;

static_assert(sizeof(be16) == 2 && alignof(be16) == 1 && std::is_trivially_copyable_v<be16>);
static_assert(sizeof(be24) == 3 && alignof(be24) == 1 && std::is_trivially_copyable_v<be24>);
static_assert(sizeof(be32) == 4 && alignof(be32) == 1 && std::is_trivially_copyable_v<be32>);
static_assert(sizeof(be64) == 8 && alignof(be64) == 1 && std::is_trivially_copyable_v<be64>);
static_assert(std::is_trivially_default_constructible_v<be32> && std::is_standard_layout_v<be32>);

// Unaligned access for the few places without a struct (a cursor over options, a checksum).
template <typename Field>
[[nodiscard]] inline auto load_be(const std::uint8_t* at) noexcept {
  Field field;
  std::memcpy(&field, at, sizeof(Field));
  return field.value();
}

template <typename Field, typename Int>
inline void store_be(std::uint8_t* at, Int value) noexcept {
  Field field;
  field = static_cast<decltype(field.value())>(value);
  std::memcpy(at, &field, sizeof(Field));
}

}  // namespace dwcp
