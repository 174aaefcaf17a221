// SPDX-License-Identifier: Apache-2.0
// Asserts are for the programmer's errors only: never for what a peer, a hypervisor or an allocator did.
// DWCP_ASSERT is always on; DWCP_DCHECK only in builds with DWCP_DEBUG_CHECKS, for loops that run per packet.
#pragma once

#include <cstdio>
#include <cstdlib>

namespace dwcp {

[[noreturn]] inline void assert_failed(const char* what, const char* file, int line) noexcept {
  std::fprintf(stderr, "%s:%d: assertion failed: %s\n", file, line, what);
  std::abort();
}

}  // namespace dwcp

#define DWCP_ASSERT(condition) \
  (__builtin_expect(static_cast<bool>(condition), 1) ? void(0) : ::dwcp::assert_failed(#condition, __FILE__, __LINE__))

#ifdef DWCP_DEBUG_CHECKS
#define DWCP_DCHECK(condition) DWCP_ASSERT(condition)
#else
#define DWCP_DCHECK(condition) (void(sizeof((condition) ? 1 : 0)))
#endif
