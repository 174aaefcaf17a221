// SPDX-License-Identifier: Apache-2.0
#include "control/security/pki.h"

#include <openssl/pem.h>
#include <openssl/rand.h>

#include <algorithm>
#include <ctime>

#include "control/security/certificate.h"
#include "control/security/pem_file.h"

namespace dwcp::pki {
namespace {

using Asn1IntegerPtr = std::unique_ptr<ASN1_INTEGER, OpensslFree<ASN1_INTEGER_free>>;
using Asn1TimePtr = std::unique_ptr<ASN1_TIME, OpensslFree<ASN1_TIME_free>>;
using ExtensionPtr = std::unique_ptr<X509_EXTENSION, OpensslFree<X509_EXTENSION_free>>;
using RevokedPtr = std::unique_ptr<X509_REVOKED, OpensslFree<X509_REVOKED_free>>;

Asn1TimePtr asn1_time(std::int64_t unix_s) {
  return Asn1TimePtr(ASN1_TIME_set(nullptr, static_cast<std::time_t>(unix_s)));
}

bool set_random_serial(X509* certificate) {
  const BignumPtr number(BN_new());
  // The top bit set: 32 digits, never 0 (RFC 5280 §4.1.2.2).
  return number && BN_rand(number.get(), 127, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) == 1 &&
         BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate)) != nullptr;
}

bool set_subject(X509* certificate, const std::string& common_name) {
  return X509_NAME_add_entry_by_NID(X509_get_subject_name(certificate), NID_commonName, MBSTRING_UTF8,
                                    reinterpret_cast<const unsigned char*>(common_name.data()),
                                    static_cast<int>(common_name.size()), -1, 0) == 1;
}

bool add_extension(X509* certificate, X509* issuer, int kind, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const ExtensionPtr extension(X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str()));
  return extension && X509_add_ext(certificate, extension.get(), -1) == 1;
}

bool add_gateway_extensions(X509* certificate, X509* issuer, const CertificateSpec& spec) {
  std::string names, usage;
  for (const std::string& name : spec.dns_names) names += (names.empty() ? "DNS:" : ",DNS:") + name;
  if (spec.server_auth) usage = "serverAuth";
  if (spec.client_auth) usage += usage.empty() ? "clientAuth" : ",clientAuth";
  return add_extension(certificate, issuer, NID_basic_constraints, "critical,CA:FALSE") &&
         add_extension(certificate, issuer, NID_key_usage, "critical," + spec.key_usage) &&
         (usage.empty() || add_extension(certificate, issuer, NID_ext_key_usage, usage)) &&
         (names.empty() || add_extension(certificate, issuer, NID_subject_alt_name, names));
}

bool add_ca_extensions(X509* certificate, X509* issuer, const CertificateSpec& spec) {
  const std::string length = spec.path_length < 0 ? "" : ",pathlen:" + std::to_string(spec.path_length);
  return add_extension(certificate, issuer, NID_basic_constraints, "critical,CA:TRUE" + length) &&
         add_extension(certificate, issuer, NID_key_usage, "critical,keyCertSign,cRLSign");
}

bool add_revoked(X509_CRL* crl, const Revoked& entry) {
  BIGNUM* parsed = nullptr;
  if (BN_hex2bn(&parsed, entry.serial.c_str()) == 0) return false;
  const BignumPtr number(parsed);
  const Asn1IntegerPtr serial(BN_to_ASN1_INTEGER(number.get(), nullptr));
  const Asn1TimePtr when = asn1_time(entry.revoked_unix_s);
  RevokedPtr revoked(X509_REVOKED_new());
  if (!revoked || !serial || X509_REVOKED_set_serialNumber(revoked.get(), serial.get()) != 1 ||
      X509_REVOKED_set_revocationDate(revoked.get(), when.get()) != 1 ||
      X509_CRL_add0_revoked(crl, revoked.get()) != 1) {
    return false;
  }
  (void)revoked.release();
  return true;
}

bool add_crl_extensions(X509_CRL* crl, X509* issuer, std::uint64_t number) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, nullptr, nullptr, crl, 0);
  const ExtensionPtr key_id(X509V3_EXT_conf_nid(nullptr, &context, NID_authority_key_identifier, "keyid:always"));
  const Asn1IntegerPtr counter(ASN1_INTEGER_new());
  return key_id && X509_CRL_add_ext(crl, key_id.get(), -1) == 1 && counter &&
         ASN1_INTEGER_set_uint64(counter.get(), number) == 1 &&
         X509_CRL_add1_ext_i2d(crl, NID_crl_number, counter.get(), 0, 0) == 1;
}

template <typename Write>
std::string pem_of(Write write) {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  char* data = nullptr;
  if (!bio || write(bio.get()) != 1) return {};
  const long bytes = BIO_get_mem_data(bio.get(), &data);
  return {data, static_cast<std::size_t>(bytes)};
}

}  // namespace

PkeyPtr make_key() {
  return PkeyPtr(EVP_EC_gen("P-256"));
}

X509Ptr make_certificate(const CertificateSpec& spec, EVP_PKEY* key, X509* issuer, EVP_PKEY* issuer_key) {
  X509Ptr made(X509_new());
  X509* certificate = made.get();
  if (!certificate || X509_set_version(certificate, X509_VERSION_3) != 1 || !set_random_serial(certificate) ||
      !set_subject(certificate, spec.common_name) ||
      X509_set_issuer_name(certificate, X509_get_subject_name(issuer ? issuer : certificate)) != 1 ||
      X509_set1_notBefore(certificate, asn1_time(spec.validity.not_before_unix_s).get()) != 1 ||
      X509_set1_notAfter(certificate, asn1_time(spec.validity.not_after_unix_s).get()) != 1 ||
      X509_set_pubkey(certificate, key) != 1) {
    return nullptr;
  }
  X509* signer = issuer ? issuer : certificate;
  if (!(spec.ca ? add_ca_extensions : add_gateway_extensions)(certificate, signer, spec) ||
      !add_extension(certificate, signer, NID_subject_key_identifier, "hash") ||
      !add_extension(certificate, signer, NID_authority_key_identifier, "keyid:always") ||
      X509_sign(certificate, issuer_key, EVP_sha256()) == 0) {
    return nullptr;
  }
  return made;
}

CrlPtr make_crl(X509* issuer, EVP_PKEY* issuer_key, const std::vector<Revoked>& revoked, std::uint64_t number,
                const Validity& validity) {
  CrlPtr crl(X509_CRL_new());
  if (!crl || X509_CRL_set_version(crl.get(), X509_CRL_VERSION_2) != 1 ||
      X509_CRL_set_issuer_name(crl.get(), X509_get_subject_name(issuer)) != 1 ||
      X509_CRL_set1_lastUpdate(crl.get(), asn1_time(validity.not_before_unix_s).get()) != 1 ||
      X509_CRL_set1_nextUpdate(crl.get(), asn1_time(validity.not_after_unix_s).get()) != 1) {
    return nullptr;
  }
  for (const Revoked& entry : revoked) {
    if (!add_revoked(crl.get(), entry)) return nullptr;
  }
  X509_CRL_sort(crl.get());
  if (!add_crl_extensions(crl.get(), issuer, number) || X509_CRL_sign(crl.get(), issuer_key, EVP_sha256()) == 0)
    return nullptr;
  return crl;
}

std::vector<Revoked> revoked_in(X509_CRL* crl) {
  std::vector<Revoked> found;
  STACK_OF(X509_REVOKED)* entries = X509_CRL_get_REVOKED(crl);
  for (int i = 0; entries && i < sk_X509_REVOKED_num(entries); ++i) {
    const X509_REVOKED* entry = sk_X509_REVOKED_value(entries, i);
    found.push_back(
        {serial_text(X509_REVOKED_get0_serialNumber(entry)), unix_s(X509_REVOKED_get0_revocationDate(entry))});
  }
  return found;
}

std::uint64_t number_of(X509_CRL* crl) {
  const Asn1IntegerPtr counter(static_cast<ASN1_INTEGER*>(X509_CRL_get_ext_d2i(crl, NID_crl_number, nullptr, nullptr)));
  std::uint64_t number = 0;
  return counter && ASN1_INTEGER_get_uint64(&number, counter.get()) == 1 ? number : 0;
}

std::string to_pem(X509* certificate) {
  return pem_of([&](BIO* bio) { return PEM_write_bio_X509(bio, certificate); });
}

std::string to_pem(X509_CRL* crl) {
  return pem_of([&](BIO* bio) { return PEM_write_bio_X509_CRL(bio, crl); });
}

SecretText to_pem(EVP_PKEY* key) {
  // A BIO of the secure kind wipes its memory.
  const BioPtr bio(BIO_new(BIO_s_secmem()));
  char* data = nullptr;
  if (!bio || PEM_write_bio_PKCS8PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr) != 1) return {};
  const auto bytes = static_cast<std::size_t>(BIO_get_mem_data(bio.get(), &data));
  SecretText text(bytes);
  std::copy_n(data, bytes, text.data());
  return text;
}

SecretText make_psk() {
  constexpr char kDigits[] = "0123456789abcdef";
  Psk psk;
  if (RAND_priv_bytes(psk.bytes, sizeof psk.bytes) != 1) return {};
  SecretText text(2 * kPskBytes + 1);
  for (std::size_t i = 0; i < kPskBytes; ++i) {
    text.data()[2 * i] = kDigits[psk.bytes[i] >> 4];
    text.data()[2 * i + 1] = kDigits[psk.bytes[i] & 15];
  }
  text.data()[2 * kPskBytes] = '\n';
  return text;
}

}  // namespace dwcp::pki
