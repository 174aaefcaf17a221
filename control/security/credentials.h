// SPDX-License-Identifier: Apache-2.0
// Credentials: who this gateway is to peers and whom it trusts, read from files once, whole or not at all.  Control
// thread.
//
// A reload is a new object: where a file is at fault there is none, and what was there goes on.  Key material is wiped
// when the last owner goes; nothing here is ever logged but names, dates and serial numbers.
//
// Use:
//   auto loaded = Credentials::load(files, now);
//   if (!loaded) print every line of loaded.error();
//   tls_factory.set_credentials(*loaded); log (*loaded)->warnings(now)
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/expected.h"
#include "control/security/peer_trust.h"

namespace dwcp {

// The configuration's [security] and [[peer]].  An empty path: not set.
struct CredentialFiles {
  std::string gateway;      // gateway.name
  std::string certificate;  // PEM: ours, then those that lead to the CA
  std::string private_key;
  std::string ca;
  std::string crl;
  struct Peer {
    std::string name;
    std::string ca;  // empty: the one above
    std::string psk_file;
  };
  std::vector<Peer> peers;  // in the order that TlsFactory's `peer` counts
};

class Credentials {
 public:
  // Faults: one line each, the file, what is wrong, what is allowed, what to do; all that were found.
  [[nodiscard]] static expected<std::shared_ptr<const Credentials>, std::vector<std::string>> load(
      const CredentialFiles& files, std::int64_t now_unix_s);

  [[nodiscard]] const std::string& gateway() const noexcept { return gateway_; }
  [[nodiscard]] std::size_t peers() const noexcept { return peers_.size(); }
  [[nodiscard]] const PeerTrust& peer(std::size_t index) const { return peers_.at(index); }
  // Null when there is none of that name.
  [[nodiscard]] const PeerTrust* find_peer(const std::string& name) const;

  // False where every peer has a pre-shared key: then there is no certificate of our own.
  [[nodiscard]] bool has_certificate() const noexcept { return certificate_ != nullptr; }
  // 0 without.
  [[nodiscard]] std::int64_t not_after_unix_s() const;
  // Whole days, negative once it has expired; 0 without a certificate.
  [[nodiscard]] std::int64_t remaining_days(std::int64_t now_unix_s) const;
  // What works today and should be seen to: files open to others, certificates and lists that expire within 30 days.
  [[nodiscard]] std::vector<std::string> warnings(std::int64_t now_unix_s) const;

  // Gives our certificate, chain and key to `context`, false when it takes them not.
  [[nodiscard]] bool install(SSL_CTX* context) const;

 private:
  class Loader;
  struct Deadline {
    std::string what;  // "FILE: the certificate \"CN=x\""
    std::int64_t end_unix_s = 0;
    std::string advice;
  };

  std::string gateway_;
  X509Ptr certificate_;
  std::vector<X509Ptr> chain_;
  PkeyPtr private_key_;
  std::vector<PeerTrust> peers_;
  std::vector<std::string> open_files_;
  std::vector<Deadline> deadlines_;
};

}  // namespace dwcp
