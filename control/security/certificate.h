// SPDX-License-Identifier: Apache-2.0
// What certificates say, as text and numbers for people.  Control thread and dwcpctl.
//
// Certificates may be a peer's: all text is printable ASCII and bounded.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "control/security/openssl_ptr.h"

namespace dwcp {

inline constexpr std::int64_t kDayS = 86400;

// "CN=site-a,O=Example" (RFC 2253), at most 200 characters.
[[nodiscard]] std::string subject_text(const X509* certificate);
[[nodiscard]] std::string issuer_text(const X509* certificate);
[[nodiscard]] std::string name_text(const X509_NAME* name);
// Hexadecimal digits, upper case.
[[nodiscard]] std::string serial_text(const ASN1_INTEGER* serial);
[[nodiscard]] std::string serial_text(const X509* certificate);
// The DNS names of the subjectAltName.
[[nodiscard]] std::vector<std::string> dns_names(const X509* certificate);
// "site-a, site-b", or "no DNS name"; at most eight.
[[nodiscard]] std::string dns_names_text(const X509* certificate);
// By a DNS subjectAltName alone, no wildcards, no common name (RFC 6125 §6.4.4).
[[nodiscard]] bool has_dns_name(X509* certificate, const std::string& name);
// "EC P-256", "RSA 2048", "ED25519"
[[nodiscard]] std::string key_text(const EVP_PKEY* key);
// SHA-256 over the DER form, "AB:CD:..."
[[nodiscard]] std::string fingerprint_text(const X509* certificate);

[[nodiscard]] std::int64_t not_before_unix_s(const X509* certificate);
[[nodiscard]] std::int64_t not_after_unix_s(const X509* certificate);
[[nodiscard]] std::int64_t unix_s(const ASN1_TIME* time);  // long past when it is no time
// "2026-11-24 16:33:21 UTC"
[[nodiscard]] std::string date_text(std::int64_t unix_s);
// Rounded down; negative once over.
[[nodiscard]] std::int64_t days_left(std::int64_t end_unix_s, std::int64_t now_unix_s);
// Printable ASCII of what may be anything, at most `max` characters; the rest is "?" and "...".
[[nodiscard]] std::string printable(std::string_view text, std::size_t max);

}  // namespace dwcp
