// SPDX-License-Identifier: Apache-2.0
#include "dataplane/crypto/cookie_jar.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <cstring>

#include "base/assert.h"

namespace dwcp {

void CookieJar::FreeMac::operator()(evp_mac_ctx_st* mac) const noexcept { EVP_MAC_CTX_free(mac); }

CookieJar::CookieJar() {
  EVP_MAC* const cmac = EVP_MAC_fetch(nullptr, "CMAC", nullptr);
  DWCP_ASSERT(cmac != nullptr);
  char cipher[] = "AES-128-CBC";
  const OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_CIPHER, cipher, 0), OSSL_PARAM_construct_end()};
  for (Slot& slot : slots_) {
    slot.mac.reset(EVP_MAC_CTX_new(cmac));
    DWCP_ASSERT(slot.mac != nullptr && EVP_MAC_CTX_set_params(slot.mac.get(), params) == 1);
  }
  EVP_MAC_free(cmac);
}

CookieJar::~CookieJar() = default;

void CookieJar::set_key(std::uint8_t number, const Key& key) noexcept {
  newest_ = (newest_ + 1) % slots_.size();
  Slot& slot = slots_[newest_];
  slot.number = number;
  slot.set = EVP_MAC_init(slot.mac.get(), key.data(), key.size(), nullptr) == 1;
}

wire::Cookie CookieJar::make(Subject subject) noexcept {
  DWCP_ASSERT(ready());
  wire::Cookie cookie{};
  (void)compute(slots_[newest_], subject, cookie);
  return cookie;
}

bool CookieJar::check(Subject subject, const wire::Cookie& cookie) noexcept {
  for (Slot& slot : slots_) {
    if (!slot.set || slot.number != cookie[0]) continue;
    wire::Cookie right{};
    return compute(slot, subject, right) && CRYPTO_memcmp(right.data(), cookie.data(), cookie.size()) == 0;
  }
  return false;
}

// Should OpenSSL fail, the cookie is one that check() refuses for the same reason.
bool CookieJar::compute(Slot& slot, Subject subject, wire::Cookie& cookie) noexcept {
  std::array<std::uint8_t, 16> mac{};
  std::size_t bytes = 0;
  // Without a key: begins anew with the one it has.
  if (EVP_MAC_init(slot.mac.get(), nullptr, 0, nullptr) != 1 || EVP_MAC_update(slot.mac.get(), subject.data(), subject.size()) != 1 ||
      EVP_MAC_final(slot.mac.get(), mac.data(), &bytes, mac.size()) != 1 || bytes != mac.size()) {
    return false;
  }
  cookie[0] = slot.number;
  std::memcpy(cookie.data() + 1, mac.data(), cookie.size() - 1);
  return true;
}

}  // namespace dwcp
