// SPDX-License-Identifier: Apache-2.0
#include "compress/digest.h"

#if defined(__x86_64__)
#include <xxh_x86dispatch.h>  // the same functions, chosen at run time by what the processor has
#else
#include <xxhash.h>
#endif

#include <new>

namespace dwcp {

RunningDigest::RunningDigest() : state_(XXH3_createState()) {
  if (!state_) throw std::bad_alloc();
  reset();
}

void RunningDigest::Free::operator()(XXH3_state_s* state) const noexcept {
  XXH3_freeState(state);
}

void RunningDigest::reset() noexcept {
  XXH3_128bits_reset(state_.get());
}

void RunningDigest::update(std::span<const std::uint8_t> bytes) noexcept {
  if (!bytes.empty()) XXH3_128bits_update(state_.get(), bytes.data(), bytes.size());
}

Digest RunningDigest::value() const noexcept {
  const XXH128_hash_t hash = XXH3_128bits_digest(state_.get());
  return {.low = hash.low64, .high = hash.high64};
}

}  // namespace dwcp
