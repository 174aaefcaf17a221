// SPDX-License-Identifier: Apache-2.0
// Owners of OpenSSL objects, and bytes that must not outlive their use.  Any thread.
//
// Each is freed by OpenSSL's own function; those of keys and sessions wipe what they held.
#pragma once

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string>

namespace dwcp {

template <auto kFree>
struct OpensslFree {
  template <typename T>
  void operator()(T* object) const noexcept {
    kFree(object);
  }
};

struct X509StackFree {
  void operator()(STACK_OF(X509) * stack) const noexcept { sk_X509_pop_free(stack, X509_free); }
};

using BioPtr = std::unique_ptr<BIO, OpensslFree<BIO_free_all>>;
using BignumPtr = std::unique_ptr<BIGNUM, OpensslFree<BN_clear_free>>;
using PkeyPtr = std::unique_ptr<EVP_PKEY, OpensslFree<EVP_PKEY_free>>;
using X509Ptr = std::unique_ptr<X509, OpensslFree<X509_free>>;
using X509StackPtr = std::unique_ptr<STACK_OF(X509), X509StackFree>;
using CrlPtr = std::unique_ptr<X509_CRL, OpensslFree<X509_CRL_free>>;
using X509StorePtr = std::unique_ptr<X509_STORE, OpensslFree<X509_STORE_free>>;
using SslContextPtr = std::unique_ptr<SSL_CTX, OpensslFree<SSL_CTX_free>>;
using SslPtr = std::unique_ptr<SSL, OpensslFree<SSL_free>>;
using SslSessionPtr = std::unique_ptr<SSL_SESSION, OpensslFree<SSL_SESSION_free>>;

// Wiped when destroyed.  Never grows in place: a string that grows leaves its old bytes on the heap.
class SecretText {
 public:
  SecretText() = default;
  explicit SecretText(std::size_t bytes) : text_(bytes, '\0') {}
  SecretText(SecretText&& other) noexcept { text_.swap(other.text_); }  // not a move: a short one would be copied
  SecretText& operator=(SecretText&& other) noexcept {
    text_.swap(other.text_);
    return *this;
  }
  SecretText(const SecretText&) = delete;
  SecretText& operator=(const SecretText&) = delete;
  ~SecretText() { OPENSSL_cleanse(text_.data(), text_.capacity()); }

  [[nodiscard]] char* data() noexcept { return text_.data(); }
  [[nodiscard]] const std::string& text() const noexcept { return text_; }
  // No longer than it was.
  void shrink(std::size_t bytes) { text_.resize(bytes); }

 private:
  std::string text_;
};

}  // namespace dwcp
