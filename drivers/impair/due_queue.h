// SPDX-License-Identifier: Apache-2.0
// Things on their way, ordered by when they arrive: the delay line of a carrier.  What a LinkModel calls in_order lives
// in a ring, O(1) per item at any depth; the few stragglers live in a heap.  Equal times leave in the order of push().
// One owner thread.  Holds at most `limit` items; the ring grows to what is used and stays.
//
// Use:  if (!q.push(verdict.deliver_ns, verdict.in_order, item)) drop it;   ...   while (q.next_due_ns() <= now)
// q.pop();
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "base/assert.h"
#include "base/time.h"

namespace dwcp {

template <typename Item>
class DueQueue {
 public:
  explicit DueQueue(std::size_t limit) : limit_(limit), ring_(kRingMin) {}

  [[nodiscard]] bool push(std::uint64_t due_ns, bool in_order, Item item) {
    if (size() >= limit_) return false;
    const Entry entry{due_ns, sequence_++, std::move(item)};
    if (!in_order) {
      heap_.push_back(entry);
      std::push_heap(heap_.begin(), heap_.end(), later);
      return true;
    }
    if (count_ == ring_.size()) grow();
    DWCP_DCHECK(count_ == 0 || ring_[index(count_ - 1)].due_ns <= due_ns);
    ring_[index(count_++)] = entry;
    return true;
  }

  // kNever when empty.
  [[nodiscard]] std::uint64_t next_due_ns() const noexcept {
    const std::uint64_t ring_due_ns = count_ == 0 ? kNever : ring_[head_].due_ns;
    return heap_.empty() ? ring_due_ns : std::min(ring_due_ns, heap_.front().due_ns);
  }

  // Takes the item of next_due_ns().  Not to be called when empty.
  Item pop() noexcept {
    if (heap_.empty() || (count_ != 0 && later(heap_.front(), ring_[head_]))) {
      Item item = std::move(ring_[head_].item);
      head_ = index(1);
      --count_;
      return item;
    }
    std::pop_heap(heap_.begin(), heap_.end(), later);
    Item item = std::move(heap_.back().item);
    heap_.pop_back();
    return item;
  }

  [[nodiscard]] std::size_t size() const noexcept { return count_ + heap_.size(); }

 private:
  static constexpr std::size_t kRingMin = 64;

  struct Entry {
    std::uint64_t due_ns = 0;
    std::uint64_t sequence = 0;
    Item item{};
  };

  static bool later(const Entry& a, const Entry& b) noexcept {
    return a.due_ns != b.due_ns ? a.due_ns > b.due_ns : a.sequence > b.sequence;
  }

  [[nodiscard]] std::size_t index(std::size_t offset) const noexcept { return (head_ + offset) & (ring_.size() - 1); }

  void grow() {
    std::vector<Entry> larger(ring_.size() * 2);
    for (std::size_t i = 0; i < count_; ++i) larger[i] = std::move(ring_[index(i)]);
    ring_ = std::move(larger);
    head_ = 0;
  }

  std::size_t limit_;
  std::vector<Entry> ring_;  // a power of two long
  std::size_t head_ = 0;
  std::size_t count_ = 0;
  std::vector<Entry> heap_;
  std::uint64_t sequence_ = 0;
};

}  // namespace dwcp
