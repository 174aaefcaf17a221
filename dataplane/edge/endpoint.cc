// SPDX-License-Identifier: Apache-2.0
#include "dataplane/edge/endpoint.h"

#include <netdb.h>
#include <sys/un.h>

#include <charconv>
#include <cstring>
#include <memory>

namespace dwcp {

namespace {

struct HostPort {
  std::string host;
  std::string port;
};

expected<HostPort, std::string> split(std::string_view rest) {
  HostPort parts;
  std::string_view port;
  if (rest.starts_with('[')) {
    const auto close = rest.find("]:");
    if (close == std::string_view::npos) return unexpected<std::string>("want tcp:[IPV6]:PORT");
    parts.host = rest.substr(1, close - 1);
    port = rest.substr(close + 2);
  } else {
    const auto colon = rest.find(':');
    if (colon == std::string_view::npos || rest.find(':', colon + 1) != std::string_view::npos) {
      return unexpected<std::string>("want tcp:HOST:PORT");
    }
    parts.host = rest.substr(0, colon);
    port = rest.substr(colon + 1);
  }
  unsigned number = 0;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), number);
  if (error != std::errc() || end != port.data() + port.size() || number == 0 || number > 65535) {
    return unexpected<std::string>("the port must be a number from 1 to 65535");
  }
  parts.port = port;
  return parts;
}

expected<Endpoint, std::string> resolve_tcp(Endpoint endpoint, std::string_view rest, bool to_listen) {
  auto parts = split(rest);
  if (!parts) return unexpected<std::string>(parts.error());
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV | (to_listen ? AI_PASSIVE : 0);
  addrinfo* raw = nullptr;
  const int error = getaddrinfo(parts->host.empty() ? nullptr : parts->host.c_str(), parts->port.c_str(), &hints, &raw);
  if (error != 0) return unexpected<std::string>("cannot resolve '" + parts->host + "': " + gai_strerror(error));
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> list(raw, &freeaddrinfo);
  const addrinfo* chosen = list.get();
  for (const addrinfo* at = list.get(); at != nullptr; at = at->ai_next) {
    if (at->ai_family == AF_INET) {
      chosen = at;
      break;
    }
  }
  std::memcpy(&endpoint.address, chosen->ai_addr, chosen->ai_addrlen);
  return endpoint;
}

}  // namespace

expected<Endpoint, std::string> resolve_endpoint(std::string_view text, bool to_listen) {
  Endpoint endpoint;
  endpoint.text = text;
  if (text.starts_with("tcp:")) return resolve_tcp(std::move(endpoint), text.substr(4), to_listen);
  if (!text.starts_with("unix:")) return unexpected<std::string>("want tcp:HOST:PORT or unix:PATH");
  endpoint.kind = EndpointKind::kUnix;
  endpoint.path = text.substr(5);
  if (endpoint.path.empty()) return unexpected<std::string>("the path is empty");
  if (endpoint.path.size() >= sizeof(sockaddr_un{}.sun_path)) {
    return unexpected<std::string>("the path is longer than " + std::to_string(sizeof(sockaddr_un{}.sun_path) - 1) +
                                   " bytes, the most a unix socket may have");
  }
  return endpoint;
}

}  // namespace dwcp
