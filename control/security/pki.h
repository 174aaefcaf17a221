// SPDX-License-Identifier: Apache-2.0
// Makes keys, certificates and revocation lists, in memory (RFC 5280).  dwcpctl and tests; files are pki_site.h's.
//
// Keys are EC P-256, signatures ECDSA with SHA-256, serial numbers 127 random bits.  A null pointer or empty text is
// OpenSSL's failure, which openssl_reason() explains.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "control/security/openssl_ptr.h"

namespace dwcp::pki {

struct Validity {
  std::int64_t not_before_unix_s = 0;
  std::int64_t not_after_unix_s = 0;
};

struct CertificateSpec {
  std::string common_name;
  Validity validity;
  bool ca = false;
  int path_length = 0;                         // a CA's: how many CAs may follow below; negative: any
  std::vector<std::string> dns_names;          // letters, digits, '.', '_', '-'; a gateway's, none for a CA
  std::string key_usage = "digitalSignature";  // a gateway's; as in openssl's x509v3_config(5)
  bool server_auth = true;                     // a gateway's: may respond
  bool client_auth = true;                     // may initiate
};

struct Revoked {
  std::string serial;  // hexadecimal
  std::int64_t revoked_unix_s = 0;
};

[[nodiscard]] PkeyPtr make_key();
// For `key`.  A null `issuer` signs itself, with `key` for `issuer_key`.
[[nodiscard]] X509Ptr make_certificate(const CertificateSpec& spec, EVP_PKEY* key, X509* issuer, EVP_PKEY* issuer_key);
// `number` counts a CA's lists up (RFC 5280 §5.2.3).
[[nodiscard]] CrlPtr make_crl(X509* issuer, EVP_PKEY* issuer_key, const std::vector<Revoked>& revoked,
                              std::uint64_t number, const Validity& validity);
// What a list says, to make the next one from.
[[nodiscard]] std::vector<Revoked> revoked_in(X509_CRL* crl);
// 0: it has none.
[[nodiscard]] std::uint64_t number_of(X509_CRL* crl);

[[nodiscard]] std::string to_pem(X509* certificate);
[[nodiscard]] std::string to_pem(X509_CRL* crl);
// PKCS #8, no passphrase.
[[nodiscard]] SecretText to_pem(EVP_PKEY* key);
// 64 hexadecimal digits and a line end.
[[nodiscard]] SecretText make_psk();

}  // namespace dwcp::pki
