// SPDX-License-Identifier: Apache-2.0
// Counts every malloc of the process, libraries' too, by standing before glibc's.  For one source file of a test program.
//
//   const auto before = allocations.load();  ...  EXPECT_EQ(allocations, before);
//
// DWCP_SANITIZED: the sanitizer owns malloc, and nothing is counted.
#pragma once

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdlib>

#include "sanitized.h"

namespace {
std::atomic<std::uint64_t> allocations{0};
}

#ifndef DWCP_SANITIZED
extern "C" {
void* __libc_malloc(std::size_t size);                           // NOLINT: glibc's own
void* __libc_calloc(std::size_t count, std::size_t size);        // NOLINT
void* __libc_realloc(void* memory, std::size_t size);            // NOLINT
void* __libc_memalign(std::size_t alignment, std::size_t size);  // NOLINT

void* malloc(std::size_t size) {
  ++allocations;
  return __libc_malloc(size);
}
void* calloc(std::size_t count, std::size_t size) {
  ++allocations;
  return __libc_calloc(count, size);
}
void* realloc(void* memory, std::size_t size) {
  ++allocations;
  return __libc_realloc(memory, size);
}
int posix_memalign(void** memory, std::size_t alignment, std::size_t size) {
  ++allocations;
  *memory = __libc_memalign(alignment, size);
  return *memory == nullptr ? ENOMEM : 0;
}
void* aligned_alloc(std::size_t alignment, std::size_t size) {
  ++allocations;
  return __libc_memalign(alignment, size);
}
}
#endif
