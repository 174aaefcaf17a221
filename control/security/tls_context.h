// SPDX-License-Identifier: Apache-2.0
// TlsContext: what the handshakes with one peer in one role have in common under one set of credentials: OpenSSL's
// settings, and the tickets of earlier handshakes.  Control thread.
//
// A ticket is kept in memory on both sides, with the certificates of the handshake it came from, so that they can be
// judged again; it serves once (RFC 8446 appendix C.4).  New credentials mean new contexts, and so no tickets.  A
// pre-shared key needs no tickets: its handshake is as short.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>

#include "control/security/credentials.h"
#include "control/security/openssl_ptr.h"
#include "control/security/peer_trust.h"

namespace dwcp {

// What we are in the handshake.
enum class TlsSide : std::uint8_t { kInitiator, kResponder };

struct TlsTicket {
  SslSessionPtr session;
  SharedChain chain;
};

class TlsContext {
 public:
  // Null when OpenSSL has no memory for it.
  [[nodiscard]] static std::shared_ptr<TlsContext> make(std::shared_ptr<const Credentials> credentials,
                                                        std::size_t peer, TlsSide side);

  [[nodiscard]] SSL_CTX* ssl() const noexcept { return ssl_.get(); }
  [[nodiscard]] TlsSide side() const noexcept { return side_; }
  [[nodiscard]] const std::string& gateway() const noexcept { return credentials_->gateway(); }
  [[nodiscard]] const PeerTrust& trust() const { return credentials_->peer(peer_); }
  [[nodiscard]] PeerRole peer_role() const noexcept {
    return side_ == TlsSide::kInitiator ? PeerRole::kResponder : PeerRole::kInitiator;
  }
  // Of the pre-shared key's handshake on this side.
  [[nodiscard]] std::string psk_identity() const;

  // Past kTicketsMax the oldest goes.
  void keep_ticket(TlsTicket ticket);
  // The initiator's choice: the newest.
  [[nodiscard]] std::optional<TlsTicket> take_ticket();
  // The responder's, by what the initiator shows of it.
  [[nodiscard]] std::optional<TlsTicket> take_ticket(std::span<const std::uint8_t> id);

 private:
  TlsContext(std::shared_ptr<const Credentials> credentials, std::size_t peer, TlsSide side)
      : credentials_(std::move(credentials)), peer_(peer), side_(side) {}
  [[nodiscard]] bool set_up();

  // A handshake makes one; a spare is for the one whose handshake was lost half-way.
  static constexpr std::size_t kTicketsMax = 2;

  std::shared_ptr<const Credentials> credentials_;
  std::size_t peer_;
  TlsSide side_;
  std::deque<TlsTicket> tickets_;
  SslContextPtr ssl_;
};

}  // namespace dwcp
