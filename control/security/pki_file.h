// SPDX-License-Identifier: Apache-2.0
// Reads and writes key and certificate files for dwcpctl: written whole or not at all, with their mode from the first
// byte, never over another by accident.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "base/expected.h"
#include "control/security/pem_file.h"

namespace dwcp::pki {

enum class FaultKind : std::uint8_t {
  kFailed,
  kUsage,   // asked for what can not be
  kDenied,  // no right to a file
};

struct Fault {
  FaultKind kind = FaultKind::kFailed;
  std::string text;  // one line: the file, what is wrong, what to do
};

enum class Overwrite : std::uint8_t { kNo, kYes };

[[nodiscard]] expected<void, Fault> write_file(const std::string& path, const std::string& content, mode_t mode,
                                               Overwrite overwrite);
// Mode 0700; one that is there is left as it is.
[[nodiscard]] expected<void, Fault> make_folder(const std::string& path);
[[nodiscard]] expected<PemFile, Fault> read_file(const std::string& path);
[[nodiscard]] bool exists(const std::string& path);
[[nodiscard]] Fault file_fault(const std::string& path, const std::string& doing, int error);

// One dwcpctl at a time in a folder; the others wait.
class FolderLock {
 public:
  [[nodiscard]] static expected<FolderLock, Fault> take(const std::string& path);
  FolderLock(FolderLock&& other) noexcept : folder_(other.folder_) { other.folder_ = -1; }
  FolderLock& operator=(FolderLock&&) = delete;
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;
  ~FolderLock();

 private:
  explicit FolderLock(int folder) : folder_(folder) {}
  int folder_;
};

}  // namespace dwcp::pki
