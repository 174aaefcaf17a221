// SPDX-License-Identifier: Apache-2.0
// IntervalSet<T, N>: a set of integers kept as at most N half-open intervals [begin, end), sorted, never touching.  Cost
// follows the number of holes, not of members; no allocation.  One owner.
//
// insert() of what extends the last interval is O(1); elsewhere O(log N) to find and O(N) to shift.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/assert.h"

namespace dwcp {

template <typename T, std::size_t N>
class IntervalSet {
 public:
  struct Interval {
    T begin;
    T end;
    friend bool operator==(const Interval&, const Interval&) = default;
  };

  enum class Inserted : std::uint8_t {
    kNothing,  // all of it was there already
    kSome,     // part or all of it is new
    kFull,     // it would need an interval more than N: nothing was changed
  };

  // Adds [begin, end), begin < end.  `added` is how many members are new.
  Inserted insert(T begin, T end, T& added) noexcept {
    DWCP_DCHECK(begin < end);
    added = 0;
    // first: the first interval that ends at or after begin, so the first that can touch.
    Interval* const all = intervals_.data();
    std::size_t first = size_;
    if (size_ != 0 && begin <= all[size_ - 1].end) {
      first = static_cast<std::size_t>(
          std::lower_bound(all, all + size_, begin, [](const Interval& i, T value) { return i.end < value; }) - all);
    }
    std::size_t last = first;  // one past the last interval that touches
    T covered = 0;
    while (last < size_ && all[last].begin <= end) {
      covered += std::min(all[last].end, end) > std::max(all[last].begin, begin)
                     ? static_cast<T>(std::min(all[last].end, end) - std::max(all[last].begin, begin))
                     : T{0};
      ++last;
    }
    added = static_cast<T>(end - begin - covered);
    if (added == 0) return Inserted::kNothing;
    if (first == last) {
      if (size_ == N) return added = 0, Inserted::kFull;
      std::copy_backward(all + first, all + size_, all + size_ + 1);
      all[first] = {begin, end};
      ++size_;
      return Inserted::kSome;
    }
    all[first] = {std::min(all[first].begin, begin), std::max(all[last - 1].end, end)};
    std::copy(all + last, all + size_, all + first + 1);
    size_ -= last - first - 1;
    return Inserted::kSome;
  }

  [[nodiscard]] bool contains(T value) const noexcept { return contains(value, static_cast<T>(value + 1)); }

  // True when every member of [begin, end) is in the set.
  [[nodiscard]] bool contains(T begin, T end) const noexcept {
    const Interval* const all = intervals_.data();
    const Interval* at = std::upper_bound(all, all + size_, begin, [](T value, const Interval& i) { return value < i.end; });
    return at != all + size_ && at->begin <= begin && end <= at->end;
  }

  // The first part of [begin, end) that is not in the set; empty (begin == end) when there is none.
  [[nodiscard]] Interval first_hole(T begin, T end) const noexcept {
    const Interval* const all = intervals_.data();
    const Interval* at = std::upper_bound(all, all + size_, begin, [](T value, const Interval& i) { return value < i.end; });
    if (at != all + size_ && at->begin <= begin) {
      begin = std::min(at->end, end);
      ++at;
    }
    if (at != all + size_ && at->begin < end) end = std::max(begin, at->begin);
    return {begin, end};
  }

  // Forgets all members below `value`.
  void erase_below(T value) noexcept {
    Interval* const all = intervals_.data();
    std::size_t keep = 0;
    while (keep < size_ && all[keep].end <= value) ++keep;
    std::copy(all + keep, all + size_, all);
    size_ -= keep;
    if (size_ != 0 && all[0].begin < value) all[0].begin = value;
  }

  // Forgets the lowest interval.
  void pop_front() noexcept {
    DWCP_DCHECK(size_ != 0);
    std::copy(intervals_.data() + 1, intervals_.data() + size_, intervals_.data());
    --size_;
  }

  void clear() noexcept { size_ = 0; }
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  [[nodiscard]] bool full() const noexcept { return size_ == N; }
  [[nodiscard]] std::span<const Interval> intervals() const noexcept { return {intervals_.data(), size_}; }

 private:
  std::size_t size_ = 0;
  std::array<Interval, N> intervals_;  // [0, size_) valid
};

}  // namespace dwcp
