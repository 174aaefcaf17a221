// SPDX-License-Identifier: Apache-2.0
// expected<T, E>: the result of what can fail without being a bug.  Debian's tl::expected, since std::expected does not
// build with clang 14.  Any thread.
#pragma once

#include <tl/expected.hpp>

namespace dwcp {

template <typename T, typename E>
using expected = tl::expected<T, E>;

template <typename E>
using unexpected = tl::unexpected<E>;

}  // namespace dwcp
