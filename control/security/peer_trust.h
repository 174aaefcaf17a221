// SPDX-License-Identifier: Apache-2.0
// PeerTrust: what one peer has to show, and the judgement over the certificates it showed.  Control thread.
//
// A peer proves itself by a certificate or by a pre-shared key, as configured, never by the other.  A certificate
// passes when it chains to this peer's own CA bundle, is valid now, may be used for TLS in the peer's role, is not
// revoked, and has the peer's name as a DNS name.  The same judgement serves a first handshake, a resumed one, and
// sessions that run on after new credentials were loaded.
//
// Use:
//   if (auto verdict = trust.judge(chain, PeerRole::kInitiator, now); !verdict) refuse(verdict.error().text)
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/expected.h"
#include "control/security/openssl_ptr.h"
#include "control/security/pem_file.h"

namespace dwcp {

// What the peer is in the handshake.
enum class PeerRole : std::uint8_t { kInitiator, kResponder };

// What a peer showed: its own certificate, and those it sent to lead to a CA.  Shared by sessions' tickets and records.
struct PeerChain {
  X509Ptr leaf;
  X509StackPtr others;
};
using SharedChain = std::shared_ptr<const PeerChain>;

struct Distrust {
  int x509_error = 0;  // X509_V_ERR_*, from which OpenSSL picks the alert
  std::string text;    // one line for an operator
};

class PeerTrust {
 public:
  // By certificate.  `ca_file` is named in faults.
  PeerTrust(std::string name, std::string ca_file, const std::vector<X509Ptr>& authorities,
            const std::vector<CrlPtr>& crls, bool check_crl);
  // By pre-shared key.
  PeerTrust(std::string name, const Psk& psk) : name_(std::move(name)), psk_(psk) {}

  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  [[nodiscard]] bool by_psk() const noexcept { return psk_.has_value(); }
  [[nodiscard]] const Psk& psk() const { return *psk_; }

  // A certificate in place of a pre-shared key never passes.
  [[nodiscard]] expected<void, Distrust> judge(const PeerChain& chain, PeerRole role, std::int64_t now_unix_s) const;

 private:
  [[nodiscard]] std::string describe(const X509_STORE_CTX* context, const X509* leaf) const;

  std::string name_;
  std::string ca_file_;
  X509StorePtr store_;
  bool check_crl_ = false;
  std::optional<Psk> psk_;
};

}  // namespace dwcp
