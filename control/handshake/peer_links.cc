// SPDX-License-Identifier: Apache-2.0
#include "control/handshake/peer_links.h"

namespace dwcp {

PeerLinks::PeerLinks(PeerLinksConfig config, TlsFactory& tls, PeerLinksOut out) : config_(std::move(config)), out_(std::move(out)) {
  links_.reserve(config_.peers.size());
  for (std::uint16_t lane = 0; lane < config_.peers.size(); ++lane) links_.push_back(std::make_unique<PeerLink>(config_, lane, tls, out_));
}

void PeerLinks::on_time(std::uint64_t now_ns) {
  for (const auto& link : links_) link->on_time(now_ns);
}

}  // namespace dwcp
