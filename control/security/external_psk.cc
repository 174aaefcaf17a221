// SPDX-License-Identifier: Apache-2.0
#include "control/security/external_psk.h"

#include <openssl/core_names.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

namespace dwcp {

std::string psk_identity(const std::string& initiator, const std::string& responder) {
  return "dwcp:" + initiator + '>' + responder;
}

bool derive_from_psk(const Psk& psk, const std::string& info, Psk& derived) {
  using KdfPtr = std::unique_ptr<EVP_KDF, OpensslFree<EVP_KDF_free>>;
  using KdfContextPtr = std::unique_ptr<EVP_KDF_CTX, OpensslFree<EVP_KDF_CTX_free>>;
  const KdfPtr kdf(EVP_KDF_fetch(nullptr, "HKDF", nullptr));
  const KdfContextPtr context(kdf ? EVP_KDF_CTX_new(kdf.get()) : nullptr);
  if (!context) return false;
  std::string digest = "SHA256", salt = "dwcp pre-shared key", label = info;
  Psk key = psk;
  const OSSL_PARAM params[] = {
      OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest.data(), 0),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, key.bytes, sizeof key.bytes),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, salt.data(), salt.size()),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, label.data(), label.size()),
      OSSL_PARAM_construct_end(),
  };
  return EVP_KDF_derive(context.get(), derived.bytes, sizeof derived.bytes, params) == 1;
}

SslSessionPtr psk_session(SSL* ssl, const Psk& psk, const std::string& identity) {
  // The suite stands for its hash: the pre-shared key is one for SHA-256.
  constexpr unsigned char kAes128GcmSha256[] = {0x13, 0x01};
  Psk key;
  SslSessionPtr session(SSL_SESSION_new());
  const SSL_CIPHER* suite = SSL_CIPHER_find(ssl, kAes128GcmSha256);
  if (!session || !suite || !derive_from_psk(psk, identity, key) ||
      SSL_SESSION_set1_master_key(session.get(), key.bytes, sizeof key.bytes) != 1 ||
      SSL_SESSION_set_cipher(session.get(), suite) != 1 ||
      SSL_SESSION_set_protocol_version(session.get(), TLS1_3_VERSION) != 1) {
    return nullptr;
  }
  return session;
}

}  // namespace dwcp
