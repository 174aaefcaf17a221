// SPDX-License-Identifier: Apache-2.0
// Gateways' credentials for fuzz targets: made once, in memory, by the code of dwcpctl pki; and random numbers that are the
// same in every run, so that an input that broke something breaks it again.
#pragma once

#include <memory>
#include <string>

#include "control/security/credentials.h"
#include "control/security/pki.h"
#include "memory_file.h"

namespace dwcp::fuzz {

inline constexpr std::int64_t kNowUnixS = 1'800'000'000;

// From now on OpenSSL's random numbers, in this process, are those of a fixed seed; called anew, they begin anew.
void fix_random();

struct Certified {
  PkeyPtr key = pki::make_key();
  X509Ptr certificate;
};

// A CA of that name, or what `issuer` certified for a gateway of that name.
[[nodiscard]] Certified certify(const std::string& name, const Certified* issuer = nullptr);

// The files of one gateway with one peer; change any, then load().
struct GatewayFiles {
  MemoryFile certificate, private_key, ca, crl, psk;
  CredentialFiles files;

  GatewayFiles(const std::string& name, const std::string& peer);
  GatewayFiles& by_certificate(const Certified& own, const Certified& trusted);
  GatewayFiles& by_psk(const std::string& digits);
  // Requires that they are in order.
  [[nodiscard]] std::shared_ptr<const Credentials> load() const;
};

}  // namespace dwcp::fuzz
