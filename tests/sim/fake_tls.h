// SPDX-License-Identifier: Apache-2.0
// A stand-in for TLS in simulations: the flights and sizes of TLS 1.3 with certificates, no cryptography.  Damage is found,
// another handshake's messages do not fit, names are checked, and each handshake gives secrets of its own.  Not secure.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "control/handshake/tls.h"

namespace dwcp::sim {

struct FakeTlsSite {
  std::string name;                // what its certificate says
  std::vector<std::string> peers;  // whom it takes, by lane
  std::function<std::uint64_t()> random;
  std::vector<bool> tickets;       // by lane
  std::size_t begun = 0;           // handshakes, in either role: what a real one would sign for
};

class FakeTlsFactory final : public TlsFactory {
 public:
  explicit FakeTlsFactory(FakeTlsSite& site) : site_(site) {}
  std::unique_ptr<Tls> initiate(std::uint16_t peer, std::span<const std::uint8_t> params) override;
  std::unique_ptr<Tls> respond(std::uint16_t peer, AnswerParams answer) override;

 private:
  FakeTlsSite& site_;
};

}  // namespace dwcp::sim
