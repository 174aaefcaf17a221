// SPDX-License-Identifier: Apache-2.0
#include "dataplane/rings/migration_table.h"

#include "base/assert.h"

namespace dwcp {

std::optional<MigrationRef> MigrationTable::claim(std::size_t offset, std::size_t stride) noexcept {
  for (;;) {
    std::size_t oldest = size_;
    for (std::size_t i = offset; i < size_; i += stride) {
      if ((slots_[i].generation.load(std::memory_order_relaxed) & 1U) != 0) continue;
      if (oldest == size_ || slots_[i].released.get() < slots_[oldest].released.get()) oldest = i;
    }
    if (oldest == size_) return std::nullopt;
    MigrationSlot& slot = slots_[oldest];
    std::uint32_t generation = slot.generation.load(std::memory_order_relaxed);
    if ((generation & 1U) != 0) continue;  // another thread was faster
    if (!slot.generation.compare_exchange_strong(generation, generation + 1, std::memory_order_acq_rel)) continue;
    for (Counter* counter :
         {&slot.edge_in_bytes, &slot.edge_out_bytes, &slot.edge_paused_ns, &slot.blocks_in, &slot.blocks_out,
          &slot.frames_out, &slot.frames_in, &slot.encoded_raw_bytes,
          &slot.encoded_bytes, &slot.acked_bytes, &slot.decoded_frame_bytes, &slot.zero_pages, &slot.normal_pages, &slot.opaque_bytes,
          &slot.backlog_bytes, &slot.digest_in_lo, &slot.digest_in_hi, &slot.digest_out_lo, &slot.digest_out_hi,
          &slot.pause_us, &slot.pause_backlog_us, &slot.pause_path_us, &slot.pause_far_us, &slot.pause_span_us,
          &slot.ingress_limit_bytes, &slot.stop_backlog_bytes, &slot.digest_state, &slot.end_reason, &slot.phase, &slot.started_ns, &slot.ended_ns}) {
      counter->set(0);
    }
    return MigrationRef{.slot = static_cast<std::uint16_t>(oldest), .generation = generation + 1};
  }
}

void MigrationTable::release(MigrationRef ref) noexcept {
  MigrationSlot& slot = slots_[ref.slot];
  DWCP_ASSERT(slot.generation.load(std::memory_order_relaxed) == ref.generation);
  slot.released.set(releases_.fetch_add(1, std::memory_order_relaxed) + 1);
  slot.generation.store(ref.generation + 1, std::memory_order_release);
}

}  // namespace dwcp
