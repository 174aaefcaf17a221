// SPDX-License-Identifier: Apache-2.0
// Contract: whatever the files of certificates, keys, revocation lists and pre-shared keys hold, they load into credentials that
// handshakes can begin with, or give faults of one readable line each that show nothing of a key; and no certificate passes
// that none of our CAs has signed.
//
// Input: a byte, then the text.  The byte's low three bits say which file it is:
//   0: ours and what leads to the CA  1: the private key  2: the CAs  3: the revocation lists  4: the pre-shared key
//   5: ours and the private key, in one file for both  6: CAs and lists alike  7: a certificate a peer shows
// Bit 7: the text is DER, and is put into PEM.
#include <openssl/err.h>
#include <openssl/pem.h>

#include <string>
#include <vector>

#include "control/security/certificate.h"
#include "control/security/openssl_tls_factory.h"
#include "tls_site.h"

namespace {

using namespace dwcp;
using fuzz::require;

enum Which : std::uint8_t { kOwn, kKey, kCa, kCrl, kPsk, kOwnAndKey, kCaAndCrl, kShown };

struct World {
  fuzz::Certified ca = fuzz::certify("CA");
  fuzz::Certified own = fuzz::certify("site-a", &ca);
  CrlPtr crl = pki::make_crl(ca.certificate.get(), ca.key.get(), {}, 1, {fuzz::kNowUnixS - 1000, fuzz::kNowUnixS + 100'000'000});
  fuzz::GatewayFiles files{"site-a", "site-b"};
};

std::string pem_of(Which which, const std::string& der) {
  const char* name = which == kKey ? "PRIVATE KEY" : which == kCrl ? "X509 CRL" : "CERTIFICATE";
  const BioPtr bio(BIO_new(BIO_s_mem()));
  PEM_write_bio(bio.get(), name, "", reinterpret_cast<const unsigned char*>(der.data()), static_cast<long>(der.size()));
  char* text = nullptr;
  const long bytes = BIO_get_mem_data(bio.get(), &text);
  return {text, static_cast<std::size_t>(bytes)};
}

void fill(World& world, Which which, const std::string& text) {
  fuzz::GatewayFiles& files = world.files;
  files.by_certificate(world.own, world.ca);
  files.files.crl.clear();
  files.files.peers[0].psk_file.clear();
  if (which == kCrl || which == kCaAndCrl) {
    files.crl.write(which == kCrl ? text : pki::to_pem(world.crl.get()) + text);
    files.files.crl = files.crl.path();
  }
  if (which == kOwn || which == kOwnAndKey) files.certificate.write(text);
  if (which == kKey || which == kOwnAndKey) files.private_key.write(text);
  if (which == kCa) files.ca.write(text);
  if (which == kCaAndCrl) files.ca.write(pki::to_pem(world.ca.certificate.get()) + text);
  if (which == kPsk) files.by_psk(text);
}

void check_line(const std::string& line) {
  require(!line.empty() && line.size() < 4096);
  for (const char c : line) require(static_cast<unsigned char>(c) >= ' ' && c != '\x7f');
}

// What an intruder might show, judged as a handshake would.
void judge(World& world, const std::string& text) {
  fill(world, kShown, text);
  const auto credentials = world.files.load();
  const PemFile shown{"shown", [&] {
                        SecretText content(text.size());
                        std::copy(text.begin(), text.end(), content.data());
                        return content;
                      }(), 0600};
  auto certificates = certificates_in(shown);
  if (!certificates) return check_line(certificates.error());
  if (certificates->empty()) return;
  PeerChain chain;
  chain.leaf = std::move(certificates->front());
  chain.others.reset(sk_X509_new_null());
  for (std::size_t i = 1; i < certificates->size(); ++i) sk_X509_push(chain.others.get(), (*certificates)[i].release());
  for (const PeerRole role : {PeerRole::kInitiator, PeerRole::kResponder}) {
    const auto verdict = credentials->peer(0).judge(chain, role, fuzz::kNowUnixS);
    require(!verdict);
    check_line(verdict.error().text);
  }
}

void load(World& world, Which which, const std::string& text) {
  fill(world, which, text);
  const auto loaded = Credentials::load(world.files.files, fuzz::kNowUnixS);
  if (!loaded) {
    require(!loaded.error().empty());
    for (const std::string& fault : loaded.error()) {
      check_line(fault);
      if (which == kPsk && text.size() >= 16 && text.find_first_not_of("0123456789abcdefABCDEF") == std::string::npos)
        require(fault.find(text) == std::string::npos);
    }
    return;
  }
  for (const std::string& warning : (*loaded)->warnings(fuzz::kNowUnixS)) check_line(warning);
  OpensslTlsFactory factory(*loaded, [] { return fuzz::kNowUnixS; });
  const auto tls = factory.initiate(0, {});
  require(tls->state() == TlsState::kRunning && !tls->take_output().empty());
  const auto answer = factory.respond(0, [](auto) { return std::vector<std::uint8_t>{}; });
  require(answer->state() == TlsState::kRunning);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::fix_random();
  static World world;
  fuzz::Input input(data, size);
  const std::uint8_t switches = input.byte();
  const auto which = static_cast<Which>(switches & 7);
  std::string text(input.rest().begin(), input.rest().end());
  if ((switches & 0x80) != 0) text = pem_of(which, text);
  which == kShown ? judge(world, text) : load(world, which, text);
  require(ERR_peek_error() == 0);
  return 0;
}
