// SPDX-License-Identifier: Apache-2.0
// DWCP_SANITIZED is defined where AddressSanitizer is built in, by gcc or clang.
#pragma once

#if defined(__SANITIZE_ADDRESS__)
#define DWCP_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define DWCP_SANITIZED 1
#endif
#endif
