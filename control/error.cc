// SPDX-License-Identifier: Apache-2.0
#include "control/error.h"

#include <array>

#include "base/assert.h"

namespace dwcp {
namespace {

constexpr std::array<ErrorInfo, kErrorCodeCount> kErrors{{
    {ErrorCode::kInternal, "internal", ErrorCategory::kBug, "report this with the log"},
    {ErrorCode::kLogFile, "log_file", ErrorCategory::kSetup, "check log.file: its folder must exist and be writable"},
    {ErrorCode::kTelemetry, "telemetry", ErrorCategory::kSetup, "start without EAL's --no-telemetry"},
    {ErrorCode::kPortMissing, "port_missing", ErrorCategory::kSetup,
     "check port.device against EAL's -a and --vdev arguments"},
    {ErrorCode::kPortSetup, "port_setup", ErrorCategory::kSetup, "check what the device supports with dpdk-testpmd"},
    {ErrorCode::kLcores, "lcores", ErrorCategory::kSetup, "give EAL more cores with -l, or ask for fewer in [lcores]"},
    {ErrorCode::kMemory, "memory", ErrorCategory::kResource, "reserve more hugepages, or ask for less in [memory]"},
    {ErrorCode::kListen, "listen", ErrorCategory::kSetup, "see who holds the address with ss -ltnp, or ss -lxp"},
    {ErrorCode::kThread, "thread", ErrorCategory::kResource, "check the limits on threads and memory"},
    {ErrorCode::kStopDeadline, "stop_deadline", ErrorCategory::kTimeout, "the process must be ended"},
    {ErrorCode::kCredentials, "credentials", ErrorCategory::kSetup, "dwcpctl pki show FILE says what a file holds"},
    {ErrorCode::kCrypto, "crypto", ErrorCategory::kSetup, "see security.ciphers, and which crypto devices DPDK has"},
    {ErrorCode::kConfinement, "confinement", ErrorCategory::kSetup, "check security.user, security.seccomp and control.group"},
}};

constexpr bool in_order() {
  for (std::size_t i = 0; i < kErrors.size(); ++i) {
    if (static_cast<std::size_t>(kErrors[i].code) != i) return false;
  }
  return true;
}
static_assert(in_order(), "the table is indexed by code");

}  // namespace

const ErrorInfo& error_info(ErrorCode code) noexcept {
  const auto index = static_cast<std::size_t>(code);
  DWCP_ASSERT(index < kErrors.size());
  return kErrors[index];
}

std::string Error::to_string() const {
  const ErrorInfo& info = error_info(code);
  std::string out = component.empty() ? std::string() : component + ": ";
  return out + detail + " [" + std::string(info.name) + "]; " + std::string(info.advice);
}

}  // namespace dwcp
