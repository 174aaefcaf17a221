// SPDX-License-Identifier: Apache-2.0
#include "drivers/fake/datagram_pipe.h"

#include <utility>

#include "drivers/impair/frame_edit.h"

namespace dwcp {

DatagramPipe::DatagramPipe(LinkProfile profile, std::uint64_t seed, std::size_t datagrams_max)
    : model_(std::move(profile), seed), queue_(datagrams_max) {}

DropReason DatagramPipe::send(std::uint64_t now_ns, std::span<const std::uint8_t> bytes, std::uint32_t overhead_bytes,
                              Ecn ecn, std::uint64_t flow) {
  const Verdict verdict = model_.admit(now_ns, {.bytes = static_cast<std::uint32_t>(bytes.size()) + overhead_bytes,
                                                .protected_bytes = overhead_bytes,
                                                .ect = is_ect(ecn),
                                                .flow = flow});
  for (std::uint8_t copy = 0; copy < verdict.copies; ++copy) launch(verdict, bytes, overhead_bytes, verdict.ecn_after(ecn));
  return verdict.drop;
}

void DatagramPipe::launch(const Verdict& verdict, std::span<const std::uint8_t> bytes, std::uint32_t overhead_bytes,
                          Ecn ecn) {
  if (free_slots_.empty()) {
    free_slots_.push_back(static_cast<std::uint32_t>(slots_.size()));
    slots_.emplace_back();
  }
  const std::uint32_t slot = free_slots_.back();
  if (!queue_.push(verdict.deliver_ns, verdict.in_order, {slot, verdict.deliver_ns, ecn})) {
    ++overflows_;
    return;
  }
  free_slots_.pop_back();
  slots_[slot].assign(bytes.begin(), bytes.end());
  flip_bits(verdict, slots_[slot], overhead_bytes);
}

std::optional<PipeDelivery> DatagramPipe::receive(std::uint64_t now_ns) noexcept {
  if (lent_slot_) free_slots_.push_back(*lent_slot_);
  lent_slot_.reset();
  if (queue_.next_due_ns() > now_ns || queue_.size() == 0) return std::nullopt;
  const Flight flight = queue_.pop();
  lent_slot_ = flight.slot;
  return PipeDelivery{slots_[flight.slot], flight.due_ns, flight.ecn};
}

}  // namespace dwcp
