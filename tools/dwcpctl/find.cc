// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>

#include "client.h"
#include "config/config.h"

namespace dwcp::ctl {
namespace {

std::string socket_in(const std::string& dpdk_dir, const std::string& prefix) {
  return dpdk_dir + '/' + prefix + '/' + std::string(kTelemetrySocketName);
}

std::string env_or(const char* variable, const char* fallback) {
  const char* value = std::getenv(variable);
  return value != nullptr ? value : fallback;
}

// The prefixes of the gateways in `dpdk_dir` that have a socket, by name.
std::vector<std::string> prefixes_in(const std::string& dpdk_dir) {
  std::vector<std::string> prefixes;
  std::error_code ignored;
  for (auto entry = std::filesystem::directory_iterator(dpdk_dir, ignored);
       entry != std::filesystem::directory_iterator(); entry.increment(ignored)) {
    std::string prefix = entry->path().filename().string();
    if (!prefix.starts_with(kFilePrefixHead)) continue;
    if (std::filesystem::exists(socket_in(dpdk_dir, prefix), ignored)) prefixes.push_back(std::move(prefix));
  }
  std::sort(prefixes.begin(), prefixes.end());
  return prefixes;
}

expected<std::string, Fault> search(const std::string& dpdk_dir, Deadline deadline) {
  // A socket file outlives a gateway that was killed, so only one that accepts counts as running.
  std::vector<std::string> running;
  Fault last{Exit::kNotRunning,
             "no gateway runs here: " + dpdk_dir + '/' + std::string(kFilePrefixHead) + "*/" + std::string(kTelemetrySocketName) +
                 " finds none; start dwcp-gateway, or say where with --runtime-dir or --file-prefix"};
  for (auto& prefix : prefixes_in(dpdk_dir)) {
    const auto client = Client::connect(socket_in(dpdk_dir, prefix), deadline);
    if (client) {
      running.push_back(std::move(prefix));
    } else if (client.error().exit != Exit::kNotRunning || last.exit == Exit::kNotRunning) {
      last = client.error();
    }
  }
  if (running.empty()) return unexpected<Fault>(last);
  if (running.size() == 1) return socket_in(dpdk_dir, running.front());
  std::string names;
  for (const auto& prefix : running) names += (names.empty() ? "" : ", ") + prefix.substr(kFilePrefixHead.size());
  return unexpected<Fault>(
      {Exit::kUsage, "several gateways run here: " + names + "; say which one with --gateway NAME"});
}

}  // namespace

// As eal_create_runtime_dir() in DPDK 22.11 (lib/eal/unix/eal_filesystem.c).
std::string runtime_dir_or_default(const std::string& runtime_dir) {
  if (!runtime_dir.empty()) return runtime_dir;
  if (const char* directory = std::getenv("RUNTIME_DIRECTORY"); directory != nullptr) return directory;
  return getuid() == 0 ? "/var/run" : env_or("XDG_RUNTIME_DIR", "/tmp");
}

expected<std::string, Fault> find_socket(const Target& target, Deadline deadline) {
  std::vector<std::string> dpdk_dirs{runtime_dir_or_default(target.runtime_dir) + "/dpdk"};
  // A gateway of the system's, asked by a member of its control.group.
  if (target.runtime_dir.empty() && std::getenv("RUNTIME_DIRECTORY") == nullptr && getuid() != 0) dpdk_dirs.emplace_back("/var/run/dpdk");
  expected<std::string, Fault> first = unexpected<Fault>(Fault{});
  for (const std::string& dpdk_dir : dpdk_dirs) {
    std::string prefix = target.file_prefix;
    if (!target.gateway.empty()) prefix = gateway_file_prefix(target.gateway);
    const auto found = prefix.empty() ? search(dpdk_dir, deadline) : expected<std::string, Fault>(socket_in(dpdk_dir, prefix));
    std::error_code ignored;
    const bool here = found ? std::filesystem::exists(*found, ignored) || ignored.value() == EACCES : found.error().exit != Exit::kNotRunning;
    if (here) return found;
    if (&dpdk_dir == &dpdk_dirs.front()) first = found;
  }
  return first;
}

}  // namespace dwcp::ctl
