// SPDX-License-Identifier: Apache-2.0
// Contract: whoever is not the configured peer, whatever he sends, and though he speaks TLS as well as we do, never brings a
// handshake to its end: it gives no secret, says no more than a handshake may hold, and fails with a line an operator can read.
//
// A stranger with OpenSSL, whose certificate is of a CA we do not trust or whose pre-shared key is another, stands beside the
// input: his flights come whole, changed, in part, or mixed with what the input holds.
//
// Input: a byte (1: we respond, 2: pre-shared key, 4: our credentials are replaced halfway), then steps.  The low two bits of the
// first byte say what:
//   0: two bytes l (be16) and that many bytes come      1: a byte l: so much of the stranger's output comes, 0 = all
//   2: as 1, but the byte at be16 is changed by a byte  3: what we have said reaches the stranger
#include <openssl/err.h>

#include <vector>

#include "control/security/openssl_tls_factory.h"
#include "dataplane/wire/handshake.h"
#include "tls_site.h"

namespace {

using namespace dwcp;
using fuzz::require;
using Bytes = std::vector<std::uint8_t>;

constexpr std::string_view kParams = "thirty-six bytes of parameters, or so";

struct World {
  struct Proofs {
    fuzz::GatewayFiles ours, theirs;
    OpensslTlsFactory us, stranger;
    Proofs(const fuzz::Certified* ours_certificate, const fuzz::Certified* ours_ca, const fuzz::Certified* theirs_certificate)
        : ours("site-a", "site-b"),
          theirs("site-b", "site-a"),
          us(ready(ours, ours_certificate, ours_ca, "1"), [] { return fuzz::kNowUnixS; }),
          stranger(ready(theirs, theirs_certificate, ours_ca, "2"), [] { return fuzz::kNowUnixS; }) {}

    static std::shared_ptr<const Credentials> ready(fuzz::GatewayFiles& files, const fuzz::Certified* own, const fuzz::Certified* ca,
                                                    const char* digit) {
      if (own != nullptr) return files.by_certificate(*own, *ca).load();
      std::string digits;
      while (digits.size() < 2 * kPskBytes) digits += digit;
      return files.by_psk(digits).load();
    }
  };

  fuzz::Certified ca = fuzz::certify("CA"), other_ca = fuzz::certify("Other CA");
  fuzz::Certified own = fuzz::certify("site-a", &ca), strange = fuzz::certify("site-b", &other_ca);
  // The stranger trusts our CA, so that it is never he who gives up.
  Proofs by_certificate{&own, &ca, &strange};
  Proofs by_psk{nullptr, nullptr, nullptr};
};

AnswerParams answering() {
  return [](std::span<const std::uint8_t>) -> expected<Bytes, std::string> { return Bytes(kParams.begin(), kParams.end()); };
}

std::unique_ptr<Tls> make(OpensslTlsFactory& factory, bool responds) {
  if (responds) return factory.respond(0, answering());
  return factory.initiate(0, {reinterpret_cast<const std::uint8_t*>(kParams.data()), kParams.size()});
}

void check(Tls& us) {
  require(us.state() != TlsState::kDone);
  require((us.state() == TlsState::kFailed) == !us.failure().empty());
  for (const char c : us.failure()) require(c >= ' ' && c <= '~');
  std::uint8_t secret[16];
  require(!us.export_secret({}, secret));
  require(us.peer_params().size() <= kTlsParamsBytesMax);
}

struct Talk {
  std::unique_ptr<Tls> us, stranger;
  Bytes theirs;  // the stranger's, on its way
  std::size_t said = 0;

  void come(std::span<const std::uint8_t> bytes) {
    const Bytes exact(bytes.begin(), bytes.end());
    us->receive(exact);
    check(*us);
  }

  void come_from_stranger(fuzz::Input& input, bool changed) {
    const Bytes more = stranger->take_output();
    theirs.insert(theirs.end(), more.begin(), more.end());
    const std::size_t wanted = input.byte();
    Bytes part(theirs.begin(), theirs.begin() + static_cast<std::ptrdiff_t>(wanted == 0 ? theirs.size() : std::min(wanted, theirs.size())));
    theirs.erase(theirs.begin(), theirs.begin() + static_cast<std::ptrdiff_t>(part.size()));
    if (changed && !part.empty()) part[input.be16() % part.size()] ^= input.byte();
    come(part);
  }

  void answer() {
    const Bytes ours = us->take_output();
    said += ours.size();
    require(said <= wire::kHandshakeStreamBytesMax);
    stranger->receive(ours);
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::fix_random();
  static World world;
  fuzz::fix_random();
  fuzz::Input input(data, size);
  const std::uint8_t switches = input.byte();
  const bool responds = (switches & 1) != 0;
  World::Proofs& proofs = (switches & 2) != 0 ? world.by_psk : world.by_certificate;
  Talk talk{make(proofs.us, responds), make(proofs.stranger, !responds), {}};
  check(*talk.us);
  for (int steps = 0; !input.empty() && steps < 50; ++steps) {
    switch (const std::uint8_t what = input.byte(); what & 3) {
      case 0: talk.come(input.take(input.be16())); break;
      case 1: talk.come_from_stranger(input, false); break;
      case 2: talk.come_from_stranger(input, true); break;
      default:
        talk.answer();
        if ((switches & 4) != 0 && what >= 0xf0) proofs.us.set_credentials(proofs.ours.load());
    }
  }
  talk.answer();
  require(proofs.us.distrust(0).empty());
  require(ERR_peek_error() == 0);
  return 0;
}
