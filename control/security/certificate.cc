// SPDX-License-Identifier: Apache-2.0
#include "control/security/certificate.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/objects.h>

#include <cctype>
#include <cstdio>
#include <ctime>
#include <limits>

namespace dwcp {
namespace {

constexpr std::size_t kNameTextMax = 200;
// Past by any clock, and far enough from the least number that a clock can be taken from it.
constexpr std::int64_t kUnreadableUnixS = std::numeric_limits<std::int64_t>::min() / 2;

struct GeneralNamesFree {
  void operator()(GENERAL_NAMES* names) const noexcept { GENERAL_NAMES_free(names); }
};

std::string upper(std::string text) {
  for (char& c : text) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return text;
}

}  // namespace

std::string printable(std::string_view text, std::size_t max) {
  std::string safe(text.substr(0, max));
  for (char& c : safe) {
    if (c < ' ' || c > '~') c = '?';
  }
  return text.size() > max ? safe + "..." : safe;
}

std::string name_text(const X509_NAME* name) {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  if (!name || X509_NAME_print_ex(bio.get(), name, 0, XN_FLAG_RFC2253) < 0) {
    ERR_clear_error();
    return "a name that can not be shown";
  }
  char* data = nullptr;
  const long bytes = BIO_get_mem_data(bio.get(), &data);
  return bytes > 0 ? printable({data, static_cast<std::size_t>(bytes)}, kNameTextMax) : "";
}

std::string subject_text(const X509* certificate) {
  return name_text(X509_get_subject_name(certificate));
}

std::string issuer_text(const X509* certificate) {
  return name_text(X509_get_issuer_name(certificate));
}

std::string serial_text(const ASN1_INTEGER* serial) {
  const BignumPtr number(ASN1_INTEGER_to_BN(serial, nullptr));
  char* hex = number ? BN_bn2hex(number.get()) : nullptr;
  std::string text = hex ? printable(hex, 64) : "";
  OPENSSL_free(hex);
  return text;
}

std::string serial_text(const X509* certificate) {
  return serial_text(X509_get0_serialNumber(certificate));
}

std::vector<std::string> dns_names(const X509* certificate) {
  std::vector<std::string> found;
  const std::unique_ptr<GENERAL_NAMES, GeneralNamesFree> names(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; names && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type != GEN_DNS) continue;
    const auto* data = reinterpret_cast<const char*>(ASN1_STRING_get0_data(name->d.dNSName));
    found.push_back(printable({data, static_cast<std::size_t>(ASN1_STRING_length(name->d.dNSName))}, 64));
  }
  return found;
}

std::string dns_names_text(const X509* certificate) {
  constexpr std::size_t kShown = 8;
  const std::vector<std::string> names = dns_names(certificate);
  std::string text;
  for (std::size_t i = 0; i < names.size() && i < kShown; ++i) text += (i ? ", " : "") + names[i];
  if (names.size() > kShown) text += " and " + std::to_string(names.size() - kShown) + " more";
  return names.empty() ? "no DNS name" : text;
}

bool has_dns_name(X509* certificate, const std::string& name) {
  const bool has = X509_check_host(certificate, name.data(), name.size(),
                                   X509_CHECK_FLAG_NO_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT, nullptr) == 1;
  ERR_clear_error();
  return has;
}

std::string key_text(const EVP_PKEY* key) {
  if (!key) return "a key of unknown type";
  if (EVP_PKEY_is_a(key, "EC")) {
    char group[64] = "";
    std::size_t bytes = 0;
    EVP_PKEY_get_utf8_string_param(key, OSSL_PKEY_PARAM_GROUP_NAME, group, sizeof group, &bytes);
    const char* nist = EC_curve_nid2nist(OBJ_txt2nid(group));
    return std::string("EC ") + (nist ? nist : group);
  }
  const char* type = EVP_PKEY_get0_type_name(key);
  const std::string name = upper(type ? type : "unknown");
  return EVP_PKEY_is_a(key, "RSA") ? name + ' ' + std::to_string(EVP_PKEY_get_bits(key)) : name;
}

std::string fingerprint_text(const X509* certificate) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned bytes = 0;
  if (X509_digest(certificate, EVP_sha256(), digest, &bytes) != 1) return "";
  std::string text;
  char pair[4];
  for (unsigned i = 0; i < bytes; ++i) {
    std::snprintf(pair, sizeof pair, i ? ":%02X" : "%02X", digest[i]);
    text += pair;
  }
  return text;
}

std::int64_t unix_s(const ASN1_TIME* time) {
  std::tm parts{};
  if (!time || ASN1_TIME_to_tm(time, &parts) != 1) return kUnreadableUnixS;
  return timegm(&parts);
}

std::int64_t not_before_unix_s(const X509* certificate) {
  return unix_s(X509_get0_notBefore(certificate));
}

std::int64_t not_after_unix_s(const X509* certificate) {
  return unix_s(X509_get0_notAfter(certificate));
}

std::string date_text(std::int64_t unix_s) {
  const auto time = static_cast<std::time_t>(unix_s);
  std::tm parts{};
  char text[64];
  if (!gmtime_r(&time, &parts) || std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S UTC", &parts) == 0)
    return "no date";
  return text;
}

std::int64_t days_left(std::int64_t end_unix_s, std::int64_t now_unix_s) {
  const std::int64_t left_s = end_unix_s - now_unix_s;
  return left_s >= 0 ? left_s / kDayS : -((-left_s + kDayS - 1) / kDayS);
}

}  // namespace dwcp
