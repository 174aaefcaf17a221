// SPDX-License-Identifier: Apache-2.0
// Published<T>: the latest value of something one thread writes and one other thread reads, whole, without either waiting:
// three copies, one the writer's, one the reader's, one between them that changes hands by an atomic exchange.
//
//   writer:  published.back() = ...; published.publish();
//   reader:  const T& latest = published.latest();     valid until the next latest()
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

namespace dwcp {

template <typename T>
class Published {
 public:
  [[nodiscard]] T& back() noexcept { return copies_[back_].value; }
  void publish() noexcept { back_ = middle_.exchange(back_ | kFresh, std::memory_order_acq_rel) & kIndex; }

  [[nodiscard]] const T& latest() noexcept {
    if ((middle_.load(std::memory_order_relaxed) & kFresh) != 0) {
      front_ = middle_.exchange(front_, std::memory_order_acq_rel) & kIndex;
    }
    return copies_[front_].value;
  }

 private:
  static constexpr std::uint32_t kFresh = 4;
  static constexpr std::uint32_t kIndex = 3;
  struct alignas(64) Copy {
    T value{};
  };
  std::array<Copy, 3> copies_;
  alignas(64) std::uint32_t back_ = 0;
  alignas(64) std::uint32_t front_ = 1;
  alignas(64) std::atomic<std::uint32_t> middle_{2};
};

}  // namespace dwcp
