// SPDX-License-Identifier: Apache-2.0
// OpensslTlsFactory: makes the handshakes with all peers from the present credentials.  Control thread.
//
// Use:
//   OpensslTlsFactory factory(*Credentials::load(files, now), unix_now_s);
//   factory.initiate(peer, params) ...
//   factory.set_credentials(*Credentials::load(files, now));      a reload
//   if (auto why = factory.distrust(peer); !why.empty()) end the sessions of that peer, log why
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "control/security/openssl_tls.h"

namespace dwcp {

class OpensslTlsFactory final : public TlsFactory {
 public:
  // `unix_now_s`: the wall clock, by which certificates are judged.
  OpensslTlsFactory(std::shared_ptr<const Credentials> credentials, std::function<std::int64_t()> unix_now_s);

  // The tickets of the old ones are gone, and handshakes under way fail: both ends begin anew.
  void set_credentials(std::shared_ptr<const Credentials> credentials);
  [[nodiscard]] const Credentials& credentials() const noexcept { return *credentials_; }

  [[nodiscard]] std::unique_ptr<Tls> initiate(std::uint16_t peer, std::span<const std::uint8_t> params) override;
  [[nodiscard]] std::unique_ptr<Tls> respond(std::uint16_t peer, AnswerParams answer) override;

  // Empty: what the peer showed in its last handshake would pass today, or there was none.  Else why not.  Cheap enough
  // for each reload and once a minute.
  [[nodiscard]] std::string distrust(std::uint16_t peer) const;

 private:
  struct Contexts {
    std::shared_ptr<TlsContext> initiator;
    std::shared_ptr<TlsContext> responder;
  };

  std::shared_ptr<TlsShared> shared_;
  std::shared_ptr<const Credentials> credentials_;
  std::vector<Contexts> contexts_;  // by peer
};

}  // namespace dwcp
