// SPDX-License-Identifier: Apache-2.0
#include "control/security/openssl_tls_factory.h"

#include "base/assert.h"

namespace dwcp {

OpensslTlsFactory::OpensslTlsFactory(std::shared_ptr<const Credentials> credentials,
                                     std::function<std::int64_t()> unix_now_s)
    : shared_(std::make_shared<TlsShared>()) {
  shared_->unix_now_s = std::move(unix_now_s);
  set_credentials(std::move(credentials));
}

void OpensslTlsFactory::set_credentials(std::shared_ptr<const Credentials> credentials) {
  credentials_ = std::move(credentials);
  ++shared_->generation;
  contexts_.clear();
  for (std::size_t peer = 0; peer < credentials_->peers(); ++peer) {
    contexts_.push_back({TlsContext::make(credentials_, peer, TlsSide::kInitiator),
                         TlsContext::make(credentials_, peer, TlsSide::kResponder)});
  }
}

std::unique_ptr<Tls> OpensslTlsFactory::initiate(std::uint16_t peer, std::span<const std::uint8_t> params) {
  DWCP_ASSERT(peer < contexts_.size() && params.size() <= kTlsParamsBytesMax);
  return std::make_unique<OpensslTls>(contexts_[peer].initiator, shared_, params);
}

std::unique_ptr<Tls> OpensslTlsFactory::respond(std::uint16_t peer, AnswerParams answer) {
  DWCP_ASSERT(peer < contexts_.size());
  return std::make_unique<OpensslTls>(contexts_[peer].responder, shared_, std::move(answer));
}

std::string OpensslTlsFactory::distrust(std::uint16_t peer) const {
  DWCP_ASSERT(peer < contexts_.size());
  const PeerTrust& trust = credentials_->peer(peer);
  const auto found = shared_->proofs.find(trust.name());
  if (found == shared_->proofs.end()) return {};
  const PeerProof& proof = found->second;
  if (proof.chain) {
    const auto verdict = trust.judge(*proof.chain, proof.role, shared_->unix_now_s());
    return verdict ? std::string{} : verdict.error().text;
  }
  if (!trust.by_psk()) return "it proved itself by a pre-shared key, and has to show a certificate now";
  const bool same = CRYPTO_memcmp(trust.psk().bytes, proof.psk->bytes, kPskBytes) == 0;
  return same ? std::string{} : "its pre-shared key was replaced";
}

}  // namespace dwcp
