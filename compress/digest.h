// SPDX-License-Identifier: Apache-2.0
// The running digest of one direction of one migration: XXH3-128 over every raw byte so far.  Both gateways keep one;
// equal digests mean that what came out is what went in.  It finds errors, not forgers: the transport's AEAD does that.
// Codec lcore.  The state is allocated at construction and never again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

struct XXH3_state_s;

namespace dwcp {

struct Digest {
  std::uint64_t low = 0;  // the half that block headers carry
  std::uint64_t high = 0;

  friend bool operator==(const Digest&, const Digest&) = default;
};

class RunningDigest {
 public:
  RunningDigest();
  void reset() noexcept;
  void update(std::span<const std::uint8_t> bytes) noexcept;
  [[nodiscard]] Digest value() const noexcept;

 private:
  struct Free {
    void operator()(XXH3_state_s* state) const noexcept;
  };
  std::unique_ptr<XXH3_state_s, Free> state_;
};

}  // namespace dwcp
