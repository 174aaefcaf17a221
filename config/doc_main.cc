// SPDX-License-Identifier: Apache-2.0
// Prints docs/CONFIG.md.
#include <cstdio>

#include "config/config.h"

int main() {
  const std::string text = dwcp::schema_markdown();
  return std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0 ? 0 : 1;
}
