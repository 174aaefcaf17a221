// SPDX-License-Identifier: Apache-2.0
// The keys of an epoch, from a finished TLS handshake (docs/SECURITY.md, key schedule).  Control thread.
//
// For each direction: Tls::export_secret(context) = key | iv, with
//   context = "dwcp v3" | direction, 0 = initiator to responder | lane, 2 bytes | epoch, 4 bytes | cipher
// so that no two keys a handshake can give are the same bytes.  A lane is counted within its link, from 0.
#pragma once

#include <cstdint>

#include "control/handshake/tls.h"
#include "dataplane/crypto/epoch_secrets.h"

namespace dwcp {

// Fills in all but send_at_once.  False: TLS would not export.
[[nodiscard]] bool export_secrets(Tls& tls, bool initiator, std::uint16_t lane, std::uint32_t epoch, Cipher cipher, EpochSecrets& secrets);

}  // namespace dwcp
