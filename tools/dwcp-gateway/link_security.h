// SPDX-License-Identifier: Apache-2.0
// LinkSecurity: what handshakes and data packets of this gateway are secured by, made from its Config: credentials and TLS,
// the AEAD devices, the keys of cookies.  Control thread, after EAL has started.
//
// Use:
//   auto security = LinkSecurity::open(config);              before the net lcore is launched on `lcore`:
//   (*security)->prepare_lcore(lcore);
//   PeerLinks(links_config, (*security)->tls(), ...)
//   auto keys = security.keys_of(secrets);                   for each start and rekey
//   if (security.cookie_key(now, number, key)) give it to the net lcore
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "config/config.h"
#include "control/error.h"
#include "control/security/openssl_tls_factory.h"
#include "dataplane/crypto/cookie_jar.h"
#include "dataplane/crypto/cryptodev_provider.h"
#include "dataplane/crypto/epoch_secrets.h"
#include "dataplane/crypto/link_keys.h"

namespace dwcp {

class LinkSecurity {
 public:
  [[nodiscard]] static expected<std::unique_ptr<LinkSecurity>, Error> open(const Config& config);

  [[nodiscard]] OpensslTlsFactory& tls() noexcept { return *tls_; }
  [[nodiscard]] const OpensslTlsFactory& tls() const noexcept { return *tls_; }
  [[nodiscard]] const AeadProvider& aead() const noexcept { return aead_; }
  // Those of the configuration that a device does, in its order; at least one.
  [[nodiscard]] const std::vector<Cipher>& ciphers() const noexcept { return ciphers_; }
  // Ciphers of the configuration that no device does: a line each.
  [[nodiscard]] const std::vector<std::string>& missing() const noexcept { return missing_; }

  [[nodiscard]] expected<void, std::string> prepare_lcore(unsigned lcore) { return aead_.prepare_lcore(lcore); }
  [[nodiscard]] expected<std::unique_ptr<EpochKeys>, std::string> keys_of(const EpochSecrets& secrets);

  // True when a new one is due: each minute, and at first.
  [[nodiscard]] bool cookie_key(std::uint64_t now_ns, std::uint8_t& number, CookieJar::Key& key);

  // Reads the files again.  Errors: a line each, and what was there goes on.
  [[nodiscard]] expected<void, std::vector<std::string>> reload();

  // The wall clock, by which certificates are judged.
  [[nodiscard]] static std::int64_t unix_now_s();

 private:
  explicit LinkSecurity(const Config& config);

  CredentialFiles files_;
  CryptodevProvider aead_;
  std::vector<Cipher> ciphers_;
  std::vector<std::string> missing_;
  std::unique_ptr<OpensslTlsFactory> tls_;
  std::uint64_t cookie_due_ns_ = 0;
  std::uint8_t cookie_number_ = 0;
};

}  // namespace dwcp
