// SPDX-License-Identifier: Apache-2.0
// A role is what an lcore does each round: net, codec, or both on one lcore.
#pragma once

#include <cstddef>
#include <cstdint>

namespace dwcp {

class Role {
 public:
  virtual ~Role() = default;

  // Does a bounded piece of what is due and returns how much: 0 = nothing to do.  Never blocks.
  [[nodiscard]] virtual std::size_t step(std::uint64_t now_ns) noexcept = 0;

  // When step() is needed again though nothing arrives; kNever when only arrivals matter.
  [[nodiscard]] virtual std::uint64_t deadline_ns() noexcept = 0;

  [[nodiscard]] virtual const char* name() const noexcept = 0;
};

}  // namespace dwcp
