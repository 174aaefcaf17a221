// SPDX-License-Identifier: Apache-2.0
#include "control/security/pki_site.h"

#include <openssl/err.h>
#include <openssl/rand.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <iterator>

#include "config/name.h"
#include "control/security/certificate.h"
#include "control/security/pem_file.h"
#include "control/security/pki.h"

namespace dwcp::pki {
namespace {

// For clocks that are behind this one.
constexpr std::int64_t kBackdateS = 3600;

using Asn1IntegerPtr = std::unique_ptr<ASN1_INTEGER, OpensslFree<ASN1_INTEGER_free>>;

unexpected<Fault> failed(std::string text) {
  return unexpected<Fault>({FaultKind::kFailed, std::move(text)});
}

unexpected<Fault> misused(std::string text) {
  return unexpected<Fault>({FaultKind::kUsage, std::move(text)});
}

unexpected<Fault> by_openssl(const std::string& what) {
  return failed("OpenSSL could not make " + what + " (" + openssl_reason() + ')');
}

struct Authority {
  X509Ptr certificate;
  PkeyPtr key;
};

expected<PkeyPtr, Fault> read_key(const std::string& path, const X509* certificate) {
  const auto file = read_file(path);
  if (!file) return unexpected<Fault>(file.error());
  auto key = private_key_in(*file);
  if (!key) return failed(key.error());
  if (certificate && X509_check_private_key(certificate, key->get()) != 1) {
    ERR_clear_error();
    return failed(path + ": is not the key of the certificate beside it; put back the two that were made together");
  }
  return std::move(*key);
}

expected<Authority, Fault> read_authority(const std::string& dir, std::int64_t now_unix_s) {
  const std::string path = dir + "/ca.crt";
  if (!exists(path) && !exists(dir + "/ca.key"))
    return failed(dir + ": holds no CA; make one with `dwcpctl pki init --dir " + dir + '`');
  const auto file = read_file(path);
  if (!file) return unexpected<Fault>(file.error());
  auto certificates = certificates_in(*file);
  if (!certificates) return failed(certificates.error());
  if (certificates->empty()) return failed(path + ": holds no certificate; put back the one that `pki init` made");
  Authority authority{std::move(certificates->front()), nullptr};
  if (now_unix_s > not_after_unix_s(authority.certificate.get())) {
    return failed(path + ": expired on " + date_text(not_after_unix_s(authority.certificate.get())) +
                  "; make another CA in another folder and give its ca.crt to all gateways");
  }
  auto key = read_key(dir + "/ca.key", authority.certificate.get());
  if (!key) return unexpected<Fault>(key.error());
  authority.key = std::move(*key);
  return authority;
}

Validity validity_of(unsigned days, std::int64_t now_unix_s) {
  return {now_unix_s - kBackdateS, now_unix_s + static_cast<std::int64_t>(days) * kDayS};
}

std::string random_name() {
  unsigned char bytes[4] = {};
  RAND_bytes(bytes, sizeof bytes);
  char text[32];
  std::snprintf(text, sizeof text, "DWCP CA %02x%02x%02x%02x", bytes[0], bytes[1], bytes[2], bytes[3]);
  return text;
}

bool same_file(const std::string& a, const std::string& b) {
  std::error_code ignored;
  return std::filesystem::equivalent(a, b, ignored);
}

// A key file first, and not left behind alone.
expected<void, Fault> write_pair(const std::string& base, const SecretText& key, const std::string& certificate,
                                 Overwrite overwrite) {
  if (auto written = write_file(base + ".key", key.text(), 0600, Overwrite::kNo); !written) return written;
  auto written = write_file(base + ".crt", certificate, 0644, overwrite);
  if (!written) unlink((base + ".key").c_str());
  return written;
}

struct List {
  std::vector<Revoked> revoked;
  std::uint64_t number = 0;
};

// The present list, which must be this CA's: what is in it would be revoked for good.
expected<List, Fault> read_list(const std::string& dir, const Authority& authority) {
  const std::string path = dir + "/ca.crl";
  if (!exists(path)) return List{};
  const auto file = read_file(path);
  if (!file) return unexpected<Fault>(file.error());
  const auto crls = crls_in(*file);
  if (!crls) return failed(crls.error());
  if (crls->empty() || X509_CRL_verify(crls->front().get(), authority.key.get()) != 1) {
    ERR_clear_error();
    return failed(path + ": is not a list by the CA in this folder; put back its own");
  }
  return List{revoked_in(crls->front().get()), number_of(crls->front().get())};
}

expected<void, Fault> write_list(const std::string& dir, const Authority& authority, const List& list, unsigned days,
                                 std::int64_t now_unix_s) {
  const CrlPtr crl = make_crl(authority.certificate.get(), authority.key.get(), list.revoked, list.number + 1,
                              validity_of(days, now_unix_s));
  const std::string pem = crl ? to_pem(crl.get()) : "";
  if (pem.empty()) return by_openssl("a revocation list");
  return write_file(dir + "/ca.crl", pem, 0644, Overwrite::kYes);
}

std::string list_advice(const std::string& dir, unsigned days, std::int64_t now_unix_s) {
  return "Copy " + dir + "/ca.crl to all gateways (security.crl) and reload them. It is good until " +
         date_text(now_unix_s + static_cast<std::int64_t>(days) * kDayS) +
         "; renew it before with `dwcpctl pki crl --dir " + dir + "`.\n";
}

// Serial numbers of what was issued for `name` and has not expired.
expected<std::vector<std::string>, Fault> issued_to(const std::string& dir, const std::string& name,
                                                    std::int64_t now_unix_s) {
  std::vector<std::string> serials;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(dir + "/issued", error)) {
    if (entry.path().extension() != ".crt") continue;
    const auto file = read_file(entry.path().string());
    if (!file) return unexpected<Fault>(file.error());
    const auto certificates = certificates_in(*file);
    if (!certificates) return failed(certificates.error());
    for (const X509Ptr& certificate : *certificates) {
      const std::vector<std::string> names = dns_names(certificate.get());
      const bool named = std::find(names.begin(), names.end(), name) != names.end();
      if (named && not_after_unix_s(certificate.get()) >= now_unix_s) serials.push_back(serial_text(certificate.get()));
    }
  }
  if (error && error.value() != ENOENT)
    return unexpected<Fault>(file_fault(dir + "/issued", "read this folder", error.value()));
  return serials;
}

// As serial_text() writes it, from digits that may have colons between and zeros before; empty when it is none.
std::string serial_of(const std::string& text) {
  std::string digits;
  std::copy_if(text.begin(), text.end(), std::back_inserter(digits), [](char c) { return c != ':'; });
  const auto is_digit = [](unsigned char c) { return std::isxdigit(c) != 0; };
  BIGNUM* parsed = nullptr;
  if (digits.empty() || digits.size() > 40 || !std::all_of(digits.begin(), digits.end(), is_digit)) return {};
  if (BN_hex2bn(&parsed, digits.c_str()) == 0) return {};
  const BignumPtr number(parsed);
  const Asn1IntegerPtr serial(BN_to_ASN1_INTEGER(number.get(), nullptr));
  return serial ? serial_text(serial.get()) : "";
}

}  // namespace

Result init(const std::string& dir, const std::string& name, unsigned days, std::int64_t now_unix_s) {
  const std::string common_name = name.empty() ? random_name() : name;
  if (common_name.size() > 64 ||
      std::any_of(common_name.begin(), common_name.end(), [](char c) { return c < ' ' || c > '~'; })) {
    return misused("the CA's name is no name; allowed are 1..64 printable ASCII characters");
  }
  if (auto made = make_folder(dir); !made) return unexpected<Fault>(made.error());
  const auto lock = FolderLock::take(dir);
  if (!lock) return unexpected<Fault>(lock.error());
  for (const char* file : {"/ca.key", "/ca.crt"}) {
    if (exists(dir + file))
      return failed(dir + file + ": is there already; a CA is never overwritten: choose another folder");
  }
  const PkeyPtr key = make_key();
  CertificateSpec spec;
  spec.common_name = common_name;
  spec.validity = validity_of(days, now_unix_s);
  spec.ca = true;
  const X509Ptr certificate = key ? make_certificate(spec, key.get(), nullptr, key.get()) : nullptr;
  if (!certificate) return by_openssl("the CA");
  if (auto written = write_pair(dir + "/ca", to_pem(key.get()), to_pem(certificate.get()), Overwrite::kNo); !written) {
    return unexpected<Fault>(written.error());
  }
  return dir +
         "/ca.key: the CA's key. Whoever has it can be any gateway: keep it off gateways, and a copy of it safe.\n" +
         dir + "/ca.crt: the CA \"" + common_name + "\", valid until " + date_text(spec.validity.not_after_unix_s) +
         ". Copy it to all gateways (security.ca).\n";
}

Result issue(const std::string& dir, const std::string& name, unsigned days, const std::string& out, bool force,
             std::int64_t now_unix_s) {
  if (auto fault = name_fault(name); !fault.empty())
    return misused('"' + printable(name, 64) + "\": " + fault + "; allowed is " + std::string(kNameForm));
  const std::string& folder = out.empty() ? dir : out;
  const auto authority = read_authority(dir, now_unix_s);
  if (!authority) return unexpected<Fault>(authority.error());
  for (const std::string& made : {dir + "/issued", folder}) {
    if (auto good = make_folder(made); !good) return unexpected<Fault>(good.error());
  }
  const auto lock = FolderLock::take(dir);
  if (!lock) return unexpected<Fault>(lock.error());
  if (name == "ca" && same_file(dir, folder))
    return misused("\"ca\": is the name of the CA's own files here; choose another folder with --out");

  const std::string base = folder + '/' + name;
  const bool renew = force && exists(base + ".key");
  if (!renew && exists(base + ".key"))
    return failed(
        base + ".key: is there already; --force issues another certificate for that key, a key is never overwritten");
  if (!force && exists(base + ".crt")) return failed(base + ".crt: is there already; --force replaces it");
  PkeyPtr key;
  if (renew) {
    auto present = read_key(base + ".key", nullptr);
    if (!present) return unexpected<Fault>(present.error());
    key = std::move(*present);
  } else {
    key = make_key();
  }

  CertificateSpec spec;
  spec.common_name = name;
  spec.dns_names = {name};
  spec.validity = validity_of(days, now_unix_s);
  // A certificate is good for no longer than its CA's.
  const std::int64_t ca_end_unix_s = not_after_unix_s(authority->certificate.get());
  const bool cut = spec.validity.not_after_unix_s > ca_end_unix_s;
  spec.validity.not_after_unix_s = std::min(spec.validity.not_after_unix_s, ca_end_unix_s);
  const X509Ptr certificate =
      key ? make_certificate(spec, key.get(), authority->certificate.get(), authority->key.get()) : nullptr;
  if (!certificate) return by_openssl("the certificate");
  // Noted first: what can not be revoked is not issued.
  const std::string pem = to_pem(certificate.get());
  if (auto noted = write_file(dir + "/issued/" + serial_text(certificate.get()) + ".crt", pem, 0644, Overwrite::kNo);
      !noted)
    return unexpected<Fault>(noted.error());
  const Overwrite overwrite = force ? Overwrite::kYes : Overwrite::kNo;
  const auto written =
      renew ? write_file(base + ".crt", pem, 0644, overwrite) : write_pair(base, to_pem(key.get()), pem, overwrite);
  if (!written) return unexpected<Fault>(written.error());
  return base + ".key: the key of gateway \"" + name + "\"" + (renew ? ", as it was" : "") +
         ". Copy it to that gateway alone (security.private_key).\n" + base + ".crt: its certificate, serial " +
         serial_text(certificate.get()) + ", valid until " + date_text(spec.validity.not_after_unix_s) +
         (cut ? ", as long as the CA" : "") + " (security.certificate).\n";
}

Result revoke(const std::string& dir, const std::string& name_or_serial, unsigned days, std::int64_t now_unix_s) {
  const auto authority = read_authority(dir, now_unix_s);
  if (!authority) return unexpected<Fault>(authority.error());
  const auto lock = FolderLock::take(dir);
  if (!lock) return unexpected<Fault>(lock.error());
  auto serials = issued_to(dir, name_or_serial, now_unix_s);
  if (!serials) return unexpected<Fault>(serials.error());
  if (serials->empty()) {
    const std::string serial = serial_of(name_or_serial);
    if (serial.size() < 16) {
      return misused('"' + printable(name_or_serial, 64) +
                     "\": no certificate that is valid was issued for that name here, and it is no serial number; "
                     "`dwcpctl pki show FILE` tells both");
    }
    serials->push_back(serial);
  }
  auto list = read_list(dir, *authority);
  if (!list) return unexpected<Fault>(list.error());
  std::string text;
  for (const std::string& serial : *serials) {
    const auto same = [&](const Revoked& entry) { return entry.serial == serial; };
    const bool before = std::any_of(list->revoked.begin(), list->revoked.end(), same);
    if (!before) list->revoked.push_back({serial, now_unix_s});
    text += "Serial " + serial + (before ? " was revoked already.\n" : " is revoked.\n");
  }
  if (auto written = write_list(dir, *authority, *list, days, now_unix_s); !written)
    return unexpected<Fault>(written.error());
  return text + list_advice(dir, days, now_unix_s);
}

Result renew_crl(const std::string& dir, unsigned days, std::int64_t now_unix_s) {
  const auto authority = read_authority(dir, now_unix_s);
  if (!authority) return unexpected<Fault>(authority.error());
  const auto lock = FolderLock::take(dir);
  if (!lock) return unexpected<Fault>(lock.error());
  const auto list = read_list(dir, *authority);
  if (!list) return unexpected<Fault>(list.error());
  if (auto written = write_list(dir, *authority, *list, days, now_unix_s); !written)
    return unexpected<Fault>(written.error());
  return std::to_string(list->revoked.size()) + " revoked.\n" + list_advice(dir, days, now_unix_s);
}

Result write_psk(const std::string& path) {
  const SecretText key = make_psk();
  if (key.text().empty()) return by_openssl("a pre-shared key");
  if (auto written = write_file(path, key.text(), 0600, Overwrite::kNo); !written)
    return unexpected<Fault>(written.error());
  return path +
         ": a pre-shared key of 256 bits. Copy it to the two gateways it is for, by a way nobody else can read "
         "(peer.psk_file).\n";
}

}  // namespace dwcp::pki
