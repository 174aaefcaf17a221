// SPDX-License-Identifier: Apache-2.0
// Where the Host writes its frames: empty buffers the caller reserved from the port.  One owner.
//
// Use:
//   n = queue.reserve(buffers);
//   TxBatch out(buffers.first(n));
//   host.poll(now, out);
//   taken = queue.send(buffers.first(out.size()));   queue.cancel(buffers.subspan(out.size(), n - out.size()));
#pragma once

#include <cstddef>
#include <span>

#include "drivers/port.h"

namespace dwcp::inet {

class TxBatch {
 public:
  explicit TxBatch(std::span<TxPacket> buffers) noexcept : buffers_(buffers) {}

  // The next empty buffer, null when all are taken; it counts as written once taken() is called.
  [[nodiscard]] TxPacket* slot() noexcept { return used_ < buffers_.size() ? &buffers_[used_] : nullptr; }
  void taken() noexcept { ++used_; }
  [[nodiscard]] std::size_t size() const noexcept { return used_; }

 private:
  std::span<TxPacket> buffers_;
  std::size_t used_ = 0;
};

}  // namespace dwcp::inet
