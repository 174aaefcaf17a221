// SPDX-License-Identifier: Apache-2.0
#include "dwcp-wan/delay_line.h"

#include <sys/mman.h>
#include <unistd.h>

#include <bit>
#include <cerrno>
#include <system_error>

namespace dwcp::wan {

DelayLine::DelayLine(std::size_t bytes) : bytes_(std::bit_ceil(bytes)) {
  const int fd = memfd_create("dwcp-wan-line", MFD_CLOEXEC);
  void* area = mmap(nullptr, 2 * bytes_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  bool ok = fd >= 0 && area != MAP_FAILED && ftruncate(fd, static_cast<off_t>(bytes_)) == 0;
  if (ok) {
    memory_ = static_cast<std::uint8_t*>(area);
    for (std::uint8_t* half : {memory_, memory_ + bytes_}) {
      constexpr int kFlags = MAP_SHARED | MAP_FIXED | MAP_POPULATE;
      ok = ok && mmap(half, bytes_, PROT_READ | PROT_WRITE, kFlags, fd, 0) != MAP_FAILED;
    }
  }
  const int error = errno;
  if (fd >= 0) close(fd);
  if (!ok) {
    if (area != MAP_FAILED) munmap(area, 2 * bytes_);
    throw std::system_error(error, std::generic_category(), "memory for the frames on their way");
  }
  lent_slots_.reserve(DueBatch::kFramesMax);
}

DelayLine::~DelayLine() {
  munmap(memory_, 2 * bytes_);
}

std::uint8_t* DelayLine::append(std::uint64_t due_ns, std::size_t length) noexcept {
  const std::size_t room = footprint(length);
  if (head_ - tail_ + room > bytes_) return nullptr;
  Record* entry = record(head_);
  *entry = {due_ns, length};
  head_ += room;
  return reinterpret_cast<std::uint8_t*>(entry + 1);
}

std::uint8_t* DelayLine::append_straggler(std::uint64_t due_ns, std::size_t length) {
  if (free_slots_.empty()) {
    free_slots_.push_back(static_cast<std::uint32_t>(slots_.size()));
    slots_.emplace_back();
  }
  const std::uint32_t slot = free_slots_.back();
  if (!stragglers_.push(due_ns, false, slot)) return nullptr;
  free_slots_.pop_back();
  slots_[slot].resize(length);
  return slots_[slot].data();
}

std::uint64_t DelayLine::next_due_ns() const noexcept {
  const std::uint64_t ring_ns = gathered_ == head_ ? kNever : record(gathered_)->due_ns;
  return std::min(ring_ns, stragglers_.next_due_ns());
}

std::size_t DelayLine::gather(std::uint64_t now_ns, DueBatch& batch) noexcept {
  std::size_t n = 0;
  while (n < DueBatch::kFramesMax) {
    const std::uint64_t due_ns = next_due_ns();
    if (due_ns > now_ns) break;
    if (stragglers_.next_due_ns() == due_ns) {
      const std::uint32_t slot = stragglers_.pop();
      lent_slots_.push_back(slot);
      batch.frames[n] = {slots_[slot].data(), slots_[slot].size()};
    } else {
      Record* entry = record(gathered_);
      batch.frames[n] = {entry + 1, entry->length};
      gathered_ += footprint(entry->length);
    }
    batch.due_ns[n++] = due_ns;
  }
  return n;
}

void DelayLine::release() noexcept {
  tail_ = gathered_;
  free_slots_.insert(free_slots_.end(), lent_slots_.begin(), lent_slots_.end());
  lent_slots_.clear();
}

}  // namespace dwcp::wan
