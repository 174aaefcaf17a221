// SPDX-License-Identifier: Apache-2.0
// Endpoint: a local socket address as people write it, and as the kernel takes it.  Blocking (names are looked up), so
// start-up only.
#pragma once

#include <sys/socket.h>

#include <string>
#include <string_view>

#include "base/expected.h"

namespace dwcp {

enum class EndpointKind { kTcp, kUnix };

struct Endpoint {
  EndpointKind kind = EndpointKind::kTcp;
  std::string text;            // as written
  std::string path;            // kUnix
  sockaddr_storage address{};  // kTcp
};

// tcp:HOST:PORT, tcp:[IPV6]:PORT or unix:PATH.  Of a name, the first IPv4 address is taken, else the first IPv6 one; an
// empty HOST is every address when `to_listen`, else loopback.  The error says what is wrong with `text`.
[[nodiscard]] expected<Endpoint, std::string> resolve_endpoint(std::string_view text, bool to_listen);

}  // namespace dwcp
