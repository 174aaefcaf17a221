// SPDX-License-Identifier: Apache-2.0
// What is in a file of certificates, revocation lists or keys, for people; never a key itself.  dwcpctl pki show.
#pragma once

#include <cstdint>
#include <string>

#include "control/security/pki_site.h"

namespace dwcp::pki {

[[nodiscard]] Result show(const std::string& path, std::int64_t now_unix_s);

}  // namespace dwcp::pki
