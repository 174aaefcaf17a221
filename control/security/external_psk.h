// SPDX-License-Identifier: Apache-2.0
// A pre-shared key as TLS 1.3 gets it (RFC 8446 §2.2, external PSK).  Control thread.
//
// The identity names both gateways in their roles, and the key TLS uses is derived from it, in the spirit of RFC 9258.
// So a ClientHello sent back to where it came from meets another key, not its own (the Selfie attack, RFC 9257 §5.1.1).
#pragma once

#include <string>

#include "control/security/openssl_ptr.h"
#include "control/security/pem_file.h"

namespace dwcp {

// "dwcp:site-a>site-b"
[[nodiscard]] std::string psk_identity(const std::string& initiator, const std::string& responder);

// HKDF-SHA256 (RFC 5869) of `psk`, `info` naming the use.
[[nodiscard]] bool derive_from_psk(const Psk& psk, const std::string& info, Psk& derived);

// For SSL_psk_use_session and find_session callbacks; null when OpenSSL has no memory.
[[nodiscard]] SslSessionPtr psk_session(SSL* ssl, const Psk& psk, const std::string& identity);

}  // namespace dwcp
