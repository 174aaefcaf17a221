// SPDX-License-Identifier: Apache-2.0
#include "control/security/pki_show.h"

#include "control/security/certificate.h"
#include "control/security/pem_file.h"
#include "control/security/pki.h"

namespace dwcp::pki {
namespace {

std::string line(const std::string& label, const std::string& value) {
  return "  " + label + std::string(label.size() < 14 ? 14 - label.size() : 1, ' ') + value + '\n';
}

std::string until_text(std::int64_t end_unix_s, std::int64_t now_unix_s) {
  if (now_unix_s > end_unix_s) return date_text(end_unix_s) + ", EXPIRED";
  const std::int64_t days = days_left(end_unix_s, now_unix_s);
  return date_text(end_unix_s) + ", " + std::to_string(days) + (days == 1 ? " day left" : " days left");
}

std::string usage_text(X509* certificate) {
  if (X509_check_ca(certificate) != 0) return "a CA";
  const std::uint32_t usage = X509_get_extended_key_usage(certificate);
  if (usage == UINT32_MAX) return "any";
  const bool client = (usage & XKU_SSL_CLIENT) != 0, server = (usage & XKU_SSL_SERVER) != 0;
  if (client && server) return "a gateway";
  return client   ? "a gateway that initiates only"
         : server ? "a gateway that responds only"
                  : "something else than a gateway";
}

std::string show_certificate(X509* certificate, std::int64_t now_unix_s) {
  const std::int64_t begin_unix_s = not_before_unix_s(certificate);
  return "certificate\n" + line("subject", subject_text(certificate)) + line("DNS names", dns_names_text(certificate)) +
         line("is for", usage_text(certificate)) + line("issuer", issuer_text(certificate)) +
         line("serial", serial_text(certificate)) +
         line("valid from", date_text(begin_unix_s) + (now_unix_s < begin_unix_s ? ", NOT YET" : "")) +
         line("valid until", until_text(not_after_unix_s(certificate), now_unix_s)) +
         line("key", key_text(X509_get0_pubkey(certificate))) + line("SHA-256", fingerprint_text(certificate));
}

std::string show_crl(X509_CRL* crl, std::int64_t now_unix_s) {
  const ASN1_TIME* end = X509_CRL_get0_nextUpdate(crl);
  const std::vector<Revoked> revoked = revoked_in(crl);
  std::string text = "revocation list\n" + line("issuer", name_text(X509_CRL_get_issuer(crl))) +
                     line("number", std::to_string(number_of(crl))) +
                     line("signed", date_text(unix_s(X509_CRL_get0_lastUpdate(crl)))) +
                     line("good until", end ? until_text(unix_s(end), now_unix_s) : "no end is named") +
                     line("revoked", std::to_string(revoked.size()));
  for (const Revoked& entry : revoked) text += line("", entry.serial + " on " + date_text(entry.revoked_unix_s));
  return text;
}

}  // namespace

Result show(const std::string& path, std::int64_t now_unix_s) {
  const auto file = read_file(path);
  if (!file) return unexpected<Fault>(file.error());
  const auto certificates = certificates_in(*file);
  if (!certificates) return unexpected<Fault>({FaultKind::kFailed, certificates.error()});
  const auto crls = crls_in(*file);
  if (!crls) return unexpected<Fault>({FaultKind::kFailed, crls.error()});
  std::string text;
  for (const X509Ptr& certificate : *certificates) text += show_certificate(certificate.get(), now_unix_s);
  for (const CrlPtr& crl : *crls) text += show_crl(crl.get(), now_unix_s);
  if (file->content.text().find("PRIVATE KEY-----") != std::string::npos) {
    const auto key = private_key_in(*file);
    if (!key) return unexpected<Fault>({FaultKind::kFailed, key.error()});
    text += "private key, not shown\n" + line("key", key_text(key->get()));
  }
  if (text.empty() && psk_in(*file)) text = "pre-shared key of 256 bits, not shown\n";
  if (text.empty()) {
    return unexpected<Fault>(
        {FaultKind::kFailed, path + ": holds no certificate, revocation list or key; name a PEM file or a psk_file"});
  }
  return text;
}

}  // namespace dwcp::pki
