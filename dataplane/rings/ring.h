// SPDX-License-Identifier: Apache-2.0
// SpscRing<T>: a bounded ring of plain messages from one thread to one other, over rte_ring (its element flavour, so
// messages are copied whole and need no allocation).  Works without EAL.
//
// push() from the one producer, pop() from the one consumer; both never block.  A full ring is push() == false.
#pragma once

#include <rte_ring.h>
#include <rte_ring_elem.h>

#include <bit>
#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>
#include <span>
#include <type_traits>

namespace dwcp {

template <typename T>
class SpscRing {
  static_assert(std::is_trivially_copyable_v<T>, "messages cross threads by copy");
  static_assert(sizeof(T) % 4 == 0, "rte_ring elements are multiples of 4 bytes");

 public:
  // Holds at least `capacity` messages.
  explicit SpscRing(std::size_t capacity) {
    const auto slots = static_cast<unsigned>(std::bit_ceil(capacity + 1));
    const auto bytes = rte_ring_get_memsize_elem(sizeof(T), slots);
    if (bytes < 0) throw std::bad_alloc();
    const std::size_t aligned = (static_cast<std::size_t>(bytes) + RTE_CACHE_LINE_SIZE - 1) & ~std::size_t{RTE_CACHE_LINE_SIZE - 1};
    memory_.reset(static_cast<rte_ring*>(std::aligned_alloc(RTE_CACHE_LINE_SIZE, aligned)));
    if (!memory_ || rte_ring_init(memory_.get(), "spsc", slots, RING_F_SP_ENQ | RING_F_SC_DEQ) != 0) throw std::bad_alloc();
  }

  [[nodiscard]] bool push(const T& message) noexcept {
    return rte_ring_sp_enqueue_elem(memory_.get(), const_cast<T*>(&message), sizeof(T)) == 0;
  }

  [[nodiscard]] bool pop(T& message) noexcept {
    return rte_ring_sc_dequeue_elem(memory_.get(), &message, sizeof(T)) == 0;
  }

  // Takes up to messages.size(); returns how many.
  [[nodiscard]] std::size_t pop(std::span<T> messages) noexcept {
    return rte_ring_sc_dequeue_burst_elem(memory_.get(), messages.data(), sizeof(T), static_cast<unsigned>(messages.size()),
                                          nullptr);
  }

  // A snapshot; exact only for the caller's own side.
  [[nodiscard]] std::size_t size() const noexcept { return rte_ring_count(memory_.get()); }

 private:
  struct Free {
    void operator()(rte_ring* ring) const noexcept { std::free(ring); }
  };
  std::unique_ptr<rte_ring, Free> memory_;
};

}  // namespace dwcp
