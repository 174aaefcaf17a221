// SPDX-License-Identifier: Apache-2.0
#include "control/security/openssl_tls.h"

#include <openssl/err.h>

#include <algorithm>

#include "control/security/certificate.h"
#include "control/security/external_psk.h"
#include "dataplane/wire/handshake.h"

namespace dwcp {
namespace {

constexpr std::string_view kExporterLabel = "EXPORTER-dwcp";

// What a refusal by the peer means here (RFC 8446 §6.2).
std::string_view alert_meaning(int alert) {
  switch (alert) {
    case SSL_AD_UNKNOWN_CA:
      return "this gateway's certificate is from a CA that the peer does not trust; give the peer that CA's "
             "certificate";
    case SSL_AD_BAD_CERTIFICATE:
      return "this gateway's certificate does not pass there, by its name perhaps: the peer expects its peer.name in "
             "it";
    case SSL_AD_CERTIFICATE_EXPIRED:
      return "this gateway's certificate has expired by the peer's clock";
    case SSL_AD_CERTIFICATE_REVOKED:
      return "this gateway's certificate was revoked; have another issued";
    case SSL_AD_UNSUPPORTED_CERTIFICATE:
      return "this gateway's certificate may not be used so; its extended key usage needs serverAuth and clientAuth";
    case SSL_AD_CERTIFICATE_UNKNOWN:
      return "the peer can not check this gateway's certificate; it lacks the CA's revocation list, or its list is out "
             "of date";
    case SSL_AD_CERTIFICATE_REQUIRED:
      return "the peer wants a certificate; configure both sides alike, by certificate or by psk_file";
    case SSL_AD_ILLEGAL_PARAMETER:
    case SSL_AD_DECRYPT_ERROR:
    case SSL_AD_UNKNOWN_PSK_IDENTITY:
      return "with a psk_file, its keys or the gateways' names differ; otherwise something on the way changes packets";
    case SSL_AD_HANDSHAKE_FAILURE:
      return "it can not agree, by its configuration; the peer's log says on what";
    case SSL_AD_PROTOCOL_VERSION:
    case SSL_AD_MISSING_EXTENSION:
      return "it speaks another version; run the same release on both sides";
    default:
      return "the peer's log says why";
  }
}

std::vector<std::uint8_t> copy_of(std::span<const std::uint8_t> bytes) {
  return {bytes.begin(), bytes.end()};
}

OpensslTls& self_of(const SSL* ssl) {
  return *static_cast<OpensslTls*>(SSL_get_app_data(ssl));
}

}  // namespace

// Called by OpenSSL, C above and below: none lets an exception out but bad_alloc, which ends the process anyway.
struct OpensslTls::Callbacks {
  static int hello(SSL* ssl, int* alert, void*) {
    const unsigned char* data = nullptr;
    std::size_t bytes = 0;
    if (SSL_client_hello_get0_ext(ssl, wire::kParamsExtension, &data, &bytes) == 1) return SSL_CLIENT_HELLO_SUCCESS;
    self_of(ssl).fault_ = "the peer sends no parameters, so it is no dwcp-gateway; correct peer.address";
    *alert = SSL_AD_MISSING_EXTENSION;
    return SSL_CLIENT_HELLO_ERROR;
  }

  static int add_params(SSL* ssl, unsigned, unsigned, const unsigned char** out, std::size_t* bytes, X509*, std::size_t,
                        int*, void*) {
    const std::vector<std::uint8_t>& params = self_of(ssl).params_;
    *out = params.data();
    *bytes = params.size();
    return 1;
  }

  static int parse_params(SSL* ssl, unsigned, unsigned, const unsigned char* in, std::size_t bytes, X509*, std::size_t,
                          int* alert, void*) {
    OpensslTls& self = self_of(ssl);
    *alert = SSL_AD_ILLEGAL_PARAMETER;
    if (bytes > kTlsParamsBytesMax) {
      self.fault_ = "the peer's parameters are " + std::to_string(bytes) +
                    " bytes, at most 1024 are allowed; run the same release on both sides";
      return 0;
    }
    const std::span<const std::uint8_t> theirs(in, bytes);
    if (self.have_peer_params_) {
      // A second ClientHello, after HelloRetryRequest, repeats the first (RFC 8446 §4.1.2).
      return std::equal(theirs.begin(), theirs.end(), self.peer_params_.begin(), self.peer_params_.end()) ? 1 : 0;
    }
    self.peer_params_ = copy_of(theirs);
    self.have_peer_params_ = true;
    if (self.context_->side() == TlsSide::kInitiator) return 1;
    auto answer = self.answer_(self.peer_params_);
    if (answer && answer->size() <= kTlsParamsBytesMax) {
      self.params_ = std::move(*answer);
      return 1;
    }
    self.fault_ = answer ? "our parameters are longer than 1024 bytes" : answer.error();
    *alert = SSL_AD_HANDSHAKE_FAILURE;
    return 0;
  }

  static int verify(X509_STORE_CTX* store, void*) {
    auto* ssl = static_cast<SSL*>(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
    OpensslTls& self = self_of(ssl);
    auto chain = std::make_shared<PeerChain>();
    X509* leaf = X509_STORE_CTX_get0_cert(store);
    X509_up_ref(leaf);
    chain->leaf.reset(leaf);
    if (STACK_OF(X509)* others = X509_STORE_CTX_get0_untrusted(store)) chain->others.reset(X509_chain_up_ref(others));
    const auto verdict = self.context_->trust().judge(*chain, self.context_->peer_role(), self.shared_->unix_now_s());
    if (!verdict) {
      self.fault_ = verdict.error().text;
      X509_STORE_CTX_set_error(store, verdict.error().x509_error);  // decides on the alert
      return 0;
    }
    self.shown_chain_ = std::move(chain);
    X509_STORE_CTX_set_error(store, X509_V_OK);
    return 1;
  }

  static void info(const SSL* ssl, int where, int value) {
    if ((where & SSL_CB_READ_ALERT) != SSL_CB_READ_ALERT) return;
    self_of(ssl).alert_ = value & 0xff;
  }

  // A new ticket; in the responder it is about to be sent.
  static int new_session(SSL* ssl, SSL_SESSION* session) {
    OpensslTls& self = self_of(ssl);
    const SharedChain chain = self.chain();
    if (!chain || SSL_SESSION_is_resumable(session) != 1) return 0;
    self.context_->keep_ticket({SslSessionPtr(session), chain});
    return 1;  // the reference is ours now
  }

  // The responder is shown a ticket.  None, or one whose certificates do not pass any more: a handshake in full, in
  // which the peer may show others.
  static SSL_SESSION* get_session(SSL* ssl, const unsigned char* id, int bytes, int* copy) {
    OpensslTls& self = self_of(ssl);
    *copy = 0;
    auto ticket = self.context_->take_ticket({id, static_cast<std::size_t>(bytes)});
    if (!ticket || !self.context_->trust().judge(*ticket->chain, PeerRole::kInitiator, self.shared_->unix_now_s()))
      return nullptr;
    self.ticket_chain_ = ticket->chain;
    return ticket->session.release();
  }

  // The initiator shows its pre-shared key.
  static int use_psk(SSL* ssl, const EVP_MD*, const unsigned char** id, std::size_t* bytes, SSL_SESSION** session) {
    OpensslTls& self = self_of(ssl);
    *session = nullptr;
    SslSessionPtr made = psk_session(ssl, self.context_->trust().psk(), self.psk_identity_);
    if (!made) return 0;
    *id = reinterpret_cast<const unsigned char*>(self.psk_identity_.data());
    *bytes = self.psk_identity_.size();
    *session = made.release();
    return 1;
  }

  // The responder looks for the key that is shown.
  static int find_psk(SSL* ssl, const unsigned char* id, std::size_t bytes, SSL_SESSION** session) {
    OpensslTls& self = self_of(ssl);
    const std::string_view shown(reinterpret_cast<const char*>(id), bytes);
    *session = nullptr;
    if (shown != self.psk_identity_) {
      self.shown_identity_ = printable(shown, 80);
      return 1;  // not ours; OpenSSL goes on without, and ends for want of a certificate
    }
    SslSessionPtr made = psk_session(ssl, self.context_->trust().psk(), self.psk_identity_);
    if (!made) return 0;
    *session = made.release();
    return 1;
  }
};

bool OpensslTls::set_callbacks(SSL_CTX* ssl, TlsSide side, bool by_psk) {
  SSL_CTX_set_cert_verify_callback(ssl, Callbacks::verify, nullptr);
  SSL_CTX_set_info_callback(ssl, Callbacks::info);
  if (side == TlsSide::kResponder) SSL_CTX_set_client_hello_cb(ssl, Callbacks::hello, nullptr);
  if (by_psk) {
    if (side == TlsSide::kInitiator) SSL_CTX_set_psk_use_session_callback(ssl, Callbacks::use_psk);
    if (side == TlsSide::kResponder) SSL_CTX_set_psk_find_session_callback(ssl, Callbacks::find_psk);
  } else {
    SSL_CTX_sess_set_new_cb(ssl, Callbacks::new_session);
    if (side == TlsSide::kResponder) SSL_CTX_sess_set_get_cb(ssl, Callbacks::get_session);
  }
  return SSL_CTX_add_custom_ext(ssl, wire::kParamsExtension, SSL_EXT_CLIENT_HELLO | SSL_EXT_TLS1_3_ENCRYPTED_EXTENSIONS,
                                Callbacks::add_params, nullptr, nullptr, Callbacks::parse_params, nullptr) == 1;
}

OpensslTls::OpensslTls(std::shared_ptr<TlsContext> context, std::shared_ptr<TlsShared> shared,
                       std::span<const std::uint8_t> params)
    : context_(std::move(context)),
      shared_(std::move(shared)),
      generation_(shared_->generation),
      params_(copy_of(params)) {
  begin();
  if (state_ != TlsState::kRunning) return;
  SSL_set_connect_state(ssl_.get());
  if (!context_->trust().by_psk()) offer_ticket();
  advance();
}

OpensslTls::OpensslTls(std::shared_ptr<TlsContext> context, std::shared_ptr<TlsShared> shared, AnswerParams answer)
    : context_(std::move(context)),
      shared_(std::move(shared)),
      generation_(shared_->generation),
      answer_(std::move(answer)) {
  begin();
  if (state_ == TlsState::kRunning) SSL_set_accept_state(ssl_.get());
}

// OpenSSL takes one that goes without a goodbye for broken, and its tickets with it.
OpensslTls::~OpensslTls() {
  if (state_ == TlsState::kDone) SSL_set_shutdown(ssl_.get(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
}

void OpensslTls::begin() {
  if (context_) ssl_.reset(SSL_new(context_->ssl()));
  BioPtr in(BIO_new(BIO_s_mem())), out(BIO_new(BIO_s_mem()));
  if (!ssl_ || !in || !out) {
    fail("no memory for a handshake; see what uses this machine's");
    return;
  }
  in_ = in.get();
  out_ = out.get();
  SSL_set_bio(ssl_.get(), in.release(), out.release());
  SSL_set_app_data(ssl_.get(), this);
  peer_.name = context_->trust().name();
  if (context_->trust().by_psk()) psk_identity_ = context_->psk_identity();
}

// One whose certificates would not pass today is dropped: the responder then shows its present ones.
void OpensslTls::offer_ticket() {
  while (auto ticket = context_->take_ticket()) {
    if (!context_->trust().judge(*ticket->chain, PeerRole::kResponder, shared_->unix_now_s())) continue;
    if (SSL_set_session(ssl_.get(), ticket->session.get()) != 1) continue;
    ticket_chain_ = ticket->chain;
    return;
  }
}

void OpensslTls::receive(std::span<const std::uint8_t> bytes) {
  if (state_ == TlsState::kFailed || bytes.empty()) return;
  if (state_ == TlsState::kRunning && generation_ != shared_->generation) {
    fail("this gateway's credentials were replaced meanwhile; another attempt begins under the new ones");
    return;
  }
  if (bytes.size() > wire::kHandshakeStreamBytesMax - received_bytes_) {
    fail(
        "the peer sent more than 64 KiB in a handshake; it is no dwcp-gateway, or its certificate file holds too much");
    return;
  }
  received_bytes_ += bytes.size();
  if (BIO_write(in_, bytes.data(), static_cast<int>(bytes.size())) != static_cast<int>(bytes.size())) {
    fail("no memory for a handshake; see what uses this machine's");
    return;
  }
  advance();
}

std::vector<std::uint8_t> OpensslTls::take_output() {
  std::vector<std::uint8_t> bytes(out_ ? BIO_ctrl_pending(out_) : 0);
  if (!bytes.empty()) BIO_read(out_, bytes.data(), static_cast<int>(bytes.size()));
  return bytes;
}

void OpensslTls::advance() {
  if (state_ == TlsState::kRunning) {
    ERR_clear_error();
    const int result = SSL_do_handshake(ssl_.get());
    if (result == 1) {
      complete();
    } else if (SSL_get_error(ssl_.get(), result) != SSL_ERROR_WANT_READ) {
      fail_by_openssl();
    }
  }
  if (state_ == TlsState::kDone) read_after_done();
}

bool OpensslTls::resumed() const {
  return !context_->trust().by_psk() && SSL_session_reused(ssl_.get()) == 1;
}

void OpensslTls::complete() {
  const bool by_psk = context_->trust().by_psk();
  const bool proven =
      by_psk ? SSL_session_reused(ssl_.get()) == 1 && !SSL_get0_peer_certificate(ssl_.get()) : chain() != nullptr;
  if (!proven || !have_peer_params_) {
    // What was written on the way would tell the peer that all is well.
    (void)BIO_reset(out_);
    fail(proven ? "the peer sends no parameters, so it is no dwcp-gateway; correct peer.address"
                : "the peer proved nothing; this is a fault of this program, please report it");
    return;
  }
  peer_.cipher_suite = SSL_CIPHER_get_name(SSL_get_current_cipher(ssl_.get()));
  PeerProof proof;
  proof.role = context_->peer_role();
  if (by_psk) {
    proof.psk = context_->trust().psk();
  } else {
    const X509* leaf = chain()->leaf.get();
    peer_.subject = subject_text(leaf);
    peer_.issuer = issuer_text(leaf);
    peer_.serial = serial_text(leaf);
    peer_.not_after_unix_s = not_after_unix_s(leaf);
    peer_.resumed = resumed();
    proof.chain = chain();
  }
  shared_->proofs.insert_or_assign(peer_.name, std::move(proof));
  state_ = TlsState::kDone;
}

// Tickets are taken by the callback; nothing else is ever sent here but the peer's change of mind.
void OpensslTls::read_after_done() {
  unsigned char byte = 0;
  ERR_clear_error();
  const int result = SSL_read(ssl_.get(), &byte, 1);
  if (result > 0) {
    fail("the peer sent application data in a handshake; run the same release on both sides");
  } else if (const int error = SSL_get_error(ssl_.get(), result); error == SSL_ERROR_ZERO_RETURN) {
    fail("the peer ended the handshake after all; its log says why");
  } else if (error != SSL_ERROR_WANT_READ) {
    fail_by_openssl();
  }
}

void OpensslTls::fail_by_openssl() {
  if (!fault_.empty()) {
    ERR_clear_error();
    fail(std::move(fault_));
  } else if (alert_ >= 0) {
    ERR_clear_error();
    fail("the peer refused: alert " + std::to_string(alert_) + " (" + SSL_alert_desc_string_long(alert_) +
         "): " + std::string(alert_meaning(alert_)));
  } else if (const std::string text = no_psk_text(); !text.empty()) {
    ERR_clear_error();
    fail(text);
  } else {
    fail("TLS failed (" + openssl_reason() +
         "); something on the way changes packets, or the peer is no dwcp-gateway of this version");
  }
}

// Why a peer that is to show a pre-shared key could not.
std::string OpensslTls::no_psk_text() const {
  if (!context_->trust().by_psk()) return {};
  const unsigned long error = ERR_peek_last_error();
  if (ERR_GET_LIB(error) == ERR_LIB_SSL && ERR_GET_REASON(error) == SSL_R_BINDER_DOES_NOT_VERIFY) {
    return "the peer's pre-shared key is not ours; copy one psk_file to both gateways";
  }
  if (context_->side() == TlsSide::kInitiator || !have_peer_params_) return {};
  if (shown_identity_.empty())
    return "the peer shows no pre-shared key, but peer.psk_file is set for it; configure both sides alike";
  if (shown_identity_ == dwcp::psk_identity(context_->gateway(), context_->trust().name())) {
    return "this gateway's own handshake came back; peer.address leads here, or someone reflects packets";
  }
  return "the peer shows a pre-shared key for \"" + shown_identity_ + "\", expected was \"" + psk_identity_ +
         "\"; peer.name must be the other's gateway.name on both sides";
}

void OpensslTls::fail(std::string text) {
  state_ = TlsState::kFailed;
  failure_ = std::move(text);
}

bool OpensslTls::export_secret(std::span<const std::uint8_t> context, std::span<std::uint8_t> out) {
  if (state_ != TlsState::kDone) return false;
  ERR_clear_error();
  return SSL_export_keying_material(ssl_.get(), out.data(), out.size(), kExporterLabel.data(), kExporterLabel.size(),
                                    context.data(), context.size(), 1) == 1;
}

}  // namespace dwcp
