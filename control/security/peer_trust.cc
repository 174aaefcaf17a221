// SPDX-License-Identifier: Apache-2.0
#include "control/security/peer_trust.h"

#include <openssl/err.h>

#include <ctime>

#include "control/security/certificate.h"

namespace dwcp {
namespace {

using X509StoreContextPtr = std::unique_ptr<X509_STORE_CTX, OpensslFree<X509_STORE_CTX_free>>;

// Intermediates between a gateway's certificate and the CA.
constexpr int kDepthMax = 4;

std::string quoted(const std::string& text) {
  return '"' + text + '"';
}

// The anchor is trusted because the bundle names it; when it is not self-signed no list by its own issuer need be
// there.
int on_verify(int ok, X509_STORE_CTX* context) {
  const int error = X509_STORE_CTX_get_error(context);
  const bool no_list = error == X509_V_ERR_UNABLE_TO_GET_CRL || error == X509_V_ERR_UNABLE_TO_GET_CRL_ISSUER;
  const STACK_OF(X509)* chain = X509_STORE_CTX_get0_chain(context);
  if (ok || !no_list || sk_X509_num(chain) < 2 || X509_STORE_CTX_get_error_depth(context) != sk_X509_num(chain) - 1)
    return ok;
  X509_STORE_CTX_set_error(context, X509_V_OK);
  return 1;
}

// OpenSSL would have a peer told that its CA is unknown or its certificate expired where it is our list that is
// wanting; this one becomes the alert certificate_unknown.
int error_for_alert(int error) {
  switch (error) {
    case X509_V_ERR_UNABLE_TO_GET_CRL:
    case X509_V_ERR_UNABLE_TO_GET_CRL_ISSUER:
    case X509_V_ERR_CRL_HAS_EXPIRED:
    case X509_V_ERR_CRL_NOT_YET_VALID:
    case X509_V_ERR_CRL_SIGNATURE_FAILURE:
      return X509_V_ERR_DIFFERENT_CRL_SCOPE;
    default:
      return error;
  }
}

}  // namespace

PeerTrust::PeerTrust(std::string name, std::string ca_file, const std::vector<X509Ptr>& authorities,
                     const std::vector<CrlPtr>& crls, bool check_crl)
    : name_(std::move(name)), ca_file_(std::move(ca_file)), store_(X509_STORE_new()), check_crl_(check_crl) {
  for (const X509Ptr& authority : authorities) X509_STORE_add_cert(store_.get(), authority.get());
  for (const CrlPtr& crl : crls) X509_STORE_add_crl(store_.get(), crl.get());
}

// The certificate at fault is the peer's, or one above it.
std::string PeerTrust::describe(const X509_STORE_CTX* context, const X509* leaf) const {
  const X509* at = X509_STORE_CTX_get_current_cert(context);
  if (!at) at = leaf;
  const std::string whose = X509_cmp(at, leaf) == 0 ? "its certificate " : "the certificate it sent along, ";
  const std::string which = whose + quoted(subject_text(at)) + " (serial " + serial_text(at) + ')';
  switch (const int error = X509_STORE_CTX_get_error(context)) {
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
    case X509_V_ERR_CERT_UNTRUSTED:
      return which + " is from another CA: its issuer " + quoted(issuer_text(at)) + " is not in " + ca_file_ +
             "; have one issued by a CA in it, or add the issuer if it is to be trusted";
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return which + " expired on " + date_text(not_after_unix_s(at)) +
             "; issue a new one, or set this machine's clock";
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return which + " is not valid before " + date_text(not_before_unix_s(at)) +
             "; compare the clocks of both machines";
    case X509_V_ERR_CERT_REVOKED:
      return which + " was revoked by " + quoted(issuer_text(at)) + "; if that was an error, issue a new one";
    case X509_V_ERR_UNABLE_TO_GET_CRL:
    case X509_V_ERR_UNABLE_TO_GET_CRL_ISSUER:
      return which + " can not be checked: security.crl has no list by its issuer " + quoted(issuer_text(at)) +
             "; add that CA's list to the file, one that may be empty";
    case X509_V_ERR_CRL_HAS_EXPIRED:
    case X509_V_ERR_CRL_NOT_YET_VALID:
      return which + " can not be checked: the list by " + quoted(issuer_text(at)) + " in security.crl is " +
             (error == X509_V_ERR_CRL_HAS_EXPIRED ? "out of date" : "not valid yet") + "; fetch the CA's present list";
    case X509_V_ERR_CRL_SIGNATURE_FAILURE:
      return which + " can not be checked: the list by " + quoted(issuer_text(at)) +
             " in security.crl was not signed by that CA; fetch it anew";
    case X509_V_ERR_INVALID_PURPOSE:
      return which +
             " may not be used here: its key usage must allow digitalSignature, its extended key usage, if it has "
             "one, serverAuth and clientAuth; issue another";
    default:
      return which + " is not acceptable: " + X509_verify_cert_error_string(error);
  }
}

expected<void, Distrust> PeerTrust::judge(const PeerChain& chain, PeerRole role, std::int64_t now_unix_s) const {
  if (by_psk()) {
    return unexpected<Distrust>(
        {X509_V_ERR_APPLICATION_VERIFICATION,
         "it shows a certificate, but peer.psk_file is set for it; configure both sides alike"});
  }
  const X509StoreContextPtr context(X509_STORE_CTX_new());
  const unsigned long check_crl = check_crl_ ? X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL : 0;
  const char* purpose = role == PeerRole::kInitiator ? "ssl_client" : "ssl_server";
  if (!context || X509_STORE_CTX_init(context.get(), store_.get(), chain.leaf.get(), chain.others.get()) != 1 ||
      X509_STORE_CTX_set_default(context.get(), purpose) != 1) {
    return unexpected<Distrust>({X509_V_ERR_UNSPECIFIED, "its certificate could not be checked: " + openssl_reason()});
  }
  X509_VERIFY_PARAM* rules = X509_STORE_CTX_get0_param(context.get());
  X509_VERIFY_PARAM_set_flags(rules, X509_V_FLAG_PARTIAL_CHAIN | check_crl);
  X509_VERIFY_PARAM_set_depth(rules, kDepthMax);
  X509_VERIFY_PARAM_set_auth_level(rules, 2);  // 112 bits: no RSA below 2048, no SHA-1
  X509_VERIFY_PARAM_set_time(rules, static_cast<std::time_t>(now_unix_s));
  X509_STORE_CTX_set_verify_cb(context.get(), on_verify);
  const bool good = X509_verify_cert(context.get()) == 1;
  ERR_clear_error();
  if (!good) {
    return unexpected<Distrust>(
        {error_for_alert(X509_STORE_CTX_get_error(context.get())), describe(context.get(), chain.leaf.get())});
  }

  // TLS 1.3 signs with it; the purpose above would take a key for encryption only (RFC 8446 §4.4.2.2).
  if ((X509_get_key_usage(chain.leaf.get()) & KU_DIGITAL_SIGNATURE) == 0) {
    X509_STORE_CTX_set_error(context.get(), X509_V_ERR_INVALID_PURPOSE);
    X509_STORE_CTX_set_current_cert(context.get(), chain.leaf.get());
    return unexpected<Distrust>({X509_V_ERR_INVALID_PURPOSE, describe(context.get(), chain.leaf.get())});
  }
  if (!has_dns_name(chain.leaf.get(), name_)) {
    return unexpected<Distrust>(
        {X509_V_ERR_HOSTNAME_MISMATCH,
         "its certificate " + quoted(subject_text(chain.leaf.get())) + " is for " + dns_names_text(chain.leaf.get()) +
             ", expected was DNS name " + name_ +
             "; correct peer.name or peer.address, or have the certificate issued for that name"});
  }
  return {};
}

}  // namespace dwcp
