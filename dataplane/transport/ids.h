// SPDX-License-Identifier: Apache-2.0
// The transport's ids, each a type of its own so that one is never taken for another.
#pragma once

#include <cstdint>
#include <type_traits>

namespace dwcp {

enum class StreamId : std::uint8_t {};   // within a lane, 0 .. kStreamsMax - 1
enum class FlowId : std::uint32_t {};    // within a session; never used twice
enum class FrameSeq : std::uint32_t {};  // within one direction of a flow, from 0, no gaps

template <typename Id>
  requires std::is_enum_v<Id>
[[nodiscard]] constexpr auto raw(Id id) noexcept {
  return static_cast<std::underlying_type_t<Id>>(id);
}

// Within one stream and direction, from 0, never reused (RFC 9000 §12.3).  Plain, since it is computed with everywhere.
using PacketNumber = std::uint64_t;

}  // namespace dwcp
