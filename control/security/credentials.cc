// SPDX-License-Identifier: Apache-2.0
#include "control/security/credentials.h"

#include <openssl/err.h>
#include <sys/stat.h>

#include <algorithm>
#include <map>

#include "control/security/certificate.h"

namespace dwcp {
namespace {

constexpr std::int64_t kWarnDays = 30;
// Of a chain in its DER form: it must leave room in a handshake of 64 KiB.
constexpr std::size_t kChainBytesMax = 32 * 1024;

std::string lower(std::string text) {
  for (char& c : text) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
  return text;
}

std::string certificate_text(const std::string& file, const X509* certificate) {
  return file + ": the certificate \"" + subject_text(certificate) + '"';
}

}  // namespace

// Reads all files and notes every fault.
class Credentials::Loader {
 public:
  Loader(const CredentialFiles& files, std::int64_t now_unix_s) : files_(files), now_unix_s_(now_unix_s) {}

  void load(Credentials& to) {
    to.gateway_ = files_.gateway;
    check_names();
    const auto by_certificate = [](const CredentialFiles::Peer& peer) { return peer.psk_file.empty(); };
    if (std::any_of(files_.peers.begin(), files_.peers.end(), by_certificate)) need_certificate();
    if (!files_.certificate.empty() && !files_.private_key.empty()) load_own(to);
    if (!files_.crl.empty()) load_crls(to);
    for (const CredentialFiles::Peer& peer : files_.peers) {
      if (by_certificate(peer)) {
        load_by_certificate(to, peer);
      } else {
        load_by_psk(to, peer);
      }
    }
  }

  [[nodiscard]] std::vector<std::string> take_faults() { return std::move(faults_); }

 private:
  void fault(std::string text) {
    if (std::find(faults_.begin(), faults_.end(), text) == faults_.end()) faults_.push_back(std::move(text));
  }

  // DNS names have no case, so names that differ by case alone could be claimed for each other.
  void check_names() {
    std::map<std::string, std::string> seen{{lower(files_.gateway), files_.gateway}};
    for (const CredentialFiles::Peer& peer : files_.peers) {
      const auto [at, fresh] = seen.emplace(lower(peer.name), peer.name);
      if (!fresh)
        fault("peer \"" + peer.name + "\": is the name of \"" + at->second +
              "\" too, upper and lower case being alike in certificates; rename one");
    }
  }

  void need_certificate() {
    const auto need = [&](const std::string& path, const char* key) {
      if (path.empty())
        fault(std::string(key) +
              ": is not set, and a peer has no psk_file; name the PEM file (`dwcpctl pki issue` makes one), or give "
              "each peer a psk_file");
    };
    need(files_.certificate, "security.certificate");
    need(files_.private_key, "security.private_key");
  }

  // Whoever can read a key is the gateway.
  void check_mode(Credentials& to, const PemFile& file, const char* what) {
    if ((file.mode & (S_IROTH | S_IWOTH | S_IWGRP)) == 0) return;
    to.open_files_.push_back(file.path + ": the " + what +
                             (file.mode & S_IROTH ? " can be read by every user" : " can be written by other users") +
                             " of this machine; chmod 0600, or 0640 with the gateway's group");
  }

  void load_own(Credentials& to) {
    const auto certificate_file = read_pem_file(files_.certificate);
    const auto key_file = read_pem_file(files_.private_key);
    if (!certificate_file) fault(certificate_file.error());
    if (!key_file) fault(key_file.error());
    if (!certificate_file || !key_file) return;
    auto certificates = certificates_in(*certificate_file);
    auto key = private_key_in(*key_file);
    if (!certificates) fault(certificates.error());
    if (!key) fault(key.error());
    if (certificates && certificates->empty()) {
      fault(files_.certificate +
            ": holds no certificate; allowed is PEM (\"-----BEGIN CERTIFICATE-----\"), this gateway's first");
    }
    if (!certificates || !key || certificates->empty()) return;
    to.certificate_ = std::move(certificates->front());
    certificates->erase(certificates->begin());
    to.chain_ = std::move(*certificates);
    to.private_key_ = std::move(*key);
    check_mode(to, *key_file, "private key");
    check_own(to);
  }

  void check_own(Credentials& to) {
    X509* own = to.certificate_.get();
    const std::string which = certificate_text(files_.certificate, own);
    if (X509_check_private_key(own, to.private_key_.get()) != 1) {
      ERR_clear_error();
      fault(files_.private_key + ": is not the key of the certificate in " + files_.certificate +
            "; name the two that were made together");
      return;
    }
    if (!has_dns_name(own, files_.gateway)) {
      fault(which + " is for " + dns_names_text(own) + ", not for gateway.name \"" + files_.gateway +
            "\"; have one issued with that DNS name, or correct gateway.name");
    }
    if (now_unix_s_ < not_before_unix_s(own)) {
      fault(which + " is not valid before " + date_text(not_before_unix_s(own)) + ", and it is " +
            date_text(now_unix_s_) + " here; set the clock, or wait");
    }
    if (now_unix_s_ > dwcp::not_after_unix_s(own)) {
      fault(which + " expired on " + date_text(dwcp::not_after_unix_s(own)) + ", and it is " + date_text(now_unix_s_) +
            " here; issue a new one");
    }
    if ((X509_get_key_usage(own) & KU_DIGITAL_SIGNATURE) == 0 ||
        X509_check_purpose(own, X509_PURPOSE_SSL_CLIENT, 0) != 1 ||
        X509_check_purpose(own, X509_PURPOSE_SSL_SERVER, 0) != 1) {
      fault(which +
            " may not be used for both sides of TLS; its key usage must allow digitalSignature, and its extended key "
            "usage, if any, serverAuth and clientAuth");
    }
    check_usable(to, which);
    to.deadlines_.push_back({which, dwcp::not_after_unix_s(own), "issue a new one and reload"});
  }

  void check_usable(const Credentials& to, const std::string& which) {
    std::size_t bytes = static_cast<std::size_t>(std::max(0, i2d_X509(to.certificate_.get(), nullptr)));
    for (const X509Ptr& link : to.chain_) bytes += static_cast<std::size_t>(std::max(0, i2d_X509(link.get(), nullptr)));
    if (bytes > kChainBytesMax) {
      fault(files_.certificate + ": its certificates are " + std::to_string(bytes) +
            " bytes, at most 32768 fit a handshake; leave only those that lead to the CA");
    }
    ERR_clear_error();
    const SslContextPtr trial(SSL_CTX_new(TLS_method()));
    SSL_CTX_set_security_level(trial.get(), 2);
    if (!to.install(trial.get())) {
      fault(which + " or its key can not be used (" + openssl_reason() +
            "); allowed are EC, Ed25519, and RSA from 2048 bits, signed with SHA-256 or better");
    }
  }

  void load_crls(Credentials& to) {
    const auto file = read_pem_file(files_.crl);
    auto crls =
        file ? crls_in(*file) : expected<std::vector<CrlPtr>, std::string>(unexpected<std::string>(file.error()));
    if (!crls) {
      fault(crls.error());
    } else if (crls->empty()) {
      fault(files_.crl +
            ": holds no revocation list; allowed is PEM (\"-----BEGIN X509 CRL-----\"), one for each CA in use");
    } else {
      crls_ = std::move(*crls);
    }
    for (const CrlPtr& crl : crls_) {
      const ASN1_TIME* end = X509_CRL_get0_nextUpdate(crl.get());
      if (!end) continue;
      to.deadlines_.push_back(
          {files_.crl + ": the revocation list by \"" + name_text(X509_CRL_get_issuer(crl.get())) + '"', unix_s(end),
           "peers under that CA are refused from then on: fetch its present list (`dwcpctl pki crl`) and reload"});
    }
  }

  void load_by_certificate(Credentials& to, const CredentialFiles::Peer& peer) {
    const std::string& path = peer.ca.empty() ? files_.ca : peer.ca;
    if (path.empty()) {
      fault("peer \"" + peer.name +
            "\": has neither psk_file nor ca, and security.ca is not set; name the PEM file of the CA that signs its "
            "certificate");
      return;
    }
    const std::vector<X509Ptr>* bundle = load_bundle(to, path);
    if (bundle) to.peers_.emplace_back(peer.name, path, *bundle, crls_, !files_.crl.empty());
  }

  // Read once, however many peers use it; null when at fault.
  const std::vector<X509Ptr>* load_bundle(Credentials& to, const std::string& path) {
    if (const auto known = bundles_.find(path); known != bundles_.end())
      return known->second.empty() ? nullptr : &known->second;
    std::vector<X509Ptr>& bundle = bundles_[path];
    const auto file = read_pem_file(path);
    auto found = file ? certificates_in(*file)
                      : expected<std::vector<X509Ptr>, std::string>(unexpected<std::string>(file.error()));
    if (!found) {
      fault(found.error());
      return nullptr;
    }
    if (found->empty()) {
      fault(path + ": holds no CA certificate; allowed is PEM (\"-----BEGIN CERTIFICATE-----\"), one or more");
      return nullptr;
    }
    for (const X509Ptr& authority : *found) {
      const std::string which = certificate_text(path, authority.get());
      // Only with the extension basicConstraints (RFC 5280 §4.2.1.9): what trusts by less would trust a gateway to
      // sign.
      if (X509_check_ca(authority.get()) != 1) {
        fault(which +
              " is not that of a CA (basicConstraints CA:TRUE); name the file of the CA that signed the peer's");
        return nullptr;
      }
      to.deadlines_.push_back(
          {which, dwcp::not_after_unix_s(authority.get()),
           "peers under it are refused from then on: put the CA's next certificate beside it and reload"});
      if ((file->mode & (S_IWOTH)) != 0)
        to.open_files_.push_back(path + ": every user of this machine can add a CA to it; chmod 0644");
    }
    bundle = std::move(*found);
    return &bundle;
  }

  void load_by_psk(Credentials& to, const CredentialFiles::Peer& peer) {
    const auto file = read_pem_file(peer.psk_file);
    if (!file) {
      fault(file.error());
      return;
    }
    const auto psk = psk_in(*file);
    if (!psk) {
      fault(psk.error());
      return;
    }
    check_mode(to, *file, "pre-shared key");
    for (const PeerTrust& other : to.peers_) {
      if (!other.by_psk() || CRYPTO_memcmp(other.psk().bytes, psk->bytes, kPskBytes) != 0) continue;
      fault(peer.psk_file + ": holds the key of peer \"" + other.name() + "\" too, so \"" + peer.name +
            "\" could pass for it; make one for each with `dwcpctl pki psk`");
    }
    to.peers_.emplace_back(peer.name, *psk);
  }

  const CredentialFiles& files_;
  const std::int64_t now_unix_s_;
  std::vector<CrlPtr> crls_;
  std::map<std::string, std::vector<X509Ptr>> bundles_;
  std::vector<std::string> faults_;
};

expected<std::shared_ptr<const Credentials>, std::vector<std::string>> Credentials::load(const CredentialFiles& files,
                                                                                         std::int64_t now_unix_s) {
  auto credentials = std::make_shared<Credentials>();
  Loader loader(files, now_unix_s);
  loader.load(*credentials);
  ERR_clear_error();  // a certificate that is not a CA leaves its reason behind
  auto faults = loader.take_faults();
  if (!faults.empty()) return unexpected<std::vector<std::string>>(std::move(faults));
  return credentials;
}

const PeerTrust* Credentials::find_peer(const std::string& name) const {
  const auto found =
      std::find_if(peers_.begin(), peers_.end(), [&](const PeerTrust& peer) { return peer.name() == name; });
  return found == peers_.end() ? nullptr : &*found;
}

std::int64_t Credentials::not_after_unix_s() const {
  return certificate_ ? dwcp::not_after_unix_s(certificate_.get()) : 0;
}

std::int64_t Credentials::remaining_days(std::int64_t now_unix_s) const {
  return certificate_ ? days_left(not_after_unix_s(), now_unix_s) : 0;
}

std::vector<std::string> Credentials::warnings(std::int64_t now_unix_s) const {
  std::vector<std::string> found = open_files_;
  for (const Deadline& deadline : deadlines_) {
    const std::int64_t days = days_left(deadline.end_unix_s, now_unix_s);
    if (days >= kWarnDays) continue;
    const std::string when = now_unix_s > deadline.end_unix_s ? " expired on " + date_text(deadline.end_unix_s)
                                                              : " expires in " + std::to_string(days) + " days, on " +
                                                                    date_text(deadline.end_unix_s);
    found.push_back(deadline.what + when + "; " + deadline.advice);
  }
  return found;
}

bool Credentials::install(SSL_CTX* context) const {
  if (!certificate_ || SSL_CTX_use_certificate(context, certificate_.get()) != 1 ||
      SSL_CTX_use_PrivateKey(context, private_key_.get()) != 1) {
    return false;
  }
  for (const X509Ptr& link : chain_) {
    if (SSL_CTX_add1_chain_cert(context, link.get()) != 1) return false;
  }
  return SSL_CTX_check_private_key(context) == 1;
}

}  // namespace dwcp
