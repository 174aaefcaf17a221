// SPDX-License-Identifier: Apache-2.0
// Gateways for tests: certificates by the code of dwcpctl pki, files in a folder of the test's own, a clock of each
// gateway's own, and two ends of TLS that talk until nothing is left to say.
#pragma once

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "control/security/certificate.h"
#include "control/security/openssl_tls_factory.h"
#include "control/security/pki.h"

namespace dwcp {

inline constexpr std::int64_t kNow = 1'800'000'000;  // 2027-01-15
inline constexpr pki::Validity kYear = {kNow - 100 * kDayS, kNow + 265 * kDayS};

using Bytes = std::vector<std::uint8_t>;

inline Bytes bytes_of(std::string_view text) {
  return {text.begin(), text.end()};
}

struct Ca {
  PkeyPtr key = pki::make_key();
  X509Ptr certificate;
};

inline Ca make_ca(const std::string& name, pki::Validity validity = kYear, int path_length = 0,
                  const Ca* above = nullptr) {
  pki::CertificateSpec spec;
  spec.common_name = name;
  spec.validity = validity;
  spec.ca = true;
  spec.path_length = path_length;
  Ca ca;
  ca.certificate = pki::make_certificate(spec, ca.key.get(), above ? above->certificate.get() : nullptr,
                                         (above ? *above : ca).key.get());
  EXPECT_TRUE(ca.certificate);
  return ca;
}

inline pki::CertificateSpec gateway_spec(const std::string& name, pki::Validity validity = kYear) {
  pki::CertificateSpec spec;
  spec.common_name = name;
  spec.dns_names = {name};
  spec.validity = validity;
  return spec;
}

class Folder {
 public:
  Folder() {
    char path[] = "/tmp/dwcp-security-test-XXXXXX";
    path_ = mkdtemp(path);
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }
  // A file of a new name.
  std::string write(const std::string& content, mode_t mode = 0600) {
    const std::string file = path_ + '/' + std::to_string(++count_) + ".pem";
    std::ofstream(file) << content;
    chmod(file.c_str(), mode);
    return file;
  }

 private:
  std::string path_;
  int count_ = 0;
};

// A gateway: change `files`, then load().
struct Gateway {
  Folder& folder;
  CredentialFiles files;
  std::int64_t now_unix_s = kNow;
  X509Ptr certificate;
  std::unique_ptr<OpensslTlsFactory> factory;

  Gateway(Folder& folder_of_test, const std::string& name, const std::string& peer) : folder(folder_of_test) {
    files.gateway = name;
    files.peers.push_back({peer, "", ""});
  }

  Gateway& certified(const Ca& ca, const pki::CertificateSpec& spec, const Ca* sent_along = nullptr) {
    const PkeyPtr key = pki::make_key();
    certificate = pki::make_certificate(spec, key.get(), ca.certificate.get(), ca.key.get());
    EXPECT_TRUE(certificate);
    files.certificate =
        folder.write(pki::to_pem(certificate.get()) + (sent_along ? pki::to_pem(sent_along->certificate.get()) : ""));
    files.private_key = folder.write(pki::to_pem(key.get()).text());
    return *this;
  }
  Gateway& trusting(const Ca& ca) {
    files.ca = folder.write(pki::to_pem(ca.certificate.get()));
    return *this;
  }
  Gateway& knowing(const std::string& crl_pem) {
    files.crl = folder.write(crl_pem);
    return *this;
  }
  Gateway& sharing(const std::string& psk) {
    files.peers[0].psk_file = folder.write(psk);
    return *this;
  }
  Gateway& load() {
    auto loaded = Credentials::load(files, now_unix_s);
    if (!loaded) {
      for (const std::string& fault : loaded.error()) ADD_FAILURE() << fault;
      std::abort();  // nothing behind it could run
    }
    if (factory) {
      factory->set_credentials(*loaded);
    } else {
      factory = std::make_unique<OpensslTlsFactory>(*loaded, [this] { return now_unix_s; });
    }
    return *this;
  }
};

inline std::string crl_pem(const Ca& ca, const std::vector<const X509*>& revoked, pki::Validity validity = kYear) {
  std::vector<pki::Revoked> entries;
  for (const X509* certificate : revoked) entries.push_back({serial_text(certificate), kNow - kDayS});
  const CrlPtr crl = pki::make_crl(ca.certificate.get(), ca.key.get(), entries, 1, validity);
  return crl ? pki::to_pem(crl.get()) : "";
}

inline AnswerParams answering(const std::string& text) {
  return [text](std::span<const std::uint8_t>) -> expected<Bytes, std::string> { return bytes_of(text); };
}

// Until neither has anything more to send.
inline void talk(Tls& a, Tls& b) {
  for (int silent = 0; silent < 2;) {
    const Bytes from_a = a.take_output();
    b.receive(from_a);
    const Bytes from_b = b.take_output();
    a.receive(from_b);
    silent = from_a.empty() && from_b.empty() ? silent + 1 : 0;
  }
}

struct Handshake {
  std::unique_ptr<Tls> initiator;
  std::unique_ptr<Tls> responder;

  Handshake(Gateway& from, Gateway& to)
      : initiator(from.factory->initiate(0, bytes_of("from initiator"))),
        responder(to.factory->respond(0, answering("from responder"))) {}
  Handshake& run() {
    talk(*initiator, *responder);
    return *this;
  }
  [[nodiscard]] bool done() const {
    return initiator->state() == TlsState::kDone && responder->state() == TlsState::kDone;
  }
  [[nodiscard]] std::string failures() const { return initiator->failure() + " | " + responder->failure(); }
};

// Two gateways under one CA.
struct Pair {
  Folder folder;
  Ca ca = make_ca("Test CA");
  Gateway a{folder, "site-a", "site-b"};
  Gateway b{folder, "site-b", "site-a"};

  Pair() {
    a.certified(ca, gateway_spec("site-a")).trusting(ca);
    b.certified(ca, gateway_spec("site-b")).trusting(ca);
  }
  Pair& load() {
    a.load();
    b.load();
    return *this;
  }
};

inline Bytes exported(Tls& tls, const std::string& context) {
  Bytes out(48);
  EXPECT_TRUE(tls.export_secret(bytes_of(context), out));
  return out;
}

#define EXPECT_HAS(text, part) \
  EXPECT_NE(std::string(text).find(part), std::string::npos) << "\"" << (text) << "\" lacks \"" << (part) << '"'

}  // namespace dwcp
