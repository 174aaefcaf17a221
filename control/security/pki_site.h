// SPDX-License-Identifier: Apache-2.0
// A certificate authority in a folder, for sites that have none.  dwcpctl pki.
//
//   DIR/ca.key            0600, the CA's key; never overwritten; nothing but issue, revoke and crl needs it
//   DIR/ca.crt            for security.ca of every gateway
//   DIR/ca.crl            for security.crl, once something was revoked
//   DIR/issued/SERIAL.crt what was issued, so that it can be revoked by name
//   OUT/NAME.key, .crt    of a gateway; OUT is DIR unless told otherwise
//
// Each function gives a text for the operator, what was made and what to do with it.
#pragma once

#include <cstdint>
#include <string>

#include "base/expected.h"
#include "control/security/pki_file.h"

namespace dwcp::pki {

inline constexpr unsigned kCaDays = 3650;
inline constexpr unsigned kGatewayDays = 730;
// A list that is carried to gateways by hand has to last.
inline constexpr unsigned kCrlDays = 365;
inline constexpr unsigned kDaysMax = 36500;

using Result = expected<std::string, Fault>;

// An empty name: "DWCP CA" and a random number, since CAs are told apart by name.
[[nodiscard]] Result init(const std::string& dir, const std::string& name, unsigned days, std::int64_t now_unix_s);
// An empty `out`: `dir`.  With `force` NAME.crt may be there and is replaced, for the key in NAME.key if that is there
// too.
[[nodiscard]] Result issue(const std::string& dir, const std::string& name, unsigned days, const std::string& out,
                           bool force, std::int64_t now_unix_s);
// All certificates issued for the gateway of that name that are still valid, or the one of that serial number.
[[nodiscard]] Result revoke(const std::string& dir, const std::string& name_or_serial, unsigned days,
                            std::int64_t now_unix_s);
// The list signed anew, empty when nothing was revoked.
[[nodiscard]] Result renew_crl(const std::string& dir, unsigned days, std::int64_t now_unix_s);
[[nodiscard]] Result write_psk(const std::string& path);

}  // namespace dwcp::pki
