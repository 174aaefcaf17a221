// SPDX-License-Identifier: Apache-2.0
#include "tools/dwcp-gateway/confine.h"

#include <unistd.h>

#include <array>

#include "control/process/runtime_dir.h"
#include "control/process/syscall_filter.h"
#include "drivers/dpdk/eal.h"

namespace dwcp {
namespace {

unexpected<Error> fail(const std::string& component, const std::string& why) {
  return unexpected<Error>({ErrorCode::kConfinement, component, why});
}

SocketOwner socket_owner(const Accounts& accounts) {
  const gid_t own_gid = accounts.user ? accounts.user->gid : getegid();
  return {accounts.own_uid(), accounts.group.value_or(own_gid), accounts.group || accounts.own_uid() != geteuid()};
}

}  // namespace

uid_t Accounts::own_uid() const noexcept { return user ? user->uid : geteuid(); }

expected<Accounts, Error> find_accounts(const Config& config) {
  Accounts accounts;
  if (!config.security.user.empty()) {
    auto user = find_account(config.security.user);
    if (!user) return fail("security.user", user.error());
    if (geteuid() != 0 && geteuid() != user->uid) {
      return fail("security.user", "only root may become another user; start it as root or as " + user->name);
    }
    accounts.user = std::move(*user);
  }
  if (!config.control.group.empty()) {
    const auto group = find_group(config.control.group);
    if (!group) return fail("control.group", group.error());
    accounts.group = *group;
  }
  return accounts;
}

expected<void, Error> confine(const Config& config, const Accounts& accounts, Log& log) {
  const std::array<std::string, 2> sockets{std::string(kTelemetrySocketName), std::string(kControlSocketName)};
  if (auto shared = share_sockets(eal_runtime_dir(), sockets, socket_owner(accounts)); !shared) return fail("control sockets", shared.error());
  if (auto dropped = drop_privileges(accounts.user); !dropped) return fail("security.user", dropped.error());
  if (config.security.seccomp) {
    if (auto filtered = install_syscall_filter(); !filtered) return fail("security.seccomp", filtered.error());
  }
  if (geteuid() == 0) {
    log.write(LogLevel::kWarning, "running as root without capabilities: set security.user, for root's files stay open to it");
  }
  log.write(LogLevel::kInfo, "rights are given up", {{"uid", geteuid()}, {"gid", getegid()}, {"seccomp", config.security.seccomp ? "on" : "off"}});
  return {};
}

void RefusedCallsLog::write_news() {
  const std::uint64_t total = refused_calls_total();
  if (total == told_) return;
  told_ = total;
  for (const RefusedCall& call : refused_calls()) {
    log_.write(LogLevel::kWarning, "system calls were refused: report it, unless somebody attacks", {{"call", call.name}, {"count", call.count}});
  }
}

}  // namespace dwcp
