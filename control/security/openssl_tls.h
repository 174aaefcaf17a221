// SPDX-License-Identifier: Apache-2.0
// OpensslTls: one TLS 1.3 handshake over memory, by OpenSSL (seam: control/handshake/tls.h).  Control thread.
//
// Invariants:
//   1. kDone means that the peer proved to be the configured one, now: by a certificate that PeerTrust passed under the
//      present clock, CA bundle and revocation list, in a resumed handshake too, or by its pre-shared key.
//   2. kDone means that the peer's parameters are part of what both sides' Finished cover.
//   3. A handshake begun under credentials that were replaced since fails; it never ends under the old ones.
//   4. What a peer can make us hold is bounded: kHandshakeStreamBytesMax of its stream, kTlsParamsBytesMax of
//   parameters.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "control/handshake/tls.h"
#include "control/security/openssl_ptr.h"
#include "control/security/tls_context.h"

namespace dwcp {

inline constexpr std::size_t kTlsParamsBytesMax = 1024;

// How a peer last proved itself.
struct PeerProof {
  PeerRole role = PeerRole::kInitiator;
  SharedChain chain;  // null: by `psk`
  std::optional<Psk> psk;
};

// What the factory and its handshakes share; lives as long as any of them.
struct TlsShared {
  std::function<std::int64_t()> unix_now_s;
  std::uint64_t generation = 0;             // of the credentials
  std::map<std::string, PeerProof> proofs;  // by peer name
};

class OpensslTls final : public Tls {
 public:
  // The initiator, whose ClientHello is in take_output() at once.  A null context: fails at once, out of memory.
  OpensslTls(std::shared_ptr<TlsContext> context, std::shared_ptr<TlsShared> shared,
             std::span<const std::uint8_t> params);
  // The responder.
  OpensslTls(std::shared_ptr<TlsContext> context, std::shared_ptr<TlsShared> shared, AnswerParams answer);
  ~OpensslTls() override;
  OpensslTls(const OpensslTls&) = delete;
  OpensslTls& operator=(const OpensslTls&) = delete;

  void receive(std::span<const std::uint8_t> bytes) override;
  [[nodiscard]] std::vector<std::uint8_t> take_output() override;
  [[nodiscard]] TlsState state() const override { return state_; }
  [[nodiscard]] const std::string& failure() const override { return failure_; }
  [[nodiscard]] std::span<const std::uint8_t> peer_params() const override { return peer_params_; }
  [[nodiscard]] bool export_secret(std::span<const std::uint8_t> context, std::span<std::uint8_t> out) override;
  [[nodiscard]] const TlsPeer& peer() const override { return peer_; }

  // For TlsContext: OpenSSL's callbacks, which find their OpensslTls by the SSL's application data.
  [[nodiscard]] static bool set_callbacks(SSL_CTX* ssl, TlsSide side, bool by_psk);

 private:
  struct Callbacks;

  void begin();
  void offer_ticket();
  void advance();
  void complete();
  void read_after_done();
  void fail(std::string text);
  // OpenSSL gave up: the nearest cause that is known.
  void fail_by_openssl();
  [[nodiscard]] bool resumed() const;
  [[nodiscard]] const SharedChain& chain() const { return resumed() ? ticket_chain_ : shown_chain_; }
  [[nodiscard]] std::string no_psk_text() const;

  std::shared_ptr<TlsContext> context_;
  std::shared_ptr<TlsShared> shared_;
  std::uint64_t generation_;
  AnswerParams answer_;
  std::vector<std::uint8_t> params_;  // ours
  std::vector<std::uint8_t> peer_params_;
  bool have_peer_params_ = false;

  SslPtr ssl_;
  BIO* in_ = nullptr;   // of ssl_
  BIO* out_ = nullptr;  // of ssl_
  std::size_t received_bytes_ = 0;

  std::string psk_identity_;
  std::string shown_identity_;  // by an initiator whose pre-shared key we do not know
  SharedChain shown_chain_;     // certificates of this handshake, passed
  SharedChain ticket_chain_;    // those of the ticket, passed again
  std::string fault_;           // found in a callback, told once OpenSSL gives up
  int alert_ = -1;              // fatal, from the peer

  TlsState state_ = TlsState::kRunning;
  std::string failure_;
  TlsPeer peer_;
};

}  // namespace dwcp
