// SPDX-License-Identifier: Apache-2.0
// From what starting took down to what running takes: who may use the control sockets, then the user, capabilities, dumps,
// then the system calls.  Control thread.
//
// Use:
//   auto accounts = find_accounts(config);        before EAL: a wrong name ends the start early
//   ... EAL, Gateway::start() ...
//   if (auto confined = confine(config, *accounts, log); !confined) stop;
//   refused_calls_log.write_news();               now and then, and when all has ended
#pragma once

#include <sys/types.h>

#include <optional>

#include "base/expected.h"
#include "config/config.h"
#include "control/error.h"
#include "control/log.h"
#include "control/process/privileges.h"

namespace dwcp {

struct Accounts {
  std::optional<Account> user;  // security.user
  std::optional<gid_t> group;   // control.group
  [[nodiscard]] uid_t own_uid() const noexcept;  // once confined
};

[[nodiscard]] expected<Accounts, Error> find_accounts(const Config& config);

// With an error the process has neither its old rights nor all the new bounds: it must end.
[[nodiscard]] expected<void, Error> confine(const Config& config, const Accounts& accounts, Log& log);

// Tells the log of system calls that the filter refused, when there are more than it told of before.
class RefusedCallsLog {
 public:
  explicit RefusedCallsLog(Log& log) noexcept : log_(log) {}
  void write_news();

 private:
  Log& log_;
  std::uint64_t told_ = 0;
};

}  // namespace dwcp
