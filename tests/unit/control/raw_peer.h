// SPDX-License-Identifier: Apache-2.0
// A peer that holds good keys and does as it likes: plain OpenSSL over memory, without our checks.
#pragma once

#include "tls_site.h"

namespace dwcp {

class RawPeer {
 public:
  // Null `credentials`: without a certificate.  Null `params`: without the extension.
  RawPeer(TlsSide side, const Credentials* credentials, const Bytes* params, int version_max = TLS1_3_VERSION)
      : context_(SSL_CTX_new(side == TlsSide::kInitiator ? TLS_client_method() : TLS_server_method())),
        params_(params) {
    SSL_CTX_set_max_proto_version(context_.get(), version_max);
    EXPECT_TRUE(!credentials || credentials->install(context_.get()));
    if (params) {
      EXPECT_EQ(
          SSL_CTX_add_custom_ext(context_.get(), 0xff77, SSL_EXT_CLIENT_HELLO | SSL_EXT_TLS1_3_ENCRYPTED_EXTENSIONS,
                                 add, nullptr, this, parse, nullptr),
          1);
    }
    ssl_.reset(SSL_new(context_.get()));
    SSL_set_bio(ssl_.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    if (side == TlsSide::kInitiator) {
      SSL_set_connect_state(ssl_.get());
    } else {
      SSL_set_accept_state(ssl_.get());
    }
  }

  // As far as it gets with what it has; what it sends.
  [[nodiscard]] Bytes step() {
    SSL_do_handshake(ssl_.get());
    Bytes sent(BIO_ctrl_pending(SSL_get_wbio(ssl_.get())));
    if (!sent.empty()) BIO_read(SSL_get_wbio(ssl_.get()), sent.data(), static_cast<int>(sent.size()));
    return sent;
  }
  // Until neither has anything more to send.
  void talk(Tls& other) {
    for (int silent = 0; silent < 2;) {
      const Bytes mine = step();
      other.receive(mine);
      const Bytes theirs = other.take_output();
      if (!theirs.empty()) BIO_write(SSL_get_rbio(ssl_.get()), theirs.data(), static_cast<int>(theirs.size()));
      silent = mine.empty() && theirs.empty() ? silent + 1 : 0;
    }
  }
  [[nodiscard]] SSL* ssl() { return ssl_.get(); }

 private:
  static int add(SSL*, unsigned, unsigned, const unsigned char** out, std::size_t* bytes, X509*, std::size_t, int*,
                 void* self) {
    const Bytes& params = *static_cast<RawPeer*>(self)->params_;
    *out = params.data();
    *bytes = params.size();
    return 1;
  }
  static int parse(SSL*, unsigned, unsigned, const unsigned char*, std::size_t, X509*, std::size_t, int*, void*) {
    return 1;
  }

  SslContextPtr context_;
  const Bytes* params_;
  SslPtr ssl_;
};

}  // namespace dwcp
