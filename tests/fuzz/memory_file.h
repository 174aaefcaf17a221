// SPDX-License-Identifier: Apache-2.0
// A file that is nowhere but in memory, for code that wants a path; gone with its object, however the process ends.
#pragma once

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <span>
#include <string>
#include <string_view>

#include "input.h"

namespace dwcp::fuzz {

class MemoryFile {
 public:
  explicit MemoryFile(std::string_view content = {}) : file_(memfd_create("dwcp-fuzz", MFD_CLOEXEC)) {
    require(file_ >= 0 && fchmod(file_, 0600) == 0);
    write(content);
  }
  ~MemoryFile() { close(file_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  // In place of what it held.
  void write(std::string_view content) {
    require(ftruncate(file_, 0) == 0);
    require(pwrite(file_, content.data(), content.size(), 0) == static_cast<ssize_t>(content.size()));
  }
  [[nodiscard]] std::string path() const { return "/proc/self/fd/" + std::to_string(file_); }

 private:
  int file_;
};

}  // namespace dwcp::fuzz
