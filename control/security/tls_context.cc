// SPDX-License-Identifier: Apache-2.0
#include "control/security/tls_context.h"

#include <algorithm>

#include "control/security/external_psk.h"
#include "control/security/openssl_tls.h"

namespace dwcp {
namespace {

// Longer than security.rekey_minutes can be, so that a handshake that renews keys finds its ticket.
constexpr long kTicketLifeS = 25 * 3600;
constexpr const char* kSuites = "TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256";
// The pre-shared key is bound to one hash.
constexpr const char* kPskSuites = "TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256";

}  // namespace

std::shared_ptr<TlsContext> TlsContext::make(std::shared_ptr<const Credentials> credentials, std::size_t peer,
                                             TlsSide side) {
  std::shared_ptr<TlsContext> context(new TlsContext(std::move(credentials), peer, side));
  return context->set_up() ? context : nullptr;
}

bool TlsContext::set_up() {
  const bool by_psk = trust().by_psk();
  ssl_.reset(SSL_CTX_new(side_ == TlsSide::kInitiator ? TLS_client_method() : TLS_server_method()));
  SSL_CTX* ssl = ssl_.get();
  if (!ssl) return false;
  // Whatever openssl.cnf says, this is what is spoken.
  SSL_CTX_set_security_level(ssl, 2);
  SSL_CTX_set_mode(ssl, SSL_MODE_NO_AUTO_CHAIN);
  // "No ticket" has TLS 1.3 keep sessions here and send a number for them (RFC 8446 §4.6.1), so that one serves once
  // and its certificates are at hand.
  SSL_CTX_set_options(
      ssl, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_clear_options(ssl, SSL_OP_ENABLE_MIDDLEBOX_COMPAT | SSL_OP_ALLOW_NO_DHE_KEX);
  SSL_CTX_set_verify(ssl, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  SSL_CTX_set_timeout(ssl, kTicketLifeS);
  SSL_CTX_set_session_cache_mode(ssl, by_psk ? SSL_SESS_CACHE_OFF : SSL_SESS_CACHE_BOTH | SSL_SESS_CACHE_NO_INTERNAL);
  // A responder needs an id to resume at all, and its sessions are of this peer alone anyway; an initiator's would have
  // to be on the pre-shared key's session too.
  constexpr unsigned char kId[] = {'d', 'w', 'c', 'p'};
  return SSL_CTX_set_min_proto_version(ssl, TLS1_3_VERSION) == 1 &&
         SSL_CTX_set_max_proto_version(ssl, TLS1_3_VERSION) == 1 &&
         SSL_CTX_set_ciphersuites(ssl, by_psk ? kPskSuites : kSuites) == 1 &&
         SSL_CTX_set1_groups_list(ssl, "X25519:P-256:P-384") == 1 &&
         SSL_CTX_set_num_tickets(ssl, by_psk ? 0 : 1) == 1 && SSL_CTX_set_max_early_data(ssl, 0) == 1 &&
         SSL_CTX_set_recv_max_early_data(ssl, 0) == 1 &&
         (side_ == TlsSide::kInitiator || SSL_CTX_set_session_id_context(ssl, kId, sizeof kId) == 1) &&
         (by_psk || credentials_->install(ssl)) && OpensslTls::set_callbacks(ssl, side_, by_psk);
}

std::string TlsContext::psk_identity() const {
  return side_ == TlsSide::kInitiator ? dwcp::psk_identity(gateway(), trust().name())
                                      : dwcp::psk_identity(trust().name(), gateway());
}

void TlsContext::keep_ticket(TlsTicket ticket) {
  if (tickets_.size() == kTicketsMax) tickets_.pop_front();
  tickets_.push_back(std::move(ticket));
}

std::optional<TlsTicket> TlsContext::take_ticket() {
  if (tickets_.empty()) return std::nullopt;
  std::optional<TlsTicket> newest(std::move(tickets_.back()));
  tickets_.pop_back();
  return newest;
}

std::optional<TlsTicket> TlsContext::take_ticket(std::span<const std::uint8_t> id) {
  const auto found = std::find_if(tickets_.begin(), tickets_.end(), [&](const TlsTicket& ticket) {
    unsigned bytes = 0;
    const unsigned char* own = SSL_SESSION_get_id(ticket.session.get(), &bytes);
    return std::equal(id.begin(), id.end(), own, own + bytes);
  });
  if (found == tickets_.end()) return std::nullopt;
  std::optional<TlsTicket> shown(std::move(*found));
  tickets_.erase(found);
  return shown;
}

}  // namespace dwcp
