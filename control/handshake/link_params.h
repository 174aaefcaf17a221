// SPDX-License-Identifier: Apache-2.0
// What two gateways agree on within a handshake: HandshakeParams made, judged and answered.  Pure functions of what both said;
// the control thread's.
//
//   initiator   offer_params() ─▶ TLS ─▶ accept_params(offer, answer)
//   responder   answer_params(offer) gives the answer, and what was agreed
//
// Numbers of epochs.  A side's sure epoch is the newest whose keys it knows both to have: the responder's as soon as the
// handshake is over, since the initiator had them first; the initiator's when the first packet under them came.  The
// initiator proposes its sure epoch + 1, and the responder takes the greater of that and its own + 1.  So where a handshake
// was lost halfway, both agree on the next:
//   - The responder never finished it: both propose the same number as last time, and the keys of the initiator that were
//     never used give way to the new.
//   - The responder finished, and its packets did not come: it is one ahead, and its number holds.
// Sure epochs of the two are never more than one apart.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/expected.h"
#include "dataplane/transport/lane.h"
#include "dataplane/wire/cipher.h"
#include "dataplane/wire/handshake.h"

namespace dwcp {

// What we say of ourselves.
struct LinkOffer {
  std::uint16_t datagram_bytes = 1472;
  std::uint32_t flows = 16;
  std::uint64_t window_bytes = 0;
  std::uint32_t frame_window = 0;
  std::uint8_t streams = 1;
  std::vector<Cipher> ciphers;  // best first
};

// The session that runs on a link, as far as handshakes care; `local` 0 = none.
struct RunningSession {
  std::uint32_t local = 0;
  std::uint32_t remote = 0;
  std::uint32_t sure_epoch = 0;
};

struct Agreed {
  bool rekey = false;       // of the session that runs; else one begins
  std::uint32_t epoch = 0;  // of the keys
  Cipher cipher = Cipher::kAes128Gcm;
  LaneSession session;      // all but seed, resume and opens_odd_flows; of a rekey only the numbers
};

inline constexpr std::uint16_t kCodecsOurs = 1;  // block codec version 1
inline constexpr std::uint8_t kLanesOurs = 1;
// A number of epochs no session lives to see; past it, one begins anew.
inline constexpr std::uint32_t kEpochMax = 0xffff'fff0U;

// `session`: ours, of a session that might begin.
[[nodiscard]] wire::HandshakeParams offer_params(const LinkOffer& ours, const RunningSession& running, std::uint32_t session);

struct ParamsAnswer {
  Agreed agreed;
  wire::HandshakeParams params;
};
// Errors say what does not fit, and what each side has.
[[nodiscard]] expected<ParamsAnswer, std::string> answer_params(const LinkOffer& ours, const RunningSession& running,
                                                                std::uint32_t session, std::span<const std::uint8_t> theirs);
[[nodiscard]] expected<Agreed, std::string> accept_params(const LinkOffer& ours, const wire::HandshakeParams& offered,
                                                          const RunningSession& running, std::span<const std::uint8_t> answer);

}  // namespace dwcp
