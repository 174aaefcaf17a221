// SPDX-License-Identifier: Apache-2.0
// Error: what a component says when it cannot do its work.  A code from one table, and the detail of this case; never a
// loose string.  Any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace dwcp {

enum class ErrorCode : std::uint8_t {
  kInternal,      // an exception nobody expected
  kLogFile,       // the log file cannot be opened
  kTelemetry,     // rte_telemetry refused a command
  kPortMissing,   // no ethdev of the configured name
  kPortSetup,     // the ethdev refused a setting
  kLcores,        // fewer lcores than the roles need
  kMemory,        // data-path memory could not be reserved
  kListen,        // a listener's address cannot be bound
  kThread,        // a thread could not be started
  kStopDeadline,  // a component did not stop in time
  kCredentials,   // certificates, keys or lists that cannot be used
  kCrypto,        // no device does any of the configured ciphers
  kConfinement,   // rights could not be given up
};
inline constexpr std::size_t kErrorCodeCount = 13;

enum class ErrorCategory : std::uint8_t { kBug, kSetup, kResource, kTimeout };

struct ErrorInfo {
  ErrorCode code;
  std::string_view name;  // stable, for logs and tools
  ErrorCategory category;
  std::string_view advice;
};

[[nodiscard]] const ErrorInfo& error_info(ErrorCode code) noexcept;

struct Error {
  ErrorCode code = ErrorCode::kInternal;
  std::string component;  // who; filled in by ComponentStack when empty
  std::string detail;     // what happened, with the names and numbers of this case

  // One line: COMPONENT: DETAIL [NAME]; ADVICE
  [[nodiscard]] std::string to_string() const;
};

}  // namespace dwcp
