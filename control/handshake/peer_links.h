// SPDX-License-Identifier: Apache-2.0
// PeerLinks: how this gateway and each configured peer agree on sessions and keys (docs/WIRE.md §5, docs/SECURITY.md): one
// PeerLink each, which says how.  Sans-IO and single-threaded (the control thread): handshake packets, time and what the net
// lcore reports in; packets, sessions and secrets out.
//
// Use:
//   on_packet()      for every packet the net lcore hands up.  It came from the peer's address, and a kInitiator has shown a
//                    cookie; nothing else about it is known
//   on_started()     the session of the last start() runs
//   on_confirmed()   the first authentic packet under keys of that epoch came
//   on_lost()        the session ended by itself, or after stop()
//   on_usage()       of the newest epoch: the bytes of the larger direction
//   on_time()        every few milliseconds
#pragma once

#include <memory>
#include <vector>

#include "control/handshake/peer_link.h"

namespace dwcp {

class PeerLinks {
 public:
  PeerLinks(PeerLinksConfig config, TlsFactory& tls, PeerLinksOut out);

  void on_time(std::uint64_t now_ns);
  void on_packet(std::uint64_t now_ns, std::uint16_t lane, std::span<const std::uint8_t> packet) { at(lane).on_packet(now_ns, packet); }
  void on_started(std::uint64_t now_ns, std::uint16_t lane, std::uint32_t session) { at(lane).on_started(now_ns, session); }
  void on_confirmed(std::uint64_t now_ns, std::uint16_t lane, std::uint32_t session, std::uint32_t epoch) {
    at(lane).on_confirmed(now_ns, session, epoch);
  }
  void on_lost(std::uint64_t now_ns, std::uint16_t lane, std::uint32_t session) { at(lane).on_lost(now_ns, session); }
  void on_usage(std::uint64_t now_ns, std::uint16_t lane, std::uint32_t session, std::uint64_t bytes) { at(lane).on_usage(now_ns, session, bytes); }
  // New keys soon: certificates were loaded anew.  The session runs on.
  void renew(std::uint16_t lane) noexcept { at(lane).renew(); }

  // Ends the session with the peer, if there is one.
  void end(std::uint64_t now_ns, std::uint16_t lane) { at(lane).end(now_ns); }

  [[nodiscard]] const PeerLink& link(std::uint16_t lane) const { return *links_[lane]; }
  [[nodiscard]] std::size_t size() const noexcept { return links_.size(); }

 private:
  PeerLink& at(std::uint16_t lane) { return *links_[lane]; }

  PeerLinksConfig config_;
  PeerLinksOut out_;
  std::vector<std::unique_ptr<PeerLink>> links_;
};

}  // namespace dwcp
