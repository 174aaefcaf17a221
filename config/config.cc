// SPDX-License-Identifier: Apache-2.0
#include "config/config.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>

#include "config/raw.h"
#include "config/reader.h"
#include "config/rules.h"

namespace dwcp {
namespace {

// A gateway with 256 peers and listeners each takes some 60 KiB.
constexpr std::size_t kFileBytesMax = 1024 * 1024;

template <typename Entry>
const Entry* find_named(const std::vector<Entry>& entries, std::string_view name) noexcept {
  const auto found =
      std::find_if(entries.begin(), entries.end(), [&](const Entry& entry) { return entry.name == name; });
  return found == entries.end() ? nullptr : &*found;
}

ConfigErrors whole_file(std::string_view file, std::string problem, std::string allowed) {
  return {{std::string(file), 0, 0, "", "", std::move(problem), std::move(allowed)}};
}

}  // namespace

const PeerConfig* Config::find_peer(std::string_view name) const noexcept {
  return find_named(peers, name);
}
const ServiceConfig* Config::find_service(std::string_view name) const noexcept {
  return find_named(services, name);
}
std::string Config::file_prefix() const {
  return gateway_file_prefix(gateway.name);
}

std::string gateway_file_prefix(std::string_view name) {
  return std::string(kFilePrefixHead) + std::string(name);
}

expected<Config, ConfigErrors> parse_config(std::string_view text, std::string_view file) {
  if (text.size() > kFileBytesMax) {
    return unexpected<ConfigErrors>(whole_file(file, "the file is larger than 1 MiB", "this is not a config file"));
  }
  const auto raw = parse_toml(text, file);
  if (!raw) return unexpected<ConfigErrors>({raw.error()});
  Reader reader(file);
  reader.read(*raw);
  check_rules(reader);
  ConfigErrors errors = reader.take_errors();
  if (!errors.empty()) return unexpected<ConfigErrors>(std::move(errors));
  return reader.config();
}

expected<Config, ConfigErrors> load_config(const std::string& path) {
  errno = 0;
  std::ifstream stream(path, std::ios::binary);
  // A directory opens and then fails to read.
  std::string text(kFileBytesMax + 1, '\0');
  if (stream) stream.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (!stream && !stream.eof()) {
    const int error = errno;
    return unexpected<ConfigErrors>(
        whole_file(path, std::string("cannot be read: ") + std::strerror(error != 0 ? error : EIO),
                   "name a readable file with --config"));
  }
  text.resize(static_cast<std::size_t>(stream.gcount()));
  return parse_config(text, path);
}

}  // namespace dwcp
