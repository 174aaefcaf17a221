// SPDX-License-Identifier: Apache-2.0
// The seam to TLS 1.3: one handshake, sans-IO.  Behind it is OpenSSL (control/security); simulations of what lies above may
// use either.  Control thread.
//
// Use:
//   tls->receive(bytes of the peer's stream, in order)
//   send(tls->take_output())
//   until state() is not kRunning; then export_secret() and peer(), and the object may go.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/expected.h"

namespace dwcp {

enum class TlsState : std::uint8_t {
  kRunning,
  kDone,    // the peer is who it should be, and both have the same secrets
  kFailed,  // failure() says why; output may hold an alert for the peer
};

// Who the peer proved to be.
struct TlsPeer {
  std::string name;                    // as configured, and as its certificate says
  std::string cipher_suite;            // "TLS_AES_128_GCM_SHA256"
  std::string subject;                 // of its certificate; empty with a pre-shared key
  std::string issuer;
  std::string serial;                  // hex
  std::int64_t not_after_unix_s = 0;   // 0 with a pre-shared key
  bool resumed = false;                // by a ticket of an earlier handshake
};

class Tls {
 public:
  virtual ~Tls() = default;
  // May move the state on.  After kDone: tickets, or an alert by which the peer refuses us after all (then kFailed).
  virtual void receive(std::span<const std::uint8_t> bytes) = 0;
  [[nodiscard]] virtual std::vector<std::uint8_t> take_output() = 0;
  [[nodiscard]] virtual TlsState state() const = 0;
  // What went wrong and what to do, for an operator: one line.
  [[nodiscard]] virtual const std::string& failure() const = 0;
  // The peer's parameters; authentic once kDone, empty before they came.
  [[nodiscard]] virtual std::span<const std::uint8_t> peer_params() const = 0;
  // After kDone.  RFC 8446 §7.5, with the label "EXPORTER-dwcp".
  [[nodiscard]] virtual bool export_secret(std::span<const std::uint8_t> context, std::span<std::uint8_t> out) = 0;
  // After kDone.
  [[nodiscard]] virtual const TlsPeer& peer() const = 0;
};

// The responder's parameters in answer to the initiator's, or why there can be none.
using AnswerParams = std::function<expected<std::vector<std::uint8_t>, std::string>(std::span<const std::uint8_t> theirs)>;

class TlsFactory {
 public:
  virtual ~TlsFactory() = default;
  // `peer`: index of a configured peer.
  [[nodiscard]] virtual std::unique_ptr<Tls> initiate(std::uint16_t peer, std::span<const std::uint8_t> params) = 0;
  [[nodiscard]] virtual std::unique_ptr<Tls> respond(std::uint16_t peer, AnswerParams answer) = 0;
};

}  // namespace dwcp
