// SPDX-License-Identifier: Apache-2.0
// CookieJar: makes the cookies that show that whoever sends from an address also receives there, and knows them again
// without keeping any.  The net lcore's.
//
//   cookie = number of the key | the first 15 bytes of AES-128-CMAC(key, address and port)        (RFC 4493)
//
// The control thread gives a new key every minute, counting them; the last two are good.  So a cookie is good for one to two
// minutes, and for its address only.  Forging one takes 2^119 tries on average.
//
// make() and check() allocate nothing, lock nothing, and take time that does not depend on the cookie.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "dataplane/wire/handshake.h"

struct evp_mac_ctx_st;

namespace dwcp {

class CookieJar {
 public:
  static constexpr std::size_t kKeyBytes = 16;
  // An address as 16 bytes, then its port: how they are laid out is the caller's to say, so long as it always does the same.
  static constexpr std::size_t kSubjectBytes = 18;
  using Key = std::array<std::uint8_t, kKeyBytes>;
  using Subject = std::span<const std::uint8_t, kSubjectBytes>;

  CookieJar();
  ~CookieJar();
  CookieJar(const CookieJar&) = delete;
  CookieJar& operator=(const CookieJar&) = delete;

  // Makes cookies with `key` from now on, and forgets the last but one.  Numbers rise by one, and wrap.  Not on the way of a
  // packet: keying may allocate.
  void set_key(std::uint8_t number, const Key& key) noexcept;
  // A key was given.
  [[nodiscard]] bool ready() const noexcept { return slots_[newest_].set; }

  // Requires ready().
  [[nodiscard]] wire::Cookie make(Subject subject) noexcept;
  [[nodiscard]] bool check(Subject subject, const wire::Cookie& cookie) noexcept;

 private:
  struct FreeMac {
    void operator()(evp_mac_ctx_st* mac) const noexcept;
  };
  struct Slot {
    std::unique_ptr<evp_mac_ctx_st, FreeMac> mac;
    std::uint8_t number = 0;
    bool set = false;
  };

  [[nodiscard]] static bool compute(Slot& slot, Subject subject, wire::Cookie& cookie) noexcept;

  std::array<Slot, 2> slots_;
  std::size_t newest_ = 0;
};

}  // namespace dwcp
