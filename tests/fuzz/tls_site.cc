// SPDX-License-Identifier: Apache-2.0
#define OPENSSL_SUPPRESS_DEPRECATED  // RAND_METHOD is the only way to numbers that repeat
#include "tls_site.h"

#include <openssl/rand.h>

#include "base/rng.h"

namespace dwcp::fuzz {
namespace {

Rng numbers(1);

int give(unsigned char* to, int bytes) {
  for (int i = 0; i < bytes; ++i) to[i] = static_cast<unsigned char>(numbers.next());
  return 1;
}
int always() { return 1; }

}  // namespace

void fix_random() {
  static const RAND_METHOD method = {nullptr, give, nullptr, nullptr, give, always};
  numbers = Rng(1);
  require(RAND_set_rand_method(&method) == 1);
}

Certified certify(const std::string& name, const Certified* issuer) {
  Certified made;
  pki::CertificateSpec spec;
  spec.common_name = name;
  spec.validity = {kNowUnixS - 1000, kNowUnixS + 100'000'000};
  spec.ca = issuer == nullptr;
  if (issuer != nullptr) spec.dns_names = {name};
  made.certificate = pki::make_certificate(spec, made.key.get(), issuer ? issuer->certificate.get() : nullptr,
                                           issuer ? issuer->key.get() : made.key.get());
  require(made.certificate != nullptr);
  return made;
}

GatewayFiles::GatewayFiles(const std::string& name, const std::string& peer) {
  files.gateway = name;
  files.peers.push_back({peer, "", ""});
}

GatewayFiles& GatewayFiles::by_certificate(const Certified& own, const Certified& trusted) {
  certificate.write(pki::to_pem(own.certificate.get()));
  private_key.write(pki::to_pem(own.key.get()).text());
  ca.write(pki::to_pem(trusted.certificate.get()));
  files.certificate = certificate.path();
  files.private_key = private_key.path();
  files.ca = ca.path();
  return *this;
}

GatewayFiles& GatewayFiles::by_psk(const std::string& digits) {
  psk.write(digits);
  files.peers[0].psk_file = psk.path();
  return *this;
}

std::shared_ptr<const Credentials> GatewayFiles::load() const {
  const auto loaded = Credentials::load(files, kNowUnixS);
  require(loaded.has_value());
  return *loaded;
}

}  // namespace dwcp::fuzz
